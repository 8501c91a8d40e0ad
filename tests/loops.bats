#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Loops: entering and leaving them, closing them, walking them.

load helpers

@test "every uv_run is entered and left, in each mode" {
	uvhooks_events loops modes
	expect_trace loop_enter loop_exit before <<-EOF
		loop_enter 0
		before 2
		before 2
		before 2
		loop_exit 0
		loop_enter 0
		before 2
		loop_exit 0
		loop_enter 0
		before 2
		loop_exit 0
		loop_enter 0
		loop_exit 0
		loop_enter 0
		loop_exit 0
	EOF
}

@test "a uv_loop_close that is refused ends nothing" {
	uvhooks_events loops busy
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "a loop of uv_loop_new lives until uv_loop_delete" {
	uvhooks_events loops new_and_delete
	check_events --ended "$LOG"
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "a loop may be made again where one was" {
	uvhooks_events loops again
	check_events --ended "$LOG"
	[ "$(count_of init TIMERWRAP)" = 3 ]
}

@test "uv_walk sees the program's handles only, and its callback may close them" {
	uvhooks_events loops walk
	[ "$output" = $'scene walk\n4 handles\n0 handles' ]
	expect_trace before destroy <<-EOF
		before 5 closing
		destroy 5
		before 4 closing
		destroy 4
		before 3 closing
		destroy 3
		before 2 closing
		destroy 2
	EOF
}

@test "an exception leaves uv_run as well" {
	uvhooks_events h9_throw to_main
	expect_trace loop_enter loop_exit <<-EOF
		loop_enter 0
		loop_exit 0 unwound
		loop_enter 0
		loop_exit 0
	EOF
}

@test "events name the loop by its id space" {
	uvhooks_events loops two_in_main
	[ "$(jq -r 'select(.id | startswith("1:")) | .loop' "$LOG" | sort -u)" = 1 ]
	[ "$(jq -r 'select(.id | contains(":") | not) | .loop' "$LOG" | sort -u)" = 0 ]
}
