#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uv_run in a callback, and callbacks in callbacks.

load helpers

@test "a handle may close while its own callback runs, and ends after it" {
	uvhooks_events nested_run close_inside
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		before 2 closing
		after 2 closing
		after 2
		destroy 2
	EOF
}

@test "a handle may fire in its own callback" {
	uvhooks_events nested_run itself
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		before 2
		before 2
		after 2
		before 2 closing
		after 2 closing
		after 2
		after 2
		destroy 2
	EOF
}

@test "each uv_run is entered and left" {
	uvhooks_events nested_run inside
	expect_trace loop_enter loop_exit before after <<-EOF
		loop_enter 0
		before 2
		loop_enter 0
		before 3
		after 3
		before 3 closing
		after 3 closing
		loop_exit 0
		after 2
		before 2 closing
		after 2 closing
		loop_exit 0
	EOF
}

@test "callbacks nest as deep as they like" {
	uvhooks_events nested_run deeply
	check_events --ended "$LOG"
	[ "$(events before | wc -l)" = 150 ]
	events before after | sed -n '1,150p' | sort -u -t' ' -k1,1 >"$BATS_TEST_TMPDIR/first"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/first")" = before ]
	[ "$(events_of 151 init)" = "init 151 TIMERWRAP t150" ]
	[ "$(events destroy | head -1)" = "destroy 151" ]
}

@test "a callback may run another loop" {
	uvhooks_events nested_run other_loop
	expect_trace loop_enter loop_exit before after <<-EOF
		loop_enter 0
		before 2
		loop_enter 1:0
		before 1:2
		after 1:2
		before 1:2 closing
		after 1:2 closing
		loop_exit 1:0
		after 2
		before 2 closing
		after 2 closing
		loop_exit 0
	EOF
}
