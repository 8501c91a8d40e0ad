#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# A server that lives for long, with connections that come and go: under the shim nothing of it grows,
# whatever is switched on and off meanwhile. scripts/soak does the same for ten minutes.

load helpers

soak() {
	bare TMPDIR="$BATS_TEST_TMPDIR" PYTHONDONTWRITEBYTECODE=1 timeout 300 "$PYTHON" \
		"$BATS_TEST_DIRNAME/soak/soak.py" "$@" "$UVHOOKS_BUILD"
}

@test "a server stays flat: dormant, recorded with stacks, switched on and off, and dormant again" {
	run -0 soak --seconds 36 --connections 20000
	echo "$output"
	[ "${lines[-1]}" = flat ]
	local phase
	for phase in dormant recording switching 'dormant again'; do
		# 37 connections are there at each rest, and a timer for each; the loop has six handles.
		[[ $output =~ ${phase}:\ ([0-9]+)\ connections\ in\ [0-9.]+\ s,\ 80\ live,\ ([0-9]+)\ made, ]]
		[ "${BASH_REMATCH[1]}" -ge 4000 ]
		[ "${BASH_REMATCH[2]}" -ge $((2 * BASH_REMATCH[1])) ]
	done
	[[ $output =~ ([0-9]+)' inits seen by a hook, 0 of them with an id'.*' before; '([0-9]+)' switches' ]]
	[ "${BASH_REMATCH[1]}" -ge 10000 ]
	[ "${BASH_REMATCH[2]}" -ge 12 ]
}

@test "a server that leaves a handle of one connection in 1000 is found out" {
	run -1 soak --dormant --connections 2000 --leak handle
	[[ $output == *"dormant: 38 timers live by the shim's account, 37 by the program's, of "* ]]
	[[ $output == *" live after "* ]]
}

@test "a server that leaves a descriptor of one connection in 1000 is found out" {
	run -1 soak --dormant --connections 2000 --leak descriptor
	[[ $output =~ 'dormant: '[0-9]+' descriptors after '[0-9]+' connections, '[0-9]+' after ' ]]
}

@test "a server that leaves 64 KiB of one connection in 1000 is found out" {
	run -1 soak --dormant --connections 6000 --leak memory
	[[ $output =~ 'dormant: memory grows by '[0-9.]+' bytes a connection' ]]
}

@test "scripts/soak runs for as long as it is told" {
	local begin=$SECONDS
	run -0 "$BATS_TEST_DIRNAME/../scripts/soak" --seconds 2
	[ "${lines[-1]}" = flat ]
	[ $((SECONDS - begin)) -lt 60 ]
	run -2 env UVHOOKS_BUILD="$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME/../scripts/soak"
	[[ $output == *"scripts/build makes it"* ]]
}
