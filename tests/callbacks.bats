#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Callbacks in odd ways: memory that is gone when they return, fields that the program writes, callbacks
# that carry nothing.

load helpers

@test "free may be the close callback" {
	uvhooks_events close_callbacks free
	expect_trace before after destroy <<-EOF
		before 6 closing
		after 6 closing
		destroy 6
		before 5 closing
		after 5 closing
		destroy 5
		before 4 closing
		after 4 closing
		destroy 4
		before 3 closing
		after 3 closing
		destroy 3
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "a callback that the program wrote into the handle runs unseen" {
	uvhooks_events close_callbacks exit_cb_field
	expect_trace node <<-EOF
		init 2 PROCESSWRAP t1
		before 2 closing
		after 2 closing
		destroy 2
	EOF
	uvhooks_events close_callbacks async_cb_field
	expect_trace node <<-EOF
		init 2 ASYNCWRAP t1
		destroy 2
	EOF
	uvhooks_events close_callbacks read_cb_field
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		destroy 3
		destroy 2
	EOF
}

@test "a callback that the program reads from the handle is the program's when it is armed again" {
	uvhooks_events close_callbacks timer_again
	[ "$(callbacks_of 2 | uniq -c | tr -s ' ')" = " 3 on_timer" ]
	expect_trace start <<-EOF
		start 2 e1
		start 2 e2
		start 2 e2
	EOF
	check_events --ended "$LOG"
	uvhooks_events close_callbacks others_again
	check_events --ended "$LOG"
	diff - <(jq -r 'select(.event == "before") | .callback' "$LOG") <<-EOF
		on_idle
		on_prepare
		on_check
		on_signal
		on_poll
		on_read
	EOF
}

@test "a read callback that carries nothing is flagged" {
	uvhooks_events reads nothing_more
	expect_trace before after <<-EOF
		before 2
		after 2
		before 2 noop
		after 2 noop
	EOF
}

@test "a receive callback that carries nothing is flagged, one with an empty datagram is not" {
	uvhooks_events reads datagram
	expect_trace before after <<-EOF
		before 2
		after 2
		before 2
		after 2
		before 2 noop
		after 2 noop
	EOF
}

@test "a read callback with an error is not flagged" {
	uvhooks_events reads alloc_refuses
	expect_trace before after <<-EOF
		before 2
		after 2
	EOF
}

@test "a terminal" {
	uvhooks_events reads terminal
	expect_trace node <<-EOF
		init 2 TTYWRAP t1
		before 2
		init 3 WRITEWRAP t2
		after 2
		before 3
		after 3
		destroy 3
		destroy 2
	EOF
}

@test "a handle that was made or closed past the shim is harmless" {
	uvhooks_events mixed_access hidden_init
	expect_trace init start </dev/null
	uvhooks_events mixed_access hidden_start
	expect_trace_of 2 before after destroy start <<-EOF
		before 2 closing
		after 2 closing
		destroy 2
	EOF
	uvhooks_events mixed_access hidden_end
	expect_trace_of 2 before after <<-EOF
		before 2
		after 2
	EOF
	uvhooks_events mixed_access hidden_turn
	expect_trace_of 2 before after <<-EOF
		before 2
		after 2
		before 2 closing
		after 2 closing
	EOF
	uvhooks_events mixed_access hidden_loop
	[ "$(count_of before TIMERWRAP)" = 2 ]
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "one that was read out of a handle or a pending request is the one that it stands for" {
	uvhooks_events read_back
	[ "$(grep -c '^timer [01]$' <<<"$output")" = 2 ]
	[ "$(tail -n 1 <<<"$output")" = "10 times" ]
	[ "$(callbacks_of 3)" = on_timer ]
	check_events --ended "$LOG"
}

@test "it is not called, but counted, where it may be one of two" {
	cat >"$BATS_TEST_TMPDIR/two.c" <<-'END'
		#include <uv.h>

		static void one(uv_timer_t *timer)
		{
			(void) timer;
		}

		static void other(uv_timer_t *timer)
		{
			(void) timer;
		}

		int main(void)
		{
			uv_timer_t timers[3];
			uv_timer_cb calls[] = {one, other};

			for (int i = 0; i < 3; i++) {
				uv_timer_init(uv_default_loop(), &timers[i]);
				uv_timer_start(&timers[i], i < 2 ? calls[i] : timers[0].timer_cb, 1, 0);
			}
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
		}
	END
	cc -o "$BATS_TEST_TMPDIR/two" "$BATS_TEST_TMPDIR/two.c" -luv
	run -0 with_shim UVHOOKS_VERBOSE=1 "$BATS_TEST_TMPDIR/two"
	[[ $output == *"untracked_callbacks: 1"* ]]
}
