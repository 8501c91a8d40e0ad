#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How resources stand, what keeps a loop from being closed, and the events that a log leaves out: a
# plugin is told of them, however libuv came into the program.

load helpers

setup() {
	REPORT=$BATS_TEST_TMPDIR/report
	TELL=$UVHOOKS_BUILD/tests/plugins/tell.so
}

# told OPTIONS PROGRAM...: runs it with the plugin; then its report is the output, without ports.
told() {
	local options=$1
	shift
	with_shim UVHOOKS_STRICT=1 UVHOOKS_PLUGINS="$TELL:file=$REPORT$options" "$@" \
		>"$BATS_TEST_TMPDIR/stdout"
	run cat "$REPORT"
	output=$(sed 's/127\.0\.0\.1:[0-9]\{2,\}/127.0.0.1:PORT/g' "$REPORT")
}

expect() {
	diff -u --label expected --label seen - <(printf '%s\n' "$output")
}

@test "of timers: when they are due, and whether they keep the loop alive" {
	told '' "$PROGRAMS/states" timers
	expect <<-END
		unref 3 TIMERWRAP on the main thread
		unref 4 TIMERWRAP on the main thread
		ref 4 TIMERWRAP on the main thread
		loop_busy 0 NONE on the main thread
		state 2 TIMERWRAP: active ref due every5s ''
		state 3 TIMERWRAP: active due ''
		state 4 TIMERWRAP: ref ''
	END
}

@test "of what watches: the signal, the descriptor, the path" {
	told '' "$PROGRAMS/states" watchers
	expect <<-END
		loop_busy 0 NONE on the main thread
		state 2 SIGNALWRAP: active ref number ''
		state 3 POLLWRAP: active ref fd ''
		state 4 FSEVENTWRAP: active ref '/etc'
		state 5 STATWATCHER: active ref '/etc/passwd'
	END
}

@test "of sockets: their addresses, and whether they listen or are read" {
	told '' "$PROGRAMS/states" sockets
	expect <<-END
		loop_busy 0 NONE on the main thread
		state 2 TCPSERVERWRAP: active ref reading fd '127.0.0.1:PORT'
		state 3 UDPWRAP: ref fd '127.0.0.1:PORT'
		state 4 TCPWRAP: ref fd '127.0.0.1:PORT - 127.0.0.1:PORT'
		state 6 TCPWRAP: ref fd '127.0.0.1:PORT - 127.0.0.1:PORT'
	END
}

@test "of a child: its pid, and its program even when the call is over" {
	told '' "$PROGRAMS/states" process
	expect <<-END
		loop_busy 0 NONE on the main thread
		state 2 PROCESSWRAP: active ref number '/usr/bin/sleep'
	END
}

@test "while they are made: what requests are to do, to whom they connect, what is spawned" {
	told ',state=init' "$PROGRAMS/states" sockets process requests
	grep -x "state 5 TCPCONNECTWRAP: active ref '127.0.0.1:PORT'" <<<"$output"
	grep -x "state 1:2 PROCESSWRAP: active ref number '/bin/sleep'" <<<"$output"
	grep -x "state 2:2 FSREQCALLBACK: active ref '/etc/passwd'" <<<"$output"
	grep -x "state 2:3 GETADDRINFOREQWRAP: active ref '127.0.0.1:PORT'" <<<"$output"
}

@test "libuv's own work ends on a pool thread, and a call without a callback where it was made" {
	told '' "$PROGRAMS/states" requests
	# Two threads of the pool have no order.
	output=$(sort <<<"$output")
	expect <<-END
		fs_call 1 FSREQCALLBACK stat on the main thread
		pool_end 2 FSREQCALLBACK stat elsewhere
		pool_end 3 GETADDRINFOREQWRAP elsewhere
	END
}

@test "the same where libuv is inside of the program, and where it comes late" {
	told '' node -e 'require("fs").stat("/etc/passwd", () => {}); require("fs").statSync("/etc/passwd")'
	grep -E '^pool_end [0-9:]+ FSREQCALLBACK stat elsewhere$' <<<"$output"
	rm "$REPORT"
	told '' "$PYTHON" -c 'import asyncio, uvloop
uvloop.new_event_loop().run_until_complete(asyncio.sleep(0))
async def look_up(): await asyncio.get_running_loop().getaddrinfo("127.0.0.1", "80")
uvloop.new_event_loop().run_until_complete(look_up())'
	grep -E '^pool_end [0-9:]+ GETADDRINFOREQWRAP elsewhere$' <<<"$output"
}

@test "memory that the program has freed is not looked into" {
	local trace=$BATS_TEST_TMPDIR/trace
	with_shim UVHOOKS_PLUGINS="recorder:dir=$trace,details=1" valgrind -q --error-exitcode=9 \
		"$PROGRAMS/states" freed
	# The timer's memory is not its own any more; the resource is told, its state is not.
	[ "$(babeltrace2 "$trace" | grep -c ' resource: ')" -ge 1 ]
	[ "$(babeltrace2 "$trace" | grep -c ' state: ')" = 0 ]
}

@test "the recorder keeps how things stand when they are armed, when a loop is busy and at the end" {
	local trace=$BATS_TEST_TMPDIR/trace
	with_shim UVHOOKS_PLUGINS="recorder:dir=$trace,details=1" "$PROGRAMS/states" watchers
	run -0 babeltrace2 --no-delta "$trace"
	# Four starts, four at the busy loop; at the end nothing is left.
	[ "$(grep -c ' state: ' <<<"$output")" = 8 ]
	[ "$(grep -c ' loop_busy: ' <<<"$output")" = 1 ]
	[ "$(grep -c ' resource: ' <<<"$output")" = 4 ]
}

@test "a log has the rarer events where it is asked for them" {
	LOG_OPTIONS=events=fs_call+pool_end+unref+loop_busy+node uvhooks_events states timers requests
	[ "$(count_of fs_call FSREQCALLBACK)" = 1 ]
	[ "$(count_of pool_end GETADDRINFOREQWRAP)" = 1 ]
	[ "$(count_of unref TIMERWRAP)" = 2 ]
	[ "$(count_of loop_busy NONE)" = 1 ]
	jq -e 'select(.event == "fs_call") | .duration_ns > 0 and .call == "stat"' "$LOG"
	unset LOG_OPTIONS
	uvhooks_events states timers requests
	[ "$(count_of fs_call FSREQCALLBACK)" = 0 ]
	[ "$(count_of unref TIMERWRAP)" = 0 ]
}

@test "one plugin takes stacks, each event of making and arming has the number, and others annotate" {
	told ',source=1' "$PROGRAMS/states" timers
	[ "$(head -5 <<<"$output")" = "no source: 0 -2
annotators: -22 0 0
sources: -22 0 -17
annotated by says_more line 12 of 4
here: 1 -2 -2" ]
	grep -x 'stack 2 init TIMERWRAP' <<<"$output"
	grep -x 'stack 3 start TIMERWRAP' <<<"$output"
	grep -x 'stack 6 init TIMERWRAP' <<<"$output"
}

@test "nothing is said of what lay on the stack of a function that has returned" {
	runs_the_same "$PROGRAMS/left_on_stack"
}
