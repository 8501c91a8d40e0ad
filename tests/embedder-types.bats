#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The types of the program's own resources, and what logs make of their names.

load helpers

types() {
	jq -r 'select(.event == "init") | .type' "$LOG"
}

@test "a name is one type, whoever says it, and two names are two" {
	runs_the_same "$PROGRAMS/s04_types" own
	uvhooks_events s04_types own
	[ "$(types | xargs)" = "Job Task Job" ]
	[ "$(jq -r .uv_type "$LOG" | sort -u)" = none ]
	uvhooks_events s04_types copied
	[ "$(jq -r 'select(.event == "init" or .event == "destroy") | .type' "$LOG" | xargs)" = "Copied Copied" ]
}

@test "Node's names have the numbers of types.h" {
	runs_the_same "$PROGRAMS/s04_types" nodes
	uvhooks_events s04_types nodes
	check_events --ended "$LOG"
	sed -n 's/^\tXX(\([A-Za-z0-9_]*\), "[a-z_]*", EMBEDDER).*/\1/p' \
		"$BATS_TEST_DIRNAME/../include/uvhooks/types.h" >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" -ge 50 ]
	diff "$BATS_TEST_TMPDIR/known" <(types)
}

@test "a name of libuv's makes no libuv resource" {
	runs_the_same "$PROGRAMS/s04_types" libuvs
	uvhooks_events s04_types libuvs
	check_events --ended "$LOG"
	types | grep -qx TCPWRAP
	types | grep -qx NONE
	[ "$(jq -r .uv_type "$LOG" | sort -u)" = none ]
	[ "$(events type_change start | wc -l)" = 0 ]
}

@test "a name with anything in it is one line of valid JSON" {
	uvhooks_events s04_types odd
	check_events --ended "$LOG"
	expect_output_of types <<-EOF
		two words
		a ?quoted? name
		back?slash
		new?line
		tab?and?return?[31m
		no ? text ?
		{?event?:?init?}
		%s%n
		x
		$(printf 'x%.0s' {1..63})
		$(printf 'y%.0s' {1..63})
	EOF
}

@test "... and one line of text" {
	with_shim UVHOOKS_PLUGINS="log:file=$BATS_TEST_TMPDIR/text" "$PROGRAMS/s04_types" odd >/dev/null
	[ "$(grep -c ' init ' "$BATS_TEST_TMPDIR/text")" = 11 ]
	grep -q 'new?line' "$BATS_TEST_TMPDIR/text"
	[ "$(LC_ALL=C grep -c '[^ -~]' "$BATS_TEST_TMPDIR/text")" = 0 ]
}

@test "more names than there are numbers: the last share one, are counted, and all goes on" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	with_shim "$PROGRAMS/s23_many_types"
	lost=$(awk '$1 == "types_exhausted" { print $2 }' "$UVHOOKS_TEST_COUNTERS")
	[ "$lost" -gt 0 ]
	[ "$lost" -lt 3000 ]
}
