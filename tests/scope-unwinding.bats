#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Scopes of the program's own that are left without a return: by an exception, by the end of the thread,
# by longjmp.

load helpers

@test "an exception ends the scope, and what comes behind is at top level" {
	uvhooks_events s19_throw to_caller
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2 unwound
		init 3 Behind t1
		destroy 3
		before 2
		after 2
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "an exception that stays within the scope changes nothing" {
	uvhooks_events s19_throw inside
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2
		destroy 2
	EOF
}

@test "a scope that catches what left an inner one goes on" {
	uvhooks_events s19_throw to_outer_scope
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Inner t1
		before 2
		before 3
		after 3 unwound
		init 4 InOuter t2
		after 2
		destroy 4
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "an exception through two scopes ends the inner one first" {
	uvhooks_events s19_throw through_two
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Inner t1
		before 2
		before 3
		after 3 unwound
		after 2 unwound
		destroy 3
		destroy 2
	EOF
}

@test "an exception through a scope and the callback around it, out of uv_run" {
	uvhooks_events s19_throw through_callback
	expect_trace node <<-EOF
		init 2 Job t1
		init 3 TIMERWRAP t1
		before 3
		before 2
		after 2 unwound
		after 3 unwound
		init 4 Behind t1
		destroy 4
		destroy 2
		destroy 3
	EOF
	check_events --ended "$LOG"
}

@test "what was ended in a scope that an exception left is destroyed, once" {
	uvhooks_events s19_throw ends_and_throws
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2 unwound
		destroy 2
	EOF
}

@test "an exception through a bound function" {
	uvhooks_events s19_throw bound
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2 unwound
		destroy 2
	EOF
}

@test "an exception out of a walk over the resources leaves the thread as it was" {
	runs_the_same "$PROGRAMS/s19_throw" walk
	uvhooks_events s19_throw walk
	expect_trace node <<-EOF
		init 2 Sought t1
		init 3 Job t1
		destroy 3
		destroy 2
	EOF
}

@test "an exception that nobody catches ends the process where it was thrown, as without the shim" {
	ulimit -c 0
	runs_the_same "$PROGRAMS/s19_throw" uncaught
	[ "$(cat "$LOGS/bare.status")" = 134 ]
	EXPECTED_STATUS=134 uvhooks_events s19_throw uncaught
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
	EOF
}

@test "pthread_exit in a scope ends it, then the thread" {
	uvhooks_events s19_thread_end exit_in_thread
	expect_trace node <<-EOF
		init 2 Job t1
		init 3 UVTHREAD t1
		before 3
		before 2
		after 2 unwound
		after 3 unwound
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "pthread_exit and cancellation in a thread that libuv knows nothing of" {
	for scene in exit_in_plain_thread cancel exit_in_trigger_scope; do
		uvhooks_events s19_thread_end "$scene"
		expect_trace node <<-EOF
			init 2 Job t1
			before 2
			after 2 unwound
			destroy 2
		EOF
		check_events --ended "$LOG"
	done
}

@test "a longjmp out of a scope is noticed when the next one is entered" {
	uvhooks_events s19_longjmp to_caller
	expect_trace node <<-EOF
		init 2 Other t1
		init 3 Job t1
		before 3
		after 3 unwound
		before 2
		after 2
		init 4 Behind t1
		destroy 4
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "a longjmp to an outer scope leaves that one open" {
	uvhooks_events s19_longjmp to_outer_scope
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Inner t1
		before 2
		before 3
		after 3 unwound
		before 3
		after 3
		after 2
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "a longjmp through a scope and the callback around it ends both, the inner one first" {
	uvhooks_events s19_longjmp through_callback
	expect_trace before after <<-EOF
		before 3
		before 2
		after 2 unwound
		after 3 unwound
		before 3 closing
		after 3 closing
	EOF
	check_events --ended "$LOG"
}

@test "only longjmp is counted as a loss" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	for program in s19_throw s19_thread_end; do
		uvhooks_events "$program"
		[ "$(awk '$2 != 0' "$UVHOOKS_TEST_COUNTERS")" = "" ]
	done
	uvhooks_events s19_longjmp
	[ "$(awk '$2 != 0' "$UVHOOKS_TEST_COUNTERS")" = "unwound_by_longjmp 4" ]
}
