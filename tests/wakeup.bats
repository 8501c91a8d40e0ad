#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# wakeup: who woke the loop with uv_async_send.

load helpers

# woken_by SCENE SENDER: the wakeup comes just before the callback and names the sender.
woken_by() {
	uvhooks_events wakeup "$1"
	expect_trace_of 2 wakeup before after <<-EOF
		wakeup 2 from $2
		before 2
		after 2
	EOF
	check_events --ended "$LOG"
}

@test "top-level code of the same thread" {
	woken_by same_thread 1
}

@test "a callback of the same loop" {
	woken_by from_callback 3
}

@test "a thread, by its async id" {
	woken_by other_thread 3
	expect_trace_of 3 init <<<"init 3 UVTHREAD t1"
}

@test "a callback of another loop in another thread" {
	woken_by other_loop 1:2
	expect_trace_of 1:2 init <<<"init 1:2 TIMERWRAP t3"
}

@test "work on the thread pool" {
	woken_by work 3
	expect_trace_of 3 init <<<"init 3 WORKREQ t1"
}

@test "a thread that libuv did not start, by its top level" {
	woken_by plain_thread 1:1
}

@test "a signal handler, by what it interrupted" {
	woken_by signal_handler 1
}

@test "several sends are one wakeup, by the latest" {
	woken_by coalesced 3
}

@test "the handle itself" {
	uvhooks_events wakeup itself
	expect_trace wakeup before after <<-EOF
		wakeup 2 from 1
		before 2
		after 2
		wakeup 2 from 2
		before 2
		after 2
		wakeup 2 from 2
		before 2
		after 2
	EOF
}

@test "a handle that is closed before it is woken is not" {
	uvhooks_events close_pending active
	expect_trace wakeup </dev/null
}

@test "signal handlers that send at any moment disturb nothing" {
	uvhooks_events signals storm
	check_events --ended "$LOG"
	[ "$(events wakeup | wc -l)" -ge 1 ]
}
