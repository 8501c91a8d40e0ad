#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# File system requests: every call of libuv, by its name.

load helpers

@test "all calls with a callback are requests, named by their call" {
	uvhooks_events all_fs with_callback
	check_events --ended "$LOG"
	diff <(echo "$output" | sed 1d) <(jq -r 'select(.event == "init") | .call' "$LOG")
	diff <(echo "$output" | sed 1d) <(jq -r 'select(.event == "destroy") | .call' "$LOG")
}

@test "every name of a call in types.h is met, but for the one that no function has" {
	uvhooks_events all_fs with_callback
	sed -n 's/^\tXX([0-9]*, \([a-z]*\)).*/\1/p' "$BATS_TEST_DIRNAME/../include/uvhooks/types.h" |
		grep -v custom | sort >"$BATS_TEST_TMPDIR/known"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/known")" = 36 ]
	diff "$BATS_TEST_TMPDIR/known" <(jq -r '.call // empty' "$LOG" | sort -u)
}

@test "each request is triggered by the callback that makes it" {
	uvhooks_events all_fs with_callback
	[ "$(events init | sed -n 1p)" = "init 2 FSREQCALLBACK t1 open" ]
	[ "$(events init | sed -n 2p)" = "init 3 FSREQCALLBACK t2 write" ]
	[ "$(events init | tail -1)" = "init 45 FSREQCALLBACK t44 unlink" ]
}
