#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2034
# Callbacks that are left without returning, beyond the canonical traces; small and switched stacks.

load helpers

counter() {
	awk -v name="$1" '$1 == name { print $2 }' "$BATS_TEST_TMPDIR/counters"
}

@test "callbacks that a longjmp left are counted, those of an exception are not lost" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	uvhooks_events h9_longjmp through_two
	[ "$(counter unwound_by_longjmp)" = 2 ]
	[ "$(counter foreign_leaves)" = 0 ]
	uvhooks_events h9_throw through_two
	[ "$(counter unwound_by_longjmp)" = 0 ]
	[ "$(counter foreign_leaves)" = 0 ]
}

@test "after a longjmp the stack is empty again: destroys come" {
	uvhooks_events h9_longjmp
	check_events --ended "$LOG"
	uvhooks_events h9_throw
	check_events --ended "$LOG"
}

@test "with UVHOOKS_LONGJMP=0 a callback that waits on another stack is not taken for left" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	LOGS=$BATS_TEST_TMPDIR
	with_log UVHOOKS_LONGJMP=0 "$PROGRAMS/stacks" switched_in_callback
	LOG=$(echo "$BATS_TEST_TMPDIR"/*.json)
	[ "$(counter unwound_by_longjmp)" = 0 ]
	[ "$(events before after | grep -c unwound)" = 0 ]
	expect_trace_of 2 before after <<-EOF
		before 2
		after 2
		before 2 closing
		after 2 closing
	EOF
	[ "$(events destroy | sort)" = $'destroy 2\ndestroy 3' ]
}

@test "a coroutine that ends within its callback needs no option" {
	LOGS=$BATS_TEST_TMPDIR
	with_log UVHOOKS_LONGJMP=0 "$PROGRAMS/stacks" entered_from_callback
	LOG=$(echo "$BATS_TEST_TMPDIR"/*.json)
	check_events --ended "$LOG"
	[ "$(events before after | grep -c unwound)" = 0 ]
}

@test "callbacks run on a stack of 64 KiB" {
	uvhooks_events stacks small
	check_events --ended "$LOG"
	[ "$output" = $'scene small\nfired 3 times' ]
}
