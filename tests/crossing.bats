#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tasks that cross eight threads: their events, and the stores that go with them.

load helpers

setup() {
	export UVHOOKS_TEST_SIGHTINGS=$BATS_TEST_TMPDIR/sightings
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
}

# seen_by FUNCTION: how often it looked at a store, and saw the right one.
seen_by() {
	sed -n "s/^$1 //p" "$UVHOOKS_TEST_SIGHTINGS"
}

@test "a task sees its stores on each of eight threads, and no other's" {
	uvhooks_events crossing crossing
	check_events --ended --named-triggers "$LOG"
	# 800 tasks, eight parts each, in each of which they look twice at four storages.
	[ "$(seen_by in_scope)" = $((800 * 8 * 2 * 4)) ]
	[ "$(seen_by start_part)" = $((800 * 8 * 4)) ]
	[ "$(seen_by on_work)" = $((800 * 4)) ]
	[ "$(seen_by on_timer_closed)" = $((800 * 4)) ]
	run -1 grep -v ' 0$' "$UVHOOKS_TEST_COUNTERS"
}

@test "each task is made, run and ended as often as it was, on threads of its own choice" {
	uvhooks_events crossing crossing
	jq -r 'select(.type | IN("Task", "PROMISE", "bound-anonymous-fn")) | .type + " " + .event' "$LOG" |
		sort | uniq -c >"$BATS_TEST_TMPDIR/counts"
	diff -u --label expected --label seen -b - "$BATS_TEST_TMPDIR/counts" <<-EOF
		   1600 PROMISE after
		   1600 PROMISE before
		   1600 PROMISE destroy
		   1600 PROMISE init
		   1600 PROMISE promise_resolve
		   3200 Task after
		   3200 Task before
		    800 Task destroy
		    800 Task init
		   1600 bound-anonymous-fn after
		   1600 bound-anonymous-fn before
		   1600 bound-anonymous-fn destroy
		   1600 bound-anonymous-fn init
	EOF
	# Made on one thread and run on others; from none of the eight is a task away.
	jq -s -e '[.[] | select(.type == "Task")] | group_by(.id) | all(map(.thread) | unique | length > 3)' \
		"$LOG"
}

@test "what a task starts is triggered by the task, whichever loop it starts it on" {
	uvhooks_events crossing crossing
	jq -s -e '([.[] | select(.event == "init" and .type == "Task") | {(.id): true}] | add) as $tasks
		| [.[] | select(.event == "init" and (.type | IN("TIMERWRAP", "WORKREQ")))]
		| length == 1600 and all($tasks[.trigger] and .execution == .trigger)' "$LOG"
}

@test "what a thread leaves alone ends with it, and its store too" {
	uvhooks_events crossing crossing
	[ "$(jq -r 'select(.type == "LeftAlone" and .event == "destroy") | .flags[]' "$LOG" |
		grep -cx thread_ended)" = 8 ]
}

@test "the first store of a process may be entered while others run" {
	uvhooks_events crossing first_store
	check_events --ended "$LOG"
	[ "$(seen_by on_tick)" = $((4 * 200)) ]
	run -1 grep -v ' 0$' "$UVHOOKS_TEST_COUNTERS"
}

@test "one thread may run in the scope of what another one ends" {
	uvhooks_events crossing ended_meanwhile
	[ "$(grep -c '^6000 runs of what ended meanwhile$' <<<"$output")" = 1 ]
	run -1 grep -v ' 0$' "$UVHOOKS_TEST_COUNTERS"
	# Whatever came first: a before and an after for each run, one destroy for each resource.
	jq -r 'select(.type == "Round") | .event' "$LOG" | sort | uniq -c >"$BATS_TEST_TMPDIR/counts"
	diff -u --label expected --label seen -b - "$BATS_TEST_TMPDIR/counts" <<-EOF
		   6000 after
		   6000 before
		   2000 destroy
		   2000 init
	EOF
}

@test "a scope keeps its stores when another thread ends its resource meanwhile" {
	uvhooks_events crossing ended_inside
	[ "$(seen_by in_ended)" = 2 ]
	[ "$(seen_by ended_inside)" = 1 ]
}
