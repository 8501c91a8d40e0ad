#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The same shim under a libuv that is older than the uv.h of the build. It is Debian's:
# scripts/libuv-source fetches and builds it.

load helpers
load versions

@test "the programs of these tests run with libuv 1.40" {
	[ "$(libuv_under 1.40)" = "libuv 1.40.0" ]
}

@test "libuv 1.40: its own test suite has the same results bare and under the shim" {
	suite_agrees 1.40 385 375
}

@test "libuv 1.40: the canonical traces, but for those that show what libuv changed since" {
	golden_under 1.40 '^H[1-6]:|^H9:'
}

# Program 86 closes a UDP handle in its own callback, and this libuv reads the handle once more after
# that: now and then it ends by an assertion of libuv's, without the shim as well.
@test "libuv 1.40: random programs keep the rules" {
	UVHOOKS_TEST_SEEDS="1 40" under 1.40 inner_bats -f '^random programs' "$TOP/tests/properties.bats"
}

@test "libuv 1.40: a program that finds a newer function in the shim is told that it does nothing" {
	pipe_connect2
	under 1.40 runs_the_same "$BATS_TEST_TMPDIR/pipe_connect2" "$BATS_TEST_TMPDIR/pipe"
	grep -qx 'connect2 ENOSYS' "$LOGS/bare.stdout"
	[ "$(jq -r 'select(.type == "PIPECONNECTWRAP") | .event' "$LOGS"/*.json)" = "" ]
}
