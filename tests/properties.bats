#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Random programs: whatever a program does with libuv, its events keep the rules of every stream, all that
# it began is destroyed, and nothing is lost. A seed that fails is played again with
#
#	UVHOOKS_TEST_SEEDS='7 7' bats tests/properties.bats

load helpers

# Prints a line for each seed that fails, and its log's name.
play_seeds() {
	local seed status failed=0
	LOGS=$BATS_TEST_TMPDIR
	for seed in $(seq "$1" "$2"); do
		status=0
		with_log UVHOOKS_STRICT=1 UVHOOKS_TEST_COUNTERS="$LOGS/$seed.counters" \
			UVHOOKS_PLUGINS="log:file=$LOGS/seed-$seed.json,format=json" \
			timeout 60 "$PROGRAMS/random_program" "$seed" "${3:-400}" >"$LOGS/output" 2>&1 || status=$?
		if [ "$status" != 0 ] || [ "$(cat "$LOGS/output")" != "seed $seed: ${3:-400} operations, all ended" ]; then
			echo "seed $seed ended with $status: $(cat "$LOGS/output")"
			failed=1
		elif grep -v ' 0$' "$LOGS/$seed.counters"; then
			echo "seed $seed has lost something"
			failed=1
		fi
	done
	return "$failed"
}

@test "random programs keep the rules" {
	read -r first last <<<"${UVHOOKS_TEST_SEEDS:-1 150}"
	play_seeds "$first" "$last"
	check_events --ended "$BATS_TEST_TMPDIR"/seed-*.json
}

@test "long random programs keep the rules" {
	play_seeds 1001 1004 10000
	check_events --ended "$BATS_TEST_TMPDIR"/seed-*.json
}

@test "random programs meet every event, and every type but pipe servers and terminals" {
	play_seeds 2001 2040
	cat "$BATS_TEST_TMPDIR"/seed-*.json >"$BATS_TEST_TMPDIR/all"
	diff - <(jq -r .event "$BATS_TEST_TMPDIR/all" | sort -u) <<-EOF
		after
		before
		destroy
		init
		link
		loop_enter
		loop_exit
		start
		stop
		type_change
		wakeup
		work_begin
		work_end
	EOF
	diff - <(comm -23 <(sed -n 's/^\tXX(\([A-Z]*\), "uv_.*/\1/p' \
		"$BATS_TEST_DIRNAME/../include/uvhooks/types.h" | sort) \
		<(jq -r .type "$BATS_TEST_TMPDIR/all" | sort -u)) <<-EOF
		PIPESERVERWRAP
		TTYWRAP
	EOF
}

@test "the checker notices one event that is lost" {
	play_seeds 5 5
	# Without an `after` in the middle, the stack of its thread is wrong.
	awk '/"event":"after"/ && ++n == 20 { next } { print }' "$BATS_TEST_TMPDIR/seed-5.json" \
		>"$BATS_TEST_TMPDIR/lost.json"
	run -1 cmp -s "$BATS_TEST_TMPDIR/lost.json" "$BATS_TEST_TMPDIR/seed-5.json"
	run -1 check_events --ended "$BATS_TEST_TMPDIR/lost.json"
}

@test "random use of local storages agrees with a model that copies where the shim shares" {
	for seed in $(seq 1 200); do
		with_shim UVHOOKS_STRICT=1 "$PROGRAMS/random_stores" "$seed" 1000 >>"$BATS_TEST_TMPDIR/output"
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/output")" = 200 ]
}

@test "it also does when hooks hear of all events, whose stream keeps the rules" {
	LOGS=$BATS_TEST_TMPDIR
	for seed in $(seq 201 230); do
		with_log UVHOOKS_STRICT=1 UVHOOKS_TEST_COUNTERS="$LOGS/counters" \
			"$PROGRAMS/random_stores" "$seed" 1000
		! grep -v ' 0$' "$LOGS/counters"
	done
	check_events --ended --named-triggers "$LOGS"/*.json
}
