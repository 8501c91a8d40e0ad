#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Sinks: what a hook that is alone gets as records rather than as calls is what it would have been told.

load helpers

setup() {
	PLUGINS=$UVHOOKS_BUILD/tests/plugins
	cd "$BATS_TEST_TMPDIR" || return 1
}

# counted PLUGIN... -- PROGRAM...: the counts of the plugin sinks beside others, as four numbers:
# events to the hook, put by it, bytes in sinks, lendings that went wrong.
counted() {
	local plugins=sinks.so:file=counts
	while [ "$1" != -- ]; do
		plugins+=";$1"
		shift
	done
	shift
	rm -f counts
	with_shim UVHOOKS_PLUGINS="$PLUGINS/$plugins" "$@" >stdout
	od -An -v -w32 -t u8 counts
}

# recorded NAME PLUGINS PROGRAM...: what uvhooks log says of it.
recorded() {
	local name=$1 plugins=$2
	shift 2
	with_shim UVHOOKS_PLUGINS="recorder:dir=$name$plugins" "$@" >"$name.stdout" 2>"$name.stderr"
	"$UVHOOKS_BUILD/tools/uvhooks" log --format json "$name" >"$name.log"
}

# Those of several threads, which never have the same order or the same ids, by what they are.
in_kinds() {
	jq -r '[.event, .type, .callback // "-", .flags // "-"] | tostring' "$1" | sort | uniq -c
}

# The events of a program, where the recorder's hook is alone, and beside a hook that does nothing.
compare() {
	local program failed=0
	for program; do
		mkdir "$program" && cd "$program" || return 1
		recorded alone "" "$PROGRAMS/$program"
		recorded beside ";$PLUGINS/empty_hook.so" "$PROGRAMS/$program"
		diff alone.stdout beside.stdout
		diff alone.stderr beside.stderr
		if [ "$(jq .thread alone.log | sort -u | wc -l)" = 1 ]; then
			jq -c 'del(.time_ns, .thread)' alone.log >alone.seen
			jq -c 'del(.time_ns, .thread)' beside.log >beside.seen
		else
			in_kinds alone.log >alone.seen
			in_kinds beside.log >beside.seen
		fi
		if [ ! -s alone.seen ] || ! diff beside.seen alone.seen >difference; then
			echo "$program differs:"
			head -5 difference
			failed=1
		fi
		cd ..
	done
	return "$failed"
}

@test "the recorder alone has the events that it has beside another hook" {
	compare h1_timer h3_tcp h4_close_pending h6_inside h7_errors close_callbacks every_type \
		failing_calls link null_callbacks reads start_stop nested_run
}

@test "so it has where callbacks are left by longjmp, exceptions and the end of a thread" {
	compare h9_longjmp h9_throw h9_thread_end s19_longjmp s19_throw
}

@test "so it has where threads and the thread pool are at work" {
	compare h2_fs h5_work threads wakeup work all_fs
}

@test "so it has of what a program makes itself" {
	compare embedder_parity s04_types s22_process_exit s25_promise
}

@test "a hook that is alone is called for little, and its sinks hold the rest" {
	local called put bytes wrong
	read -r called put bytes wrong < <(counted -- "$PROGRAMS/busy")
	[ "$(cat stdout)" = "1000 callbacks" ]
	[ "$wrong" = 0 ]
	# Only where the clock is the TSC does the shim write into sinks by itself.
	case $(uname -m) in
	x86_64) [ "$called" -gt 0 ] && [ "$called" -lt 100 ] ;;
	*) [ "$called" -ge 2000 ] ;;
	esac
}

@test "beside another hook it is called for all, and can use its sink itself" {
	local called put bytes wrong
	read -r called put bytes wrong < <(counted "$PLUGINS/empty_hook.so" -- "$PROGRAMS/busy")
	[ "$wrong" = 0 ]
	[ "$called" -ge 2000 ]
	[ "$put" -gt $((called * 9 / 10)) ]
	[ "$bytes" -ge $((put * 8)) ] && [ "$bytes" -le $((put * 32)) ]
}

@test "a program with local storages prints and returns what it does without the recorder" {
	local program expected
	for program in "$PROGRAMS"/s26_* "$PROGRAMS"/random_stores; do
		[[ $program != *.* && $program != *-* ]] || continue
		expected=0
		with_shim "$program" >expected 2>expected.stderr || expected=$?
		run -"$expected" --separate-stderr with_shim UVHOOKS_PLUGINS=recorder:dir=trace "$program"
		diff <(cat expected) <(printf '%s' "${output:+$output$'\n'}")
		# shellcheck disable=SC2154 # of bats
		diff <(cat expected.stderr) <(printf '%s' "${stderr:+$stderr$'\n'}")
		rm -r trace
	done
}
