#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The worker pool of Node's documentation, in C: a task is a resource of its submitter, and its
# callback runs in the task's scope, not in that of the thread that worked on it.
# shellcheck disable=SC2016 # programs of jq, not of the shell

load helpers

setup_file() {
	# One run is enough for all that is asked of its log.
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR uvhooks_events worker_pool notes
	export LOG LOGS
}

# asked FILTER: the filter says true of the list of all events. $main is the loop's thread, $tasks
# the ids of the tasks, $timers and $threads those of these, each in the order of their init.
asked() {
	jq -se --argjson main "$(basename "$LOG" .json)" '
		def inits($type): [.[] | select(.event == "init" and .type == $type)];
		def callbacks: map(select(.event == "before" or .event == "after"));
		. as $events
		| (inits("WorkerPoolTaskInfo") | map(.id)) as $tasks
		| (inits("TIMERWRAP") | map(.id)) as $timers
		| (inits("UVTHREAD") | map(.id)) as $threads
		| '"$1" "$LOG"
}

@test "a hundred tasks are a hundred resources, all of them kept apart" {
	asked '($tasks | length) == 100 and ($tasks | unique | length) == 100'
	asked 'inits("WorkerPoolTaskInfo") | all(.uv_type == "none" and .thread == $main)'
}

@test "a task is triggered by its submitter: a timer for the one half, another task for the other" {
	asked 'inits("WorkerPoolTaskInfo") | all(.trigger == .execution)'
	asked '($timers | length) == 10'
	# Five of each timer.
	asked 'inits("WorkerPoolTaskInfo") | map(.trigger) | map(select(IN($timers[]))) |
		group_by(.) | length == 10 and all(length == 5)'
	# And one of each of these.
	asked '[inits("WorkerPoolTaskInfo")[] | select(.trigger | IN($timers[])) | .id] as $first
		| [inits("WorkerPoolTaskInfo")[] | select(.trigger | IN($timers[]) | not) | .trigger]
		| sort == ($first | sort) and length == 50'
}

@test "before and after stand once around a task's callback, with the ids of the task" {
	asked 'map(select(.id | IN($tasks[]))) | group_by(.id) |
		all(map(.event) == ["init", "before", "after", "destroy"])'
	asked 'callbacks | map(select(.type == "WorkerPoolTaskInfo")) |
		length == 200 and all(.execution == .id and has("flags") == false)'
	[ "$(jq -r 'select(.event == "before" and .type == "WorkerPoolTaskInfo") | .callback' "$LOG" |
		sort | uniq -c | tr -s ' ' | sort)" = " 50 on_sum
 50 on_total" ]
}

@test "a task's callback runs on the loop's thread, within that of the wake-up and of nothing else" {
	asked 'map(select(.type == "WorkerPoolTaskInfo")) | all(.thread == $main)'
	# What runs when a task's before comes, outermost first.
	asked 'reduce (map(select(.thread == $main)) | callbacks)[] as $event (
			{stack: [], around: []};
			if $event.event == "after" then .stack |= .[:-1]
			else (if $event.type == "WorkerPoolTaskInfo" then .around += [.stack] else . end)
				| .stack += [$event.type]
			end)
		| (.stack == []) and (.around | length == 100 and all(. == ["ASYNCWRAP"]))'
}

@test "what a task's callback makes is triggered by the task" {
	# An answer is written by the callback of the last sum of a request.
	asked '[.[] | select(.event == "before" and .callback == "on_total") | .id] as $totals
		| inits("FSREQCALLBACK") | length == 10 and
			all(.trigger == .execution and (.trigger | IN($totals[])))'
}

@test "a task is destroyed once, after its callback and that of the wake-up" {
	asked 'map(select(.event == "destroy" and .type == "WorkerPoolTaskInfo")) |
		length == 100 and all(.execution == "0" and has("flags") == false)'
	# No callback of the loop's thread is open then.
	asked 'reduce map(select(.thread == $main))[] as $event ({open: 0, good: true};
			if $event.event == "before" then .open += 1
			elif $event.event == "after" then .open -= 1
			elif $event.event == "destroy" and $event.type == "WorkerPoolTaskInfo" then
				.good = (.good and .open == 0)
			else . end)
		| .good'
}

@test "on the threads of the pool there are the events of these threads, and no others" {
	local threads
	threads=$(getconf _NPROCESSORS_ONLN)
	[ "$threads" -ge 2 ] || threads=2
	[ "$threads" -le 50 ] || threads=50
	asked "(\$threads | length) == $threads"
	asked 'inits("UVTHREAD") | all(.trigger == "1" and .thread == $main)'
	asked 'map(select(.thread != $main)) | all(.id | IN($threads[]))'
	asked 'map(select(.id | IN($threads[]))) | group_by(.id) |
		all(map(.event) == ["init", "before", "after", "destroy"])'
	# Each is a thread of its own.
	asked 'map(select(.event == "before" and .type == "UVTHREAD") | .thread) |
		(unique | length) == length'
}

@test "it is the pool's threads that wake the loop" {
	asked 'map(select(.event == "wakeup")) | length >= 1 and
		all(.type == "ASYNCWRAP" and (.sender | IN($threads[])))'
	asked '(inits("ASYNCWRAP") | length) == 1'
}

@test "all of it keeps the rules of every stream of events" {
	check_events --ended "$LOG"
}

@test "every callback reads the request that it is about from a local storage" {
	local number
	for number in {1..10}; do
		echo "request $number comes"
		for ((i = 0; i < 5; i++)); do
			echo "request $number has half a sum"
			echo "request $number has a sum"
		done
		echo "request $number is answered"
	done | sort | diff - <(sort "$LOGS/stderr")
}

@test "without the shim the storage is there within the call that entered it" {
	run -0 bare "$PROGRAMS/worker_pool" notes
	[ "$(grep -c '^request [0-9]* comes$' <<<"$output")" = 10 ]
	[ "$(grep -c '^some request ' <<<"$output")" = 110 ]
}

@test "it says and returns the same bare, under the shim and with the log" {
	runs_the_same "$PROGRAMS/worker_pool"
	prints "a request: 720" "100 tasks"
	[ "$(grep -c 'a request: 720' "$LOGS/bare.stdout")" = 10 ]
	[ "$(cat "$LOGS/bare.status")" = 0 ]
}

@test "nothing is lost" {
	with_shim UVHOOKS_TEST_COUNTERS="$BATS_TEST_TMPDIR/counters" "$PROGRAMS/worker_pool"
	[ -s "$BATS_TEST_TMPDIR/counters" ]
	run -1 grep -v ' 0$' "$BATS_TEST_TMPDIR/counters"
}

@test "libuv and libc are all that it needs" {
	run -0 readelf -d "$PROGRAMS/worker_pool"
	[[ $output != *uvhooks* ]]
	readelf -d "$PROGRAMS/worker_pool" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' >"$BATS_TEST_TMPDIR/needs"
	grep -qx libuv "$BATS_TEST_TMPDIR/needs"
	run -1 grep -vxE 'libuv|libc|libpthread|libdl' "$BATS_TEST_TMPDIR/needs"
}
