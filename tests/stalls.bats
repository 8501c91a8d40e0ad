#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154
# uvhooks stalls: callbacks that kept their loop from doing anything else.

load helpers
load planted

setup_file() {
	local story
	export TRACES=$BATS_FILE_TMPDIR
	RECORD=(--watchdog 40ms)
	record_planted slow_callback stuck_callback sync_fs
	run_planted "$TRACES/plain" "$uvhooks" record -o "$TRACES/no-stacks" -- "$PLANTED/slow_callback"
	for story in busy two ring nested_ring stuck calls inside empty; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$TRACES/$story"
	done
}

# asked NAME EXPRESSION [OPTION...]: does it hold for the answer as JSON?
asked() {
	verb stalls "$1" --json "${@:3}" >"$BATS_TEST_TMPDIR/stalls.json"
	jq -e "$2" "$BATS_TEST_TMPDIR/stalls.json" >/dev/null || {
		echo "not so: $2"
		jq -c . "$BATS_TEST_TMPDIR/stalls.json"
		return 1
	}
}

# made_at NAME: "NAME.c:12", where what the callback belongs to is made.
made_at() {
	echo "$1.c:$(grep -n 'MADE \*/' "$BATS_TEST_DIRNAME/planted/$1.c" | cut -d: -f1)"
}

@test "what is watched says and does what it does alone" {
	runs_as_bare slow_callback stuck_callback sync_fs
}

@test "a callback of 200 ms: its line, how long, and who made what it belongs to" {
	run -0 verb stalls slow_callback
	echo "$output"
	grep -qE '^1 callback ran longer than 100 ms: [2-9][0-9]{2} ms in all, ' <<<"$output"
	grep -qE '^  1 time, [2-9][0-9]{2} ms in all: [0-9.]+ % of its loop.s time; at 0\.[0-9]+ s \([0-9]+\)$' \
		<<<"$output"
	grep -qx "  made at $(made_at slow_callback) in on_begin" <<<"$output"
	grep -qx '  caused by TIMERWRAP on_begin < top level' <<<"$output"
	grep -qE "^  inside: .*$(line_of slow_callback) in compute  \(([0-9]+) of \1 samples?\)\$" <<<"$output"
	asked slow_callback '.stalls | length == 1 and (.[0] | .callback == "on_compute" and
		.count == 1 and .longest_ns >= 200e6 and .open_ns == 0 and .calls == [] and
		.triggers[0].callback == "on_begin" and .root == "top level")'
}

@test "a callback is not blamed for a nested loop that waits inside it" {
	asked slow_callback '[.stalls[].callback] == ["on_compute"]'
	asked slow_callback '.loops | length == 2'
	# Inside the loop that is blocked is no other: the time of the nested one counts once.
	asked slow_callback '.elapsed_ns == ([.loops[].elapsed_ns] | max)'
}

@test "a callback that never returns: the line where it is stuck, and for how long so far" {
	run -0 verb stalls stuck_callback
	echo "$output"
	grep -qE '^  still ran when the trace ended, for [0-9.]+ ms so far$' <<<"$output"
	grep -qx "  made at $(made_at stuck_callback) in main" <<<"$output"
	grep -qE "^  inside: .*read <- $(line_of stuck_callback) in ask  \(([0-9]+) of \1 samples?\)\$" \
		<<<"$output"
	asked stuck_callback '.stalls[0] | .callback == "on_timer" and .open_ns >= 100e6 and
		.open_ns == .longest_ns'
}

@test "a synchronous call of the file system on the loop: its line, and its share" {
	run -0 verb stalls sync_fs
	echo "$output"
	grep -qE '^  synchronous file system calls: (9[0-9]|100)\.[0-9] % of it$' <<<"$output"
	grep -qE "^    uv_fs_open, 1 time, [1-9][0-9]{2} ms, at $(line_of sync_fs) in on_timer\$" <<<"$output"
	grep -qE '^2 synchronous file system calls on loop threads took [1-9][0-9]{2} ms; they are 9' \
		<<<"$output"
	asked sync_fs '.stalls[0] | .calls_ns > 0.9 * .total_ns and
		(.calls | map(.call) | sort) == ["close", "open"]'
}

@test "without its fault nothing is found, and that is said" {
	local name
	for name in slow_callback stuck_callback sync_fs; do
		run -0 verb stalls "$name-fixed"
		echo "$output"
		grep -qE '^No callback ran longer than 100 ms; the longest was on_[a-z]+ \(.*\): [0-9.]+ [mu]s\.$' \
			<<<"$output"
		run -1 grep -E '^  |inside|made at' <<<"$output"
		asked "$name-fixed" '.stalls == [] and .longest.ns < 100e6 and .blocked_ns == 0'
	done
}

@test "what is too long is for the user to say" {
	verb stalls busy | grep -qx 'No callback ran longer than 100 ms; the longest was on_busy (TIMERWRAP 2): 50.0 ms.'
	verb stalls busy --over 20ms | grep -qx '1 callback ran longer than 20.0 ms: 50.0 ms in all, 25.0 % of the 200 ms that loops ran'
	asked busy '.stalls | map([.callback, .count, .total_ns, .longest_at_ns, .longest_id]) ==
		[["on_busy", 1, 50e6, 110e6, "2"], ["on_idle", 101, 1020e3, 170e6, "3"]]' --over 1us
	asked busy '.over_ns == 1500e6' --over 1.5
	run -2 verb stalls busy --over soon
	grep -q "'soon' is no duration" <<<"$output"
}

@test "calls of the file system are told for each callback, those outside of loops not at all" {
	asked calls '.stalls[0] | .calls_ns == 150e6 and
		(.calls | sort_by(.call) | map([.call, .count, .total_ns, .longest_ns])) ==
		[["open", 1, 60e6, 60e6], ["read", 2, 90e6, 50e6]]'
	asked calls '.calls | map(.count) | add == 3'
	run -0 verb stalls calls
	grep -qx '  synchronous file system calls: 75.0 % of it' <<<"$output"
	grep -qx '    uv_fs_read, 2 times, 90.0 ms, the longest 50.0 ms' <<<"$output"
	grep -qx '3 synchronous file system calls on loop threads took 150 ms; they are 75.0 % of the time above' \
		<<<"$output"
}

@test "with filters only what passes counts" {
	asked slow_callback '.filtered and .stalls == [] and .callbacks == 0' --type uv_idle_t
	verb stalls slow_callback --type uv_idle_t |
		grep -qx 'No callback of a loop is in this trace, or none passed the filters.'
	asked slow_callback '.stalls | length == 1' --callback on_comp
	asked busy '.stalls | map(.callback) == ["on_idle"]' --over 1us --callback idle
	asked busy '.stalls == []' --over 20ms --to 100ms
	asked two '.stalls | length == 1' --over 100ns --process 1001
}

@test "in a window counts what lies in it of a callback that is too long" {
	local seen='[.blocked_ns, .elapsed_ns] + (.stalls | map([.callback, .count, .total_ns, .share,
		.longest_at_ns, .open_ns]))'
	asked busy "$seen == [10e6, 52e6, [\"on_busy\", 1, 10e6, 0.192308, 110e6, 0]]" \
		--over 20ms --from 150ms
	asked busy "$seen == [20e6, 20e6, [\"on_busy\", 1, 20e6, 1, 110e6, 20e6]]" \
		--over 30ms --from 120ms --to 140ms
	verb stalls busy --over 20ms --to 140ms | grep -qx '  still ran when the window ended, for 30.0 ms so far'
	asked inside "$seen == [10e6, 40e6, [\"on_timer\", 1, 10e6, 0.25, 10e6, 10e6]]" \
		--over 20ms --callback on_timer --from 50ms --to 90ms
	# A call of the file system, too.
	asked calls '.stalls[0] | .calls_ns == 20e6 and .total_ns == 30e6' --from 100ms --to 130ms
}

@test "a trace that lacks what is needed says how to get it" {
	run -0 verb stalls no-stacks
	echo "$output"
	grep -q '^on_compute  TIMERWRAP$' <<<"$output"
	grep -q '^  caused by TIMERWRAP on_begin < top level$' <<<"$output"
	grep -qF 'uvhooks record --watchdog 100ms' <<<"$output"
	grep -qF 'uvhooks record --stacks' <<<"$output"
	asked no-stacks '(.watched | not) and (.stalls[0] | .inside == [] and .made == null and
		.made_stack == null)'
	# What has all of it needs no advice.
	run -1 grep 'uvhooks record' <(verb stalls slow_callback)
}

@test "a callback that a killed process was in, and nobody watched, is told apart" {
	run -0 verb stalls stuck
	echo "$output"
	grep -qF 'on_stuck (TIMERWRAP 2) began at 0.010000 s, and had not returned when the trace ended' \
		<<<"$output"
	asked stuck '.stalls == [] and .open[0].callback == "on_stuck" and .open[0].at_ns == 10e6'
}

@test "a loop that ran when recording began, and a trace with nothing in it" {
	asked ring '.stalls[0] | .callback == "on_timer" and .count == 3 and .total_ns == 4e6 and .share == 0.4' --over 1ms
	asked ring '.elapsed_ns == 10e6 and .blocked_ns == 4e6' --over 1ms
	asked ring '.elapsed_ns == 5e6 and .blocked_ns == 2e6' --over 1ms --from 2ms --to 7ms
	asked nested_ring '.elapsed_ns == 10e6 and .blocked_ns == 3e6 and .stalls[0].share == 0.3' --over 1ms
	verb stalls empty | grep -qx 'No callback of a loop is in this trace.'
	asked empty '.stalls == [] and .longest == null and .callbacks == 0'
}

@test "-v shows whole stacks: where it was made, by whose callback, and inside" {
	run -0 verb stalls slow_callback -v
	echo "$output"
	grep -qE '^  [0-9]+ was made by$' <<<"$output"
	grep -qE '^  while on_begin ran, the callback of TIMERWRAP [0-9]+, which was made by$' <<<"$output"
	# Each of the stacks ends in main.
	[ "$(grep -c '^      .*slow_callback\.c:[0-9]* in main' <<<"$output")" -ge 3 ]
	grep -qE "^      .*$(line_of slow_callback) in compute" <<<"$output"
	asked slow_callback '.stalls[0] |
		([.made_stack[].function] | index("on_begin") and index("main")) and
		([.inside[0].stack[].function] | index("compute") and index("on_compute"))'
}

@test "bad usage is said, and what is no trace" {
	run -2 "$uvhooks" stalls
	grep -q 'the folder of a trace is missing' <<<"$output"
	run -2 "$uvhooks" stalls "$BATS_TEST_TMPDIR/none"
	run -2 "$uvhooks" stalls --sideways "$TRACES/busy"
	run -0 "$uvhooks" stalls --help
	grep -q '^Usage: uvhooks stalls \[OPTION\]... DIR$' <<<"$output"
}
