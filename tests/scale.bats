#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
# Many threads, many handles: nothing is lost, and each live resource costs little.

load helpers

# nothing_lost FILE: all counters are 0.
nothing_lost() {
	[ "$(wc -l <"$1")" -ge 15 ]
	run -1 grep -v ' 0$' "$1"
}

@test "ten thousand threads of libuv come and go" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	LOG_OPTIONS='events=init,destroy,types=UVTHREAD' uvhooks_events many_threads ten_thousand
	[ "$(count_of init UVTHREAD)" = 10000 ]
	[ "$(count_of destroy UVTHREAD)" = 10000 ]
	[ "$(jq -r 'select(.event == "destroy") | .id' "$LOG" | sort -u | wc -l)" = 10000 ]
	nothing_lost "$UVHOOKS_TEST_COUNTERS"
}

@test "ten thousand other threads come and go, a thousand of them with a loop" {
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	LOG_OPTIONS='events=init,destroy' uvhooks_events many_threads plain
	[ "$(count_of init TIMERWRAP)" = 1000 ]
	[ "$(count_of destroy TIMERWRAP)" = 1000 ]
	nothing_lost "$UVHOOKS_TEST_COUNTERS"
}

@test "a million live timers take at most 96 bytes each more than they do bare" {
	bare UVHOOKS_TEST_MEMORY="$BATS_TEST_TMPDIR/bare" "$PROGRAMS/million_timers"
	with_shim UVHOOKS_TEST_MEMORY="$BATS_TEST_TMPDIR/shim" \
		UVHOOKS_TEST_COUNTERS="$BATS_TEST_TMPDIR/counters" "$PROGRAMS/million_timers"
	echo "bytes a timer: $(cat "$BATS_TEST_TMPDIR/bare") bare, $(cat "$BATS_TEST_TMPDIR/shim") with the shim"
	awk 'FNR == NR { bare = $1; next } { exit !($1 - bare <= 96 && $1 - bare > 1) }' \
		"$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/shim"
	nothing_lost "$BATS_TEST_TMPDIR/counters"
}
