#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The same shim under a libuv that is newer than the uv.h of the build. It is Debian's:
# scripts/libuv-source fetches and builds it.

load helpers
load versions

@test "the programs of these tests run with libuv 1.50" {
	[ "$(libuv_under 1.50)" = "libuv 1.50.0" ]
}

@test "libuv 1.50: its own test suite has the same results bare and under the shim" {
	suite_agrees 1.50 440 430
}

@test "libuv 1.50: the canonical traces" {
	golden_under 1.50 '^H[1-9]:'
}

@test "libuv 1.50: random programs keep the rules" {
	UVHOOKS_TEST_SEEDS="101 140" under 1.50 inner_bats -f '^random programs' "$TOP/tests/properties.bats"
}

@test "libuv 1.50: a function that only the newer libuv has works, and its request is traced" {
	pipe_connect2
	under 1.50 runs_the_same "$BATS_TEST_TMPDIR/pipe_connect2" "$BATS_TEST_TMPDIR/pipe"
	grep -qx 'connect 0' "$LOGS/bare.stdout"
	check_events --ended "$LOGS"/*.json
	[ "$(jq -r 'select(.type == "PIPECONNECTWRAP") | .event' "$LOGS"/*.json | paste -sd ' ')" = \
		"init before after destroy" ]
}

@test "libuv 1.50 shared, beside two 1.44 inside: each call goes to its own" {
	[ -x "$PROGRAMS/static_modules_two" ] || skip "there is no libuv_a.a"
	under 1.50 uvhooks_events static_modules_two
	check_events --ended "$LOG"
	[ "$(count_of init TIMERWRAP)" = 8 ]
	[ "$(count_of destroy TIMERWRAP)" = 8 ]
	under 1.50 with_shim UVHOOKS_VERBOSE=1 "$PROGRAMS/static_modules_two" 2>"$BATS_TEST_TMPDIR/said"
	grep -q 'libuv 1.50.* in .*/libuv.so.1: .* patched' "$BATS_TEST_TMPDIR/said"
	[ "$(grep -c 'module_static_[ab].so: .* patched' "$BATS_TEST_TMPDIR/said")" = 2 ]
}
