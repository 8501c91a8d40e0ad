#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2153
# Processes: each has a log of its own; a forked child goes on with the ids of its parent, a program that
# was executed begins anew.

load helpers

# The log of the one other process of the tree.
child_log() {
	local logs=("$LOGS"/*.json)
	[ "${#logs[@]}" = 2 ]
	for CHILD in "${logs[@]}"; do
		[ "$CHILD" = "$LOG" ] || return 0
	done
	return 1
}

expect_child_trace() {
	LOG=$CHILD expect_trace "$@"
}

@test "a child that was forked without exec ends what its parent made" {
	uvhooks_events fork without_exec
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2
		destroy 2
		init 3 TIMERWRAP t1
		before 3
		after 3
		destroy 3
	EOF
	check_events --ended "$LOG"
	child_log
	expect_child_trace node <<-EOF
		before 2
		after 2
		destroy 2
		init 3 TIMERWRAP t1
		before 3
		after 3
		destroy 3
	EOF
	check_events --late "$CHILD"
}

@test "a child that was forked in a callback comes out of it" {
	uvhooks_events fork in_callback
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2
		destroy 2
		init 3 TIMERWRAP t1
		before 3
		after 3
		destroy 3
	EOF
	child_log
	expect_child_trace node <<-EOF
		after 2
		destroy 2
		init 3 TIMERWRAP t1
		before 3
		after 3
		destroy 3
	EOF
	check_events --late "$CHILD"
}

@test "the events of a child carry the child's thread" {
	uvhooks_events fork without_exec
	child_log
	[ "$(jq -r .thread "$CHILD" | sort -u)" = "$(basename "$CHILD" .json)" ]
	[ "$(jq -r .thread "$LOG" | sort -u)" = "$(basename "$LOG" .json)" ]
}

@test "a child that never touches the loop has no event" {
	uvhooks_events fork child_does_nothing
	[ "$(find "$LOGS" -name '*.json' -size +0 | wc -l)" = 1 ]
	expect_trace before <<<"before 2"
}

@test "a child may make a loop of its own" {
	uvhooks_events fork own_loop_in_child
	child_log
	[ "$(LOG=$CHILD count_of init TIMERWRAP)" = 1 ]
	[ "$(LOG=$CHILD count_of destroy TIMERWRAP)" = 1 ]
	check_events --late "$CHILD"
	check_events --ended "$LOG"
}

@test "a program that is executed begins anew" {
	for scene in with_exec spawn; do
		uvhooks_events fork "$scene"
		child_log
		expect_child_trace node <<-EOF
			init 2 TIMERWRAP t1
			before 2
			after 2
			destroy 2
		EOF
		check_events --ended "$LOG" "$CHILD"
	done
}

@test "a spawned child is a process, its pipe a pipe, and what it says is read" {
	uvhooks_events fork spawn
	expect_trace init <<-EOF
		init 2 PIPEWRAP t1
		init 3 PROCESSWRAP t1
	EOF
	[ "$output" = $'scene spawn\nscene leaf\ntimer in the leaf\nchild ended: status 0, signal 0' ]
}

@test "an environment that the program gives its child is left as it is" {
	uvhooks_events fork spawn_with_env
	[ "$(find "$LOGS" -name '*.json' | wc -l)" = 1 ]
	[ "$(count_of destroy PROCESSWRAP)" = 1 ]
}

@test "children are not followed with UVHOOKS_FOLLOW=0" {
	export UVHOOKS_FOLLOW=0
	for scene in with_exec spawn; do
		LOGS=$BATS_TEST_TMPDIR/$scene
		mkdir "$LOGS"
		with_log UVHOOKS_FOLLOW=0 "$PROGRAMS/fork" "$scene"
		[ "$(find "$LOGS" -name '*.json' | wc -l)" = 1 ]
	done
}

@test "uv_loop_fork lets pool, signal handlers and file watchers work in the child" {
	uvhooks_events fork_pool all_kinds
	expect_trace init <<-EOF
		init 2 SIGNALWRAP t1
		init 3 FSEVENTWRAP t1
		init 4 FSREQCALLBACK t1 stat
		init 5 FSREQCALLBACK t1 stat
	EOF
	check_events --ended "$LOG"
	child_log
	expect_child_trace node start <<-EOF
		start 2 e1
		init 5 FSREQCALLBACK t1 stat
		before 5
		after 5
		destroy 5
		before 2
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
	check_events --late "$CHILD"
}

@test "a process may fork while its other threads make loops" {
	uvhooks_events fork_pool busy_threads
	check_events --ended "$LOG"
	children=0
	for log in "$LOGS"/*.json; do
		[ "$log" != "$LOG" ] || continue
		children=$((children + 1))
		[ "$(grep -c '"destroy"' "$log")" = 2 ]
	done
	[ "$children" = 40 ]
}

@test "uv_loop_fork in a fork handler, inside uv_spawn, changes nothing for the parent" {
	uvhooks_events fork_pool fork_handler
	check_events --ended "$LOG"
	expect_trace init <<-EOF
		init 2 SIGNALWRAP t1
		init 3 PROCESSWRAP t1
	EOF
	[ "$(count_of before SIGNALWRAP)" = 1 ]
	[ "$(count_of before PROCESSWRAP)" = 1 ]
}
