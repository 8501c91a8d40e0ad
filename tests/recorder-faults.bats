#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
# Whatever happens to the trace while it is written, the program prints and returns what it does without, and
# what is lost is counted. tests/programs/busy.c is the program, to which things happen.

load helpers

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace
	COUNT=$BATS_TEST_TMPDIR/count
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/disk" || umount "$BATS_TEST_TMPDIR/disk"
}

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

# Leaves in a file what a command prints, until the last of its processes has ended, and its status.
ended() {
	local file=$BATS_TEST_TMPDIR/$1
	shift
	{ bare timeout 30 "$@" 2>&1 || echo "status $?" >"$file.status"; } | cat >"$file"
	cat "$file.status" >>"$file" 2>/dev/null || true
}

# same WORD...: runs busy bare and recorded, and compares. In $RESTORE a
# command brings back between the two what the words have changed.
same() {
	local plugins="recorder:dir=$TRACE${OPTIONS:+,$OPTIONS}"
	plugins+=";$UVHOOKS_BUILD/tests/plugins/count_events.so:file=$COUNT"
	ended bare "$PROGRAMS/busy" "$@"
	eval "${RESTORE:-}"
	rm -f "$COUNT"
	ended recorded env LD_PRELOAD="$SHIM" UVHOOKS_PLUGINS="$plugins" "$PROGRAMS/busy" "$@"
	diff -u "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/recorded"
}

counted() {
	od -An -t u8 -N 8 "$COUNT" | tr -d ' '
}

# How many events there are in the trace, and how many it says that it has lost.
events_read() {
	uvhooks log "$TRACE" 2>"$BATS_TEST_TMPDIR/complaints" | wc -l
}

# That of the recorder counts those of streams in which nothing could be written any more, too.
events_lost() {
	uvhooks report --json "$TRACE" 2>/dev/null |
		jq '[.processes[] | [.events_discarded, .counters.events_discarded // 0] | max] | add'
}

# Nothing has vanished silently.
nothing_is_missing() {
	local read lost
	read=$(events_read) lost=$(events_lost)
	echo "$(counted) counted, $read read, $lost lost"
	cat "$BATS_TEST_TMPDIR/complaints"
	[ "$(counted)" -gt 10000 ]
	[ $((read + lost)) -ge "$(counted)" ]
}

@test "a full disk stops the recording, and every event that has no room is counted" {
	local disk=$BATS_TEST_TMPDIR/disk
	[ "$(id -u)" = 0 ] || skip "a file system of its own needs root; see the limit of file sizes"
	mkdir "$disk"
	mount -t tmpfs -o size=512k tmpfs "$disk"
	TRACE=$disk/trace
	same 40000 threads=2 40000
	nothing_is_missing
	[ "$(events_lost)" -gt 1000 ]
	run -0 babeltrace2 "$TRACE"
	[[ $output == *discarded* ]]
}

@test "a limit on the size of files ends neither the program nor, before it, the trace" {
	same fsize=200000 40000 threads=1 40000
	nothing_is_missing
	[ "$(find "$TRACE" -size +200000c | wc -l)" = 0 ]
	run -0 babeltrace2 "$TRACE"
}

@test "files that are cut while they are written take with them what was in them, and nothing else" {
	for _ in 1 2 3; do
		rm -rf "$TRACE"
		RESTORE="rm -rf $TRACE" same 5000 "sh=truncate -cs 0 $TRACE/*/thread-*" 20000 threads=2 \
			"sh=truncate -cs 1000 $TRACE/*/thread-*" 20000 5000
		# The newest are there: those of the last callbacks.
		uvhooks log --events loop_exit "$TRACE" | grep loop_exit
		[ "$(events_read)" -gt 15000 ]
	done
}

@test "all files cut, the metadata too: the program goes on" {
	same 5000 "sh=truncate -cs 0 $TRACE/*/* $TRACE/*/.buffers" 20000 threads=1 5000
	run uvhooks report "$TRACE"
	[[ $status == [012] ]]
	[ "$output" != "" ]
}

@test "files that are deleted are begun again" {
	same 5000 "sh=rm -f $TRACE/*/thread-*" 20000
	[ "$(events_read)" -gt 20000 ]
	uvhooks log --events loop_exit "$TRACE" | grep loop_exit
}

@test "a folder that is deleted takes the trace with it, and nothing else" {
	same 5000 "sh=rm -rf $TRACE" 20000 threads=1 5000 short=3
	[ ! -e "$TRACE" ] || [ -d "$TRACE" ]
}

@test "a folder that is moved away, or may not be entered any more" {
	same 5000 "sh=rm -rf $BATS_TEST_TMPDIR/away && if [ -e $TRACE ]; then mv $TRACE $BATS_TEST_TMPDIR/away; fi" 20000
	rm -rf "$TRACE"
	same 5000 "sh=if [ -e $TRACE ]; then chmod 000 $TRACE $TRACE/*; fi" 20000
	chmod 700 "$TRACE" "$TRACE"/*
	[ "$(events_read)" -gt 5000 ]
}

@test "a folder in the place of a file, or a pipe, is not written to" {
	same 5000 "sh=if [ -e $TRACE ]; then cd $TRACE/* && for f in thread-*; do rm \$f; mkfifo \$f; done; fi" 20000
	[ "$(find "$TRACE" -name 'thread-*' -type f | wc -l)" -gt 0 ]
	[ "$(uvhooks log --events loop_exit "$TRACE" 2>/dev/null | wc -l)" -ge 1 ]
}

@test "the current folder and the root of the file system may change" {
	same 5000 chdir=/ 20000
	nothing_is_missing
	[ "$(events_lost)" = 0 ]
	mkdir -p "$BATS_TEST_TMPDIR/root"
	[ "$(id -u)" != 0 ] || same 5000 chroot="$BATS_TEST_TMPDIR/root" 20000 threads=1 1000
	[ "$(events_read)" -gt 10000 ]
	[ -z "$(ls "$BATS_TEST_TMPDIR/root")" ]
}

@test "the program may become another user" {
	[ "$(id -u)" = 0 ] || skip "only root can become another user"
	same 5000 nobody 20000 threads=1 1000
	[ "$(events_read)" -gt 10000 ]
	rm -r "$TRACE"
	# In the midst of it: what is lost then has a reason, and there is a way to keep it.
	same 5000 nobody 60000 5000
	run -0 uvhooks log "$TRACE"
	grep -qF "events are lost, as they could not be written: Permission denied; for a program that \
becomes another user make the folder of the trace before, one that this user may write to" <<<"$output"
	[ "$(events_lost)" -gt 0 ]
}

@test "a program that becomes another user goes on in a folder of that user, and nothing is lost" {
	[ "$(id -u)" = 0 ] || skip "only root can become another user"
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_TEST_TMPDIR"
	mkdir "$TRACE"
	chown nobody "$TRACE"
	same 5000 nobody 60000 5000
	[ "$(find "$TRACE" -name metadata -user root | wc -l)" = 1 ]
	[ "$(find "$TRACE" -name metadata -user nobody | wc -l)" = 1 ]
	nothing_is_missing
	[ "$(events_lost)" = 0 ]
	run -0 --separate-stderr uvhooks report "$TRACE"
	# shellcheck disable=SC2154 # run sets it
	[ "$stderr" = "" ]
	[[ $output != *LOST* ]]
}

@test "all descriptors may be closed" {
	same close 20000 threads=1 5000
	nothing_is_missing
	[ "$(events_lost)" = 0 ]
}

@test "forks, those of vfork, and daemons record, each for itself" {
	same 1000 fork 5000
	[ "$(find "$TRACE" -name metadata | wc -l)" = 2 ]
	nothing_is_missing
	rm -r "$TRACE"
	same 5000 vfork 5000
	[ "$(find "$TRACE" -name metadata | wc -l)" = 1 ]
	nothing_is_missing
	rm -r "$TRACE"
	same 5000 daemon 5000
	[ "$(find "$TRACE" -name metadata | wc -l)" -le 2 ]
	nothing_is_missing
	[ "$(events_lost)" = 0 ]
}

@test "a program that was executed is another trace, and both are whole" {
	same 5000 exec 5000
	[ "$(find "$TRACE" -name metadata | wc -l)" = 2 ]
	nothing_is_missing
}

@test "a program that is stopped and goes on" {
	EXEC="exec" with_shim UVHOOKS_PLUGINS="recorder:dir=$TRACE" "$PROGRAMS/busy" 10000 stop 10000 \
		>"$BATS_TEST_TMPDIR/stdout" 3>&- &
	local pid=$!
	# shellcheck disable=SC2016 # the inner shell's
	timeout 10 sh -c 'until grep -qs "^State:.T" /proc/$0/status; do :; done' "$pid"
	# It can be read meanwhile, as far as it is written.
	run -0 uvhooks log "$TRACE"
	kill -CONT "$pid"
	wait "$pid"
	[ "$(grep -c '10000 callbacks' "$BATS_TEST_TMPDIR/stdout")" = 2 ]
	[ "$(uvhooks log --events before "$TRACE" | wc -l)" -ge 20000 ]
}

@test "without shared memory all is recorded, and it is told that a kill would lose something" {
	[ "$(id -u)" = 0 ] || skip "a namespace without shared memory needs root"
	local setting

	# None is to be had; or what there is goes with its last process.
	for setting in '0 >/proc/sys/kernel/shmmni' '1 >/proc/sys/kernel/shm_rmid_forced'; do
		rm -rf "$TRACE"
		run -0 with_shim UVHOOKS_PLUGINS="recorder:dir=$TRACE" \
			unshare --ipc sh -c "echo $setting; "'exec "$@"' sh "$PROGRAMS/busy" 20000 threads=1 1000
		[ "$(uvhooks log --events before "$TRACE" | wc -l)" -gt 20000 ]
		uvhooks report --json "$TRACE" | jq -e '[.. | .buffers_not_shared? // empty] | add > 0'
	done
}
