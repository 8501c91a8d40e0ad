#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2154
# uvhooks report: what a trace shows, in numbers.

load helpers

setup_file() {
	export STORIES=$BATS_FILE_TMPDIR/stories
	for story in busy late pool files old_files wakeups leaks chain lost empty hostile two ring \
		mangled inside stuck elsewhere deep; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$STORIES/$story"
	done
}

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	cd "$BATS_TEST_TMPDIR" || return 1
}

report() {
	"$uvhooks" report "${@:2}" "$STORIES/$1"
}

# told STORY EXPRESSION [OPTION...]: does it hold for the report as JSON?
told() {
	report "$1" --json "${@:3}" >"report.json"
	jq -e "$2" report.json >/dev/null || {
		echo "not so: $2"
		jq -c . report.json
		return 1
	}
}

@test "every number is that of the program that was made up" {
	for seed in 1 2 3; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/check_report.py" "$uvhooks" "made-up-$seed" "$seed"
	done
}

@test "a callback that keeps the loop for 50 ms is the longest" {
	told busy '.loops[0].longest[0] |
		.callback == "on_busy" and .run_ns == 50e6 and .at_ns == 110e6 and .id == "2"'
	told busy '.callbacks[0].callback == "on_busy"'
	told busy '.loops[0] | .elapsed_ns == 200e6 and .busy_ns == 51.02e6 and
		(.utilization - 0.2551 | fabs) < 1e-6 and .iterations_at_least == 101'
	report busy >text
	grep -qE '^ +50.0 ms +0\.110000 s +2 +TIMERWRAP +on_busy$' text
	grep -q 'busy 25.5 %: 51.0 ms in callbacks of the 200 ms that it ran' text
}

@test "a timer that comes late shows its delay, and what it had to wait for" {
	told late '.loops[0].latest_timers ==
		[{delay_ns: 86e6, at_ns: 106e6, id: "2", type: "TIMERWRAP", uv_type: "uv_timer_t",
			callback: "on_late"}]'
	told late '.loops[0].timer_delay |
		.count == 1 and .max_ns == 86e6 and .mean_ns == 86e6 and .p50_ns == 86e6'
	report late | grep -q 'timers behind their due time, of 1: mean 86.0 ms'
}

@test "timers of a loop that runs in another thread come late, too, and those that fired are done" {
	told elsewhere '.loops[] | select(.loop == 1) | .timer_delay.count == 3 and
		(.latest_timers | map([.callback, .delay_ns])) ==
		[["on_once", 5e6], ["on_again", 3e6], ["on_again", 1e6]]'
	told elsewhere '.live | map(select(.callback != null) | [.callback, .armed]) | sort ==
		[["on_again", true], ["on_once", false]]'
	"$uvhooks" record -o loops -- "$UVHOOKS_BUILD/tests/programs/loops" in_threads
	"$uvhooks" report --json loops | jq -e '.loops | map([.loop, .timer_delay.count]) ==
		[[1, 25], [2, 25], [3, 25], [4, 25]]'
}

@test "a pool with too few threads shows how long work waited for one" {
	# Two begin at once, and each two after them 10 ms later.
	told pool '.thread_pools[0] | .threads == 2 and .busy_max == 2 and
		.queue.count == 8 and .queue.max_ns == 39e6 and .queue.mean_ns == 24e6 and
		.service.max_ns == 10e6 - 2 and .return.mean_ns == 1e6 + 2'
	told pool '.thread_pools[0].busy_mean - 80 / 80 | fabs < 0.001'
	report pool >text
	grep -q 'threads busy: mean 1.00, at most 2 of 2 that were seen; all of them 50.0 %' text
	grep -qE '^  work  waited for a thread +8 +24.0 ms .* 39.0 ms$' text
	grep -qE '^  work  held a thread +8 +10.0 ms ' text
	grep -qE '^  work  waited for the loop +8 +1.00 ms ' text
}

@test "what libuv itself does on the pool counts, too, where the trace tells of it" {
	told files '.thread_pools[0] | .threads == 2 and .busy_max == 2 and .saturated_ns == 19e6 and
		.queue.count == 0 and (.kinds | length == 1) and (.kinds[0] | .kind == "fs" and
			.queue.count == 4 and .queue.max_ns == 27e6 and .service.max_ns == 30e6)'
	told pool '.thread_pools[0] | (.kinds | map(.kind)) == ["work"] and
		.kinds[0].queue == .queue and .kinds[0].service == .service'
	report files | grep -qE '^  fs    held a thread +4 +13.0 ms '
	# Recorded by an older one: how long they waited for their callback is all there is.
	told old_files '.thread_pools == [] and .requests[0].wait.max_ns == 12e6'
}

@test "wake-ups are told by sender, and which of them come from other threads" {
	told wakeups '[.wakeups[] | [.count, .sender_type, .sender_loop, .across_threads]] ==
		[[2, null, 0, false], [4, "UVTHREAD", 0, true], [3, "TIMERWRAP", 1, true],
			[1, "WORKREQ", 0, true]]'
	report wakeups >text
	grep -qE '^ +4 +2 +a thread +another thread +on_async$' text
	grep -qE '^ +2 +2 +top level of 0 +on_async$' text
}

@test "what is alive at the end is told with who caused it, the like together" {
	told leaks '[.live[] | [.count, .type, .callback, (.chain | map(.callback)), .root]] ==
		[[1000, "TCPWRAP", "on_read", ["on_connection"], "top level"],
			[999, "TIMERWRAP", null, ["on_read", "on_connection"], "top level"],
			[1, "TIMERWRAP", "on_timeout", ["on_read", "on_connection"], "top level"],
			[1, "FSREQCALLBACK", "on_open", ["on_timeout", "on_read", "on_connection"],
				"top level"]]'
	LC_ALL=C.UTF-8 report leaks >text
	grep -qF '  1,000 × TCPWRAP on_read < TCPSERVERWRAP on_connection < top level' text
	LC_ALL=C report leaks >text
	grep -qF '  1,000 x TCPWRAP on_read < TCPSERVERWRAP on_connection < top level' text
	told leaks '[.types[] | select(.type == "TCPSERVERWRAP" or .type == "TCPWRAP") |
		[.type, .made, .live]] | sort == [["TCPSERVERWRAP", 1, 0], ["TCPWRAP", 1000, 1000]]'
	[ "$(report leaks --top 2 | grep -c ' < top level')" -eq 2 ]
	report leaks --top 2 | grep -q '\.\.\. and 2 groups more: --all, or --top 4'
	[ "$(report leaks --all --top 1 | grep -c ' < top level')" -eq 1 ]
	[ "$(report leaks --top 1 --all | grep -c ' < top level')" -eq 4 ]
}

@test "a chain of 50,000 that made their like is one line, and takes no deeper stack" {
	(
		ulimit -s 256
		report chain
	) >text
	grep -qF '  TIMERWRAP on_step < TIMERWRAP on_step, again and again < ...' text
}

@test "callbacks may be as deep inside each other as there are" {
	told deep '.callbacks[0] | .runs == 70000 and .max_ns == 140000 and .self_ns == 140000 and
		.total_ns == 70000 * 70001'
}

@test "what was lost is said before all else" {
	report lost >text
	[ "$(sed -n 1p text)" = 'LOST story-1000: 7 events of thread 1000: they are missing in all below' ]
	[ "$(sed -n 2p text)" = 'LOST story-1000: 3 records_exhausted' ]
	[[ "$(sed -n 3p text)" == story* ]]
	grep -q 'did not end (killed, or still running)' text
	grep -q 'the beginning may be missing' text
	told lost '.processes[0] | .events_discarded == 7 and .counters.records_exhausted == 3 and
		.flight_recorder and (.ended | not)'
	told busy '.processes[0] | .events_discarded == 0 and .ended and (.flight_recorder | not)'
	[ "$(report busy | head -1)" = 'story --now' ]
}

@test "of a loop that ran when recording began, the rest is told" {
	told ring '.loops[0] | .ran_before and .runs == 0 and .busy_ns == 4e6 and .elapsed_ns == 10e6'
	told ring '.types == [{type: "TIMERWRAP", uv_type: "uv_timer_t", made: 0, live: 1, runs: 3,
		total_ns: 4e6, self_ns: 4e6, mean_ns: 1333333, p50_ns: .types[0].p50_ns,
		p99_ns: 2e6, max_ns: 2e6}]'
}

@test "processes of one program are put together, by the names of their callbacks" {
	told two '(.processes | length) == 2 and (.loops | length) == 2 and
		(.callbacks | map([.callback, .runs, .total_ns])) == [["on_timer", 2, 2000]]'
	told two '(.processes | length) == 1 and .callbacks[0].runs == 1' --process 1001
	report two >text
	grep -q '^Loop 0 of twin-1001' text
}

@test "with filters only what passes is counted" {
	told busy '.filtered and .events == 2 * 101 and (.types | map(.type)) == ["IDLEWRAP"]' \
		--type IDLEWRAP --from 2ms
	told busy '.callbacks | map([.callback, .runs]) == [["on_idle", 3]]' --from 5ms --to 7.5ms
	# Of the loop, only that time.
	told busy '.loops[0] | .elapsed_ns == 2500000 and .busy_ns == 30000' --from 5ms --to 7.5ms
	told busy '.loops[0].busy_ns == 50e6 and .loops[0].elapsed_ns == 200e6' --callback busy
	told leaks '.live | map(.count) == [1000]' --type TCPWRAP
	# A resource was made, too, if it is known by its callback later only.
	told leaks '.types | map([.type, .made]) == [["TCPWRAP", 1000]]' --callback on_read
	told wakeups '.types | map(.type) == ["TIMERWRAP"]' --loop 1
	told leaks '.types | map([.type, .made]) == [["TCPWRAP", 1]]' --id 10
}

@test "in a window counts what lies in it of a callback that began before, or ended after" {
	local seen='.callbacks | map([.callback, .runs, .total_ns, .self_ns, .max_ns])'
	# Its beginning, its end, and neither.
	told busy "${seen}[0] == [\"on_busy\", 1, 30e6, 30e6, 30e6]" --to 140ms
	told busy "${seen}[0] == [\"on_busy\", 1, 20e6, 20e6, 20e6]" --from 140ms
	told busy "$seen == [[\"on_busy\", 1, 20e6, 20e6, 20e6]]" --from 120ms --to 140ms
	told busy '.loops[0] | .elapsed_ns == 20e6 and .busy_ns == 20e6 and .utilization == 1 and
		.callbacks == 1 and .bursts == 1 and (.longest | map([.run_ns, .at_ns, .unfinished])) ==
		[[20e6, 110e6, true]]' --from 120ms --to 140ms
	# What ran inside it, likewise.
	told inside "$seen == [[\"on_timer\", 1, 50e6, 20e6, 50e6], [\"do_task\", 1, 30e6, 30e6, 30e6]]" \
		--from 50ms --to 100ms
	told inside "$seen == [[\"on_timer\", 1, 10e6, 0, 10e6], [\"do_task\", 1, 10e6, 10e6, 10e6]]" \
		--from 50ms --to 60ms
	told ring '.loops[0] | .elapsed_ns == 3500e3 and .busy_ns == 1500e3' --from 2ms --to 5500us
	told stuck "$seen == [[\"on_stuck\", 1, 0, 0, 0]]"
}

@test "in a window the head and the loop tell of no other time" {
	report busy --from 120ms --to 140ms >text
	grep -q '^  0 events that passed the filters in 20.0 ms,' text
	grep -q 'on_busy (had not returned when the window ended)$' text
	report busy --from 5ms --to 7500us | grep -q '^  6 events that passed the filters in 2.50 ms (2,400 a second)'
	told busy '.processes[0].duration_ns == 2500e3' --from 5ms --to 7500us
	told busy '.loops[0].iterations_at_least == 3' --from 5ms --to 7500us
}

@test "where nothing passes the filters, or nothing has happened, it says so" {
	report busy --type PIPEWRAP | grep -qx 'No event passed the filters.'
	report empty | grep -qx 'There are no events in this trace.'
	told empty '.events == 0 and .types == [] and .loops == []'
}

@test "--sort is by what it says" {
	for key in total self mean p99 max; do
		told leaks "[.callbacks[].${key}_ns] | . == (sort | reverse)" --sort "$key"
	done
	told leaks '[.callbacks[].runs] | . == (sort | reverse)' --sort runs
	told busy '.callbacks | map(.callback) == ["on_idle", "on_busy"]' --sort runs
}

@test "a section with nothing in it is left out" {
	report late >text
	[ "$(grep -c '^Thread pool' text)" -eq 0 ]
	[ "$(grep -c '^Wake-ups' text)" -eq 0 ]
	[ "$(grep -c '^Requests' text)" -eq 0 ]
	grep -q '^Loop 0' text
}

@test "names that would do something to a terminal, or to JSON, do nothing" {
	report hostile >text
	[ "$(tr -d '\n' <text | LC_ALL=C grep -c '[[:cntrl:]]')" -eq 0 ]
	iconv -f UTF-8 -t UTF-8 text >/dev/null
	report hostile --json | jq -e '.types | map(.type) | sort == ["Straße", "Type?[1m"]'
}

@test "names of C++ are as people write them; programs get what the linker knows" {
	report mangled | sed -n '/^Callbacks/,/^$/s/.* TIMERWRAP  //p' >names
	diff names - <<-'EOF'
		node::Environment::RunTimers
		node::(anonymous namespace)::PlatformWorkerThread
		node::ThreadPoolWork::ScheduleWork::{lambda#2}
		node::MakeLibuvRequestCallback<uv_fs_s, void (*)(uv_fs_s*)>::Wrapper
		App::operator()
		_Zzz
		plain
	EOF
	told mangled '.callbacks[0].callback == "_ZN4node11Environment9RunTimersEP10uv_timer_s"'
}

@test "colours are for terminals, unless NO_COLOR or --color says otherwise" {
	escape=$'\033'
	# Has the output on a terminal colours?
	colored() {
		TERM=xterm script -qec "$*" /dev/null </dev/null | grep -q "$escape"
	}
	colored "$uvhooks report $STORIES/busy"
	run -1 colored "NO_COLOR=1 $uvhooks report $STORIES/busy"
	run -1 colored "$uvhooks report --color=never $STORIES/busy"
	run -1 grep -q "$escape" <(report busy)
	grep -q "$escape" <(NO_COLOR=1 report busy --color always)
	run -1 colored "$uvhooks report --json $STORIES/busy"
	# Without colours it is the same text.
	report busy --color always | sed -E "s/$escape\[[0-9;]*m//g" | diff - <(report busy)
}

@test "columns are aligned" {
	report busy >text
	# Each column of numbers ends where its title does.
	awk '/^Types/ {getline; end = index($0, "callbacks") + 8; getline
		while (NF) {rows++; if (substr($0, end, 2) !~ /[0-9] /) exit 1; getline}; exit rows < 2}' text
	[ "$(grep -c ' $' text)" -eq 0 ]
}

@test "a real program: its callbacks by name, its pool, what it waited for" {
	with_shim UVHOOKS_PLUGINS=recorder:dir=trace "$PROGRAMS/work" >/dev/null
	"$uvhooks" report --json trace >report.json
	"$uvhooks" log --format json trace >log.json
	for event in init before after work_begin destroy; do
		[ "$(jq ".events_by_kind.$event" report.json)" -eq "$(grep -c "\"event\":\"$event\"" log.json)" ]
	done
	[ "$(jq '.thread_pools[0].service.count' report.json)" -eq "$(grep -c '"work_end"' log.json)" ]
	jq -r '.callbacks[].callback' report.json | sort -u >seen
	jq -r 'select(.event == "before") | .callback' log.json | sort -u | diff - seen
}

@test "in a real program: a callback of 50 ms, the timer that it kept waiting, a pool of one thread" {
	cat >planted.lua <<-'END'
		local busy, late, left = vim.loop.new_timer(), vim.loop.new_timer(), 3
		busy:start(1, 0, function() vim.loop.sleep(50) end)
		late:start(10, 0, function() end)
		local work = vim.loop.new_work(function()
			vim.loop.sleep(20)
		end, function()
			left = left - 1
			if left == 0 then vim.schedule(function() vim.cmd("quit") end) end
		end)
		for _ = 1, left do work:queue() end
	END
	with_shim UVHOOKS_PLUGINS=recorder:dir=trace UV_THREADPOOL_SIZE=1 \
		nvim --headless --clean +'luafile planted.lua' </dev/null
	"$uvhooks" report --json trace >report.json
	jq -e '[.loops[].longest[] | select(.type == "TIMERWRAP")] | max_by(.run_ns) |
		.run_ns >= 50e6' report.json
	jq -e '[.loops[].latest_timers[].delay_ns] | max >= 39e6' report.json
	# The second waits for the first, and the third for both.
	jq -e '.thread_pools[0] | .threads == 1 and .busy_max == 1 and .queue.count == 3 and
		.queue.max_ns >= 2 * 20e6 - 1e6 and .service.mean_ns >= 19e6' report.json
}

@test "a trace of a million events is told in a moment, and in little memory" {
	"$PYTHON" "$BATS_TEST_DIRNAME/trace/make_trace.py" big big --events 1000000 --threads 2 >count
	"$PYTHON" - "$uvhooks" "$(cat count)" <<-'END'
		import json, resource, subprocess, sys
		seen = json.loads(subprocess.run([sys.argv[1], "report", "--json", "big"], check=True,
		                                 capture_output=True).stdout)
		used = resource.getrusage(resource.RUSAGE_CHILDREN)
		print(used.ru_utime + used.ru_stime, "s", used.ru_maxrss, "KiB")
		assert seen["events"] == int(sys.argv[2])
		assert used.ru_maxrss < 100 * 1024
		assert used.ru_utime + used.ru_stime < 5  # a tenth of a second, where nothing else runs
	END
}

@test "wrong usage is refused with what would be right" {
	refuses "the folder of a trace is missing" report
	refuses "one trace at a time" report "$STORIES/late" "$STORIES/lost"
	refuses "--sort size: known are total, self, mean, p99, max and runs" report --sort size "$STORIES/late"
	refuses "--top: '0' is no number from 1 to" report --top 0 "$STORIES/late"
	refuses "--top: 'ten' is no number from 1 to" report --top ten "$STORIES/late"
	refuses "--color blue: known are always, never and auto" report --color blue "$STORIES/late"
	refuses "'7:' is no async id" report --id 7: "$STORIES/late"
	refuses "unknown option '--xml'" report --xml "$STORIES/late"
	refuses "$BATS_TEST_TMPDIR/nowhere" report "$BATS_TEST_TMPDIR/nowhere"
	refuses "$BATS_TEST_TMPDIR" report "$BATS_TEST_TMPDIR"
}
