#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The watchdog of the stacks plugin: it tells where a callback is that runs for too long, while it does,
# and disturbs nobody.

load helpers

setup() {
	STACKS=$UVHOOKS_BUILD/tests/stacks
	SOURCE=$BATS_TEST_DIRNAME/stacks/stuck.c
	FILE=$BATS_TEST_TMPDIR/stalls
	PERIOD=40
}

# watched COMMAND...: leaves the stalls that were told in $FILE.
watched() {
	rm -f "$FILE"
	with_shim UVHOOKS_STRICT=1 \
		UVHOOKS_PLUGINS="stacks:watchdog_ms=$PERIOD,types=EMBEDDER;$STACKS/print_stacks.so:file=$FILE" "$@"
}

# It has ended as stuck.c ends.
stuck() {
	local status=0
	watched "$STACKS/$PROGRAM" "$@" >"$BATS_TEST_TMPDIR/output" || status=$?
	[ -e "$FILE" ] || : >"$FILE"
	[ "$status" = "${STATUS:-3}" ]
}

line_of() {
	grep -n "/\* $1 \*/" "$SOURCE" | cut -d : -f 1
}

# The lines of the program in a line of $FILE, as addr2line tells them, innermost first.
lines_of_stall() {
	local address
	sed -n "${1}p" "$FILE" | cut -d ' ' -f 5- | tr ' ' '\n' | while read -r address; do
		[[ $address == stuck* ]] || continue
		addr2line -e "$STACKS/${address%%+*}" "$(printf '%x' $((${address#*+} - 1)))" |
			sed 's/.*\/\([^/]*\)$/\1/; s/ .*//'
	done
}

# is_whole N: the stack of a stall goes on to where the process began.
is_whole() {
	[[ $(sed -n "${1}p" "$FILE") == *" libuvhooks.so+"*" libuv.so"*" libuvhooks.so+"*" stuck"*" libc.so"*" stuck"* ]]
}

# How many of the process's own, when it asks for them in a callback.
threads_of() {
	"$@" 2>&1 | sed -n 's/^Threads:[^0-9]*//p'
}

# Waits until the file has so many lines.
until_lines() {
	local i
	for ((i = 0; i < 500; i++)); do
		[ ! -e "$FILE" ] || [ "$(wc -l <"$FILE")" -lt "$1" ] || return 0
		sleep 0.02
	done
	return 1
}

@test "a callback that sleeps is seen in its sleep, again when it has slept for twice as long, and does not notice" {
	for PROGRAM in stuck stuck-fp; do
		stuck sleep 300
		# The sleep was not cut short.
		[ "$(cat "$BATS_TEST_TMPDIR/output")" = "slept: 0" ]
		[ "$(grep -c '^stall TIMERWRAP' "$FILE")" = 3 ]
		awk -F 'ms=' -v least="$PERIOD" '$2 + 0 < least { exit 1 } { least *= 2 }' "$FILE"
		[ "$(cut -d ' ' -f 3 "$FILE" | sort -u | wc -l)" = 1 ]
		[ "$(lines_of_stall 1 | sed 2q | xargs)" = \
			"stuck.c:$(line_of SLEEP) stuck.c:$(line_of "CALLS SLEEP")" ]
		is_whole 1
	done
}

@test "one that burns a processor is seen where it does" {
	for PROGRAM in stuck stuck-fp; do
		stuck burn 200
		[ "$(wc -l <"$FILE")" -ge 1 ]
		lines_of_stall 1 | sed -n 2p | grep -qx "stuck.c:$(line_of "CALLS BURN")"
		lines_of_stall 1 | sed -n 1p | grep -q "^stuck.c:"
		is_whole 1
	done
}

@test "one that never returns is told all the same, and its trace says where it was" {
	local uvhooks=$UVHOOKS_BUILD/tools/uvhooks trace=$BATS_TEST_TMPDIR/trace pid
	rm -f "$FILE"
	EXEC="exec" with_shim UVHOOKS_PLUGINS="stacks:watchdog_ms=$PERIOD;recorder:dir=$trace;$STACKS/print_stacks.so:file=$FILE" \
		"$STACKS/stuck" sleep >/dev/null 3>&- &
	pid=$!
	# First that it was made and armed.
	until_lines 4
	kill -9 $pid
	wait $pid || [ $? = 137 ]
	grep -q ^stall "$FILE"
	"$uvhooks" log "$trace" --events stall >"$BATS_TEST_TMPDIR/log"
	grep -q 'stall .*TIMERWRAP' "$BATS_TEST_TMPDIR/log"
}

@test "one that waits for input gets it" {
	PROGRAM=stuck
	mkfifo "$BATS_TEST_TMPDIR/input"
	(
		exec 4>"$BATS_TEST_TMPDIR/input"
		until_lines 2
		echo >&4
	) 3>&- &
	stuck read <"$BATS_TEST_TMPDIR/input"
	[ "$(cat "$BATS_TEST_TMPDIR/output")" = "read: 1" ]
	lines_of_stall 1 | head -n 1 | grep -qx "stuck.c:$(line_of READ)"
	wait
}

@test "a loop in a callback may rest as long as it likes" {
	PROGRAM=stuck stuck nested 150
	[ ! -s "$FILE" ]
}

@test "the child of a fork in a callback is watched, too" {
	PROGRAM=stuck stuck fork 100
	local i
	for ((i = 1; i <= $(wc -l <"$FILE"); i++)); do
		lines_of_stall $i
	done >"$FILE-lines"
	grep -qx "stuck.c:$(line_of WAITS)" "$FILE-lines"
	grep -qx "stuck.c:$(line_of SLEEP)" "$FILE-lines"
}

@test "there is a thread more only with a watchdog, and only where a loop runs" {
	[ "$(threads_of bare "$STACKS/stuck" threads)" = 1 ]
	[ "$(threads_of with_shim UVHOOKS_PLUGINS=stacks "$STACKS/stuck" threads)" = 1 ]
	[ "$(threads_of watched "$STACKS/stuck" threads)" = 2 ]
	[ "$(threads_of watched "$STACKS/stuck" alone)" = 1 ]
}

@test "it does not keep a process alive whose threads have ended" {
	PROGRAM=stuck STATUS=0 stuck end
	[ "$(cat "$BATS_TEST_TMPDIR/output")" = "ends" ]
}

@test "a program that is never stuck has no stalls, and prints and returns the same" {
	local program
	for program in h1_timer crossing loops fork_pool h9_longjmp; do
		# shellcheck disable=SC2153 # of the helpers
		bare "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/bare" 2>&1
		PERIOD=5000 watched "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/with" 2>&1
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
		[ ! -s "$FILE" ]
	done
}

@test "watched at every millisecond, it prints and returns the same" {
	local program
	for program in every_type crossing loops fork_pool signals h9_longjmp h9_throw; do
		bare "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/bare" 2>&1
		PERIOD=1 watched "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/with" 2>&1
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
	done
}
