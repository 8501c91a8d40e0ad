#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016,SC2030,SC2031,SC2154
# uvhooks why: what keeps a loop alive, and who made it.

load helpers
load planted

setup_file() {
	export TRACES=$BATS_FILE_TMPDIR
	record_planted server_alive idle_alive fs_alive lost_connect unclosed_timer
	run_planted "$TRACES/ended" "$uvhooks" record --stacks -o "$TRACES/all" -- "$PLANTED/all_alive"
	run_planted "$TRACES/killed" "$uvhooks" record --stacks -o "$TRACES/all-killed" -- \
		"$PLANTED/all_alive" killed
	run_planted "$TRACES/plain" "$uvhooks" record -o "$TRACES/no-stacks" -- "$PLANTED/server_alive"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# asked NAME EXPRESSION [OPTION...]: does it hold for the answer as JSON?
asked() {
	verb why "$1" --json "${@:3}" >"$BATS_TEST_TMPDIR/why.json"
	jq -e "$2" "$BATS_TEST_TMPDIR/why.json" >/dev/null || {
		echo "not so: $2"
		jq -c . "$BATS_TEST_TMPDIR/why.json"
		return 1
	}
}

# names NAME WHAT: exactly one group is told of, in these words, made at the planted line.
names() {
	run -0 verb why "$1"
	echo "$output"
	grep -qE "^    $2\$" <<<"$output"
	[ "$(grep -c '^    [A-Z0-9]' <<<"$output")" -eq 1 ]
	grep -qF "        made at $(line_of "$1") in main, " <<<"$output"
}

@test "what is recorded says and does what it does alone" {
	runs_as_bare server_alive idle_alive fs_alive lost_connect unclosed_timer
}

@test "a server that still listens: its address, its callback and its line are named" {
	names server_alive \
		'TCPSERVERWRAP \(uv_tcp_t\) on_connection: listens on 127\.0\.0\.1:[0-9]+'
	grep -q '^  Kept alive by 1 handle, as far as the events tell:$' <<<"$output"
	grep -q 'in uv_run at 0\.[0-9]* s, the last that is known; the process was killed' <<<"$output"
	grep -q '^        caused by top level$' <<<"$output"
}

@test "an idle handle that is referenced" {
	names idle_alive 'IDLEWRAP \(uv_idle_t\) on_idle: runs in each turn of the loop, .*'
}

@test "--to is how it stood then, whatever comes next" {
	cat >stops.c <<-'END'
		#include <uv.h>

		static uv_timer_t late, soon;

		static void never(uv_timer_t *timer)
		{
			(void) timer;
		}

		static void stop(uv_timer_t *timer)
		{
			(void) timer;
			uv_timer_stop(&late);
		}

		int main(void)
		{
			uv_timer_init(uv_default_loop(), &late);
			uv_timer_start(&late, never, 1000000, 0);
			uv_timer_init(uv_default_loop(), &soon);
			uv_timer_start(&soon, stop, 20, 0);
			uv_run(uv_default_loop(), UV_RUN_DEFAULT);
			return 0;
		}
	END
	cc -o stops stops.c -luv
	"$uvhooks" record -o "$TRACES/stops" -- ./stops 2>/dev/null
	# One microsecond before the callback that stops it, and with it.
	local at
	at=$("$uvhooks" log --events before "$TRACES/stops" | awk '{ printf "%dus", $1 * 1e6 - 1 }')
	run -0 "$uvhooks" why --to "$at" "$TRACES/stops"
	[[ $output == *" never: fires in "*" stop: "* ]]
	run -0 "$uvhooks" why "$TRACES/stops"
	[[ $output == *"Nothing keeps it alive"* ]]
}

@test "a request of the file system that is never completed" {
	names fs_alive 'FSREQCALLBACK \(uv_fs_open\) on_open: open fifo'
	grep -q '^  Kept alive by 1 request:$' <<<"$output"
}

@test "a connection that is never answered" {
	names lost_connect 'TCPCONNECTWRAP \(uv_connect_t\) on_connected: connects: 127\.0\.0\.1:[0-9]+'
	grep -q '^        caused by TCPWRAP < top level$' <<<"$output"
	asked lost_connect '.loops[0] | .alive and (.running | not) and .ended and .told'
}

@test "a timer that was not closed when uv_loop_close said UV_EBUSY" {
	names unclosed_timer 'TIMERWRAP \(uv_timer_t\) on_timeout: stopped'
	grep -qE '^  uv_loop_close said UV_EBUSY at 0\.[0-9]+ s: 1 handle was not closed:$' <<<"$output"
	grep -q '^  Nothing keeps it alive\.$' <<<"$output"
	asked unclosed_timer '.loops[0] | (.alive | not) and
		.busy.count == 1 and .busy.still_open == 1 and (.busy.open[0].callback == "on_timeout")'
	asked unclosed_timer-fixed '.loops[0].busy == null'
}

@test "without its fault each ends because nothing keeps its loop alive, and that is said" {
	local name
	for name in server_alive idle_alive fs_alive lost_connect unclosed_timer; do
		run -0 verb why "$name-fixed"
		grep -q '^  Nothing keeps it alive\.$' <<<"$output"
		grep -qE '  uv_run returned at 0\.[0-9]+ s$' <<<"$output"
		run -1 grep -E '^    |UV_EBUSY' <<<"$output"
	done
}

@test "what is not referenced, or not active, keeps nothing alive, and is told of in a line" {
	run -0 verb why server_alive
	grep -q '^  Open, but not keeping it alive: 2 active without a reference (uv_unref), 1 not active$' \
		<<<"$output"
	asked server_alive '[.loops[0].others[] | [.standing, .type, .made.file[-14:]]] | sort == [
		["inactive", "TIMERWRAP", "nted/planted.h"],
		["unreferenced", "ASYNCWRAP", "server_alive.c"],
		["unreferenced", "SIGNALWRAP", "server_alive.c"]]'
	run -0 verb why server_alive -v
	grep -q '^    SIGNALWRAP (uv_signal_t) on_signal: waits for SIGUSR1$' <<<"$output"
}

@test "-v tells of each resource with its whole stacks, where it was made and armed" {
	run -0 verb why server_alive -v
	grep -qE '^          2: listens on 127\.0\.0\.1:[0-9]+; made .* ago$' <<<"$output"
	grep -qE "^              /.*/$(line_of server_alive) in main$" <<<"$output"
	grep -qE '^            armed$' <<<"$output"
	asked server_alive '.loops[0].keeps[0] | .resources[0] as $one |
		(.stacks[] | select(.number == $one.made_stack).frames[0]) == .made and
		(.stacks[] | select(.number == $one.armed_stack).frames[0]) == .armed'
}

# What each does, in words that do not depend on numbers that the system gives.
words() {
	verb why "$1" -v | sed -nE '/^    [A-Z]/ {
		s/child [0-9]+ \(.*cat\)/child N, cat/; s/ \(.*\)( [a-z_]+)?: / /; s/ \(.*\)( [a-z_]+)?$//
		s/127\.0\.0\.1:[0-9]+/HOST:PORT/g; s/fd [0-9]+/fd N/; s/[0-9,]+ bytes/MANY bytes/
		s/in (299|300) s/in 300 s/
		/STATWATCHER/s/ every .*//; s/^ +//; p; }' | sort
}

@test "each kind is told in words: what it waits for, for whom, from where" {
	diff -u - <(words all) <<-EOF
		ASYNCWRAP waits for uv_async_send
		CHECKWRAP runs after the loop has slept
		FSEVENTWRAP watches .
		IDLEWRAP runs in each turn of the loop, which never sleeps
		PIPESERVERWRAP listens on socket
		PIPEWRAP fd N, MANY bytes wait to be written
		PIPEWRAP fd N, never read
		PIPEWRAP fd N, reading
		POLLWRAP polls fd N
		PREPAREWRAP runs before the loop sleeps
		PROCESSWRAP waits for child N, cat
		SIGNALWRAP waits for SIGINT
		STATWATCHER watches watched
		TCPSERVERWRAP listens on HOST:PORT
		TCPWRAP HOST:PORT - HOST:PORT, never read
		TCPWRAP HOST:PORT - HOST:PORT, reading
		TIMERWRAP fires in 300 s
		TIMERWRAP fires in 300 s, every 1.00 s
		TIMERWRAP never started
		TIMERWRAP stopped
		UDPWRAP HOST:PORT, receiving
		WRITEWRAP has MANY bytes left to write
	EOF
	asked all '.loops[0] | .told and .alive and ([.keeps[].count] | add) == 17'
}

@test "of a killed process the same is told by its events" {
	diff -u - <(words all-killed | grep -vE '^(PIPEWRAP|TCPWRAP|STATWATCHER)') <<-EOF
		ASYNCWRAP waits for uv_async_send
		CHECKWRAP runs after the loop has slept
		FSEVENTWRAP watches .
		FSREQCALLBACK open fifo
		IDLEWRAP runs in each turn of the loop, which never sleeps
		PIPESERVERWRAP listens on socket
		POLLWRAP polls fd N
		PREPAREWRAP runs before the loop sleeps
		PROCESSWRAP waits for child N, cat
		SIGNALWRAP waits for SIGINT
		TCPSERVERWRAP listens on HOST:PORT
		TIMERWRAP fires in 300 s
		TIMERWRAP fires in 300 s, every 1.00 s
		TIMERWRAP never started
		TIMERWRAP stopped
		UDPWRAP HOST:PORT, receiving
		WORKREQ work, which runs in the thread pool
		WRITEWRAP writes
	EOF
	asked all-killed '.loops[0] | (.told | not) and (.ended | not) and
		([.keeps[].count] | add) == 19 and ([.others[].count] | add) == 5'
}

@test "without stacks it tells the callback and the chain of triggers, and how to get more" {
	run -0 verb why no-stacks
	grep -qE '^    TCPSERVERWRAP \(uv_tcp_t\) on_connection' <<<"$output"
	grep -qE '^        made [0-9.]+ ms ago  \(2\)$' <<<"$output"
	grep -qE 'stacks: .*uvhooks record --stacks' <<<"$output"
	asked no-stacks '.loops[0] | (.has_stacks | not) and .keeps[0].made == null and
		.keeps[0].callback == "on_connection" and .keeps[0].root == "top level"'
}

@test "filters leave out what is not asked for, and --to asks about an earlier moment" {
	asked all '[.loops[].keeps[].type] == ["TIMERWRAP", "TIMERWRAP"] and .filtered' --type uv_timer_t
	asked all '[.loops[].keeps[].callback] == ["on_datagram"]' --callback on_data
	run -0 verb why server_alive --type uv_fs_t
	grep -q 'Nothing keeps it alive that passes the filters' <<<"$output"
	run -2 verb why server_alive --process 1
	[[ $output == *"no process of this trace is '1'; there is server_alive-"* ]]
	# The moment before the idle handle is made; the timer runs already.
	asked idle_alive '.loops[0].keeps[0].type == "IDLEWRAP"'
	made_ns=$(jq '.loops[0].keeps[0].resources[0].at_ns - 1' "$BATS_TEST_TMPDIR/why.json")
	asked idle_alive '.loops[0] | (.running | not) and ([.keeps[].callback] == ["on_done"]) and
		.others == []' --to "${made_ns}ns"
	run -0 verb why idle_alive --to "${made_ns}ns"
	grep -q '  uv_run was not called$' <<<"$output"
}

@test "each process and each loop of a trace is told of by itself" {
	run_planted "$BATS_TEST_TMPDIR/two" "$uvhooks" record --stacks -o "$BATS_TEST_TMPDIR/two" -- \
		sh -c "$PLANTED/server_alive; $PLANTED/unclosed_timer; $PROGRAMS/loops; true"
	TRACES=$BATS_TEST_TMPDIR
	run -0 verb why two
	grep -qE '^Loop 0 of server_alive \(pid [0-9]+\)  ' <<<"$output"
	grep -qE '^Loop 0 of unclosed_timer \(pid [0-9]+\)  ' <<<"$output"
	grep -qE '^[0-9]+ loops of loops \(pid [0-9]+\)$' <<<"$output"
	grep -q '^  Nothing keeps them alive\.$' <<<"$output"
	asked two '[.loops[] | select(.alive) | .keeps[].made.line] == ['"$(line_of server_alive |
		cut -d: -f2)"']'
}

@test "run --why tells it on stderr, and the program's own output and status stay its own" {
	bare "$uvhooks" run --why -- "$PLANTED/lost_connect" >out 2>err
	[ "$(cat out)" = "$(cat "$TRACES/lost_connect.bare.stdout")" ]
	grep -qF "made at $(line_of lost_connect) in main" err
	run -137 bare "$uvhooks" run --why -- "$PLANTED/server_alive"
	grep -qF "made at $(line_of server_alive) in main" <<<"$output"
}

@test "bad usage is said, and what is no trace" {
	run -2 "$uvhooks" why
	grep -q 'the folder of a trace is missing' <<<"$output"
	run -2 "$uvhooks" why "$BATS_TEST_TMPDIR/none"
	grep -q 'cannot be opened as a trace' <<<"$output"
	run -2 "$uvhooks" why --sideways "$TRACES/all"
	run -0 "$uvhooks" why --help
	grep -q '^Usage: uvhooks why \[OPTION\]... DIR|PID$' <<<"$output"
}
