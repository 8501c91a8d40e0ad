#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# SIGKILL at any moment: the trace is read by babeltrace2 and by `uvhooks log`, and has every event that a
# plugin behind the recorder had counted. KILL_TIMES=200 kills so many times in each test.

load helpers

killed() {
	local times=$1
	shift
	run -0 bare "$PYTHON" "$BATS_TEST_DIRNAME/kill_recorded.py" --seed "$RANDOM" \
		--times "${KILL_TIMES:-$times}" "$@" "$UVHOOKS_BUILD"
	echo "$output"
	[[ $output == *" 0 failed; "[1-9]*" events read"* ]]
}

@test "a program of one loop that is killed loses nothing" {
	killed 8
}

@test "nor does one of several threads" {
	killed 4 --threads 3
}

@test "nor one that uvhooks record has started" {
	killed 4 --record --threads 1
}

@test "what is killed while it starts leaves a trace that can be read, or none" {
	killed 20 --start
}

@test "the ring of a flight recorder is read whenever the program is killed" {
	killed 4 --ring 1M
	killed 4 --ring 1M --threads 3
}

@test "a program that kills itself, or leaves by _exit, has recorded all that it did" {
	local way
	for way in kill _exit; do
		run -"$([ "$way" = kill ] && echo 137 || echo 0)" with_shim \
			UVHOOKS_PLUGINS="recorder:dir=$BATS_TEST_TMPDIR/$way;$UVHOOKS_BUILD/tests/plugins/count_events.so:file=$BATS_TEST_TMPDIR/$way.count" \
			"$PROGRAMS/busy" 5000 threads=1 5000 short=3 "$way"
		"$UVHOOKS_BUILD/tools/uvhooks" log "$BATS_TEST_TMPDIR/$way" >"$BATS_TEST_TMPDIR/log"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/log")" -ge \
			"$(od -An -t u8 -N 8 "$BATS_TEST_TMPDIR/$way.count")" ]
		run -0 --separate-stderr babeltrace2 "$BATS_TEST_TMPDIR/$way"
		# shellcheck disable=SC2154 # of bats
		[ "$stderr" = "" ]
	done
}

@test "the memory of a killed program outlives it until the trace is read, and no longer" {
	local id
	run -137 with_shim UVHOOKS_PLUGINS="recorder:dir=$BATS_TEST_TMPDIR/trace" "$PROGRAMS/busy" 10 kill
	id=$(awk 'NR > 1 { print $1 }' "$BATS_TEST_TMPDIR"/trace/*/.buffers)
	awk -v id="$id" '$2 == id' /proc/sysvipc/shm | grep .
	"$UVHOOKS_BUILD/tools/uvhooks" report "$BATS_TEST_TMPDIR/trace" >/dev/null
	run -1 bash -c "awk -v id='$id' '\$2 == id' /proc/sysvipc/shm | grep ."
	[ "$(find "$BATS_TEST_TMPDIR/trace" -name .buffers | wc -l)" = 0 ]
}

# until_state STATE COMMAND: a trace of what COMMAND leaves when its pid, in the file `pid`, is so.
until_state() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export PROGRAMS
	run -0 --separate-stderr timeout 20 "$UVHOOKS_BUILD/tools/uvhooks" record -o trace -- sh -c "$2
		until [ -s pid ] && grep -qs '^State:.$1' \"/proc/\$(cat pid)/status\"; do :; done" 3>&-
}

@test "of a process that goes on is said that it still runs, and not of one that nobody has buried" {
	# shellcheck disable=SC2016 # the inner shells'
	until_state T '"$PROGRAMS/busy" 5 stop >/dev/null & echo $! >pid'
	kill -KILL "$(cat pid)"
	[[ $stderr == *"busy-$(cat pid) still runs: read the trace again when it has ended"* ]]
	rm -r pid trace
	# shellcheck disable=SC2016
	until_state Z "sh -c '\"\$PROGRAMS/busy\" 5 kill & echo \$! >pid; echo \$\$ >parent
		exec sleep 60' >/dev/null &"
	kill "$(cat parent)"
	[[ $stderr == *"recorded in trace"* ]]
	[[ $stderr != *"still runs"* ]]
}

# A killed program's trace, $BATS_TEST_TMPDIR/NAME.
killed_trace() {
	run -137 with_shim UVHOOKS_PLUGINS="recorder:dir=$BATS_TEST_TMPDIR/$1" "$PROGRAMS/busy" 10 kill
}

events_of() {
	"$UVHOOKS_BUILD/tools/uvhooks" log "$BATS_TEST_TMPDIR/$1" 2>"$BATS_TEST_TMPDIR/$1.stderr" | wc -l
}

segment_of() {
	awk 'NR > 1 { print $1 }' "$BATS_TEST_TMPDIR/$1"/*/.buffers
}

@test "a trace whose memory has gone says so, each time" {
	killed_trace gone
	ipcrm -m "$(segment_of gone)"
	for _ in 1 2; do
		[ "$(events_of gone)" = 0 ]
		grep -q 'gone/busy-[0-9]*: the last events .* were in shared memory that is not there' \
			"$BATS_TEST_TMPDIR/gone.stderr"
	done
}

# Numbers of segments come again, in each container and each time that the machine starts.
@test "the memory of another trace that has the same number is left as it is" {
	local id
	killed_trace old
	killed_trace young
	ipcrm -m "$(segment_of old)"
	id=$(segment_of young)
	sed -i "2s/^[0-9]*/$id/" "$BATS_TEST_TMPDIR"/old/*/.buffers
	[ "$(events_of old)" = 0 ]
	grep -q 'shared memory that is not there' "$BATS_TEST_TMPDIR/old.stderr"
	[ "$(segment_of young)" = "$id" ]
	[ "$(events_of young)" -ge 10 ]
	[ ! -s "$BATS_TEST_TMPDIR/young.stderr" ]
}

@test "a trace that may not be written says where its last events are, and has them afterwards" {
	local namespaces=(--mount)
	[ "$(id -u)" -eq 0 ] || namespaces=(--user --map-root-user --mount)
	killed_trace trace
	# shellcheck disable=SC2016 # for the inner shell
	run -0 unshare "${namespaces[@]}" sh -ec 'mount --bind "$1" "$1"
		mount -o remount,bind,ro "$1"
		"$2" log "$1"' sh "$BATS_TEST_TMPDIR/trace" "$UVHOOKS_BUILD/tools/uvhooks"
	[[ $output == *"could not be written; make the folder writable"* ]]
	[ "$(events_of trace)" -ge 10 ]
}

@test "a child that goes on does not keep its killed parent's events from the reader" {
	local parent child
	# In a shell that becomes it, so that the pid is its own.
	(EXEC="exec" with_shim UVHOOKS_PLUGINS="recorder:dir=$BATS_TEST_TMPDIR/trace" "$PROGRAMS/busy" \
		1000 fork stop) >"$BATS_TEST_TMPDIR/stdout" 3>&- &
	parent=$!
	# shellcheck disable=SC2016 # the inner shell's
	child=$(timeout 10 sh -c 'until read -r child </proc/$0/task/$0/children || [ "$child" ] &&
		grep -qs "^State:.T" "/proc/${child% }/status"; do :; done; echo "${child% }"' "$parent") || {
		kill -KILL "$parent"
		return 1
	}
	kill -KILL "$parent"
	wait "$parent" || true
	run -0 "$UVHOOKS_BUILD/tools/uvhooks" log --events before "$BATS_TEST_TMPDIR/trace"
	kill -KILL "$child"
	[ "${#lines[@]}" -ge 1000 ]
}
