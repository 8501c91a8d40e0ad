#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2030,SC2031
# Whatever goes wrong in a program or around it, under the shim alone, with the log plugin, the
# recorder, or a flight recorder and stacks: it prints and returns what it does without, has as many
# descriptors and threads in the end, and what it had counted is in the trace. docs/faults.md tells
# what each test has done.

load helpers
load faults

setup_file() {
	cc -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/refuse" "$BATS_TEST_DIRNAME/inside/refuse.c"
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/disk" || umount "$BATS_TEST_TMPDIR/disk"
}

@test "a process that ends in a callback, however it does, has recorded all until then" {
	local end
	for end in _exit quick_exit exit; do
		STATUS=3 fault work=300 last=$end work=300
		recorded 4
	done
	STATUS=137 fault work=300 last=kill work=300
	recorded 4
	STATUS=134 fault work=300 last=abort work=300
	recorded 4
	STATUS=139 fault work=300 last=fault work=300
	recorded 4
}

@test "a main thread that leaves, while another one ends the process" {
	STATUS=3 fault work=300 then=thread_exit
	recorded
}

@test "a child that was forked without exec, also in a callback and by a child" {
	fault work=300 fork work=300 fork work=100
	recorded
	fault work=300 last=fork work=300 work=100
	recorded
	fault work=300 double work=300
	recorded
}

@test "vfork, a child of libuv's, and programs that execute each other" {
	fault work=300 vfork work=300 spawn work=100
	recorded
	fault work=300 exec work=300 exec vfork exec work=100
	recorded
}

@test "a daemon that has closed all descriptors" {
	fault daemon work=300
	recorded
	fault work=20 exec daemon exec work=100
	recorded
}

@test "no more descriptors" {
	COUNT_EVENTS=1 fault work=300 nofile work=5000 files_again work=100
	accounted
	# And none to the end.
	STATUS=3 COUNT_EVENTS=1 fault work=300 nofile work=5000 then=exit
	accounted
}

@test "no more memory: what has no record is counted, and the program has all its callbacks" {
	local way
	COUNT_EVENTS=1 fault work=300 as timers=20000 deep=200 memory_again work=100
	accounted
	for way in $ALL_WAYS; do
		[ "$(number "$way" 1)" -gt 10000 ]
		[ "$(number "$way" 2)" -gt 10000 ]
	done
}

@test "a limit on the length of files" {
	COUNT_EVENTS=1 COMPLAINS=1 fault fsize=200000 work=5000
	accounted
}

@test "small stacks of threads" {
	fault small=8 memory small=40 memory
	recorded
}

@test "coroutines that go on in callbacks and run loops" {
	fault coroutines=200 memory coroutines=200 memory
	recorded
}

@test "callbacks that are left by longjmp" {
	fault jump=100 memory jump=100 memory
	recorded
}

@test "a hundred threads with loops, while hooks are enabled and disabled" {
	fault churn=100
	recorded
}

@test "a program that gains privileges is left alone, setuid or by capabilities" {
	local program way
	[ "$(id -u)" = 0 ] || skip "only root can make such a program"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	for program in setuid capabilities; do
		cp "$FAULTS/faults" "$BATS_TEST_TMPDIR/$program"
	done
	chmod 4755 "$BATS_TEST_TMPDIR/setuid"
	setcap cap_net_raw+ep "$BATS_TEST_TMPDIR/capabilities"
	for program in setuid capabilities; do
		PROGRAM=$BATS_TEST_TMPDIR/$program BEFORE='setpriv --reuid=65534 --regid=65534 --clear-groups --' \
			OPEN=1 fault work=300
		for way in $ALL_WAYS; do
			[ -z "$(find "$RUN/$way/trace" -type f)" ]
		done
	done
}

@test "a disk that is full" {
	local way
	[ "$(id -u)" = 0 ] || skip "a file system of its own needs root"
	mkdir "$BATS_TEST_TMPDIR/disk"
	mount -t tmpfs -o size=300k tmpfs "$BATS_TEST_TMPDIR/disk"
	for way in $ALL_WAYS; do
		WAYS=$way TRACES=$BATS_TEST_TMPDIR/disk COUNT_EVENTS=1 COMPLAINS=1 fault work=8000
		WAYS=$way TRACES=$BATS_TEST_TMPDIR/disk accounted
		rm -r "$BATS_TEST_TMPDIR/disk/trace"
	done
}

@test "a kernel that lets nothing that was written become code" {
	local program
	for program in faults faults-static; do
		PROGRAM=$FAULTS/$program fault mdwe work=300 small=3
		recorded
		PROGRAM=$FAULTS/$program BEFORE="$BATS_FILE_TMPDIR/refuse mdwe both --" fault work=300
		recorded
		PROGRAM=$FAULTS/$program BEFORE="$BATS_FILE_TMPDIR/refuse systemd both --" fault work=300
		recorded
	done
}

@test "a sandbox that kills who makes a call that is not allowed: dormant, none of ours is among them" {
	STATUS=3 WAYS=dormant fault work=300 seccomp=kill work=6000 then=exit
	[ "$(number dormant 1)" = 0 ]
}

@test "a sandbox that kills, and allows the calls that docs/faults.md lists for plugins" {
	local call
	STATUS=3 fault work=300 seccomp=plugins work=6000 then=exit
	recorded
	sed -n '/define PLUGIN_CALLS/,/^$/p' "$BATS_TEST_DIRNAME/faults/limits.c" | grep -oE 'SYS_[a-z0-9_]+' |
		while read -r call; do
			grep -q "\`${call#SYS_}\`" "$BATS_TEST_DIRNAME/../docs/faults.md" || { echo "$call" && false; }
		done
}

@test "a sandbox that kills, and does not: what was recorded until then is there" {
	local way
	STATUS=3 WAYS='recorder flight' fault work=300 seccomp=kill work=6000 then=exit || true
	for way in recorder flight; do
		[ "$(cat "$RUN/$way/status")" = 159 ]
	done
	WAYS='recorder flight' recorded
}

@test "a sandbox that refuses calls: what can no longer be written is counted" {
	STATUS=3 COUNT_EVENTS=1 fault work=300 seccomp=errno work=6000 then=exit
	accounted
}

@test "another library that is preloaded, before us and behind" {
	local other
	for other in libjemalloc.so.2 faketime/libfaketimeMT.so.1; do
		BARE_PRELOAD=$other PRELOAD=SHIM:$other fault work=300 fork small=2
		recorded
		BARE_PRELOAD=$other PRELOAD=$other:SHIM fault work=300 fork small=2
		recorded
	done
}

@test "a program that was built with ASan" {
	local asan
	asan=$("${CC:-cc}" -print-file-name=libasan.so)
	asan=$(realpath "$asan")
	# A child's leaks are not looked for: of threads that a fork has left behind ASan would tell.
	ASAN_OPTIONS=detect_leaks=0 PROGRAM=$FAULTS/faults-asan PRELOAD=$asan:SHIM BARE_PRELOAD=$asan \
		fault work=300 fork small=2
	recorded
	PROGRAM=$FAULTS/faults-asan PRELOAD=$asan:SHIM BARE_PRELOAD=$asan fault work=300 small=2 jump=10
	recorded
}

@test "valgrind finds nothing under the shim that it does not find without it" {
	WAYS='recorder flight' BEFORE='valgrind -q --leak-check=full --show-leak-kinds=definite' \
		fault work=100 small=2
	WAYS='recorder flight' recorded
}

@test "docs/faults.md has a row for each test of a fault, with how often it was done" {
	rows_are_true
}

@test "these tests notice a program that ends otherwise, and a callback that is missing" {
	PLUGINS=$FAULTS/rude.so:how=exit run -1 fault work=100
	[[ $output == *"bare status"* && $output == *"bare stdout"* ]]
	fault work=100
	recorded
	printf '\xff' | dd of="$RUN/recorder/count" bs=1 conv=notrunc status=none
	run -1 recorded
	rm "$RUN"/log/trace/*
	run ! recorded
}

# Whatever file it is in.
@test "each test that docs/faults.md names is there" {
	local name count=0
	trap - DEBUG
	while IFS='|' read -r _ _ _ _ _ name _; do
		name=$(sed 's/^ *//; s/ *$//' <<<"$name")
		[[ $name == *.bats:* ]] || continue
		grep -qF "@test \"${name#*.bats: }\"" "$BATS_TEST_DIRNAME/${name%%:*}" || { echo "$name" && false; }
		count=$((count + 1))
	done < <(grep '^|' "$BATS_TEST_DIRNAME/../docs/faults.md")
	[ "$count" -gt 30 ]
}
