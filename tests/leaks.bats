#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2154
# uvhooks leaks: what was made and never closed, and what of it is suspected.

load helpers
load planted

setup_file() {
	export TRACES=$BATS_FILE_TMPDIR
	record_planted leak_timers forgotten_timers unclosed_timer lost_connect lost_child
	record_planted server_alive tidied_up
	run_planted "$TRACES/plain" "$uvhooks" record -o "$TRACES/no-stacks" -- "$PLANTED/leak_timers"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# found NAME EXPRESSION [OPTION...]: does it hold for the answer as JSON?
found() {
	verb leaks "$1" --json "${@:3}" >"$BATS_TEST_TMPDIR/leaks.json" || [ $? -eq 1 ]
	jq -e "$2" "$BATS_TEST_TMPDIR/leaks.json" >/dev/null || {
		echo "not so: $2"
		jq -c . "$BATS_TEST_TMPDIR/leaks.json"
		return 1
	}
}

# suspects NAME TITLE WHAT WHERE: exactly one group is suspected, in these words, at the planted line.
suspects() {
	run -1 verb leaks "$1"
	echo "$output"
	grep -qE "^  $2\$" <<<"$output"
	grep -qE "^    $3\$" <<<"$output"
	[ "$(grep -cE '^    [A-Z0-9]' <<<"$output")" -eq 1 ]
	grep -qF "        made at $(line_of "$1") in $4, " <<<"$output"
	found "$1" '.suspected and ([.groups[] | select(.verdict != null)] | length == 1)'
}

@test "what is recorded says and does what it does alone" {
	runs_as_bare leak_timers tidied_up forgotten_timers unclosed_timer lost_connect lost_child
}

@test "timers that one line makes more and more of" {
	LC_ALL=C suspects leak_timers 'Never closed, and more and more of them' \
		'200 x TIMERWRAP \(uv_timer_t\) on_reminder: has fired(; \.\.\.)?' on_tick
	grep -qE '^        [0-9]{30}[6-9]9  alive: 200 of 200 made there, [0-9,]+ a second, and it goes on$' \
		<<<"$output"
	grep -q '^        caused by TIMERWRAP on_tick < top level$' <<<"$output"
	found leak_timers '.groups[0] | .verdict == "grows" and .count == 200 and .growth.made == 200 and
		(.growth.alive | length == 32 and . == sort and last == 200) and .growth.goes_on'
	LC_ALL=C.UTF-8 verb leaks leak_timers >text || [ $? -eq 1 ]
	grep -qE '^        [ ▁▂▃▄▅▆▇]+█+  alive' text
}

@test "timers that get more and more, though all are closed when the program ends" {
	LC_ALL=C suspects tidied_up 'More and more of them, until all were closed in the end' \
		'[45][0-9] x TIMERWRAP \(uv_timer_t\) on_timeout: has fired(; \.\.\.)?' on_tick
	grep -qE '^        [0-9]{32}  alive: 0 of 60 made there, [0-9,]+ a second$' <<<"$output"
	found tidied_up '.groups[0] | .verdict == "late" and .growth.made == 60 and .growth.live == 0'
}

@test "handles that were stopped, many from one line, and never closed" {
	suspects forgotten_timers 'Never closed, though stopped or never started' \
		'10 (x|×) TIMERWRAP \(uv_timer_t\) on_timeout: stopped' main
	grep -qE '^        .*  alive: 10 of 10 made there$' <<<"$output"
}

@test "a single timer that is never closed, since uv_loop_close said UV_EBUSY" {
	suspects unclosed_timer 'Never closed  uv_loop_close said UV_EBUSY because of them' \
		'TIMERWRAP \(uv_timer_t\) on_timeout: stopped' main
}

@test "a request that is never completed" {
	suspects lost_connect 'Requests that were never completed  .*' \
		'TCPCONNECTWRAP \(uv_connect_t\) on_connected: connects: 127.*' main
	grep -q '^  2 resources are alive at the end, and not suspected; -v lists what\.$' <<<"$output"
}

@test "a child that nobody waits for" {
	suspects lost_child 'Children that nobody waits for  .*' \
		'PROCESSWRAP \(uv_process_t\) on_exit_of_child: child [0-9]+ \(/bin/sh\)' main
	found lost_child '.groups[0] | .verdict == "child" and .resources[0].number > 0'
}

@test "without its fault each has no leaks, which is said, and the status is 0" {
	local name
	for name in leak_timers tidied_up forgotten_timers unclosed_timer lost_connect lost_child; do
		run -0 verb leaks "$name-fixed"
		grep -q '^  No leaks: ' <<<"$output"
		run -1 grep '^    ' <<<"$output"
		found "$name-fixed" '(.suspected | not) and all(.groups[]; .verdict == null)'
	done
}

@test "a server, a signal handler and a timer that live as long as the program are no leaks" {
	local how
	for how in "" -fixed; do
		run -0 verb leaks "server_alive$how"
		grep -qE '^  No leaks: [34] resources are alive at the end, and not suspected; -v lists what\.$' \
			<<<"$output"
	done
	run -0 verb leaks server_alive -v
	grep -q '^  Not suspected: alive$' <<<"$output"
	grep -q '^    SIGNALWRAP (uv_signal_t) on_signal: waits for SIGUSR1$' <<<"$output"
	grep -qE '^              /.*/server_alive\.c:[0-9]+ in main$' <<<"$output"
}

@test "--least says how many of one place are many" {
	run -0 verb leaks forgotten_timers --least 11
	run -1 verb leaks forgotten_timers --least 10
	run -2 verb leaks forgotten_timers --least none
	grep -q "'none' is no number from 1 to 4294967295" <<<"$output"
}

@test "without stacks the places are callbacks, and it says how to get lines" {
	run -1 verb leaks no-stacks
	grep -qE '^    200 (x|×) TIMERWRAP \(uv_timer_t\) on_reminder' <<<"$output"
	grep -qE '^        made [0-9.]+ ms ago, the latest ' <<<"$output"
	grep -q '^        caused by TIMERWRAP on_tick < top level$' <<<"$output"
	grep -qE 'stacks: .*uvhooks record --stacks' <<<"$output"
	found no-stacks '.groups[0] | .made == null and .verdict == "grows" and .growth.live == 200'
}

@test "filters leave out what is not asked for" {
	run -0 verb leaks leak_timers --type uv_tcp_t
	grep -q '^  No leaks: nothing is alive at the end\.$' <<<"$output"
	run -2 verb leaks leak_timers --process 1
	[[ $output == *"no process of this trace is '1'; there is leak_timers-"* ]]
	found leak_timers '[.groups[].count] == [200] and .filtered' --callback on_reminder
}

@test "a leak is seen in a flight recorder's last moments, and in a program that was killed" {
	run_planted "$BATS_TEST_TMPDIR/ring" "$uvhooks" record --ring 1M --stacks \
		-o "$BATS_TEST_TMPDIR/ring" -- "$PLANTED/leak_timers"
	TRACES=$BATS_TEST_TMPDIR found ring '.groups[0].verdict == "grows"'
	# The moment when half of them are there is one of a process that still runs.
	found leak_timers '.suspected'
	half_ns=$(jq '.groups[0].resources[100].at_ns' "$BATS_TEST_TMPDIR/leaks.json")
	found leak_timers '.groups | map(select(.verdict == "grows").count) | add > 90' \
		--to "${half_ns}ns"
}
