#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Async ids and types: which numbers resources get, and both names of what they are.

load helpers

@test "every kind of handle has its type, and ids count from 2" {
	uvhooks_events every_type handles
	expect_trace init type_change <<-EOF
		init 2 TIMERWRAP t1
		init 3 IDLEWRAP t1
		init 4 PREPAREWRAP t1
		init 5 CHECKWRAP t1
		init 6 ASYNCWRAP t1
		init 7 POLLWRAP t1
		init 8 POLLWRAP t1
		init 9 SIGNALWRAP t1
		init 10 TCPWRAP t1
		init 11 TCPWRAP t1
		init 12 TCPWRAP t1
		type_change 12 TCPSERVERWRAP
		init 13 PIPEWRAP t1
		init 14 PIPEWRAP t1
		type_change 14 PIPESERVERWRAP
		init 15 TTYWRAP t1
		init 16 UDPWRAP t1
		init 17 UDPWRAP t1
		init 18 FSEVENTWRAP t1
		init 19 STATWATCHER t1
	EOF
	check_events --ended "$LOG"
}

@test "every kind of request has its type" {
	uvhooks_events every_type streams
	expect_trace init <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		init 4 PIPEWRAP t1
		init 5 PIPECONNECTWRAP t4 e1
		init 6 PIPEWRAP t1
		init 7 PIPEWRAP t1
		init 8 WRITEWRAP t6 e1
		init 9 SHUTDOWNWRAP t6 e1
		init 10 UDPWRAP t1
		init 11 UDPSENDWRAP t10 e1
	EOF
	check_events --ended "$LOG"
	uvhooks_events every_type others
	expect_trace init <<-EOF
		init 2 FSREQCALLBACK t1 stat
		init 3 GETADDRINFOREQWRAP t1
		init 4 GETNAMEINFOREQWRAP t1
		init 5 RANDOMREQ t1
		init 6 WORKREQ t1
		init 7 UVTHREAD t1
	EOF
	check_events --ended "$LOG"
}

@test "every type of types.h is one that a program can have" {
	uvhooks_events every_type
	sed -n 's/^\tXX(\([A-Z]*\), "uv_.*/\1/p' "$BATS_TEST_DIRNAME/../include/uvhooks/types.h" |
		sort >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" -ge 27 ]
	diff "$BATS_TEST_TMPDIR/known" <(jq -r .type "$LOG" | grep -v NONE | sort -u)
}

@test "each type goes with libuv's name for it" {
	uvhooks_events every_type
	sed -n 's/^\tXX(\([A-Z]*\), "\(uv_[a-z_]*\)".*/\1 \2/p' \
		"$BATS_TEST_DIRNAME/../include/uvhooks/types.h" | sort >"$BATS_TEST_TMPDIR/known"
	diff "$BATS_TEST_TMPDIR/known" \
		<(jq -r '"\(.type) \(.uv_type)"' "$LOG" | grep -v NONE | sort -u)
}

@test "a second loop of the main thread has an id space of its own" {
	uvhooks_events loops two_in_main
	expect_trace init before <<-EOF
		init 2 TIMERWRAP t1
		before 2
		before 2 closing
		init 1:2 TIMERWRAP t1
		before 1:2
		before 1:2 closing
		init 3 TIMERWRAP t1
		before 3
		before 3 closing
	EOF
	check_events --ended "$LOG"
}

@test "a loop in which nothing happens does not keep the small ids from the one that is used" {
	uvhooks_events loops unused_first
	expect_trace init <<<"init 2 TIMERWRAP t1"
}

@test "loops in threads have id spaces of their own, and each counts from 2" {
	uvhooks_events loops in_threads
	check_events --ended "$LOG"
	jq -r 'select(.event == "init" and .type == "TIMERWRAP") | .loop' "$LOG" | sort | uniq -c >"$BATS_TEST_TMPDIR/spaces"
	diff - "$BATS_TEST_TMPDIR/spaces" <<-EOF
		     25 1
		     25 2
		     25 3
		     25 4
	EOF
	for space in 1 2 3 4; do
		seq -f "$space:%.0f" 2 26 >"$BATS_TEST_TMPDIR/ids"
		diff "$BATS_TEST_TMPDIR/ids" <(jq -r --argjson space "$space" \
			'select(.event == "init" and .type == "TIMERWRAP" and .loop == $space) | .id' "$LOG")
	done
}

@test "a loop that runs in another thread keeps its id space" {
	uvhooks_events loops run_elsewhere
	check_events --ended "$LOG"
	[ "$(count_of destroy TIMERWRAP)" = 2 ]
	uvhooks_events loops first_elsewhere
	check_events --ended "$LOG"
	[ "$(count_of destroy TIMERWRAP)" = 200 ]
	[ "$(count_of destroy UVTHREAD)" = 501 ]
}

@test "the first loop of the process shares the id space of main's top level" {
	uvhooks_events h1_timer once
	[ "$(jq -r 'select(.event == "init") | .loop' "$LOG")" = 0 ]
	[ "$(jq -r 'select(.event == "loop_enter") | .id' "$LOG" | sort -u)" = 0 ]
}
