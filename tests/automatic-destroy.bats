#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program's own resources that it does not end, unless it says that it will.

load helpers

@test "a resource ends, flagged, with the loop in whose callback it was made" {
	uvhooks_events s22_automatic_destroy loop_closes
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 Automatic t2
		init 4 Manual t2
		init 5 Ended t2
		after 2
		destroy 5
		destroy 2
		destroy 3 loop_closed
	EOF
}

@test "a resource ends, flagged, with the thread that made it" {
	for scene in thread_ends thread_exits; do
		uvhooks_events s22_automatic_destroy "$scene"
		expect_trace node <<-EOF
			init 1:2 Automatic t1:1
			init 1:3 Manual t1:1
			init 1:4 Ended t1:1
			destroy 1:4
			destroy 1:2 thread_ended
		EOF
	done
	# On that thread.
	[ "$(jq -r 'select(.id == "1:2") | .thread' "$LOG" | sort -u | wc -l)" = 1 ]
}

@test "... also if libuv started the thread" {
	uvhooks_events s22_automatic_destroy uv_thread_ends
	expect_trace_of 1:2 node <<-EOF
		init 1:2 Automatic t2
		destroy 1:2 thread_ended
	EOF
	expect_trace_of 1:3 node <<<"init 1:3 Manual t2"
}

@test "a resource of a thread's loop ends with the loop, and not again with the thread" {
	uvhooks_events s22_automatic_destroy loop_of_thread
	expect_trace destroy <<-EOF
		destroy 1:5
		destroy 1:2
		destroy 1:3 loop_closed
	EOF
}

@test "a resource that ended with its thread may still run, flagged" {
	uvhooks_events s22_automatic_destroy run_afterwards
	expect_trace_of 1:2 node <<-EOF
		init 1:2 Automatic t1:1
		destroy 1:2 thread_ended
		before 1:2 after_destroy
		after 1:2 after_destroy
	EOF
	expect_trace_of 2 init <<<"init 2 Inside t1:2"
}

@test "the process ends nothing by itself" {
	uvhooks_events s22_process_exit
	expect_trace node <<-EOF
		init 2 Automatic t1
		init 3 Manual t1
		before 2
	EOF
	uvhooks_events s22_process_exit returns
	expect_trace node <<-EOF
		init 2 Automatic t1
		init 3 Manual t1
	EOF
}
