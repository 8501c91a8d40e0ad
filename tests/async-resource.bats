#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Async resources of the program's own: what is told of them, when, and with which ids. Programs are
# named after the rule.

load helpers

@test "a resource may be made and end without a callback" {
	uvhooks_events s04_init straight
	expect_trace node <<-EOF
		init 2 Job t1
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "each scope is a before and an after" {
	uvhooks_events s04_init scope
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2
		before 2
		after 2
		destroy 2
	EOF
	[ "$(callbacks_of 2)" = $'say\nsay' ]
}

@test "what is made in a scope is triggered by its resource, what comes behind it is not" {
	uvhooks_events s04_init nested
	expect_trace node <<-EOF
		init 2 First t1
		init 3 Second t1
		before 2
		init 4 InFirst t2
		before 3
		after 3
		init 5 InFirstAgain t2
		after 2
		destroy 4
		destroy 5
		init 6 AtTopLevel t1
		destroy 6
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "a resource may run in its own scope" {
	uvhooks_events s04_init itself
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		before 2
		before 2
		after 2
		after 2
		after 2
		destroy 2
	EOF
}

@test "what is deferred from one callback to another keeps its cause" {
	uvhooks_events s04_init deferred
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 Deferred t2
		after 2
		destroy 2
		init 4 TIMERWRAP t1
		before 4
		before 3
		after 3
		after 4
		destroy 3
		destroy 4
	EOF
	check_events --ended "$LOG"
}

@test "a loop may run in a scope" {
	uvhooks_events s04_init runs_loop
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		init 4 InTimer t3
		after 3
		after 2
		destroy 4
		destroy 3
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "libuv's handles, requests and threads that are made in a scope are triggered by its resource" {
	uvhooks_events s04_init of_libuv
	expect_trace init <<-EOF
		init 2 Job t1
		init 3 TIMERWRAP t2
		init 4 FSREQCALLBACK t2 stat
		init 5 WORKREQ t2
		init 6 UVTHREAD t2
		init 7 InStat t4
	EOF
	check_events --ended "$LOG"
}

@test "destroy comes behind the outermost callback, never within" {
	uvhooks_events s08_destroy itself
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		init 3 MadeAfterwards t2
		after 2
		destroy 2
		destroy 3
	EOF
	uvhooks_events s08_destroy nested
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Inner t1
		before 2
		before 3
		after 3
		after 2
		destroy 3
		destroy 2
		init 4 AtTopLevel t1
		destroy 4
	EOF
	check_events --ended "$LOG"
}

@test "destroys that a callback of libuv asked for come before the next callback, in that order" {
	uvhooks_events s08_destroy in_callback
	expect_trace_of 2 node <<-EOF
		init 2 Outer t1
		destroy 2
	EOF
	[ "$(events after destroy)" = $'after 4\ndestroy 3\ndestroy 2\ndestroy 4' ]
	# Work is a callback of its pool thread.
	uvhooks_events s08_destroy in_work
	expect_trace work_begin work_end after destroy <<-EOF
		work_begin 4
		work_end 4
		destroy 3
		after 4
		destroy 2
		destroy 4
	EOF
	check_events --ended "$LOG"
}

@test "too many destroys that wait are delivered early, and none twice" {
	uvhooks_events s08_destroy forced
	check_events --ended "$LOG"
	events destroy >"$BATS_TEST_TMPDIR/destroys"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/destroys")" = 40001 ]
	forced=$(grep -c ' forced$' "$BATS_TEST_TMPDIR/destroys")
	[ "$forced" -ge 16384 ]
	[ "$forced" -lt 40000 ]
	# In the order in which they were asked for.
	awk '{ print $2 }' "$BATS_TEST_TMPDIR/destroys" >"$BATS_TEST_TMPDIR/order"
	sort -nc "$BATS_TEST_TMPDIR/order"
}

@test "a second emit_destroy is no event, whether the first one waits or not" {
	uvhooks_events s10_destroy_twice twice
	expect_trace node <<-EOF
		init 2 Job t1
		destroy 2
	EOF
	uvhooks_events s10_destroy_twice waiting
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2
		destroy 2
	EOF
	uvhooks_events s10_destroy_twice never_made
	expect_trace node </dev/null
}

@test "of two threads that end a resource at once one does" {
	uvhooks_events s10_destroy_twice two_threads
	check_events --ended "$LOG"
	[ "$(count_of destroy Raced)" = 500 ]
	[ "$(jq -r 'select(.event == "destroy") | .id' "$LOG" | sort -u | wc -l)" = 500 ]
}

@test "a resource that was ended may run while its destroy waits, which then waits for that too" {
	uvhooks_events s11_after_destroy waiting
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Job t1
		before 2
		before 3
		init 4 Inside t3
		after 3
		after 2
		destroy 3
		destroy 4
		destroy 2
	EOF
	uvhooks_events s11_after_destroy in_itself
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		before 2
		init 3 Inside t2
		after 2
		after 2
		destroy 2
		destroy 3
	EOF
	check_events --ended "$LOG"
}

@test "a resource that runs after its destroy is flagged, and gets no second one" {
	uvhooks_events s11_after_destroy delivered
	expect_trace node <<-EOF
		init 2 Job t1
		destroy 2
		before 2 after_destroy
		init 3 Inside t2
		after 2 after_destroy
		destroy 3
		before 2 after_destroy
		init 4 Inside t2
		after 2 after_destroy
		destroy 4
	EOF
	check_events --ended "$LOG"
	uvhooks_events s11_after_destroy next_callback
	expect_trace_of 2 node <<-EOF
		init 2 Job t1
		destroy 2
		before 2 after_destroy
		after 2 after_destroy
	EOF
	check_events --ended "$LOG"
}

# nests PROGRAM'S-SCENE SCOPES: as many befores, then as many afters in the other order.
nests() {
	uvhooks_events s13_deep "$1"
	check_events --ended "$LOG"
	events before after >"$BATS_TEST_TMPDIR/events"
	cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/events" | uniq -c >"$BATS_TEST_TMPDIR/turns"
	diff <(printf '%7d before\n%7d after\n' "$2" "$2") "$BATS_TEST_TMPDIR/turns"
	diff <(sed -n 's/^before //p' "$BATS_TEST_TMPDIR/events") \
		<(sed -n 's/^after //p' "$BATS_TEST_TMPDIR/events" | tac)
}

@test "a thousand scopes in each other" {
	nests thousand 1000
}

@test "a hundred thousand scopes in each other" {
	nests hundred_thousand 100000
}

@test "hooks of the program hear of resources, in order, from when to when they are enabled" {
	runs_the_same "$PROGRAMS/s14_hooks"
	# What each hook hears the program holds against what it should hear.
	for scene in order parts late enable_in_init disable_in_init make_in_init make_nested_in_init \
		make_in_destroy scope_in_after one_loop many; do
		with_shim "$PROGRAMS/s14_hooks" "$scene"
	done
}

@test "what a hook makes is traced only if the hook asks for it" {
	uvhooks_events s14_hooks make_in_init
	expect_trace node <<-EOF
		init 2 Outer t1
		destroy 2
	EOF
	uvhooks_events s14_hooks make_nested_in_init
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Made t1
		before 3
		after 3
		destroy 3
		destroy 2
	EOF
}

@test "what a hook makes while it hears of a destroy is made where nothing runs" {
	uvhooks_events s14_hooks make_in_destroy
	expect_trace node <<-EOF
		init 2 Outer t1
		before 2
		after 2
		destroy 2
		init 3 Made t0
		before 3
		after 3
		destroy 3
	EOF
}

@test "a scope that a hook opens is not told, so that an after hook may open one" {
	uvhooks_events s14_hooks scope_in_after
	expect_trace node <<-EOF
		init 2 Outer t1
		before 2
		after 2
		destroy 2
	EOF
}

# with PLUGIN[:OPTIONS] PROGRAM...: with one of the test plugins beside the log.
with() {
	bare env LD_PRELOAD="$SHIM" \
		UVHOOKS_PLUGINS="log:file=$BATS_TEST_TMPDIR/log;$UVHOOKS_BUILD/tests/plugins/$1" "${@:2}"
}

@test "a plugin that comes late learns which resources live, and hears the rest of them" {
	with "late.so:file=$BATS_TEST_TMPDIR/report" "$PROGRAMS/s04_init" nested
	expect_output_of cat "$BATS_TEST_TMPDIR/report" <<-EOF
		live 2 First trigger=1 pointer
		live 3 Second trigger=1 pointer
		walked 2
		init 4 InFirst
		before 3 Second
		after 3 Second
		init 5 InFirstAgain
		after 2 First
		destroy 4 InFirst
		destroy 5 InFirstAgain
		init 6 AtTopLevel
		destroy 6 AtTopLevel
		destroy 3 Second
		destroy 2 First
	EOF
}

@test "a plugin that throws is disabled, whatever event of a resource it throws at" {
	for event in init before after destroy; do
		rm -f "$BATS_TEST_TMPDIR/report"
		with "throws.so:event=$event,file=$BATS_TEST_TMPDIR/report" "$PROGRAMS/s04_init" nested \
			>"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/complained"
		diff <(bare "$PROGRAMS/s04_init" nested) "$BATS_TEST_TMPDIR/said"
		grep -q disabled "$BATS_TEST_TMPDIR/complained"
		[ "$(cat "$BATS_TEST_TMPDIR/report")" = $'thrown 1\ncounted on' ]
	done
}

@test "in a hook, and for the event's thread, the current ids and resource are the event's" {
	for program in s02_spaces s04_init s05_trigger s08_destroy s11_after_destroy s19_throw s21_reuse \
		s22_automatic_destroy s24_run_in_scope s25_promise; do
		rm -f "$BATS_TEST_TMPDIR/report"
		with "current.so:file=$BATS_TEST_TMPDIR/report" "$PROGRAMS/$program" >/dev/null
		echo "$program: $(cat "$BATS_TEST_TMPDIR/report")"
		[ "$(cat "$BATS_TEST_TMPDIR/report")" = "agreed some" ]
	done
}

@test "the current resource in a scope is the one that runs, wherever that is" {
	for scene in nested nodes_type in_callback ends_inside trigger_scope after_longjmp; do
		runs_the_same "$PROGRAMS/s20_execution_resource" "$scene"
	done
}

@test "the same memory may be one resource after the other" {
	uvhooks_events s21_reuse at_once
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		after 2
		destroy 2
		init 3 Job t1
		before 3
		after 3
		destroy 3
		init 4 Job t1
		before 4
		after 4
		destroy 4
	EOF
}

@test "... while the destroy of the one before still waits" {
	uvhooks_events s21_reuse waiting
	expect_trace node <<-EOF
		init 2 First t1
		before 2
		init 3 Second t2
		before 3
		after 3
		after 2
		destroy 2
		destroy 3
	EOF
	check_events --ended "$LOG"
}

@test "the memory of a resource that was ended is the program's, whatever it holds" {
	uvhooks_events s21_reuse spoiled
	expect_trace node <<-EOF
		init 2 Outer t1
		init 3 Job t1
		before 2
		after 2
		destroy 3
		destroy 2
		init 4 OfSpoiled t1
		before 4
		after 4
		destroy 4
	EOF
	uvhooks_events s21_reuse freed_inside
	check_events --ended "$LOG"
	[ "$(count_of destroy Freed)" = 3 ]
	[ "$(events after destroy)" = "$(printf '%s\n' 'after 2' 'destroy 2' 'destroy 3' 'after 4' \
		'destroy 4' 'destroy 5' 'after 6' 'destroy 6' 'destroy 7')" ]
}

@test "memory that is made a resource again though the first one was not ended: each ends once" {
	uvhooks_events s21_reuse forgotten
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 Forgotten t2
		init 4 Next t2
		before 4
		after 4
		after 2
		destroy 4
		destroy 2
		destroy 3 loop_closed
	EOF
	check_events --ended "$LOG"
}

@test "arguments that are none are refused, the same with and without the shim" {
	runs_the_same "$PROGRAMS/s23_arguments"
	expect_output_of cat "$LOGS/bare.stdout" <<-EOF
		scene create_checks
		uvhooks_async_resource_create(NULL, "Job", NULL): -EINVAL
		uvhooks_async_resource_create(&job, NULL, NULL): -EINVAL
		uvhooks_async_resource_create(&job, "", NULL): -EINVAL
		create(&job, "Job", 0, 0): -EINVAL
		create(&job, "Job", size - 1, 0): -EINVAL
		create(&job, "Job", size, (uvhooks_async_id) -2): -EINVAL
		create(&job, "Job", size, UINT64_C(1) << 47): -EINVAL
		create(&job, "Job", size, UVHOOKS_ID_UNSET): 0
		create(&job, "Job", size, 0): 0
		create(&job, "Job", size, 4711): 0
		create(&job, "Job", size + 64, 0): 0
		uvhooks_async_resource_create(&job, "Job", NULL): 0
		scene refused
		uvhooks_async_resource_create(&job, "", NULL): -EINVAL
		uvhooks_async_resource_emit_destroy(&job): -EINVAL
		scene keeps_errno
		uvhooks_async_resource_emit_destroy(&job): -EALREADY
	EOF
}

@test "what was refused is no event" {
	uvhooks_events s23_arguments refused
	expect_trace node </dev/null
	uvhooks_events s23_arguments create_checks
	expect_trace init <<-EOF
		init 2 Job t1
		init 3 Job t1
		init 4 Job t4711 e1
		init 5 Job t1
		init 6 Job t1
	EOF
}

@test "a bound function runs in the scope of its resource, wherever it is called" {
	uvhooks_events s24_run_in_scope called
	expect_trace_of 2 node <<-EOF
		init 2 Job t1
		before 2
		after 2
		before 2
		after 2
		destroy 2
	EOF
	[ "$(callbacks_of 2)" = $'in_job\nin_job' ]
	uvhooks_events s24_run_in_scope in_callback
	expect_trace before init after <<-EOF
		init 2 Job t1
		init 3 TIMERWRAP t1
		before 3
		before 2
		init 4 InJob t2
		after 2
		after 3
	EOF
}

@test "... in a thread that libuv knows nothing of" {
	uvhooks_events s24_run_in_scope in_plain_thread
	expect_trace node <<-EOF
		init 2 Job t1
		before 2
		init 1:2 InJob t2
		after 2
		destroy 1:2
		destroy 2
	EOF
	check_events --ended "$LOG"
}

@test "... in work on the thread pool, and in its callback" {
	uvhooks_events s24_run_in_scope in_work
	expect_trace node work_begin work_end <<-EOF
		init 2 Job t1
		init 3 WORKREQ t1
		work_begin 3
		before 2
		init 1:2 InJob t2
		after 2
		work_end 3
		destroy 1:2
		before 3
		before 2
		init 4 InJob t2
		after 2
		after 3
		destroy 4
		destroy 2
		destroy 3
	EOF
	check_events --ended "$LOG"
}

@test "several threads may be in the scope of one resource at once" {
	uvhooks_events s24_run_in_scope several
	check_events --ended "$LOG"
	[ "$(events_of 2 before | wc -l)" = 4 ]
	[ "$(events_of 2 after | wc -l)" = 4 ]
	[ "$(jq -r 'select(.event == "before") | .thread' "$LOG" | sort -u | wc -l)" = 4 ]
	[ "$(jq -r 'select(.type == "Met" and .event == "init") | .trigger' "$LOG" | uniq -c | xargs)" = "4 2" ]
}
