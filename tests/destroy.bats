#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# When a resource ends: destroy comes once, with nothing on the stack, also where memory is used again.

load helpers

@test "destroy waits until no callback is on the stack" {
	uvhooks_events nested_run inside
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3
		before 3 closing
		after 3 closing
		after 2
		destroy 3
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "destroys come in the order of the ends" {
	uvhooks_events nested_run request_inside
	expect_trace node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		before 2
		init 3 FSREQCALLBACK t2 stat
		before 3
		after 3
		after 2
		destroy 3
		destroy 2
	EOF
}

@test "when too many destroys wait, they come although a callback runs, and say so" {
	uvhooks_events nested_run many_ends
	check_events --ended "$LOG"
	[ "$(count_of destroy TIMERWRAP)" = 20001 ]
	forced=$(jq -r 'select(.event == "destroy" and .flags == ["forced"]) | .id' "$LOG" | wc -l)
	[ "$forced" -ge 16384 ]
	[ "$(jq -r 'select(.event == "destroy" and .id == "2") | .flags' "$LOG")" = null ]
}

@test "a handle may be made in the memory of one whose close callback runs" {
	for scene in in_close in_close_wiped; do
		uvhooks_events address_reuse "$scene"
		expect_trace node <<-EOF
			init 2 IDLEWRAP t1
			before 2 closing
			init 3 TIMERWRAP t2
			after 2 closing
			destroy 2
			before 3
			after 3
			destroy 3
		EOF
	done
}

@test "a handle in the memory of one that was never closed ends that one" {
	uvhooks_events address_reuse live
	expect_trace node <<-EOF
		init 1:2 TIMERWRAP t1
		destroy 1:2 reused
		init 2 TIMERWRAP t1
		before 2
		after 2
		destroy 2
	EOF
	uvhooks_events address_reuse live_other_type
	expect_trace node <<-EOF
		init 1:2 TIMERWRAP t1
		destroy 1:2 reused
		init 2 TCPWRAP t1
		destroy 2
	EOF
}

@test "a handle in wiped memory is not taken for the one that was never closed there" {
	uvhooks_events address_reuse live_wiped
	expect_trace node <<-EOF
		init 1:2 TIMERWRAP t1
		init 2 TIMERWRAP t1
		before 2
		after 2
		destroy 2
	EOF
}

@test "a request may follow a handle in the same memory" {
	uvhooks_events address_reuse handle_then_request
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		destroy 2
		init 3 FSREQCALLBACK t1 stat
		before 3
		after 3
		destroy 3
	EOF
}

@test "memory that was copied from a live handle is another handle" {
	uvhooks_events address_reuse copied
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		init 3 TIMERWRAP t1
		before 3
		after 3
		destroy 3
		init 4 IDLEWRAP t1
		destroy 2
		destroy 4
	EOF
}

@test "a loop in the memory of another ends all that was left there" {
	uvhooks_events address_reuse loop_again
	check_events --ended "$LOG"
	expect_trace_of 1:2 node <<-EOF
		init 1:2 TIMERWRAP t1
		destroy 1:2 loop_closed
	EOF
	[ "$(count_of init TIMERWRAP)" = 2 ]
	[ "$(count_of destroy TIMERWRAP)" = 2 ]
	[ "$(events init destroy | sed -n 2p)" = "destroy 1:2 loop_closed" ]
}

@test "a handle of a second loop ends although its loop is closed by then" {
	uvhooks_events nested_run other_loop
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 1:2 TIMERWRAP t2
		before 1:2
		after 1:2
		before 1:2 closing
		after 1:2 closing
		after 2
		destroy 1:2
		before 2 closing
		after 2 closing
		destroy 2
	EOF
	check_events --ended "$LOG"
}
