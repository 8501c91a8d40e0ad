#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The end of a process.

load helpers

# What is on record when the process ends, one line an event, of all resources.
ends() {
	uvhooks_events ends "$1"
	check_events "$LOG"
}

@test "a process that ends in a callback delivers nothing more" {
	for way in exit _exit quick_exit; do
		EXPECTED_STATUS=3 ends "$way"
		expect_trace node <<-EOF
			init 2 TIMERWRAP t1
			before 2
		EOF
	done
}

@test "a process that is killed in a callback leaves whole lines" {
	EXPECTED_STATUS=137 ends kill
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
	EOF
	EXPECTED_STATUS=134 ends abort
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
	EOF
}

# ends_flushed WAY STATUS
ends_flushed() {
	LOGS=$BATS_TEST_TMPDIR
	run -"$2" with_log UVHOOKS_FLUSH_AT_EXIT=1 "$PROGRAMS/ends" "$1"
	LOG=$(echo "$BATS_TEST_TMPDIR"/*.json)
	check_events "$LOG"
}

@test "an end that waits for a callback is lost with the callback" {
	EXPECTED_STATUS=3 ends queued_exit
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3
	EOF
}

@test "with UVHOOKS_FLUSH_AT_EXIT=1, open callbacks are left, innermost first, and flagged" {
	ends_flushed nested_exit 3
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3 at_exit
		after 2 at_exit
	EOF
}

@test "with UVHOOKS_FLUSH_AT_EXIT=1, ends that waited come, and are flagged" {
	ends_flushed queued_exit 3
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3
		after 2 at_exit
		destroy 3 at_exit
	EOF
}

@test "a leak is never ended: so that it can be found" {
	ends leak
	expect_trace_of 2 node <<<"init 2 TIMERWRAP t1"
	rm -r "$LOGS"
	ends_flushed leak 0
	expect_trace_of 2 node <<<"init 2 TIMERWRAP t1"
}

@test "loops that run after main are seen" {
	ends atexit
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2
		destroy 2
	EOF
}

@test "work that runs while the process ends is seen to its end" {
	ends work_at_exit
	expect_trace_of 2 work_begin <<<"work_begin 2"
}

@test "a thread that outlives main is seen" {
	ends main_leaves
	check_events --ended "$LOG"
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "uv_library_shutdown" {
	ends shutdown
	check_events --ended "$LOG"
}
