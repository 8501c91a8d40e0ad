#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Plugins that do what no plugin should, beside the log plugin and the recorder: the program goes on as
# it does without them, and the others lose nothing. Those that cannot be loaded, fail in their init,
# or throw are in plugins.bats.

load helpers
load faults

# rude HOW WORD...
rude() {
	local how=$1
	shift
	PLUGINS=$FAULTS/rude.so:how=$how fault "$@"
}

@test "a plugin that leaves another errno behind, or jumps in its hook" {
	rude errno work=300 small=2
	recorded
	rude jump work=300 small=2
	recorded
}

@test "a plugin that closes the descriptors of others" {
	WAYS='dormant recorder flight' rude close work=300 small=2
	WAYS='recorder flight' recorded
	# The log's own is opened again; a line that was on its way at that moment is counted.
	WAYS=log COUNT_EVENTS=1 COMPLAINS=1 rude close work=300 small=2
	WAYS=log accounted
}

@test "a plugin that forks in a hook" {
	rude fork work=300 fork work=100
	recorded
}

@test "a plugin that disables and enables itself, and walks over all, under a lock of its own" {
	rude hold work=100 small=2 churn=8
	recorded
}

@test "a plugin that makes something for each that is made is called eight deep, and it is counted" {
	rude recurse work=300 small=2
	recorded
	[ "$(number dormant 2)" -gt 0 ]
	[ "$(number recorder 2)" -gt 0 ]
}

@test "a plugin that throws in each event, of each thread" {
	local event
	for event in before after destroy; do
		PLUGINS=$UVHOOKS_BUILD/tests/plugins/throws.so:event=$event COMPLAINS=1 \
			fault work=300 small=2
		recorded
	done
}

@test "a plugin that ends the process: what was recorded until then is there" {
	local way
	rude exit work=100 || true
	for way in $ALL_WAYS; do
		[ "$(cat "$RUN/$way/status")" = 7 ]
		[ ! -s "$RUN/$way/stderr" ]
	done
	for way in log recorder flight; do
		[ "$(lines_in "$way" before)" = 50 ]
	done
}

# Nothing in the process can end that; whoever does from outside finds all that was recorded.
@test "a plugin that never returns: what was recorded until then is there" {
	local way pid status
	RUN=$BATS_TEST_TMPDIR
	count_times recorder flight
	for way in recorder flight; do
		mkdir "$RUN/$way"
		(EXEC="exec" with_shim \
			UVHOOKS_PLUGINS="$(plugins_of $way "$RUN/$way/trace");$FAULTS/rude.so:how=loop" \
			"$FAULTS/faults" work=100 >/dev/null 3>&-) &
		pid=$!
		# There it stops.
		# shellcheck disable=SC2016 # the inner shell's
		timeout 20 sh -c 'until grep -qs "^State:.T" "/proc/$0/status"; do :; done' "$pid" ||
			{ kill -KILL "$pid" && false; }
		kill -KILL "$pid"
		wait "$pid" || status=$?
		[ "$status" = 137 ]
		[ "$(lines_in "$way" before)" = 50 ]
	done
}

@test "docs/faults.md has a row for each test of a fault here, with how often it was done" {
	rows_are_true
}
