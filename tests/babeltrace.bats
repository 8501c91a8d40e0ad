#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2153
# Every program of tests/programs, recorded: it prints and returns what it does bare, babeltrace2 reads the
# trace without a word, and its events are those that the log plugin and `uvhooks log` write.

load helpers

# recorded PATTERN LEAST: runs the programs whose names match, at least so many.
recorded() {
	local programs
	# A million of anything is too much to write down, and babeltrace2 takes minutes to merge the
	# files of 11,000 threads.
	mapfile -t programs < <(find "$PROGRAMS" -maxdepth 1 -type f -perm -u+x ! -name '*.so' \
		! -name million_timers ! -name many_threads -printf "$PROGRAMS/%f\n" |
		grep -E "/($1)[^/]*\$" | sort)
	[ "${#programs[@]}" -ge "$2" ]
	run bare env UVHOOKS="$UVHOOKS_BUILD/tools/uvhooks" UVHOOKS_SHIM="$SHIM" \
		"$PYTHON" "$BATS_TEST_DIRNAME/recorded.py" run "$UVHOOKS_BUILD/shim/plugins" \
		"${programs[@]}"
	echo "$output"
	[ "$status" = 0 ]
	# Most of them do something that is traced.
	[ "$(grep -cE '^[^ :]+ [1-9][0-9]*$' <<<"$output")" -ge $(($2 * 3 / 4)) ]
}

# That they do the same in each build is golden.bats' to say.
@test "the canonical programs" {
	recorded 'h[0-9]_[^-]*$' 11
}

@test "programs a to m" {
	recorded '[a-gi-m]|h[^0-9]' 18
}

@test "programs n to z" {
	recorded 's[^0-9]|[n-rt-z]' 10
}

@test "the programs of the embedder API" {
	recorded 's[0-9]' 20
}
