#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Threads of uv_thread_create, their loops, and threads that libuv does not know.

load helpers

@test "a thread is a resource, and its entry function is its callback" {
	uvhooks_events threads create
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		before 2
		after 2
		destroy 2
	EOF
	[ "$(jq -r 'select(.event == "init") | .thread' "$LOG")" = "$(basename "$LOG" .json)" ]
	[ "$(jq -r 'select(.event == "before") | .thread' "$LOG")" != "$(basename "$LOG" .json)" ]
	[ "$(callbacks_of 2)" = enter ]
}

@test "a thread of uv_thread_create_ex" {
	uvhooks_events threads create_ex
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		before 2
		after 2
		destroy 2
		init 3 UVTHREAD t1
		before 3
		after 3
		destroy 3
	EOF
}

@test "a thread that a thread starts is triggered by it" {
	uvhooks_events threads nested
	check_events --ended "$LOG"
	outer=$(id_of UVTHREAD 1)
	inner=$(id_of UVTHREAD 2)
	[ "$outer" = 2 ]
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		before 2
		init $inner UVTHREAD t2
		before $inner
		after $inner
		destroy $inner
		after 2
		destroy 2
	EOF
}

@test "a thread that a callback starts is triggered by it" {
	uvhooks_events threads from_callback
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 UVTHREAD t2
		before 3
		after 3
		destroy 3
		after 2
		destroy 2
	EOF
}

@test "what a thread makes is triggered by the thread" {
	uvhooks_events threads own_loop
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		before 2
		init 1:2 TIMERWRAP t2
		before 1:2
		after 1:2
		destroy 1:2
		after 2
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "a thread that libuv did not start has a top level of its own" {
	uvhooks_events threads plain
	check_events --ended "$LOG"
	expect_trace node <<-EOF
		init 1:2 TIMERWRAP t1:1
		before 1:2
		after 1:2
		destroy 1:2
	EOF
}

@test "a thread that leaves by pthread_exit is unwound" {
	uvhooks_events threads exits
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		before 2
		after 2 unwound
		destroy 2
	EOF
}

@test "a thread may use libuv when its entry function is over" {
	uvhooks_events threads at_end_of_thread
	check_events --ended "$LOG"
	expect_trace_of 2 node <<-EOF
		init 2 UVTHREAD t1
		before 2
		after 2
		destroy 2
	EOF
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "each event carries the thread where it happened" {
	uvhooks_events threads own_loop
	[ "$(jq -r 'select(.event == "before") | .thread' "$LOG" | sort -u | wc -l)" = 1 ]
	[ "$(jq -r .thread "$LOG" | sort -u | wc -l)" = 2 ]
}
