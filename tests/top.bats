#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016,SC2030,SC2031,SC2154,SC2209
# uvhooks top: what a running process does, live, as text and as data; and the meter that counts.

load helpers

uvhooks=$UVHOOKS_BUILD/tools/uvhooks
WATCHED=$UVHOOKS_BUILD/tests/top/watched
SCREENS=0

teardown() {
	[ -z "${SCREEN-}" ] || on_screen kill-server 2>/dev/null || :
	for PID in ${TOP-} ${CHILD-} ${PID-}; do
		kill -9 "$PID" 2>/dev/null || :
		wait "$PID" 2>/dev/null || :
	done
}

# Starts the program that does what it is told, in $PID; VARIABLE=VALUE may come before it.
start() {
	local way=${WAY:-with_shim}
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	(EXEC=exec "$way" "$@" "$WATCHED" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&-) &
	PID=$!
	exec {IN}>"$BATS_TEST_TMPDIR/in" {OUT}<"$BATS_TEST_TMPDIR/out"
	tell "timers 1"
}

# Tells it one thing after the other; each is done when it has answered.
tell() {
	local line reply
	for line; do
		echo "$line" >&"$IN"
		answered
	done
}

answered() {
	local reply
	read -r -t 20 -u "$OUT" reply
	[ "$reply" = ok ]
}

# Until a command succeeds; 20 s are too long for any of them.
until_it() {
	local end=$((SECONDS + 20))
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "this did not come: $*"
			return 1
		fi
	done
}

status_has() {
	"$uvhooks" ctl "$PID" status 2>&1 | grep -q -- "$1"
}

# Measures in the background until measured() ends that.
measure() {
	"$uvhooks" top --interval 60s "$@" "$PID" >"$BATS_TEST_TMPDIR/frame" \
		2>"$BATS_TEST_TMPDIR/said" 3>&- {IN}>&- {OUT}<&- &
	TOP=$!
	until_it status_has "watched by"
}

# What it has answered may not have returned yet, unless that is to be seen: measured busy.
measured() {
	[ "${1-}" = busy ] || until_it status_has "is in libuv"
	kill -TERM "$TOP"
	wait "$TOP" || [ $? -eq 143 ]
	TOP=
}

# holds EXPRESSION...: of the object that was measured.
holds() {
	local expression
	for expression; do
		jq -e "$expression" "$BATS_TEST_TMPDIR/frame" >/dev/null || {
			echo "not so: $expression"
			cat "$BATS_TEST_TMPDIR/frame" "$BATS_TEST_TMPDIR/said"
			return 1
		}
	done
}

shows() {
	grep -qE -- "$1" "$BATS_TEST_TMPDIR/frame" || {
		echo "it does not show: $1"
		cat "$BATS_TEST_TMPDIR/frame"
		return 1
	}
}

line_of() {
	echo "watched.c:$(grep -n "/\* $1 \*/" "$BATS_TEST_DIRNAME/top/watched.c" | cut -d: -f1)"
}

# The screen, in a terminal of its own of 80 columns.
on_screen() {
	env -u TMUX LC_ALL=C.UTF-8 tmux -L "$SCREEN" -f /dev/null "$@"
}

open_screen() {
	SCREEN=uvhooks-$BATS_TEST_NUMBER-$$-$((++SCREENS))
	on_screen new-session -d -x 80 -y 24 "$(printf '%q ' sh -c \
		'trap : INT; stty -g >"$0.before"; "$@"; echo $? >"$0.status"; stty -g >"$0.after"; echo left; exec cat' \
		"$BATS_TEST_TMPDIR/tty" "$@")" 3>&- {IN}>&- {OUT}<&-
}

screen_has() {
	on_screen capture-pane -p 2>/dev/null | grep -qE -- "$1"
}

sees() {
	until_it screen_has "$1" || {
		on_screen capture-pane -p
		return 1
	}
}

presses() {
	on_screen send-keys "$@"
}

@test "what it counts is what the program did, by type, callback and place" {
	start
	tell "timers 4"
	measure --json
	tell "ticks 30" "churn 20" "stat 6" "timers 2"
	measured
	holds '.measured and .seconds > 0 and .live == 8 and .trouble == null' \
		'.made == 1 + 20 + 6 + 2 and .closed == 27' \
		'(.types | map({(.type): .}) | add) as $t |
			$t.TIMERWRAP == ($t.TIMERWRAP | .live = 7 | .made = 3 | .closed = 1 | .callbacks = 31) and
			$t.IDLEWRAP == ($t.IDLEWRAP | .live = 0 | .made = 20 | .closed = 20 | .callbacks = 20) and
			$t.FSREQCALLBACK.call == "stat" and $t.FSREQCALLBACK.callbacks == 6 and
			$t.POLLWRAP.live == 1 and $t.POLLWRAP.callbacks == 4' \
		'(.by_callback | map({(.callback): .callbacks}) | add) ==
			{on_tick: 30, on_closed: 1, on_churned: 20, on_stat: 6, on_input: 4}' \
		'.callbacks == 61 and .loops[0].callbacks == 61 and .loops[0].turns >= 4' \
		'.sites | map(select(.where == "in on_input")) | map({(.type): .made}) | add ==
			{TIMERWRAP: 3, IDLEWRAP: 20, FSREQCALLBACK: 6}' \
		'.sites | map(select(.where == "before it was watched") | .live) | add == 6' \
		'.by_callback | all(.ns > 0 and .max_ns > 0 and .ns >= .self_ns)' \
		'[.lost[]] | add == 0'
	until_it status_has "nobody watches"
	tell "ticks 2"
	status_has "disabled meter"
}

@test "the same as text; filtered, sorted, and a few lines of each table" {
	start
	measure --once
	tell "ticks 40" "churn 90" "stat 6"
	measured
	shows "^watched \(pid $PID\)  libuv [0-9.]+, linked; up [0-9]+ s, measured for [0-9.]+ s$"
	shows '^  2 live, [0-9.,]+ made and [0-9.,]+ closed a second; [0-9.,]+ callbacks a second$'
	shows '^  loop 0   busy +[0-9.]+ %  [0-9.,]+ callbacks a second in [0-9.,]+ turns$'
	shows '^  pool     0 of 4 threads run, 0 wait; [0-9.]+ done a second, waited [0-9.]+ .s at most$'
	shows '^  nothing lost$'
	shows '^ +0 .* IDLEWRAP +in on_input$'
	shows '^ +fs +stat +0 +0 '
	measure --once --sort callbacks/s --filter wrap --top 2
	tell "ticks 40" "churn 90" "stat 6"
	measured
	[ "$(sed -n '/^Callbacks$/,/^$/p' "$BATS_TEST_TMPDIR/frame" | awk '{print $NF}' | tr '\n' ' ')" = \
		"Callbacks callback on_churned on_tick 4  " ]
	shows '^  ... 2 more: --top 4$'
	run -1 grep -E 'FSREQ|  stat' "$BATS_TEST_TMPDIR/frame"
	run -0 "$uvhooks" top --once --interval 10ms --sort live "$PID"
	run -1 grep -P '\e|\t| $' <<<"$output"
}

@test "places by file and line, where stacks are taken" {
	start
	tell "timers 2"
	measure --json --stacks
	tell "timers 3" "chain"
	measured
	holds ".sites | map(select(.where == \"$(line_of TIMERS) in make_timers\")) |
			length == 1 and .[0].live == 4 and .[0].made == 4" \
		".sites | any(.where == \"$(line_of SECOND) in on_first\" and .live == 1)"
}

@test "one resource: where it was made, and all that led to it" {
	start
	measure --json --stacks
	tell "chain"
	run -0 "$uvhooks" top --once --id 6 "$PID"
	echo "$output"
	[ "${lines[0]}" = "6 TIMERWRAP on_late  (uv_timer_t)" ]
	grep -qE "^  made at $(line_of TIMERS) in make_timers, [0-9.]+ m?s ago$" <<<"$output"
	[ "$(sed -n '/caused by/,/top level/p' <<<"$output" | sed 's/  made .*//')" = \
"  caused by
    5 TIMERWRAP on_second
    4 TIMERWRAP on_first
    2 POLLWRAP on_input
    top level" ]
	grep -qx "    $(line_of TIMERS) in make_timers" <<<"$output"
	"$uvhooks" top --json --id 5 "$PID" >"$BATS_TEST_TMPDIR/frame"
	holds '.id == "5" and .lives and .callback == "on_second" and .caused == {TIMERWRAP: 1}' \
		'[.causes[].id] == ["4", "2"] and .root == "top level"' \
		"(.where == \"$(line_of SECOND) in on_first\") and (.stack | length > 2)"
	run -1 "$uvhooks" top --once --id 99 "$PID"
	[ "$output" = "uvhooks: there is no live resource 99 in process $PID" ]
	measured
}

@test "a loop that is busy, and a loop that waits" {
	start
	run -0 "$uvhooks" top --json --interval 100ms "$PID"
	jq -e '.loops[0] | .busy < 0.5 and .runs == null' <<<"$output"
	# What lives is known although nothing happens.
	jq -e '.sites | map({(.type): .live}) | add == {POLLWRAP: 1, TIMERWRAP: 1}' <<<"$output"
	measure --json
	tell "spin"
	until_it screen_is_busy
	measured busy
	holds '.loops[0].busy > 0.5' \
		'.by_callback[] | select(.callback == "on_spin") |
			.callbacks > 0 and .busy_ns >= .callbacks * 1000000'
}

# It spins: another top sees that.
screen_is_busy() {
	"$uvhooks" top --json --interval 50ms "$PID" 2>/dev/null |
		jq -e '.loops[0] | .busy > 0.8 and .runs.callback == "on_spin"'
}

@test "a loop that is stuck: in what, and for how long" {
	start
	measure --json
	tell "stuck"
	measured busy
	holds '.loops[0].runs | .callback == "on_stuck" and .type == "TIMERWRAP" and .for_ns > 0' \
		'.loops[0].busy > 0' '.longest | any(.callback == "on_stuck" and .runs)' \
		'.by_callback[] | select(.callback == "on_stuck") | .callbacks == 0 and .busy_ns > 0'
	echo >&"$IN"
	tell "ticks 1"
}

@test "a loop that was stuck before: what can be seen without its help" {
	start
	tell "timers 3" "stuck"
	run -1 --separate-stderr "$uvhooks" top --once --interval 50ms "$PID"
	echo "$output"
	grep -qx '  6 live; rates are not known' <<<"$output"
	grep -qE '^  loop 0   runs on_stuck of [0-9]+ \(TIMERWRAP\), seen there for [0-9.]+ m?s$' <<<"$output"
	grep -qE '^  TIMERWRAP +5 +- +- ' <<<"$output"
	[[ $stderr == "uvhooks: process $PID cannot be measured: no loop has answered"* ]]
	echo >&"$IN"
	tell "ticks 1"
}

@test "a pool that is full: what waits, what runs, and for how long it did" {
	start UV_THREADPOOL_SIZE=3
	measure --json
	tell "work 8"
	echo "stat 2" >&"$IN"
	until_it pool_is_full
	tell "free"
	answered
	measured
	holds '.pool.threads == 3 and .pool.running == 0 and .pool.waiting == 0' \
		'(.pool.kinds | map({(.kind): .}) | add) as $k | $k.work.done == 8 and $k.fs.done == 2 and
			$k.fs.call == "stat" and $k.fs.wait_max_ns > 0 and
			$k.work.wait_max_ns >= $k.work.wait_mean_ns and $k.work.run_max_ns > 0 and
			$k.work.run_max_ns >= $k.work.run_mean_ns' \
		'.by_callback[] | select(.callback == "crunch") | .in_pool and .callbacks == 8'
}

pool_is_full() {
	"$uvhooks" top --json --interval 10ms "$PID" | jq -e '.pool |
		.running == 3 and .waiting == 7 and
		(.kinds | map({(.kind): [.running, .waiting]}) | add) == {work: [3, 5], fs: [0, 2]}'
}

@test "two at a time: one leaves, and the other one goes on" {
	start
	measure --json
	tell "ticks 5"
	"$uvhooks" top --json --interval 10ms "$PID" >"$BATS_TEST_TMPDIR/other"
	jq -e '.measured' "$BATS_TEST_TMPDIR/other"
	until_it status_has "watched by 1,"
	tell "ticks 7"
	measured
	holds '.by_callback[] | select(.callback == "on_tick") | .callbacks == 12'
}

@test "killed, it leaves nothing switched on for long" {
	start
	"$uvhooks" top --once --interval 1s "$PID" >"$BATS_TEST_TMPDIR/frame" 3>&- {IN}>&- {OUT}<&- &
	TOP=$!
	until_it status_has "watched by 1,"
	kill -9 "$TOP"
	status_has "enabled meter"
	until_it is_over
	run -0 "$uvhooks" top --once --interval 10ms "$PID"
}

@test "a process that ends while it is watched" {
	local status=0
	start
	measure --once
	kill -9 "$PID"
	wait "$TOP" || status=$?
	TOP=
	[ "$status" = 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/frame" ]
	[ "$(cat "$BATS_TEST_TMPDIR/said")" = "uvhooks: process $PID has ended" ]
}

# The meter looks at its clock when something happens.
is_over() {
	tell "ticks 1"
	status_has "disabled meter"
}

@test "a child of a watched process is not watched, and can be" {
	local child
	start
	measure --json
	echo fork >&"$IN"
	read -r -t 20 -u "$OUT" child
	answered
	tell "ticks 4"
	CHILD=$child
	"$uvhooks" ctl "$child" status | grep -q "disabled meter"
	"$uvhooks" top --json --interval 10ms "$child" >"$BATS_TEST_TMPDIR/other"
	jq -e '.measured and .live == 2 and .pid == '"$child" "$BATS_TEST_TMPDIR/other"
}

@test "the meter changes nothing in what programs do" {
	local program
	for program in s19_throw s10_destroy_twice h5_work every_type embedder_parity; do
		run -0 --separate-stderr bare "$PROGRAMS/$program"
		bare_output=$output
		run -0 --separate-stderr with_shim UVHOOKS_STRICT=1 UVHOOKS_PLUGINS=meter \
			"$PROGRAMS/$program"
		[ "$output" = "$bare_output" ] || {
			echo "$program printed: $output $stderr"
			return 1
		}
	done
	# Threads that come and go, each with a loop or without, and children.
	run -0 with_shim UVHOOKS_STRICT=1 UVHOOKS_PLUGINS=meter "$PROGRAMS/busy" short=300 fork \
		threads=8 5000
}

@test "whatever a process claims that was counted, it is read without harm" {
	local seed=$((RANDOM + 1))
	echo "seed $seed"
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	(EXEC=exec with_shim "$UVHOOKS_BUILD/tests/top/liar" "$seed" \
		<"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&-) &
	PID=$!
	exec {IN}>"$BATS_TEST_TMPDIR/in" {OUT}<"$BATS_TEST_TMPDIR/out"
	answered
	run -0 "$uvhooks" top --json --interval 10ms "$PID"
	jq -e '.live == 2' <<<"$output"
	run -0 "$uvhooks" top --once --id 2 "$PID"
	exec {IN}>&-
	wait "$PID"
	PID=
}

@test "the screen: tables by keys, a resource and what led to it, and the terminal as it was" {
	start UVHOOKS_PLUGINS=stacks
	open_screen "$uvhooks" top --interval 100ms "$PID"
	sees '^  loop 0   busy '
	tell "chain" "work 2" "ticks 50"
	presses 2
	sees "$(line_of TIMERS) in make_timers"
	presses 3
	sees 'WORKREQ +crunch \(in the pool\)'
	presses 5
	sees '^> work +0 +2 '
	presses 6
	sees 'POLLWRAP +on_input'
	presses 4
	sees '^> +[0-9]+  '
	presses / on_late
	sees '^filter: on_late_'
	presses Enter
	sees ' only: on_late'
	presses s s S r
	presses Home
	sees '^> .* on_late$'
	presses End Enter
	sees '^  caused by$'
	presses Escape Home Enter
	sees '^    [0-9]+ TIMERWRAP on_(first|second)|^    2 POLLWRAP on_input'
	presses Escape Escape 1 /
	presses TIMER Enter Enter
	sees 'only: TIMERWRAP'
	sees '4 resources'
	presses Escape h
	sees 'Space +stand still'
	presses Escape Space
	sees 'stands still'
	on_screen resize-window -x 40 -y 10
	sees '^> +[0-9]+  '
	presses q
	sees '^left$'
	[ "$(cat "$BATS_TEST_TMPDIR/tty.status")" = 0 ]
	cmp "$BATS_TEST_TMPDIR/tty.before" "$BATS_TEST_TMPDIR/tty.after"
	status_has "disabled meter"
	tell "free"
}

@test "the screen: no colours where none are wanted, stuck loops, Ctrl-C, and a process that ends" {
	start
	open_screen env NO_COLOR=1 "$uvhooks" top --interval 100ms "$PID"
	sees '^  loop 0   busy '
	tell "stuck"
	sees '^  loop 0   busy 100.0 %  runs on_stuck of [0-9]+ \(TIMERWRAP\) for '
	run -1 grep -P '\e\[[0-9;]*3[0-7]m' <(on_screen capture-pane -p -e)
	echo >&"$IN"
	sees '^  loop 0   busy +[0-9.]+ %  [0-9,.]+ callbacks a second'
	kill -9 "$PID"
	sees "^process $PID has ended; this was seen last; q leaves$"
	presses q
	sees "^uvhooks: process $PID has ended$"
	sees '^left$'
	[ "$(cat "$BATS_TEST_TMPDIR/tty.status")" = 1 ]
	cmp "$BATS_TEST_TMPDIR/tty.before" "$BATS_TEST_TMPDIR/tty.after"
	on_screen kill-server
	rm "$BATS_TEST_TMPDIR"/in "$BATS_TEST_TMPDIR"/out "$BATS_TEST_TMPDIR"/tty.*
	start
	open_screen "$uvhooks" top "$PID"
	sees '^> '
	presses C-c
	sees '^left$'
	cmp "$BATS_TEST_TMPDIR/tty.before" "$BATS_TEST_TMPDIR/tty.after"
}

@test "what it refuses" {
	refuses "a pid is missing" top
	refuses "one process at a time" top 1 2
	refuses "'no' is no pid" top no
	refuses "unknown option '--wrong'" top --wrong 1
	refuses "--interval 1ms: from 10ms to 3600s" top --interval 1ms 1
	refuses "--sort height: no table has such a column" top --sort height 1
	refuses "--id needs --once or --json" top --id 7 1
	refuses "--id x: say an id" top --id x --once 1
	refuses "there is no process" top --once 2147483646
	start
	refuses "a live screen needs a terminal; use --once or --json" top "$PID"
	open_screen env TERM=dumb "$uvhooks" top "$PID"
	sees "TERM is 'dumb', which can show no live screen; use --once or"
	sees '^left$'
	[ "$(cat "$BATS_TEST_TMPDIR/tty.status")" = 2 ]
	refuses "watch=0: say seconds, from 1 to 86400" run -p meter:watch=0 -- true
	refuses "known are watch=SECONDS, who=NUMBER and leave=1" run -p meter:wrong -- true
}
