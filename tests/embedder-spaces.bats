#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The ids of the program's own resources: each loop has its space, and each thread without one.

load helpers

@test "what a callback makes has an id of its loop, what main makes one of the first" {
	uvhooks_events s02_spaces two_loops
	expect_trace init <<-EOF
		init 2 AtTopLevel t1
		init 3 TIMERWRAP t1
		init 4 InFirst t3
		init 1:2 TIMERWRAP t1
		init 1:3 InSecond t1:2
		init 5 AtTopLevel t1
	EOF
	check_events --ended "$LOG"
}

@test "a thread without a loop has a space of its own" {
	uvhooks_events s02_spaces plain_thread
	expect_trace node <<-EOF
		init 1:2 InThread t1:1
		destroy 1:2
		init 1:3 InThread t1:1
		destroy 1:3
	EOF
	check_events --ended "$LOG"
}

@test "what a thread of libuv makes at its top level is triggered by the thread, and that by its creator" {
	uvhooks_events s02_spaces uv_threads
	expect_trace init <<-EOF
		init 2 TIMERWRAP t1
		init 3 UVTHREAD t2
		init 1:2 InThread t3
	EOF
	check_events --ended "$LOG"
}

@test "a thread's space is not that of the loop that it runs" {
	uvhooks_events s02_spaces thread_and_loop
	check_events --ended "$LOG"
	expect_trace init <<-EOF
		init 2 UVTHREAD t1
		init 1:2 BeforeLoop t2
		init 1:3 TIMERWRAP t2
		init 1:4 InSecond t1:3
		init 2:2 BehindLoop t2
	EOF
}

@test "a resource keeps its id on another thread, where it causes what is made" {
	uvhooks_events s02_spaces elsewhere
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		init 1:2 InScope t2
		after 2
		destroy 1:2
		destroy 2
	EOF
	check_events --ended "$LOG"
	uvhooks_events s02_spaces ended_elsewhere
	expect_trace node <<-EOF
		init 2 Job t1
		destroy 2
	EOF
	[ "$(jq -r 'select(.event == "destroy") | .thread' "$LOG")" != "$(basename "$LOG" .json)" ]
}

@test "a scope that wakes the loop of another thread is named by the wakeup" {
	uvhooks_events s02_spaces wakeup
	expect_trace init wakeup before <<-EOF
		init 2 ASYNCWRAP t1
		init 3 UVTHREAD t1
		before 3
		init 1:2 Job t3
		before 1:2
		wakeup 2 from 1:2
		before 2
		init 4 InAsync t2
	EOF
	check_events --ended "$LOG"
}

@test "eight threads that run and end each other's resources" {
	uvhooks_events s02_spaces eight_threads
	check_events --ended "$LOG"
	for event in init before after destroy; do
		[ "$(count_of "$event" Crossing)" = 800 ]
	done
	# Each runs on another thread than it was made on, and what it causes is counted there.
	jq -s -e 'group_by(.id)[] | select(.[0].type == "Crossing") |
		[.[] | select(.event == "before" or .event == "init") | .thread] | unique | length == 2' \
		"$LOG" >"$BATS_TEST_TMPDIR/apart"
	[ "$(sort "$BATS_TEST_TMPDIR/apart" | uniq -c | xargs)" = "800 true" ]
	[ "$(count_of init InCrossing)" = 800 ]
}
