#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Every call fails in turn by which the shim or a plugin asks for memory, a file, a thread or a library.
# The program prints and returns the same each time, and what is lost is told.

load helpers
load faults

# refused WAY LEAST WORD...
refused() {
	local way=$1 least=$2
	shift 2
	run -0 bare "$PYTHON" "$BATS_TEST_DIRNAME/faults/refuse_each.py" "$UVHOOKS_BUILD" \
		"$BATS_TEST_TMPDIR/$way" "$way" "$@"
	echo "$output" >>"$BATS_FILE_TMPDIR/refused"
	echo "$output"
	[ "${output%% *}" -ge "$least" ]
}

@test "each call of the shim's that can be refused is refused in turn" {
	refused dormant 10 work=40 timers=6000 deep=80 small=3 fork work=20
}

@test "each call of the log plugin's is refused in turn" {
	refused log 20 work=40 small=2 fork work=20
}

@test "each call of the recorder's is refused in turn" {
	refused recorder 50 work=20 fork work=20
}

@test "each call of a flight recorder's and of stacks with a watchdog is refused in turn" {
	refused flight 50 work=20
}

@test "docs/faults.md has a row for each test of a fault here, with how often it was done" {
	rows_are_true
}
