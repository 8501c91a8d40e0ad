#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The ways in which a libuv, or more than one, comes into a process.

load helpers

# play PROGRAM: runs it with the log, and its counters in a file.
play() {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	uvhooks_events "$1"
	check_events --ended "$LOG"
}

counter() {
	awk -v name="$1" '$1 == name { print $2 }' "$BATS_TEST_TMPDIR/counters"
}

# A module's play: a timer, an async handle, a stat and work, on a loop of its own and on the default
# loop.
expect_plays() {
	local plays=$1 type
	for type in TIMERWRAP ASYNCWRAP FSREQCALLBACK WORKREQ; do
		[ "$(count_of init "$type")" = $((plays * 2)) ]
		[ "$(count_of destroy "$type")" = $((plays * 2)) ]
	done
}

@test "a libuv that is linked" {
	play h1_timer
	[ "$(counter other_libuvs)" = 0 ]
	[ "$(counter unbind_failed)" = 0 ]
	[ "$(counter missing_functions)" = 0 ]
}

@test "a program that has two of libuv's functions itself: libuv still calls those" {
	runs_the_same "$PROGRAMS/interposing"
	play interposing
	[ "$(count_of init TCPWRAP)" = 1 ]
	[ "$(count_of init TIMERWRAP)" = 1 ]
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "another library that intercepts libuv is called as often, before the shim or behind it" {
	local other=$PROGRAMS/interposer.so order alone

	alone=$(bare env LD_PRELOAD="$other" "$PROGRAMS/interposing")
	[[ $alone == *"a timer is started"*"timer"* ]]
	for order in "$SHIM:$other" "$other:$SHIM"; do
		LOG=$BATS_TEST_TMPDIR/$RANDOM.json
		run -0 bare env LD_PRELOAD="$order" UVHOOKS_STRICT=1 \
			UVHOOKS_PLUGINS="log:file=$LOG,format=json" "$PROGRAMS/interposing"
		[ "$output" = "$alone" ]
		check_events --ended "$LOG"
		[ "$(count_of init TCPWRAP)" = 1 ]
		[ "$(count_of start TIMERWRAP)" = 1 ]
	done
}

@test "a libuv that comes with a module, goes with it, and comes again" {
	play late_module
	expect_plays 3
}

@test "a libuv that a constructor uses before main, and a destructor after it" {
	play constructor
	expect_trace_of "$(id_of TIMERWRAP 1)" before destroy <<-EOF
		before 2
		destroy 2
	EOF
	[ "$(count_of init TIMERWRAP)" = 3 ]
	[ "$(count_of destroy TIMERWRAP)" = 3 ]
	[ "$(count_of destroy UVTHREAD)" = 1 ]
	[ "$(count_of destroy FSREQCALLBACK)" = 2 ]
}

@test "a libuv that the program loads and asks with dlsym, beside a module that calls it" {
	play late_libuv
	[ "$(count_of init TIMERWRAP)" = 3 ]
	[ "$(count_of destroy TIMERWRAP)" = 3 ]
	[ "$(count_of init WORKREQ)" = 2 ]
}

@test "where no code may be changed, what is asked with dlsym is past the shim" {
	UVHOOKS_PATCH=0 play late_libuv
	expect_plays 1
}

@test "a libuv that a module finds by RTLD_DEEPBIND" {
	play deepbind_module
	expect_plays 1
	[ "$(counter patches_refused)" = 0 ]
}

@test "where no code may be changed, a libuv found by RTLD_DEEPBIND is past the shim" {
	UVHOOKS_PATCH=0 play deepbind_module
	expect_trace all </dev/null
}

@test "a libuv that a module has inside, in a program that has none" {
	[ -x "$PROGRAMS/static_module_alone" ] || skip "there is no libuv_a.a"
	play static_module_alone
	expect_plays 2
	[ "$(counter other_libuvs)" = 0 ]
}

@test "a libuv that a module has inside yields to the program's, as without the shim" {
	[ -x "$PROGRAMS/static_module_beside" ] || skip "there is no libuv_a.a"
	play static_module_beside
	[ "$(count_of init TIMERWRAP)" = 6 ]
	[ "$(count_of destroy TIMERWRAP)" = 6 ]
	[ "$(counter other_libuvs)" = 0 ]
}

@test "a libuv that a module keeps to itself, beside the program's" {
	[ -x "$PROGRAMS/symbolic_module_beside" ] || skip "there is no libuv_a.a"
	play symbolic_module_beside
	[ "$(count_of init TIMERWRAP)" = 5 ]
	[ "$(count_of destroy TIMERWRAP)" = 5 ]
	[ "$(count_of init WORKREQ)" = 4 ]
	[ "$(count_of destroy WORKREQ)" = 4 ]
	[ "$(counter other_libuvs)" = 0 ]
	[ "$(counter untracked_callbacks)" = 0 ]
}

@test "three libuvs, each with its own functions and loops" {
	[ -x "$PROGRAMS/static_modules_two" ] || skip "there is no libuv_a.a"
	play static_modules_two
	expect_plays 4
	[ "$(counter other_libuvs)" = 0 ]
	[ "$(counter untracked_callbacks)" = 0 ]
}

@test "three libuvs where no code may be changed: those that are not traced are counted" {
	[ -x "$PROGRAMS/static_modules_two" ] || skip "there is no libuv_a.a"
	UVHOOKS_PATCH=0 play static_modules_two
	traced=$(($(count_of init TIMERWRAP) / 2))
	[ "$traced" = 4 ] || [ "$(counter other_libuvs)" -ge 1 ]
	[ "$(counter untracked_callbacks)" = 0 ]
}

@test "a libuv inside the program" {
	[ -x "$PROGRAMS/static_program" ] || skip "there is no libuv_a.a"
	play static_program
	expect_trace all <<-EOF
		init 2 FSREQCALLBACK t1 stat
		loop_enter 0
		before 2
		after 2
		destroy 2
		loop_exit 0
	EOF
}

@test "a libuv inside the program whose first function is of the thread pool" {
	[ -x "$PROGRAMS/static_work" ] || skip "there is no libuv_a.a"
	play static_work
	[ "$(count_of init UVTHREAD)" = 0 ]
	[ "$(count_of init WORKREQ)" = 1 ]
	[ "$(count_of before TIMERWRAP)" = 1 ]
	[ "$(count_of destroy TIMERWRAP)" = 1 ]
}

@test "a libuv inside the program cannot be seen where no code may be changed" {
	[ -x "$PROGRAMS/static_program" ] || skip "there is no libuv_a.a"
	UVHOOKS_PATCH=0 play static_program
	expect_trace all </dev/null
}

@test "a program that replaces the allocator of libuv is the first to use it" {
	play allocator
	expect_trace node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		before 2
		after 2
		destroy 2
	EOF
}

@test "a libuv in a namespace of its own is left alone and counted, and the shared one is traced" {
	play late_namespace
	[ "$(count_of init TIMERWRAP)" = 1 ]
	[ "$(counter other_libuvs)" = 1 ]
	run -0 --separate-stderr with_shim UVHOOKS_VERBOSE=1 "$PROGRAMS/late_namespace"
	# shellcheck disable=SC2154 # run sets it
	grep -qx 'uvhooks: other_libuvs: 1' <<<"$stderr"
}
