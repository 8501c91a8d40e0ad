#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recordings that begin and end while the program runs; dumps and snapshots; what other plugins change.

load helpers

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace
	PLUGIN=recorder
}

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

# controlled WORD...: the program of tests/recorder, under the shim and $PLUGINS.
controlled() {
	with_shim UVHOOKS_RECORDER="$UVHOOKS_BUILD/shim/plugins/$PLUGIN.so" \
		UVHOOKS_PLUGINS="${PLUGINS-}" timeout 60 "$UVHOOKS_BUILD/tests/recorder/controlled" "$@"
}

# The segments of shared memory that the process has made which recorded to this folder.
segments_of() {
	awk -v pid="${1##*-}" '$5 == pid' /proc/sysvipc/shm
}

answers() {
	grep '^set: ' <<<"$output"
}

@test "a recording that begins late tells first what lives, and ends as at the end of the process" {
	run -0 controlled timers=3 turns=2 "set=dir=$TRACE" turns=2 set=stop=1 turns=4
	[ "$(answers)" = $'set: done\nset: done' ]
	# three that are older, four that end, and the one that asks for the end, which is not closed yet
	run -0 --separate-stderr uvhooks report --json "$TRACE"
	# shellcheck disable=SC2154 # of bats
	[ "$stderr" = "" ]
	jq -e '.processes[0] | .stopped and (.ended | not) and .events_discarded == 0' <<<"$output"
	run -0 uvhooks why "$TRACE"
	[[ $output == *"3 "?*" TIMERWRAP (uv_timer_t) on_timer: fires in "*"made before the trace began"*"caused by top level"* ]]
	run -0 --separate-stderr uvhooks log --events init "$TRACE"
	[ "${#lines[@]}" = 3 ]
	run -0 --separate-stderr babeltrace2 "$TRACE"
	[ "$stderr" = "" ]
	grep -q ' stop: ' <<<"$output"
	[ ! -e "$(echo "$TRACE"/*)/.buffers" ]
}

@test "where the older ones were made is told, too" {
	PLUGINS=stacks run -0 controlled timers=3 "set=dir=$TRACE,snapshot=1"
	PLUGINS="stacks;recorder:dir=$BATS_TEST_TMPDIR/first" run -0 controlled timers=3 \
		set=stop=1 "set=dir=$BATS_TEST_TMPDIR/second" turns=1 "set=dir=$BATS_TEST_TMPDIR/third,snapshot=1"
	[ "$(answers | sort -u)" = "set: done" ]
	for trace in first second third; do
		uvhooks why --json "$BATS_TEST_TMPDIR/$trace" |
			jq -e '[.loops[].keeps[] | select(.made.function == "add_timers") | .count] == [3]'
	done
}

@test "what cannot be done is said, and changes nothing" {
	run -0 controlled timers=1 set=stop=1 "set=dump=$TRACE-x" set=ring=1M set=details=1 \
		"set=dir=$TRACE" "set=dir=$TRACE" set=ring=1M "set=stop=1,dir=/none/below" set=details=2 \
		set=snapshot=1 "set=dir=$TRACE,snapshot=1,ring=1M" set=size=1 status set=stop=1 status
	expect_output_of answers <<-END
		set: stop=1: nothing is recorded
		set: dump=: nothing is recorded; dir=DIR begins
		set: ring= and max_size= are chosen when a recording begins, with dir=DIR
		set: details=: nothing is recorded; dir=DIR begins
		set: done
		set: dir=: a recording to $TRACE goes on; stop=1 ends it
		set: ring= and max_size= are chosen when a recording begins, with dir=DIR
		set: dir=/none/below: it cannot be made in /none: No such file or directory
		set: details=2: say 1 or 0
		set: snapshot=1 needs dir=DIR: the folder of the trace
		set: snapshot=1 tells what lives now: ring= and max_size= are of no use
		set: unknown option 'size'; known are dir=DIR, ring=SIZE, max_size=SIZE, details=1, frozen=1, snapshot=1, and, while the program runs, stop=1 and dump=DIR
		set: done
	END
	[[ $output == *"status: "*" bytes, 0 events lost, to $TRACE/controlled-"*"status: records nothing; dir=DIR begins" ]]
	[ "$(find "$TRACE" -name metadata | wc -l)" = 1 ]
}

@test "while nothing is recorded there is no hook" {
	run -0 controlled turns=1 "set=dir=$TRACE" turns=1 set=stop=1 turns=1000
	[ "$(uvhooks log --events loop_enter "$TRACE" | wc -l)" -le 4 ]
}

@test "one ends and the next begins at one word" {
	run -0 controlled timers=1 "set=dir=$TRACE" turns=2 "set=stop=1,dir=$TRACE-2,ring=1M" turns=3 status
	[ "$(answers | sort -u)" = "set: done" ]
	[[ $output == *"of which the newest 1048576 are kept, 0 events lost, to $TRACE-2/controlled-"* ]]
	[ "$(uvhooks log --events before "$TRACE" 2>/dev/null | wc -l)" = 3 ]
	uvhooks report --json "$TRACE-2" | jq -e '.processes[0] | .flight_recorder and .ended'
}

@test "a dump is the trace up to now, and the recording goes on" {
	local options
	for options in "" ",ring=1M"; do
		run -0 controlled timers=2 threads=2 "set=dir=$TRACE-1$options" turns=300 \
			"set=dump=$TRACE-2" turns=300 join "set=dump=$TRACE-3" turns=1 set=stop=1
		[ "$(answers | sort -u)" = "set: done" ]
		for trace in 1 2 3; do
			run -0 --separate-stderr babeltrace2 "$TRACE-$trace"
			[ "$stderr" = "" ]
			uvhooks log --type uv_timer_t "$TRACE-$trace" 2>/dev/null >"$BATS_TEST_TMPDIR/$trace"
		done
		# The later has all that the earlier has, from the first thread.
		[ "$(grep -c on_deed "$BATS_TEST_TMPDIR/2")" -gt 600 ]
		[ "$(grep -c on_deed "$BATS_TEST_TMPDIR/3")" -ge $(($(grep -c on_deed "$BATS_TEST_TMPDIR/2") + 600)) ]
		[ "$(grep -c on_deed "$BATS_TEST_TMPDIR/1")" -gt "$(grep -c on_deed "$BATS_TEST_TMPDIR/3")" ]
		rm -r "$TRACE"-*
	done
}

@test "dumps one after the other, while other threads write, hold nobody up" {
	local words=() number
	for number in $(seq 30); do
		words+=("set=dump=$TRACE-d$number" turns=2)
	done
	run -0 controlled timers=2 threads=4 "set=dir=$TRACE-1,ring=1M" "${words[@]}" join set=stop=1
	[ "$(answers | sort | uniq -c | tr -s ' ')" = " 32 set: done" ]
	[ "$(find "$TRACE"-d* -name metadata | wc -l)" = 30 ]
}

@test "a snapshot is a whole trace, alone and beside a recording, any number of times" {
	run -0 controlled timers=5 threads=1 "set=dir=$TRACE-1,snapshot=1" "set=dir=$TRACE-2" turns=5 \
		"set=dir=$TRACE-1,snapshot=1" "set=dir=$TRACE-1,snapshot=1" turns=5 join set=stop=1
	[ "$(answers | sort -u)" = "set: done" ]
	[ "$(find "$TRACE-1" -name metadata | wc -l)" = 3 ]
	run -0 --separate-stderr babeltrace2 "$TRACE-1"
	[ "$stderr" = "" ]
	uvhooks why --json "$TRACE-1" |
		jq -e '[.loops[] | select(.loop == 0) | .keeps[] | select(.callback == "on_timer") | .count] == [5, 5, 5]'
	# and the recording has not noticed
	run -0 --separate-stderr babeltrace2 "$TRACE-2"
	[ "$stderr" = "" ]
	[ "$(uvhooks log "$TRACE-2" 2>/dev/null | grep -c 'before.*on_deed')" -ge 12 ]
}

@test "hundreds of recordings leave nothing behind, with threads that go on all the while" {
	mkdir "$TRACE"
	run -0 controlled timers=20 threads=3 "in=$TRACE" cycles=20 measure cycles=150 measure join
	[[ ${lines[0]} =~ ^([0-9]+)\ descriptors\ ([0-9]+)\ mappings\ ([0-9]+) ]]
	local descriptors=${BASH_REMATCH[1]} mappings=${BASH_REMATCH[2]} kilobytes=${BASH_REMATCH[3]}
	[[ ${lines[1]} =~ ^([0-9]+)\ descriptors\ ([0-9]+)\ mappings\ ([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" = "$descriptors" ]
	[ "${BASH_REMATCH[2]}" -le "$((mappings + 2))" ]
	[ "${BASH_REMATCH[3]}" -le "$((kilobytes + 1024))" ]
	[ -z "$(segments_of "$(echo "$TRACE"/1/controlled-*)")" ]
	# Each is a trace of its own, and sound.
	for trace in "$TRACE"/{1,7,19,101,104,105-snapshot,149}; do
		run -0 --separate-stderr babeltrace2 "$trace"
		[ "$stderr" = "" ]
	done
}

@test "a fork's child begins and ends recordings of its own, whatever its parent did" {
	local words
	for words in "set=stop=1" "turns=1"; do
		rm -rf "$TRACE"*
		PLUGINS="recorder:dir=$TRACE-1" run -0 controlled timers=2 threads=1 turns=2 $words fork \
			"set=stop=1,dir=$TRACE-2" "set=dir=$TRACE-2" turns=2 set=stop=1 turns=2 status join
		# Of two ways to begin one is right.
		[ "$(answers | grep -c "done")" -ge 4 ]
		[ "$(find "$TRACE-2" -name metadata | wc -l)" = 2 ]
		run -0 --separate-stderr babeltrace2 "$TRACE-2"
		[ "$stderr" = "" ]
		uvhooks report --json "$TRACE-2" | jq -e '[.processes[] | .stopped] == [true, true]'
		[ "$(grep -c 'status: records nothing' <<<"$output")" = 0 ]
	done
}

@test "what was killed in the midst of a later recording is read as any other" {
	run -137 controlled timers=3 threads=2 "set=dir=$TRACE-1" turns=9 set=stop=1 \
		"set=dir=$TRACE-2,ring=1M" turns=1000 kill
	[ "$(uvhooks log "$TRACE-2" 2>/dev/null | grep -c 'before.*on_deed')" = 1000 ]
	run -0 --separate-stderr babeltrace2 "$TRACE-2"
	[ "$stderr" = "" ]
	run -0 uvhooks why "$TRACE-2"
	[[ $output == *"TIMERWRAP (uv_timer_t) on_timer: fires in "* ]]
}

@test "details can be had from now on, and no more" {
	run -137 controlled "set=dir=$TRACE" repeating=2 set=details=1 repeating=3 set=details=0 repeating=4 kill
	[ "$(answers | sort -u)" = "set: done" ]
	uvhooks why "$TRACE" >/dev/null
	# those of three, and one of what lived when the recording began
	[ "$(babeltrace2 "$TRACE" | grep -c ' state: ')" = 4 ]
}

@test "a frozen flight recorder makes no system call that the program did not plan" {
	PLUGINS="" run -0 controlled timers=3 turns=1 seccomp turns=10
	# The usual one writes files; what it had recorded until then is not lost.
	PLUGINS="recorder:dir=$TRACE-1,ring=1M" run ! controlled timers=3 turns=1 seccomp turns=3000
	[ "$(uvhooks log --events before "$TRACE-1" 2>/dev/null | grep -c on_deed)" -gt 500 ]
	PLUGINS="recorder:dir=$TRACE-2,ring=1M,frozen=1" run -0 controlled timers=3 turns=1 threads=3 seccomp \
		turns=12000 join
	[ "$(find "$TRACE-2" -name 'thread-*' | wc -l)" = 0 ]
	uvhooks report --json "$TRACE-2" |
		jq -e '.processes[0] | .flight_recorder and .ended and .events > 20000 and .events_discarded == 0'
	uvhooks log --events loop_exit "$TRACE-2" 2>/dev/null | grep -q 'loop_exit 0'
	run -0 --separate-stderr babeltrace2 "$TRACE-2"
	[ "$stderr" = "" ]
	[ "$(du -s --block-size=1K "$TRACE-2" | cut -f 1)" -lt 1300 ]
	# and whoever kills it
	PLUGINS="recorder:dir=$TRACE-3,ring=1M,frozen=1" run -137 controlled timers=3 threads=1 turns=3000 kill
	[ "$(uvhooks log --events before "$TRACE-3" 2>/dev/null | grep -c on_deed)" -gt 2000 ]
	run -0 uvhooks log --id 2 "$TRACE-3"
}

@test "a frozen recording ends when it is asked to, and is not for later ones" {
	PLUGINS="recorder:dir=$TRACE-1,ring=1M,frozen=1" run -0 controlled timers=3 turns=500 \
		"set=dump=$TRACE-2" set=stop=1 "set=dir=$TRACE-2,frozen=1,ring=1M" "set=dir=$TRACE-2,ring=1M" turns=3
	[[ $output == "set: dump=: a frozen recording is in memory only"*"set: done"*"frozen=1: only when the plugin is loaded"*"set: done"* ]]
	uvhooks report --json "$TRACE-1" | jq -e '.processes[0] | .stopped and .events > 2000'
	uvhooks report --json "$TRACE-2" | jq -e '.processes[0].ended'
}

@test "the log's filters change while it runs, all or none of them" {
	PLUGIN=log PLUGINS="log:file=$BATS_TEST_TMPDIR/log,events=init" run -0 controlled timers=1 \
		set=events=destroy turns=1 set=types=uv_idle_t turns=1 "set=types=all,events=init,events=after" \
		turns=1 "set=events=before,format=xml" turns=1 set=events=nothing set=file=x status
	[ "$(answers | head -n 3 | sort -u)" = "set: done" ]
	[[ $output == *"format=xml: known are text and json"*"'nothing' is not an event"*"file= is chosen when the log begins"* ]]
	[[ $output == *"status: to $BATS_TEST_TMPDIR/log, 0 lines lost"* ]]
	awk '{ print $2 }' "$BATS_TEST_TMPDIR/log" | uniq | tr '\n' ' ' >"$BATS_TEST_TMPDIR/kinds"
	[[ $(<"$BATS_TEST_TMPDIR/kinds") == "init destroy after init after init after init after"* ]]
	[[ $(<"$BATS_TEST_TMPDIR/kinds") != *before* ]]
}

@test "the sampling and the watchdog of stacks change while it runs" {
	PLUGIN=stacks PLUGINS="stacks:types=uv_idle_t;recorder:dir=$TRACE" run -0 controlled timers=1 \
		status set=types=all set=at=init timers=1 status set=watchdog_ms=20 set=watchdog_ms=0 \
		set=sample=1/1000000 set=depth=5 set=sample=0 set=at=never status
	[ "$(answers | head -n 5 | sort -u)" = "set: done" ]
	[[ $output == *"depth=, max= and unwind= are chosen when the plugin is loaded"*"sample=0: say 1/N"*"at=never: known are"* ]]
	[[ $output == *"status: 0 stacks, 0 lost, 1/1 taken; watchdog_ms=0"*"status: "[1-9]*" stacks"*"1/1000000 taken; watchdog_ms=0" ]]
}
