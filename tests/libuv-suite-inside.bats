#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# libuv's own tests with libuv inside them: those that pass without the shim pass under it, patched.

load helpers
load versions

@test "libuv's own test suite with libuv inside has the same results bare and under the shim" {
	run -0 "$TOP/scripts/libuv-suite" --static
	[[ $output =~ ([0-9]+)' tests, '([0-9]+)' pass both ways, '.*' 0 different' ]]
	[ "${BASH_REMATCH[1]}" -ge 405 ]
	[ "${BASH_REMATCH[2]}" -ge 395 ]
	[[ $output == *"libuv debian inside the program: "* ]]
	# As many kinds of resources as the suite with the library meets, or nearly so.
	[[ $output =~ ' events logged, of '([0-9]+)' types of resources' ]]
	[ "${BASH_REMATCH[1]}" -ge 23 ]
}

@test "what the suite with libuv inside logs comes by way of patched functions" {
	run -0 "$TOP/scripts/libuv-suite" --static debian timer_again
	[[ $output == *" 1 pass both ways, "*" of 1 types of resources"* ]]
	mkdir -p "$BATS_TEST_TMPDIR/build/shim/plugins"
	ln -s "$UVHOOKS_BUILD/libuv" "$BATS_TEST_TMPDIR/build/libuv"
	cp "$UVHOOKS_BUILD/shim/plugins/log.so" "$BATS_TEST_TMPDIR/build/shim/plugins/"
	cp "$UVHOOKS_BUILD/shim/libuvhooks.so" "$BATS_TEST_TMPDIR/build/shim/"
	: >"$BATS_TEST_TMPDIR/build/shim/libuvhooks-patch.so"
	UVHOOKS_BUILD=$BATS_TEST_TMPDIR/build run -0 "$TOP/scripts/libuv-suite" --static debian timer_again
	[[ $output == *" 1 pass both ways, "*" 0 events logged, of 0 types of resources"* ]]
}
