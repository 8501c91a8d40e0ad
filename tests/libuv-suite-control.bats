#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# libuv's own tests with a flight recorder and stacks, whose hooks somebody switches off and on every
# 10 ms in every process: those that pass without the shim pass.

load helpers
load versions

@test "libuv's own test suite has the same results while hooks are switched off and on" {
	run -0 "$TOP/scripts/libuv-suite" --switching debian
	echo "$output"
	[[ $output =~ ([0-9]+)' tests, '([0-9]+)' pass both ways, '.*' 0 different; hooks switched '([0-9]+)' times in '([0-9]+)' processes, 0 refused' ]]
	[ "${BASH_REMATCH[1]}" -ge 405 ]
	[ "${BASH_REMATCH[2]}" -ge 395 ]
	[ "${BASH_REMATCH[3]}" -ge 500 ]
	[ "${BASH_REMATCH[4]}" -ge 100 ]
}
