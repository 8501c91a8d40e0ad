#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Moved entries of functions on aarch64, by a cross compiler and an emulated processor:
# scripts/check-aarch64 and what it runs.

bats_require_minimum_version 1.5.0

CHECK=$(cd "$BATS_TEST_DIRNAME/.." && pwd)/scripts/check-aarch64

# A PATH on which is nothing but what a script needs to begin with, and COMMAND...
bare_path() {
	local command
	mkdir "$BATS_TEST_TMPDIR/bin"
	for command in bash env dirname awk sed "$@"; do
		ln -s "$(type -P "$command")" "$BATS_TEST_TMPDIR/bin/$command"
	done
	echo "$BATS_TEST_TMPDIR/bin"
}

@test "every form of instruction is moved as it must be, and does the same when it runs" {
	run -0 "$CHECK" --unit
	# Two compilers, two processors; one of these has guarded pages and signed addresses.
	[ "$(grep -cE '^[0-9]+ forms, [0-9]+ refusals, [0-9]+ kinds run$' <<<"$output")" -eq 2 ]
	[ "$(grep -cE ' kinds run, in guarded pages too$' <<<"$output")" -eq 2 ]
}

@test "libuv's own tests have the same results with every function of libuv patched" {
	run -0 "$CHECK" --suite
	for build in O2 O2-standard; do
		[[ $output =~ $build:\ ([0-9]+)\ functions,\ ([0-9]+)\ moved,\ ([0-9]+)\ of ]]
		[ "${BASH_REMATCH[1]}" -ge 400 ]
		[ "${BASH_REMATCH[2]}" -eq "${BASH_REMATCH[1]}" ]
		[[ $build == O2 || ${BASH_REMATCH[3]} -ge 400 ]]
		[[ $output =~ $build:\ ([0-9]+)\ tests\ the\ same,\ ([0-9]+)\ of\ them\ pass,\ 0\ different\;\ ([0-9]+)\ patched ]]
		[ "${BASH_REMATCH[2]}" -ge 40 ]
		[ "${BASH_REMATCH[3]}" -ge 200 ]
	done
	[[ $output == *'O2-standard: '*'; guarded pages'* ]]
}

@test "without the cross compiler or the emulator it says what to install" {
	PATH=$(bare_path clang) run -2 "$CHECK"
	[[ $output == *'aarch64-linux-gnu-gcc is missing'* ]]
	[[ $output == *'qemu-aarch64-static is missing'* ]]
	[[ $output == *'apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static' ]]
	[[ $output != *'clang is missing'* ]]
}

@test "a build that it does not know is a mistake, and nothing is run" {
	run -2 "$CHECK" O7
	[[ $output == usage:* ]]
	run -2 "$CHECK" --unit O2
	[[ $output == usage:* ]]
}
