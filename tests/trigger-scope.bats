#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What triggers what: a trigger that is named goes before that of a scope, and that before what libuv's
# call works on, or what runs.

load helpers

# The inits and the starts of callbacks, which show what ran meanwhile.
expect_inits() {
	expect_trace init
	check_events --ended --named-triggers "$LOG"
}

@test "a resource names its trigger, whatever runs" {
	uvhooks_events s05_trigger named
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 Named t2 e1
	EOF
}

@test "0 and unset name no trigger" {
	uvhooks_events s05_trigger unnamed
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 Zero t1
		init 4 Unset t1
		init 5 Zero t2
		init 6 Unset t2
		init 7 Zero t2 e1
		init 8 Unset t2 e1
	EOF
}

@test "a trigger may be any id, also one that is no resource's, or no more" {
	uvhooks_events s05_trigger unknown
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 OfEnded t2 e1
		init 4 OfNothing t4711 e1
	EOF
}

@test "the innermost scope holds, until it ends, and a named trigger goes before it" {
	uvhooks_events s05_trigger nested
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 Other t1
		init 4 OfCause t2 e1
		init 5 OfOther t3 e1
		init 6 OfCauseAgain t2 e1
		init 7 OfOtherByName t3 e1
		init 8 OfCauseInZero t2 e1
		init 9 OfCauseInUnset t2 e1
		init 10 OfNothing t1
	EOF
}

@test "a scope holds in an async scope that is entered in it, and changes no execution id" {
	uvhooks_events s05_trigger async_scopes
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 Other t1
		init 4 Job t1
		init 5 Inside t2 e4
		init 6 InsideOfOther t3 e4
		init 7 InsideAgain t2 e4
		init 8 Inside t4
		init 9 InsideOfOther t3 e4
		init 10 InsideAgain t4
	EOF
}

@test "a scope holds for libuv's handles, requests and threads, but not in what they call back" {
	uvhooks_events s05_trigger of_libuv
	check_events --ended --named-triggers "$LOG"
	events init | grep -v ' In[A-Z]' >"$BATS_TEST_TMPDIR/made"
	expect_output_of cat "$BATS_TEST_TMPDIR/made" <<-EOF
		init 2 Cause t1
		init 3 PIPEWRAP t1
		init 4 PIPEWRAP t1
		init 5 TIMERWRAP t2 e1
		init 6 FSREQCALLBACK t2 e1 stat
		init 7 WRITEWRAP t2 e1
		init 8 WORKREQ t2 e1
		init 9 UVTHREAD t2 e1
	EOF
	# Which callback comes first is the kernel's affair.
	expect_output_of sort <(events init | grep -o 'In[A-Z].*') <<-EOF
		InStat t6
		InThread t9
		InTimer t5
		InWrite t7
	EOF
}

@test "without a scope a write is triggered by its handle, and all else by what runs" {
	uvhooks_events s05_trigger of_libuv_without
	check_events --ended "$LOG"
	events init | grep -v ' In[A-Z]' >"$BATS_TEST_TMPDIR/made"
	expect_output_of cat "$BATS_TEST_TMPDIR/made" <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 TIMERWRAP t1
		init 5 FSREQCALLBACK t1 stat
		init 6 WRITEWRAP t2 e1
		init 7 WORKREQ t1
		init 8 UVTHREAD t1
	EOF
}

@test "a scope in a callback of libuv" {
	uvhooks_events s05_trigger in_callback
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 TIMERWRAP t1
		init 4 BeforeScope t3
		init 5 OfCause t2 e3
		init 6 BehindScope t3
	EOF
}

@test "a scope does not hold in callbacks of a loop that runs in it, and holds again behind" {
	uvhooks_events s05_trigger loop_inside
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 TIMERWRAP t2 e1
		init 4 InTimer t3
		init 5 BehindRun t2 e1
	EOF
}

@test "a scope is one thread's" {
	uvhooks_events s05_trigger other_thread
	expect_inits <<-EOF
		init 2 Cause t1
		init 1:2 InPlainThread t1:1
	EOF
}

@test "a scope that an exception leaves has ended" {
	uvhooks_events s19_throw trigger_scope
	expect_inits <<-EOF
		init 2 Cause t1
		init 3 OfCause t2 e1
		init 4 Behind t1
	EOF
}
