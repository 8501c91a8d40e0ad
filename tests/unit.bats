#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The C unit tests: each prints what failed, and ends with status 1 if anything did.

bats_require_minimum_version 1.5.0

setup_file() {
	export UNIT="${UVHOOKS_BUILD:-$BATS_TEST_DIRNAME/../build}/tests/unit"
}

@test "the plugin ABI has not moved, and our numbers are libuv's" {
	run -0 "$UNIT/test_abi"
}

@test "functions are found in loaded ELF objects, and only what they define" {
	run -0 "$UNIT/test_object"
}

@test "a tag is believed only for its own struct and its own life" {
	run -0 "$UNIT/test_registry"
}

@test "each loop gets its id space, and ids never come twice" {
	run -0 "$UNIT/test_space"
}

@test "the execution stack grows, and destroys do not wait for ever" {
	run -0 "$UNIT/test_context"
}

@test "the entry of a function does elsewhere what it did, or is left alone" {
	run -0 "$UNIT/test_patch_move"
}

@test "a call through a patched entry reaches the wrapper, or the original with every register as it was" {
	run -0 "$UNIT/test_entry"
}

@test "an address has the same name outside the process as the log plugin finds inside" {
	run -0 "$UNIT/test_trace_symbols"
}

@test "every unit test that was built is run here" {
	for program in "$UNIT"/test_*; do
		[[ -x $program && ! -d $program ]] || continue
		grep -q "UNIT/$(basename "$program")\"" "$BATS_TEST_FILENAME"
	done
}
