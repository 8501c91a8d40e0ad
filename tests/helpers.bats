#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The helpers that the other files lean on, above all that they fail when they should.

load helpers

# A log that no program wrote.
setup() {
	LOG=$BATS_TEST_TMPDIR/made.json
	cat >"$LOG" <<-'EOF'
		{"event":"init","id":"2","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"1","execution":"1","loop":0,"thread":1,"time_ns":1,"call":"stat"}
		{"event":"init","id":"3","type":"WRITEWRAP","uv_type":"uv_write_t","trigger":"7","execution":"1","loop":0,"thread":1,"time_ns":2}
		{"event":"wakeup","id":"4","type":"ASYNCWRAP","uv_type":"uv_async_t","trigger":"1","execution":"0","loop":0,"thread":1,"time_ns":3,"sender":"1:9"}
		{"event":"link","id":"5","type":"TCPSERVERWRAP","uv_type":"uv_tcp_t","trigger":"1","execution":"5","loop":0,"thread":1,"time_ns":4,"other":"6"}
		{"event":"type_change","id":"5","type":"TCPSERVERWRAP","uv_type":"uv_tcp_t","trigger":"1","execution":"1","loop":0,"thread":1,"time_ns":5}
		{"event":"start","id":"5","type":"TCPSERVERWRAP","uv_type":"uv_tcp_t","trigger":"1","execution":"1","loop":0,"thread":1,"time_ns":6}
		{"event":"after","id":"2","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"1","execution":"2","loop":0,"thread":1,"time_ns":7,"call":"stat","flags":["unwound","closing"]}
	EOF
}

made_trace() {
	cat <<-EOF
		init 2 FSREQCALLBACK t1 stat
		init 3 WRITEWRAP t7 e1
		wakeup 4 from 1:9
		link 5->6
		type_change 5 TCPSERVERWRAP
		start 5 e1
		after 2 unwound closing
	EOF
}

@test "a trace has one line for each event" {
	made_trace | expect_trace all
}

@test "a trace has only the kinds that were asked for" {
	expect_trace node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		init 3 WRITEWRAP t7 e1
		after 2 unwound closing
	EOF
	expect_trace wakeup link <<-EOF
		wakeup 4 from 1:9
		link 5->6
	EOF
	expect_trace destroy </dev/null
}

@test "a trace can be that of one resource" {
	expect_trace_of 5 all <<-EOF
		link 5->6
		type_change 5 TCPSERVERWRAP
		start 5 e1
	EOF
}

@test "id_of finds the resources of a type in their order" {
	[ "$(id_of WRITEWRAP)" = 3 ]
	[ "$(id_of WRITEWRAP 2)" = "" ]
}

@test "a trace with another id fails" {
	made_trace | sed 's/type_change 5/type_change 6/' >"$BATS_TEST_TMPDIR/other"
	run -1 expect_trace all <"$BATS_TEST_TMPDIR/other"
	[[ $output = *"-type_change 6"* ]]
	[[ $output = *"+type_change 5"* ]]
}

@test "a trace that lacks a line fails" {
	made_trace | sed 1d >"$BATS_TEST_TMPDIR/other"
	run -1 expect_trace all <"$BATS_TEST_TMPDIR/other"
}

@test "a trace with a line too many fails" {
	{ made_trace; echo "destroy 2"; } >"$BATS_TEST_TMPDIR/other"
	run -1 expect_trace all <"$BATS_TEST_TMPDIR/other"
}

@test "a trace in another order fails" {
	made_trace | sort -r >"$BATS_TEST_TMPDIR/other"
	run -1 expect_trace all <"$BATS_TEST_TMPDIR/other"
}

@test "a trace without a flag fails" {
	made_trace | sed 's/ closing//' >"$BATS_TEST_TMPDIR/other"
	run -1 expect_trace all <"$BATS_TEST_TMPDIR/other"
}

@test "a trace that expects nothing fails where there is something" {
	run -1 expect_trace all </dev/null
}

@test "uvhooks_events leaves the log of the program" {
	uvhooks_events h2_fs stat
	expect_trace init destroy <<-EOF
		init 2 FSREQCALLBACK t1 stat
		destroy 2
	EOF
	[ "$output" = $'scene stat\nstat done' ]
}

@test "uvhooks_events fails when the program does" {
	run -1 uvhooks_events h2_fs no-such-scene
	[[ $output = *"ended with 2"* ]]
}

@test "uvhooks_events takes the status that is expected" {
	EXPECTED_STATUS=3 uvhooks_events ends exit
	EXPECTED_STATUS=4 run -1 uvhooks_events ends exit
}

@test "runs_the_same passes a program that does not look at its environment" {
	runs_the_same echo same
	runs_the_same false
}

@test "runs_the_same sees a difference in stdout" {
	# shellcheck disable=SC2016 # for the inner shell
	run -1 runs_the_same sh -c 'echo "$LD_PRELOAD"'
	[[ $output = *"with_shim in its stdout"* ]]
	[[ $output = *"with_log in its stdout"* ]]
}

@test "runs_the_same sees a difference in stderr" {
	# shellcheck disable=SC2016 # for the inner shell
	run -1 runs_the_same sh -c 'echo "$UVHOOKS_PLUGINS" >&2'
	[[ $output != *"with_shim in its"* ]]
	[[ $output = *"with_log in its stderr"* ]]
}

@test "runs_the_same sees a difference in the status" {
	# shellcheck disable=SC2016 # for the inner shell
	run -1 runs_the_same sh -c 'test -z "$LD_PRELOAD"'
	[[ $output = *"with_shim in its status"* ]]
}
