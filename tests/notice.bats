#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The loader's notice of new libraries, which the shim listens to, and what happens without it.

load helpers

counter() {
	awk -v name="$1" '$1 == name { print $2 }' "$BATS_TEST_TMPDIR/counters"
}

@test "a libuv that comes by dlopen is known before its module's first call" {
	UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters uvhooks_events deepbind_module
	[ "$(counter notices_failed)" = 0 ]
	[ "$(count_of init TIMERWRAP)" = 2 ]
}

# What a debugger that stops at the loader's notices does to the first byte.
@test "a breakpoint where the loader gives notice stays, is counted, and libuv is found later" {
	cd "$PROGRAMS"
	run -0 gdb -q -nx -batch -ex 'set breakpoint pending on' -ex 'break _dl_debug_state' \
		-ex "set exec-wrapper env LD_PRELOAD=$UVHOOKS_BUILD/shim/libuvhooks.so \
UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters UVHOOKS_PLUGINS=log:file=$BATS_TEST_TMPDIR/log,format=json" \
		-ex run -ex 'ignore 1 100000' -ex continue --args ./late_module
	[[ $output == *"exited normally"* ]]
	[ "$(counter notices_failed)" = 1 ]
	[ "$(grep -c '"event":"init".*TIMERWRAP' "$BATS_TEST_TMPDIR/log")" = 6 ]
}

@test "no descriptor stays open, and no memory is writable and executable" {
	cat >"$BATS_TEST_TMPDIR/look.sh" <<-'END'
		ls /proc/self/fd | wc -l
		grep -c ' rwx' /proc/self/maps
		true
	END
	run -0 bare bash "$BATS_TEST_TMPDIR/look.sh"
	expected=$output
	run -0 with_shim bash "$BATS_TEST_TMPDIR/look.sh"
	[ "$output" = "$expected" ]
}

@test "where threads run already before the shim's constructor, it gets notice all the same" {
	UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters uvhooks_events constructor
	[ "$(counter notices_failed)" = 0 ]
}
