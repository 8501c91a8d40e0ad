#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# libuv's own tests: those that pass without the shim pass under the shim and the log plugin.

load helpers
load versions

@test "libuv's own test suite has the same results bare and under the shim" {
	suite_agrees debian 405 395
}

@test "a test that the preloaded library breaks is told, by name, and the script fails" {
	mkdir -p "$BATS_TEST_TMPDIR/build/shim/plugins" "$UVHOOKS_BUILD/libuv"
	ln -s "$UVHOOKS_BUILD/libuv" "$BATS_TEST_TMPDIR/build/libuv"
	cp "$UVHOOKS_BUILD/shim/plugins/log.so" "$BATS_TEST_TMPDIR/build/shim/plugins/"
	cc -shared -fPIC -o "$BATS_TEST_TMPDIR/build/shim/libuvhooks.so" -x c - <<-'END'
		int uv_timer_again(void *timer) { return -22; }
	END
	UVHOOKS_BUILD=$BATS_TEST_TMPDIR/build run -1 "$TOP/scripts/libuv-suite" debian timer_init timer_again
	[[ $output == *"DIFFERENT: timer_again: bare pass, shim fail"* ]]
	[[ $output == *" 1 pass both ways, "*" 1 different"* ]]
}
