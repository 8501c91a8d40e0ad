#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uvhooks recover: a trace from nothing but a core file.

load helpers

setup() {
	CONTROLLED=$UVHOOKS_BUILD/tests/recorder/controlled
	TRACE=$BATS_TEST_TMPDIR/trace
	CORE=$BATS_TEST_TMPDIR/core
	cd "$BATS_TEST_TMPDIR" || return
}

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

# dies PROGRAM ARGUMENT...: under the shim and $PLUGINS, of a signal; leaves $CORE, as gdb writes it.
dies() {
	bare env UVHOOKS_RECORDER="$UVHOOKS_BUILD/shim/plugins/recorder.so" gdb -nx -batch \
		-ex "set exec-wrapper env LD_PRELOAD=$SHIM UVHOOKS_PLUGINS='${PLUGINS-}'" \
		-ex run -ex "generate-core-file $CORE" -ex kill --args "$@" \
		>"$BATS_TEST_TMPDIR/gdb" 2>&1 </dev/null
	[ -s "$CORE" ] || {
		cat "$BATS_TEST_TMPDIR/gdb"
		return 1
	}
}

# The same, as the kernel writes it, where it does so into the current folder.
dies_alone() {
	[[ $(</proc/sys/kernel/core_pattern) == [!/\|]* ]] || {
		dies "$@"
		return
	}
	(
		ulimit -c unlimited
		with_shim UVHOOKS_RECORDER="$UVHOOKS_BUILD/shim/plugins/recorder.so" \
			UVHOOKS_PLUGINS="${PLUGINS-}" "$@"
	) >/dev/null 2>&1 || true
	[ -s "$CORE" ] || mv "$CORE".* "$CORE"
}

@test "what lived is told where nothing was recorded" {
	dies_alone "$CONTROLLED" timers=3 turns=2 repeating=2 abort
	run -0 --separate-stderr uvhooks recover -o "$TRACE" "$CORE"
	[[ $output == *"libuv "[0-9]*", ended by SIGABRT"*"5 resources lived"*"    5 TIMERWRAP"*"nothing was recorded"* ]]
	run -0 --separate-stderr uvhooks why --json "$TRACE"
	jq -e '[.loops[].keeps[] | .count, .callback] == [5, "on_timer"]' <<<"$output"
	run -0 --separate-stderr babeltrace2 "$TRACE"
	# shellcheck disable=SC2154 # of bats
	[ "$stderr" = "" ]
	[ "$(grep -c ' resource: ' <<<"$output")" = 5 ]
	[ "$(grep -c ' state: .*flags = 0x3' <<<"$output")" = 5 ]
	run -0 uvhooks report "$TRACE"
}

@test "the newest events and what lived come from the core alone, when the files of the recording have gone" {
	PLUGINS="stacks;recorder:dir=$BATS_TEST_TMPDIR/recording,ring=1M" dies_alone "$CONTROLLED" timers=3 \
		threads=2 turns=50 abort
	mv "$BATS_TEST_TMPDIR/recording" "$BATS_TEST_TMPDIR/gone"
	run -0 --separate-stderr uvhooks recover -o "$TRACE" "$CORE"
	[[ $output == *"resources lived"*"recorded to $BATS_TEST_TMPDIR/recording/controlled-"* ]]
	run -0 --separate-stderr babeltrace2 "$TRACE"
	[ "$stderr" = "" ]
	[ "$(uvhooks log --events before "$TRACE" 2>/dev/null | grep -c on_deed)" = 50 ]
	run -0 uvhooks why --json "$TRACE"
	# Their stacks are among the newest definitions.
	jq -e '[.loops[] | select(.loop == 0) | .keeps[] | select(.made.function == "add_timers") | .count] == [3]' <<<"$output"
	# Who reads the recording frees the memory that is left of the process.
	uvhooks report "$BATS_TEST_TMPDIR/gone" >/dev/null
}

@test "all of a frozen recording is in the core" {
	PLUGINS="recorder:dir=$BATS_TEST_TMPDIR/recording,ring=1M,frozen=1" dies "$CONTROLLED" timers=3 \
		threads=1 turns=3000 abort
	run -0 uvhooks recover -o "$TRACE" "$CORE"
	[ "$(uvhooks log --events before "$TRACE" 2>/dev/null | grep -c on_deed)" = 3000 ]
	run -0 --separate-stderr babeltrace2 "$TRACE"
	[ "$stderr" = "" ]
	uvhooks report "$BATS_TEST_TMPDIR/recording" >/dev/null
}

@test "a recording that a crash ended is read from its own files, too" {
	run -134 with_shim \
		UVHOOKS_RECORDER="$UVHOOKS_BUILD/shim/plugins/recorder.so" \
		UVHOOKS_PLUGINS="recorder:dir=$TRACE,ring=1M" "$CONTROLLED" timers=3 turns=100 abort
	[ "$(uvhooks log --events before "$TRACE" 2>/dev/null | grep -c on_deed)" = 100 ]
}

@test "the program may have been moved" {
	cp "$CONTROLLED" "$BATS_TEST_TMPDIR/moved"
	dies "$BATS_TEST_TMPDIR/moved" timers=1 abort
	mv "$BATS_TEST_TMPDIR/moved" "$BATS_TEST_TMPDIR/elsewhere"
	uvhooks recover -o "$TRACE-1" "$CORE"
	run -0 uvhooks why "$TRACE-1"
	[[ $output == *"TIMERWRAP (uv_timer_t) moved+0x"* ]]
	uvhooks recover --program "$BATS_TEST_TMPDIR/elsewhere" -o "$TRACE-2" "$CORE"
	run -0 uvhooks why "$TRACE-2"
	[[ $output == *"TIMERWRAP (uv_timer_t) on_timer"* ]]
}

@test "how each stood is told from libuv's own flags" {
	dies "$CONTROLLED" kinds abort
	uvhooks recover -o "$TRACE" "$CORE"
	run -0 uvhooks why "$TRACE"
	[[ $output == *"Kept alive by 1 handle:"*"TCPSERVERWRAP (uv_tcp_t) on_connection: listens on fd "*"not keeping it alive: 1 active without a reference (uv_unref), 1 not active"* ]] || {
		echo "$output"
		return 1
	}
}

@test "what is no core file, or not of a process under the shim, is refused; a damaged one does no harm" {
	refuses "name one core file" recover -o "$TRACE"
	refuses "-o DIR is missing" recover "$CORE"
	refuses "No such file or directory" recover -o "$TRACE" "$CORE"
	refuses "this is no core file" recover -o "$TRACE" "$SHIM"
	refuses "this is no core file" recover -o "$TRACE" /dev/zero
	[ ! -e "$TRACE" ]
	bare gdb -nx -batch -ex 'break exit' -ex run -ex "generate-core-file $CORE" -ex kill --args true \
		>/dev/null 2>&1
	refuses "the program did not run under the shim" recover -o "$TRACE" "$CORE"
	dies "$CONTROLLED" timers=3 "set=dir=$BATS_TEST_TMPDIR/recording" turns=3 abort
	# Cut, and with holes in places that a seed chooses: whatever it says, it says it and ends.
	run -0 bare "$PYTHON" - "$CORE" "$UVHOOKS_BUILD/tools/uvhooks" "$TRACE" <<-'END'
		import os, random, subprocess, sys
		core, command, trace = sys.argv[1:]
		data = open(core, "rb").read()
		random.seed(7)
		for turn in range(16):
		    damaged = bytearray(data)
		    if turn % 4 == 0:
		        del damaged[random.randrange(len(damaged)):]
		    for _ in range(random.choice([1, 10, 1000])):
		        if damaged:
		            at = random.randrange(4096 if turn % 2 else len(damaged))
		            damaged[min(at, len(damaged) - 1)] = random.randrange(256)
		    at = data.find(b"uvhooks-control\0", random.randrange(len(data)))
		    for _ in range(8):
		        if 0 <= at < len(damaged) - 600:
		            damaged[at + random.randrange(16, 600)] = random.randrange(256)
		    open(core + ".bad", "wb").write(damaged)
		    done = subprocess.run([command, "recover", "-o", f"{trace}-{turn}", core + ".bad"],
		                          capture_output=True, timeout=20)
		    assert done.returncode in (0, 1, 2), (turn, done)
		    if done.returncode == 0:
		        done = subprocess.run([command, "report", f"{trace}-{turn}"], capture_output=True, timeout=20)
		        assert done.returncode in (0, 1, 2), (turn, done)
	END
	uvhooks report "$BATS_TEST_TMPDIR/recording" >/dev/null
}
