#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What turns the shim off: the environment, a list of programs, an invariant that does not hold.

load helpers

setup() {
	LOGS=$BATS_TEST_TMPDIR/logs
	mkdir "$LOGS"
}

# How many events were logged, by whatever process.
logged() {
	cat "$LOGS"/*.json 2>/dev/null | wc -l
}

# The state that tools outside read of this process; see enum uvhooks_control_state.
state_of() {
	"$PYTHON" "$BATS_TEST_DIRNAME/control_block.py" "$1" state
}

@test "with UVHOOKS_DISABLE=1 a program runs as it does bare, and no plugin is loaded" {
	local program
	for program in h1_timer connections worker_pool s26_local_storage; do
		bare "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/bare" 2>&1 || echo "$?" >>"$BATS_TEST_TMPDIR/bare"
		with_log UVHOOKS_DISABLE=1 "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/disabled" 2>&1 ||
			echo "$?" >>"$BATS_TEST_TMPDIR/disabled"
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/disabled"
	done
	[ "$(logged)" = 0 ]
	with_log UVHOOKS_DISABLE=0 "$PROGRAMS/h1_timer"
	[ "$(logged)" -gt 0 ]
}

@test "a libuv that comes late, and one inside of the program, are left alone by it, too" {
	with_log UVHOOKS_DISABLE=1 "$PYTHON" -c 'import asyncio, uvloop
uvloop.new_event_loop().run_until_complete(asyncio.sleep(0))'
	with_log UVHOOKS_DISABLE=1 lua5.3 -e 'local uv = require("luv")
local timer = uv.new_timer() timer:start(1, 0, function() timer:close() end) uv.run()'
	with_log UVHOOKS_DISABLE=1 node -e 'setTimeout(() => {}, 1)'
	[ "$(logged)" = 0 ]
}

@test "a program named in UVHOOKS_SKIP is left alone, by its name or by its path, and no other" {
	local patterns

	cp "$PROGRAMS/h1_timer" "$BATS_TEST_TMPDIR/server"
	for patterns in server 'bash:serv*' "$BATS_TEST_TMPDIR/server" "nothing::*/server" '*/[a-z]*'; do
		with_log UVHOOKS_SKIP="$patterns" "$BATS_TEST_TMPDIR/server"
		[ "$(logged)" = 0 ] || { echo "$patterns"; false; }
	done
	for patterns in '' : serve 'server ' "/$BATS_TEST_TMPDIR" server/; do
		rm -f "$LOGS"/*
		with_log UVHOOKS_SKIP="$patterns" "$BATS_TEST_TMPDIR/server"
		[ "$(logged)" -gt 0 ] || { echo "$patterns"; false; }
	done
}

@test "a program that was skipped passes the shim on to those that it starts" {
	# shellcheck disable=SC2016 # for the inner shell
	with_log UVHOOKS_SKIP='sh:dash' sh -c '"$0"; true' "$PROGRAMS/h1_timer"
	[ "$(logged)" -gt 0 ]
}

@test "what says neither 0 nor 1 disables nothing" {
	run -0 --separate-stderr with_log UVHOOKS_DISABLE=perhaps "$PROGRAMS/h1_timer"
	# shellcheck disable=SC2154 # run sets it
	grep -qF "UVHOOKS_DISABLE='perhaps' is neither 0 nor 1" <<<"$stderr"
	[ "$(logged)" -gt 0 ]
}

@test "a disabled process says so to who looks" {
	coproc WAITS { EXEC="exec" with_shim UVHOOKS_DISABLE=1 "$PROGRAMS/waits" 2>&1; }
	local pid=$WAITS_PID line
	read -r line <&"${WAITS[0]}"
	[ "$line" = ready ]
	run -0 state_of "$pid"
	[ "$output" = "alive libuv disabled" ]
	echo >&"${WAITS[1]}"
	wait "$pid"
}

@test "when an invariant breaks, the shim is a pass-through from then on, counts it, and says so" {
	local pid line state

	coproc WAITS { EXEC="exec" with_log "$PROGRAMS/waits" broken 2>"$BATS_TEST_TMPDIR/stderr"; }
	pid=$WAITS_PID
	read -r line <&"${WAITS[0]}"
	[ "$line" = ready ]
	[ "$(state_of "$pid")" = "alive libuv" ]
	# The timer's record is not the timer's any more.
	"$PYTHON" "$BATS_TEST_DIRNAME/control_block.py" "$pid" damage TIMERWRAP
	echo >&"${WAITS[1]}"
	read -r line <&"${WAITS[0]}"
	[ "$line" = "going on" ]
	state=$(state_of "$pid")
	[ "$state" = "alive libuv broken" ]
	[ "$("$PYTHON" "$BATS_TEST_DIRNAME/control_block.py" "$pid" counter invariants_broken)" -ge 1 ]
	echo >&"${WAITS[1]}"
	wait "$pid"
	[ ! -s "$BATS_TEST_TMPDIR/stderr" ]
	# What it made after that is in no log.
	run ! grep -q '"type":"FSREQCALLBACK"' "$LOGS"/*.json
}

@test "run --dormant starts a program without any plugin, and that is all that is different" {
	UVHOOKS_PLUGINS="log:file=$LOGS/a.json,format=json" run -0 "$UVHOOKS_BUILD/tools/uvhooks" run --dormant -- \
		"$PROGRAMS/h1_timer"
	[ "$(logged)" = 0 ]
	[ "$output" = "$(bare "$PROGRAMS/h1_timer")" ]
	run -2 "$UVHOOKS_BUILD/tools/uvhooks" run --dormant -p log -- "$PROGRAMS/h1_timer"
	run -2 "$UVHOOKS_BUILD/tools/uvhooks" run --dormant --why -- "$PROGRAMS/h1_timer"
}
