#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uv_queue_work and uv_cancel.

load helpers

@test "every piece of work begins, ends and comes back" {
	uvhooks_events work many
	check_events --ended "$LOG"
	for kind in init work_begin work_end before after destroy; do
		seq -f "$kind %.0f" 2 21 >"$BATS_TEST_TMPDIR/expected"
		diff "$BATS_TEST_TMPDIR/expected" <(events "$kind" | cut -d' ' -f1,2)
	done
}

@test "work runs on another thread than its callback" {
	uvhooks_events work threads
	[ "$(jq -r 'select(.event | IN("work_begin", "work_end")) | .thread' "$LOG" | sort -u | wc -l)" = 1 ]
	[ "$(jq -r 'select(.event | IN("work_begin", "before")) | .thread' "$LOG" | sort -u | wc -l)" = 2 ]
	[ "$(jq -r 'select(.event | IN("init", "before", "after", "destroy")) | .thread' "$LOG" |
		sort -u | wc -l)" = 1 ]
}

@test "what was cancelled never begins, and its callback says so" {
	uvhooks_events work cancel_each
	check_events --ended "$LOG"
	expect_trace init <<-EOF
		init 2 WORKREQ t1
		init 3 FSREQCALLBACK t1 stat
		init 4 GETADDRINFOREQWRAP t1
		init 5 GETNAMEINFOREQWRAP t1
		init 6 RANDOMREQ t1
		init 7 WORKREQ t1
		init 8 WORKREQ t1
	EOF
	for id in 3 4 5 6 7; do
		expect_trace_of "$id" before after destroy work_begin work_end <<-EOF
			before $id cancelled
			after $id cancelled
			destroy $id
		EOF
	done
	expect_trace_of 8 before after destroy work_begin work_end <<<"destroy 8"
	expect_trace work_begin work_end <<-EOF
		work_begin 2
		work_end 2
	EOF
}

@test "a uv_cancel that fails leaves no mark" {
	uvhooks_events work cancel_busy
	expect_trace_of 2 all <<-EOF
		init 2 WORKREQ t1
		work_begin 2
		work_end 2
		before 2
		after 2
		destroy 2
	EOF
	expect_trace_of 3 all <<-EOF
		init 3 FSREQCALLBACK t1 stat
		before 3
		after 3
		destroy 3
	EOF
	uvhooks_events work cancel_wrong_kind
	expect_trace_of 4 before after <<-EOF
		before 4
		after 4
	EOF
}

@test "work may run a loop" {
	uvhooks_events work own_loop
	expect_trace_of 1:2 before after destroy <<-EOF
		before 1:2
		after 1:2
		destroy 1:2
	EOF
	[ "$(events work_begin work_end loop_enter | grep -c .)" -ge 4 ]
	[ "$(events work_end destroy | head -1)" = "work_end 2" ]
}
