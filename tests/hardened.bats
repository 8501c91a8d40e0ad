#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernels that refuse: memory that was written becoming code, memfds, writing to /proc/self/mem, /proc
# as a whole. What is left is used; where nothing is, the program runs untouched and one line says why.
# tests/inside/refuse.c refuses, to one process and its children. Whoever asks it for memory that is
# executable and writable at once is killed, so that no such moment is missed.

load helpers

UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks

setup_file() {
	"$BATS_TEST_DIRNAME/inside/link" "$UVHOOKS_BUILD" "$BATS_FILE_TMPDIR"
	cc -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/refuse" "$BATS_TEST_DIRNAME/inside/refuse.c"
}

setup() {
	REFUSE=$BATS_FILE_TMPDIR/refuse
	INSIDE=$BATS_FILE_TMPDIR/tests/programs
}

# tries WHAT ANSWER...: what is answered to each of the four things that the shim might want, there.
tries() {
	local refused=$1 what
	shift
	for what in both exec memfd mem; do
		"$REFUSE" "$refused" -- "$REFUSE" try "$what"
	done | sed '/^mem:/! s/EACCES/EPERM/' | diff <(printf '%s\n' "$@") -
}

# play NAME REFUSED PROGRAM...: bare and traced, where this is refused. Leaves the traced one's events in
# $LOG and what it said in $SAID; fails if it does not print and return the same.
play() {
	local folder=$BATS_TEST_TMPDIR/$1 refused=$2 status=0
	shift 2
	mkdir -p "$folder"
	# shellcheck disable=SC2086 # what is refused are words
	bare "$REFUSE" $refused -- "$@" >"$folder/bare" 2>"$folder/bare.said" || {
		cat "$folder/bare.said"
		return 1
	}
	# shellcheck disable=SC2086
	bare UVHOOKS_STRICT=1 "$UVHOOKS" run -p "log:file=$folder/%p.json,format=json" -- \
		"$REFUSE" $refused -- "$@" >"$folder/traced" 2>"$folder/said" || status=$?
	SAID=$folder/said
	LOG=$folder/log
	# A process that is not traced has no log.
	cat "$folder"/*.json >"$LOG" 2>/dev/null || :
	if [ "$status" != 0 ] || ! diff "$folder/bare" "$folder/traced"; then
		echo "where $refused is refused, ended with $status: $(cat "$SAID")"
		return 1
	fi
	diff "$folder/bare.said" <(grep -v '^uvhooks: ' "$SAID")
}

# The events of this program if nothing is refused.
expect_timer() {
	expect_trace all <<-EOF
		init 2 TIMERWRAP t1
		start 2 e1
		loop_enter 0
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
		loop_exit 0
	EOF
}

# Nothing at all was done, and one line says why.
expect_nothing() {
	echo "$1: $(cat "$SAID")"
	[ ! -s "$LOG" ]
	[ "$(cat "$SAID")" = "uvhooks: libuv in the program cannot be patched: $2" ]
}

@test "what these tests refuse is refused" {
	tries mdwe 'both: EPERM' 'exec: EPERM' 'memfd: may' 'mem: may'
	tries systemd 'both: EPERM' 'exec: EPERM' 'memfd: may' 'mem: may'
	tries memfd 'both: may' 'exec: may' 'memfd: EPERM' 'mem: may'
	tries mem 'both: may' 'exec: may' 'memfd: may' 'mem: EIO'
	tries open 'both: may' 'exec: may' 'memfd: may' 'mem: EACCES'
	tries proc 'both: may' 'exec: may' 'memfd: may' 'mem: ENOENT'
	run -159 "$REFUSE" both -- "$REFUSE" try both
	"$REFUSE" both -- "$REFUSE" try exec | grep -x 'exec: may'
}

@test "where one thing is refused the other ways are taken" {
	for refused in mdwe systemd memfd mem open proc; do
		play "$refused" "$refused both" "$INSIDE/h1_timer" once
		expect_timer
		[ ! -s "$SAID" ]
	done
}

@test "where new memory may not become code, a second view of it is code from the start" {
	for refused in 'mdwe mem' 'mdwe open' 'mdwe proc' 'systemd mem' 'systemd open'; do
		play "${refused/ /-}" "$refused both" "$INSIDE/h1_timer" once
		expect_timer
	done
}

@test "without memfds and /proc/self/mem a copy is moved into the place of the code" {
	for refused in 'memfd mem' 'memfd open' 'memfd proc'; do
		play "${refused/ /-}" "$refused both" "$INSIDE/h1_timer" once
		expect_timer
	done
}

@test "where no way is left the program runs untouched, and one line says why" {
	for refused in 'mdwe memfd' 'systemd memfd' 'systemd memfd mem' 'mdwe memfd proc'; do
		play "${refused// /-}" "$refused both" "$INSIDE/h1_timer"
		expect_nothing "$refused" 'the kernel does not let new memory become code'
	done
}

@test "a longer program is the same wherever something is refused" {
	for refused in 'mdwe mem' 'systemd mem' 'memfd mem' 'systemd memfd'; do
		play "${refused/ /-}" "$refused both" "$INSIDE/every_type"
		[ "$refused" = 'systemd memfd' ] || [ "$(count_of init TIMERWRAP)" -ge 1 ]
		play "random-${refused/ /-}" "$refused both" "$INSIDE/random_program" 7
		[ "$refused" = 'systemd memfd' ] || check_events --ended "$LOG"
	done
}

@test "a libuv that is a library is traced whatever is refused" {
	for refused in 'mdwe memfd mem' 'systemd memfd open' 'memfd proc'; do
		play "${refused// /-}" "$refused both" "$PROGRAMS/h1_timer" once
		expect_timer
		[ ! -s "$SAID" ]
	done
}

@test "a module with a libuv that comes late runs untouched where nothing may be patched" {
	play left 'mdwe' "$PROGRAMS/late_module"
	[ "$(count_of init TIMERWRAP)" -ge 1 ]
	play none 'mdwe memfd both' "$PROGRAMS/deepbind_module"
	run ! grep -v '^uvhooks: ' "$SAID"
}

@test "official node, without its own compiler, which is refused as well" {
	local node
	node=$("$BATS_TEST_DIRNAME/../scripts/node-binaries" --only 22)
	cat >"$BATS_TEST_TMPDIR/program.js" <<-'END'
		require('fs').stat('.', () => {
			console.log('stat');
			setTimeout(() => require('child_process').execFile('true',
				() => console.log('child')), 1);
		});
	END
	for refused in mdwe systemd memfd mem 'mdwe mem' 'memfd mem'; do
		play "${refused/ /-}" "$refused" "$node" --jitless --no-expose-wasm \
			"$BATS_TEST_TMPDIR/program.js"
		[ "$(count_of init FSREQCALLBACK)" -ge 1 ]
		[ "$(count_of init PROCESSWRAP)" = 1 ]
	done
	play none 'systemd memfd' "$node" --jitless --no-expose-wasm "$BATS_TEST_TMPDIR/program.js"
	expect_nothing 'systemd memfd' 'the kernel does not let new memory become code'
}
