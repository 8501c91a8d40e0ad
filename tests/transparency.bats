#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2034
# Every program of tests/programs says and returns the same bare, with the shim, and with the shim and the
# log plugin; each log keeps the rules of every stream; nothing is lost on the way.

load helpers

# The programs, by name. A test runs those whose names match, so that the file takes turns.
programs() {
	find "$PROGRAMS" -maxdepth 1 -type f -perm -u+x ! -name '*.so' -printf '%f\n' | sort
}

# What is not 0 for good reasons.
expected_losses() {
	case $1 in
	h9_longjmp*) echo unwound_by_longjmp ;;
	stacks) echo unwound_by_longjmp foreign_leaves ;;
	nested_run | s08_destroy) echo forced_destroys ;;
	s19_longjmp | s20_execution_resource | s26_longjmp) echo unwound_by_longjmp ;;
	s23_many_types) echo types_exhausted ;;
	late_namespace | static_modules_two) echo other_libuvs ;;
	esac
}

check_losses() {
	local counters=$1 allowed name value failed=0
	allowed=" $(expected_losses "$2") "
	[ -e "$counters" ] || return 0
	while read -r name value; do
		if [ "$value" != 0 ] && [[ $allowed != *" $name "* ]]; then
			echo "$2: $name is $value"
			failed=1
		fi
	done <"$counters"
	return "$failed"
}

# Which rules the log of a program keeps, beside those of all.
rules() {
	case $1 in
	connections | fork | fork_pool) echo --late ;; # children begin in the middle
	address_reuse | ends | h9_* | left_on_stack | mixed_access | stacks | states | s22_*) ;; # leave something alive
	embedder_parity) echo --named-triggers ;; # it leaves its promises to the garbage collector
	random_stores | s05_* | s19_throw | s23_arguments | s25_*) echo --ended --named-triggers ;;
	s14_* | s26_release) echo --ended --nested-hooks ;;
	*) echo --ended ;;
	esac
}

check_program() {
	local failed=0 options logs
	# So many of anything are too much to write down; scale.bats has them all.
	[ "$1" != million_timers ] || local LOG_OPTIONS=events=type_change
	local -x UVHOOKS_TEST_TIMERS=100000
	UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/$1.counters runs_the_same "$PROGRAMS/$1" || failed=1
	if [ "$(cat "$LOGS/bare.status")" != 0 ]; then
		echo "$1 fails without the shim"
		failed=1
	fi
	check_losses "$BATS_TEST_TMPDIR/$1.counters" "$1" || failed=1
	logs=("$LOGS"/*.json)
	if [ -e "${logs[0]}" ]; then
		read -ra options <<<"$(rules "$1")"
		check_events "${options[@]}" "${logs[@]}" || failed=1
	fi
	return "$failed"
}

check_programs() {
	local program failed=() seen=0
	while read -r program; do
		seen=$((seen + 1))
		check_program "$program" || failed+=("$program")
	done < <(programs | grep -E "$1")
	echo "$seen programs; not the same: ${failed[*]}"
	[ "$seen" -ge "$2" ] && [ "${#failed[@]}" = 0 ]
}

@test "the canonical programs, in each build" {
	check_programs '^h[0-9]_' 22
}

@test "programs a to f" {
	check_programs '^[a-f]' 12
}

@test "programs g to m" {
	check_programs '^([i-m]|h[^0-9])' 6
}

@test "programs n to z" {
	check_programs '^(s[^0-9]|[n-rt-z])' 10
}

@test "the programs of the embedder API, rule by rule" {
	check_programs '^s[0-9]' 20
}

@test "the groups above leave no program out" {
	[ "$(programs | wc -l)" = "$(programs | grep -cE '^([hs][0-9]|[a-f]|[i-m]|h[^0-9]|s[^0-9]|[n-rt-z])')" ]
}

@test "each way to end a process, by itself" {
	local failed=()
	for way in exit _exit quick_exit kill abort nested_exit queued_exit leak atexit work_at_exit \
		busy_thread main_leaves shutdown; do
		runs_the_same "$PROGRAMS/ends" "$way" || failed+=("$way")
	done
	echo "not the same: ${failed[*]}"
	[ "${#failed[@]}" = 0 ]
}

@test "the strict and the forgiving shim do the same" {
	for program in nested_run request_memory failing_calls close_callbacks wakeup threads; do
		LOGS=$BATS_TEST_TMPDIR
		with_log UVHOOKS_STRICT=1 "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/strict"
		with_shim "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/forgiving"
		cmp "$BATS_TEST_TMPDIR/strict" "$BATS_TEST_TMPDIR/forgiving"
	done
}
