#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154
# uvhooks pool: what filled the thread pool, and what waited for it.

load helpers
load planted

setup_file() {
	local story
	export TRACES=$BATS_FILE_TMPDIR
	record_planted full_pool slow_names
	run_planted "$TRACES/plain" "$uvhooks" record -o "$TRACES/no-stacks" -- "$PLANTED/full_pool"
	for story in pool files quick_files old_files stuck_files one_stuck busy two; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$TRACES/$story"
	done
}

# asked NAME EXPRESSION [OPTION...]: does it hold for the answer as JSON?
asked() {
	verb pool "$1" --json "${@:3}" >"$BATS_TEST_TMPDIR/pool.json"
	jq -e "$2" "$BATS_TEST_TMPDIR/pool.json" >/dev/null || {
		echo "not so: $2"
		jq -c 'del(.pools[].occupancy)' "$BATS_TEST_TMPDIR/pool.json"
		return 1
	}
}

# waits_at NAME: "NAME.c:12", where what waits is asked for.
waits_at() {
	echo "$1.c:$(grep -n 'WAITS \*/' "$BATS_TEST_DIRNAME/planted/$1.c" | cut -d: -f1)"
}

@test "what is recorded says and does what it does alone" {
	runs_as_bare full_pool slow_names
}

@test "work that holds all threads while files wait: its line, and for how long" {
	run -0 verb pool full_pool
	echo "$output"
	grep -qE '^  4 threads seen; busy: mean [0-9.]+, at most 4; all of them [0-9.]+ % of the time$' \
		<<<"$output"
	grep -qE '^  saturated for [0-9.]+ m?s of [0-9.]+ m?s: all threads were busy while others waited$' \
		<<<"$output"
	grep -qE '^work starves fs  fs waited [0-9.]+ m?s in all, at most 6 at a time, while' \
		<<<"$output"
	grep -qE "^ +(9[0-9]|100)\.[0-9] %  work crunch  $(line_of full_pool) in main\$" <<<"$output"
	grep -qE "^  fs +stat +6 .* $(waits_at full_pool) in main\$" <<<"$output"
	asked full_pool '.pools[0] | .threads_seen == 4 and .busy_max == 4 and .saturated_ns >= 40e6 and
		(.starved | map(select(.kind == "fs")) | .[0] |
			.most_at_a_time == 6 and .waited_ns >= 6 * 40e6 and .held_by[0].what == "crunch" and
			.held_by[0].share > 0.9)'
	asked full_pool '.pools[0].kinds | map({(.what): .}) | add |
		.crunch.service.count == 4 and .stat.service.count == 6 and
		.stat.queue.p50_ns >= 40e6 and .stat.service.p50_ns < .stat.queue.p50_ns'
}

@test "names that wait for their half of the threads, although others are idle" {
	run -0 verb pool slow_names
	echo "$output"
	grep -qE '^  dns was saturated for [0-9.]+ m?s of [0-9.]+ m?s: libuv lets half of its threads \(2 of 4\)' \
		<<<"$output"
	grep -qE '^dns waits for other dns  dns waited [0-9.]+ m?s in all, at most 3 at a time' <<<"$output"
	grep -qE "^ +100\.0 %  dns getaddrinfo  $(line_of slow_names) in look_up\$" <<<"$output"
	asked slow_names '.pools[0] | .busy_max == 2 and .saturated_ns == 0 and .dns_limited_ns >= 40e6 and
		.threads_at_least >= 3 and (.kinds | map([.kind, .what, .service.count])) ==
		[["dns", "getaddrinfo", 5]]'
	# Three waited for the first two, and two at a time ran.
	asked slow_names '.pools[0].kinds[0].queue | .max_ns >= 40e6 and .p50_ns >= 40e6'
}

@test "without its fault nothing is found, and that is said" {
	local name
	for name in full_pool slow_names; do
		run -0 verb pool "$name-fixed"
		echo "$output"
		grep -qx '  never saturated: nothing had to wait for a thread' <<<"$output"
		run -1 grep -E 'starves|waits for|saturated for|^  waiting' <<<"$output"
		asked "$name-fixed" '.pools[0] | .saturated_ns == 0 and .dns_limited_ns == 0 and .starved == []'
	done
}

@test "of uv_queue_work begin and end are exact" {
	asked pool '.pools[0] | .threads_seen == 2 and .jobs == 8 and .busy_max == 2 and
		(.busy_mean - 1 | fabs < 0.001) and (.kinds | length == 1) and (.kinds[0] |
			.kind == "work" and .what == "work" and .callback == "on_worked" and
			.queue.count == 8 and .queue.max_ns == 39e6 and .queue.mean_ns == 24e6 and
			.service.max_ns == 10e6 - 2)'
	# Those behind the first two, which only woke up late.
	asked pool '.pools[0] | .saturated_ns / 1e6 | round == 30'
	verb pool pool | grep -q '^work waits for other work  work waited 120 ms in all, at most 6 at a time'
}

@test "libuv's own work begins when it is asked for, or when its thread has done what it did before" {
	# Two of 20 and 30 ms, and on the same threads one of 1 ms after each.
	asked files '.pools[0].kinds | map({(.what): .}) | add |
		(.read | .queue.max_ns == 0 and .service.max_ns == 30e6 and .service.mean_ns == 25e6) and
		(.stat | .queue.mean_ns == 22500e3 and .queue.max_ns == 27e6 and .service.max_ns == 1e6)'
	asked files '.pools[0] | .threads_seen == 2 and .saturated_ns == 19e6 and
		(.by_busy | .[1] == 10e6 and .[2] == 21e6) and .starved[0].waited_ns == 36e6'
}

@test "how full it was over time is drawn, and told in numbers" {
	LC_ALL=C verb pool files >"$BATS_TEST_TMPDIR/text"
	grep -qE '^  busy    \|[-.:=+*#@ ]*@{9}[-.:=+*#@ ]+\|  of 2$' "$BATS_TEST_TMPDIR/text"
	grep -qE '^  waiting \|[-.:=+*#@ ]+\|  of 2$' "$BATS_TEST_TMPDIR/text"
	LC_ALL=C.UTF-8 verb pool files | grep -q '^  busy    |.*███.*|  of 2$'
	asked files '.pools[0].occupancy | (.busy | length == 1024) and .from_at_ns == 0 and
		((.busy | add) * .step_ns - 52e6 | fabs < 1e4) and
		((.waiting | add) * .step_ns - 45e6 | fabs < 1e4)'
}

@test "a thread that is quicker than the call that asks is seen all the same" {
	asked quick_files '.pools[0] | .threads_seen == 1 and (.kinds | length == 1) and (.kinds[0] |
		.what == "stat" and .queue.count == 3 and .service.count == 3 and .not_seen == 0 and
		.service.max_ns == 0)'
	verb pool quick_files | grep -qx '  never saturated: nothing had to wait for a thread'
}

@test "files that never come hold their threads, and what waits behind them is told" {
	run -0 verb pool stuck_files
	echo "$output"
	grep -qE '^  0 threads seen; taken to be 4, the default' <<<"$output"
	grep -qx '  4 fs open hold threads, the longest for 100 ms  for on_open' <<<"$output"
	grep -qx '  2 fs stat wait, the longest for 96.0 ms  for on_stat' <<<"$output"
	grep -qx '  1 cancelled before a thread took it' <<<"$output"
	asked stuck_files '.pools[0] | (.saturated_ns / 1e6 | round == 96) and .threads_assumed and
		(.kinds | map([.what, .running_at_end, .waiting_at_end, .cancelled, .service.count]) | sort) ==
		[["open", 4, 0, 0, 0], ["stat", 0, 2, 1, 0]]'
	# One that holds a thread while others come and go is known by these.
	asked one_stuck '.pools[0] | .threads_seen == 1 and .threads_at_least == 2 and
		(.kinds | map([.what, .running_at_end, (.running_for_ns / 1e6 | round)]) | sort) ==
		[["open", 1, 100], ["stat", 0, 0]]'
}

@test "a trace without the ends of libuv's own work says so, and tells what it knows" {
	run -0 verb pool old_files
	echo "$output"
	grep -q '^Not seen on a thread  ' <<<"$output"
	grep -qE '^  fs +read +3 +11\.0 ms .* 12\.0 ms  for on_read$' <<<"$output"
	asked old_files '.pools[0] | .jobs == 0 and .not_seen == 3 and .starved == [] and
		(.kinds[0] | .whole.count == 3 and .whole.max_ns == 12e6 and .service.count == 0)'
}

@test "with filters only what passes is listed, and how full it was counts all" {
	asked full_pool '.filtered and (.pools[0] | (.kinds | map(.what)) == ["stat"] and .busy_max == 4 and
		.starved[0].held_by[0].what == "crunch")' --type uv_fs_t
	asked full_pool '.pools[0].kinds | map(.what) == ["crunch"]' --callback crunch
	asked pool '.pools[0] | .elapsed_ns == 10e6 and .by_busy[2] / 1e6 > 9.9' --from 20ms --to 30ms
	asked pool '.pools == []' --type PIPEWRAP
	verb pool pool --type PIPEWRAP | grep -qx 'Nothing that passes the filters was asked of the thread pool.'
	verb pool busy | grep -qx 'Nothing was asked of the thread pool.'
	asked two '.pools == []'
}

@test "without stacks the callback must do, and it is said how to get them" {
	run -0 verb pool no-stacks
	grep -qE '^ +(9[0-9]|100)\.[0-9] %  work crunch  for on_crunched$' <<<"$output"
	grep -qF 'uvhooks record --stacks' <<<"$output"
	run -1 grep 'uvhooks record' <(verb pool full_pool)
}

@test "-v shows the whole stack of each kind" {
	run -0 verb pool full_pool -v
	grep -qx 'work crunch  asked for by' <<<"$output"
	grep -qE "^  .*$(line_of full_pool) in main" <<<"$output"
	asked full_pool '[.pools[0].kinds[] | .stack[].function] | index("main")' -v
}

@test "bad usage is said, and what is no trace" {
	run -2 "$uvhooks" pool
	grep -q 'the folder of a trace is missing' <<<"$output"
	run -2 "$uvhooks" pool "$BATS_TEST_TMPDIR/none"
	run -2 "$uvhooks" pool --sideways "$TRACES/pool"
	run -0 "$uvhooks" pool --help
	grep -q '^Usage: uvhooks pool \[OPTION\]... DIR$' <<<"$output"
}
