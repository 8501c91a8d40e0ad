#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The stacks plugin: its options, which stacks it takes, that they are right, and that the program does
# not notice it.

load helpers

setup() {
	STACKS=$UVHOOKS_BUILD/tests/stacks
	SOURCE=$BATS_TEST_DIRNAME/stacks/places.c
	FILE=$BATS_TEST_TMPDIR/stacks
}

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

# printed OPTIONS COMMAND...: runs it with the plugin, and leaves what its events said in $FILE. `-`:
# no options.
printed() {
	local options=${1#-}
	shift
	rm -f "$FILE"
	with_shim UVHOOKS_STRICT=1 \
		UVHOOKS_PLUGINS="stacks${options:+:$options};$STACKS/print_stacks.so:file=$FILE${MORE:+,$MORE}" "$@"
	[ -e "$FILE" ] || : >"$FILE"
}

# scene NAME [OPTIONS [PROGRAM]]
scene() {
	printed "${2:--}" "$STACKS/${3:-places}" "$1" >"$BATS_TEST_TMPDIR/output"
}

# The numbers of the stacks of an event, in order.
numbers() {
	awk -v event="$1" '$1 == event { print $3 }' "$FILE" | xargs
}

# What stands between a line's number and the script's frames, one address a line.
addresses() {
	sed -n "${1}p" "$FILE" | sed 's/ |.*//' | cut -d ' ' -f 4- | tr ' ' '\n'
}

# line_of TEXT: where the comment stands.
line_of() {
	grep -n "/\* $1 \*/" "$SOURCE" | cut -d : -f 1
}

# The lines of the program that the addresses on stdin return to, as addr2line tells them, innermost
# first, each once where functions were inlined.
lines_by_addr2line() {
	local address
	while read -r address; do
		[[ $address == places* ]] || continue
		addr2line -e "$STACKS/${address%%+*}" "$(printf '%x' $((${address#*+} - 1)))" |
			sed 's/.*\/\([^/]*\)$/\1/; s/ .*//'
	done
}

@test "what is wrong with the options is said before the program starts, with what to do" {
	local options message
	while read -r options message; do
		run -2 --separate-stderr uvhooks run -p "stacks:$options" -- "$PROGRAMS/h1_timer"
		[ "$output" = "" ]
		# shellcheck disable=SC2154 # of bats
		[[ $stderr == *"$message"* ]] || {
			echo "stacks:$options: $stderr"
			return 1
		}
	done <<-END
		sample=2 sample=2: say 1/N, for one stack of N: sample=1/100
		sample=1/0 sample=1/0: say 1/N
		sample=1/x say 1/N
		types=TIMER 'TIMER' is not a type; say one as Node does, TIMERWRAP, or as libuv does, uv_timer_t
		types= '' is not a type
		types=TIMERWRAP,more 'more' is not a type
		at=start at=start: known are init, arm and both
		unwind=fp unwind=fp: known are dwarf, and frames for programs that are built with -fno-omit-frame-pointer
		depth=0 depth=0: say a number from 1 to 128
		depth=129 say a number from 1 to 128
		max=-1 max=-1: say a number from 1 to 1048576
		watchdog_ms=0.5 watchdog_ms=0.5: say a number from 1
		stack=1 unknown option 'stack'; known are sample=1/N, types=LIST, at=init|arm|both, unwind=dwarf|frames, depth=N, max=N and watchdog_ms=MS
	END
}

@test "there is one source of stacks" {
	run -0 --separate-stderr with_shim UVHOOKS_PLUGINS="stacks;$UVHOOKS_BUILD/shim/plugins/stacks.so" \
		"$PROGRAMS/h1_timer"
	[[ $stderr == *"another plugin is the source of stacks already"* ]]
}

@test "a stack is made of the lines of the program, as addr2line tells them, innermost first" {
	local program marks
	for program in places places-fp; do
		scene lines - "$program"
		[ "$(numbers init)" = 1 ]
		marks=$(for mark in MAKE OUTER SCENE; do echo "places.c:$(line_of "$mark")"; done)
		addresses 1 | lines_by_addr2line >"$FILE-lines"
		expect_output_of sed 3q "$FILE-lines" <<<"$marks"
		grep -qx "places.c:$(line_of MAIN)\|program.h:[0-9]*" "$FILE-lines"
		# Outermost is where the process began, and innermost nothing of ours.
		[[ $(addresses 1 | tail -n 1) == places* && $(addresses 1) != *uvhooks* ]]
	done
}

@test "in a callback it goes on through libuv to the main function" {
	scene callback
	[ "$(numbers init)" = "1 3" ]
	[ "$(numbers start)" = 2 ]
	[ "$(addresses 2 | lines_by_addr2line | head -n 1)" = "places.c:$(line_of ARM)" ]
	addresses 3 | lines_by_addr2line | sed -n 2p | grep -qx "places.c:$(line_of CALLBACK)"
	addresses 3 | grep -q '^libuv\.so'
	addresses 3 | lines_by_addr2line | grep -qx "places.c:$(line_of MAIN)\|program.h:[0-9]*"
}

@test "a number stands for one place, and another place has another" {
	scene same
	[ "$(numbers init)" = "1 1 1 2" ]
}

@test "frame pointers and the unwind tables tell the same, where the program has them" {
	local scene
	for scene in lines same deep coroutines; do
		scene "$scene" unwind=dwarf places-fp
		mv "$FILE" "$FILE-dwarf"
		scene "$scene" unwind=frames places-fp
		diff "$FILE-dwarf" "$FILE"
	done
}

@test "a frame pointer that is none leads nowhere, however the stack is walked" {
	local unwind program
	for unwind in dwarf frames; do
		for program in places places-fp; do
			scene astray unwind=$unwind $program
			[ "$(numbers init | wc -w)" = 12 ]
			# What lies this side of it is there.
			[ "$(addresses 1 | lines_by_addr2line | sed 2q | xargs)" = \
				"places.c:$(line_of MAKE) places.c:$(line_of OUTER)" ]
			scene deep unwind=$unwind $program
			[ "$(numbers init | wc -w)" = 100 ]
		done
	done
}

@test "code that was generated is passed by its frame pointer" {
	scene generated
	addresses 1 | grep -q '^?'
	addresses 1 | lines_by_addr2line | grep -qx "places.c:$(line_of GENERATED)"
}

@test "small stacks of threads, stacks that take turns, and deep ones" {
	scene threads
	[ "$(numbers init)" = "1 1 1" ]
	[ "$(addresses 1 | lines_by_addr2line | wc -l)" -ge 5 ]
	scene coroutines
	[ "$(numbers init)" = "1 2 1 2 1 2 1 2 1 2" ]
	# To the end of each stack, and not beyond.
	[[ $(addresses 1 | tail -n 1) == libc* && $(addresses 1 | wc -l) == 5 ]]
	scene deep
	[ "$(numbers init | cut -d ' ' -f 1-40)" = "$(seq -s ' ' 40)" ]
	[ "$(numbers init | cut -d ' ' -f 81-100 | tr ' ' '\n' | uniq | wc -l)" = 1 ]
	[ "$(addresses 100 | wc -l)" = 48 ]
	scene deep depth=5
	[ "$(addresses 100 | wc -l)" = 5 ]
}

@test "the child of a fork goes on, also when other threads take stacks at that moment" {
	scene fork
	[ "$(numbers init)" = "1 2" ]
	scene forks
	# Those of the thread begin in the C library.
	[ "$(awk '$NF ~ /^places/' "$FILE" | wc -l)" = 400 ]
}

@test "a library that is loaded where another one was is not taken for it" {
	scene unload
	grep -qx "at one address" "$BATS_TEST_TMPDIR/output"
	[ "$(addresses 3 | sed 's/unloaded-[0-9]*/unloaded/')" = \
		"$(addresses 1 | sed 's/unloaded-[0-9]*/unloaded/')" ]
	addresses 1 | lines_by_addr2line | grep -qx "places.c:$(line_of UNLOADED)"
}

@test "at=, types= and sample= say which are taken" {
	scene callback at=init
	[ "$(cut -d ' ' -f 1 "$FILE" | sort -u)" = init ]
	scene callback at=arm
	[ "$(cut -d ' ' -f 1 "$FILE" | sort -u)" = start ]
	scene callback types=uv_idle_t,CHECKWRAP
	[ ! -s "$FILE" ]
	printed types=uv_idle_t,types=CHECKWRAP "$STACKS/places" callback idle >/dev/null
	[ "$(cut -d ' ' -f 1,2 "$FILE")" = "init IDLEWRAP" ]
	scene many sample=1/10
	# A tenth of what is made, and of what is armed, although they alternate.
	local event count
	for event in init start; do
		count=$(numbers $event | wc -w)
		((count > 60 && count < 150)) || {
			echo "$count of 1000 $event"
			return 1
		}
	done
}

@test "a call of the file system that the loop waits for has a stack" {
	scene fs
	[ "$(cut -d ' ' -f 1-3 "$FILE")" = "fs_call FSREQCALLBACK 1" ]
	[ "$(addresses 1 | lines_by_addr2line | head -n 1)" = "places.c:$(line_of FS)" ]
}

@test "there are max= of them, and the rest is counted" {
	scene deep max=10
	[ "$(numbers init)" = "1 2 3 4 5 6 7 8 9 10" ]
	[ "$(tail -n 1 "$FILE")" = "lost 90" ]
}

@test "what a script does at one native place makes another stack" {
	MORE=annotate scene same
	[ "$(numbers init)" = "1 2 1 3" ]
	grep -q ' | inner@script.x:1 @script.x:7$' "$FILE"
	grep -q ' | inner@script.x:2 @script.x:7$' "$FILE"
}

@test "no symbol of it but the plugin's is to be seen, and no descriptor stays open" {
	[ "$(nm -D --defined-only "$UVHOOKS_BUILD/shim/plugins/stacks.so" | awk '{ print $3 }')" = uvhooks_plugin ]
	# shellcheck disable=SC2016 # for the inner shell
	run -0 printed - "$PYTHON" -c 'import os; print(sorted(os.listdir("/proc/self/fd")))'
	[ "$output" = "$(bare "$PYTHON" -c 'import os; print(sorted(os.listdir("/proc/self/fd")))')" ]
}

@test "a program prints and returns the same with it" {
	local program
	for program in places places-fp; do
		bare "$STACKS/$program" >"$BATS_TEST_TMPDIR/bare"
		printed - "$STACKS/$program" >"$BATS_TEST_TMPDIR/with"
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
	done
	for program in every_type crossing h9_throw h9_longjmp fork_pool; do
		bare "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/bare" 2>&1
		printed - "$PROGRAMS/$program" >"$BATS_TEST_TMPDIR/with" 2>&1
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
	done
}
