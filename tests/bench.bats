#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# scripts/bench: each row stands beside its baseline, and what does not depend on how busy the
# machine is holds in every run.

load helpers

setup_file() {
	export BENCH=$BATS_FILE_TMPDIR
	local status=0
	UVHOOKS_BUILD=$UVHOOKS_BUILD "$BATS_TEST_DIRNAME/../scripts/bench" --quick --json "$BENCH/json" \
		--report "$BENCH/numbers.md" >"$BENCH/table" 2>"$BENCH/stderr" || status=$?
	echo "$status" >"$BENCH/status"
}

# is_met BEGIN: there are ends that begin so, and all of them are met.
is_met() {
	jq -e --arg begin "$1" \
		'[.ends[] | select(.end | startswith($begin))] | length > 0 and all(.met)' "$BENCH/json"
}

@test "a quick run ends, whether or not its ends of time are met" {
	cat "$BENCH/stderr" "$BENCH/table"
	[[ $(<"$BENCH/status") == [01] ]]
	jq -e '.lost == []' "$BENCH/json"
	[ "$(jq '[.ends[] | select(.met == false)] | length' "$BENCH/json")" -eq 0 ] ||
		[ "$(<"$BENCH/status")" = 1 ]
	grep -q '^ends ' "$BENCH/table"
}

@test "every row of the cost per event has its baseline, and ratios to it" {
	local row
	for row in timers idlers handles wakeups fs_requests tcp_echo; do
		grep -qE "^$row +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ " "$BENCH/table"
		jq -e --arg row "$row" '.per_event[] | select(.name == $row) |
			.events >= 2 and (.ns | .bare > 0 and .shim > 0 and .hook > 0 and .again > 0) and
			.shim.ratio > 0 and .hook.ratio > 0' "$BENCH/json"
	done
}

@test "so has every one of libuv's own benchmarks" {
	local row
	for row in million_timers million_async loop_count fs_stat ping_pongs queue_work \
		tcp_pump1_client tcp_pump100_client; do
		grep -qE "^$row +[A-Za-z -]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+" "$BENCH/table"
		jq -e --arg row "$row" '.own[] | select(.name == $row) |
			(.ns | .bare > 0 and .shim > 0 and .hook > 0) and .shim.ratio > 0' "$BENCH/json"
	done
}

@test "a patched call stands beside one through symbols, and the start of node beside its bare start" {
	grep -qE '^libuv shared +[0-9.]+ +[0-9.]+' "$BENCH/table"
	grep -qE '^libuv inside, patched +[0-9.]+ +[0-9.]+' "$BENCH/table"
	jq -e '.calls.ns.calls_inside | .bare > 0 and .shim > .bare' "$BENCH/json"
	jq -e '.node_startup | .bare.median_ms > 0 and .shim.median_ms > 0' "$BENCH/json"
}

@test "the calls of the embedder API stand beside the loop around them, and an empty call" {
	local row
	for row in empty_loop empty_calls run_in_scope get_store resources; do
		grep -qE "^$row +[0-9.]+ +[0-9.]+ +[0-9.]+ " "$BENCH/table"
		jq -e --arg row "$row" '.embedder[] | select(.name == $row) |
			.bare.ns > 0 and .shim.ns > 0 and .hook.ns > 0' "$BENCH/json"
	done
	# What is only there with the shim takes its time, and a hook more of it.
	jq -e '.embedder[] | select(.name == "run_in_scope") |
		.bare.ns < .shim.ns and .shim.ns < .hook.ns' "$BENCH/json"
	grep -qE '^shim: run_in_scope, at most 10 ns +-?[0-9.]+' "$BENCH/table"
	grep -qE '^shim: get_store, at most 3 ns +-?[0-9.]+' "$BENCH/table"
}

@test "what storages cost stands beside a shim that has none, and beside the shim before a store" {
	local row
	for row in timers idlers handles wakeups fs_requests; do
		jq -e --arg row "$row" '.no_storage[] | select(.name == $row) |
			.ns > 0 and .shim.ratio > 0 and .again.ratio > 0' "$BENCH/json"
		grep -qE "^no storage: $row, no loss beyond the noise +[+-][0-9.]+%" "$BENCH/table"
	done
	for row in timers idlers handles wakeups fs_requests lifecycles; do
		jq -e --arg row "$row" '.store[] | select(.name == $row) |
			.ns > 0 and .store.ratio > 0 and .again.ratio > 0' "$BENCH/json"
		grep -qE "^a store: $row, at most 5 ns more +-?[0-9.]+" "$BENCH/table"
	done
}

@test "the shim beside which there are no storages has none, and the store is carried" {
	local programs=$UVHOOKS_BUILD/tests/benchmarks
	preloaded() {
		run "$1" env LD_PRELOAD="$2:$programs/enter_store.so" "$programs/get_store" 1 1
	}
	preloaded -0 "$UVHOOKS_BUILD/shim/libuvhooks.so"
	[[ $output == *'"store": true'* ]]
	# Where nothing can be entered, no benchmark pretends to have been.
	preloaded -1 "$UVHOOKS_BUILD/shim/libuvhooks_without_storage.so"
	[[ $output == *"benchmark_enter_store"* ]]
}

@test "an operation is the events that the log shows" {
	# ten timers and the prepare callback that starts them
	jq -e '.per_event[] | select(.name == "timers") | .which |
		.start == 1 and .before == 1.1 and .after == 1.1' "$BENCH/json"
	jq -e '.per_event[] | select(.name == "handles") | .which |
		.init == 1 and .before == 1 and .after == 1 and .destroy == 1' "$BENCH/json"
	jq -e '.per_event[] | select(.name == "wakeups") | .which |
		.wakeup == 1 and .before == 1 and .after == 1' "$BENCH/json"
}

@test "a live resource takes no more memory than promised, and its memory is used again" {
	is_met "memory:"
	jq -e '.memory | .shim.bytes > 0 and .shim.growth < 1 and .hook.growth < 1' "$BENCH/json"
}

@test "nothing allocates once a program runs" {
	is_met "no call that allocates:"
	[ "$(jq '.allocations | length' "$BENCH/json")" -eq 9 ]
}

@test "the counter of allocations counts" {
	local programs=$UVHOOKS_BUILD/tests/benchmarks
	# the program's own, which it makes while it starts
	run -0 env LD_PRELOAD="$programs/count_calls.so" "$programs/timers" 1 1
	[[ $output == *'"calls": 0'* ]]
	run -0 "$programs/timers" 1 1
	[[ $output == *'"calls": null'* ]]
	cat >"$BATS_TEST_TMPDIR/allocates.c" <<-'END'
		#include <benchmark.h>

		static void setup(uv_loop_t *loop)
		{
			(void) loop;
		}

		static void batch(uv_loop_t *loop)
		{
			void *volatile memory = malloc(100);

			(void) loop;
			free(memory);
		}

		const struct benchmark benchmark = {1, 3, setup, batch};
	END
	cc -o "$BATS_TEST_TMPDIR/allocates" -I "$BATS_TEST_DIRNAME/benchmarks" \
		"$BATS_TEST_TMPDIR/allocates.c" "$BATS_TEST_DIRNAME/benchmarks/benchmark.c" -luv
	run -0 env LD_PRELOAD="$programs/count_calls.so" "$BATS_TEST_TMPDIR/allocates" 2
	[[ $output == *'"calls": 6'* ]]
}

# Instructions do not depend on the machine's load, as time does. What is written here is a tenth
# above what they are: a call more per event is noticed.
@test "an event takes no more instructions than it did" {
	local row shim hook
	while read -r row shim hook; do
		jq -e --arg row "$row" --argjson shim "$shim" --argjson hook "$hook" \
			'.per_event[] | select(.name == $row) |
			(.shim.instructions_per_event | . > 0 and . <= $shim) and
			(.hook.instructions_per_event | . > 0 and . <= $hook)' "$BENCH/json"
	done <<-END
		timers      57 159
		idlers      43 143
		handles     70 172
		wakeups     51 161
		tcp_echo    64 168
	END
}

@test "a call of the embedder API takes no more instructions than it did" {
	local row shim hook
	while read -r row shim hook; do
		jq -e --arg row "$row" --argjson shim "$shim" --argjson hook "$hook" \
			'.embedder[] | select(.name == $row) |
			(.shim.instructions | . > 0 and . <= $shim) and
			(.hook.instructions | . > 0 and . <= $hook)' "$BENCH/json"
	done <<-END
		run_in_scope  128 415
		get_store      32  32
		resources     375 730
	END
}

# Of each event one instruction, as where the compiler puts things differs between the two.
@test "before a store is entered, storages take no instructions" {
	local row most
	while read -r row most; do
		jq -e --arg row "$row" --argjson most "$most" '.no_storage[] | select(.name == $row) |
			.shim.instructions <= $most' "$BENCH/json"
	done <<-END
		timers   3.4
		idlers   2
		handles  4
		wakeups  3
	END
}

@test "an operation with a store takes no more instructions than it did" {
	local row most
	while read -r row most; do
		jq -e --arg row "$row" --argjson most "$most" '.store[] | select(.name == $row) |
			.store.instructions <= $most' "$BENCH/json"
	done <<-END
		timers       24
		idlers        2
		handles      62
		wakeups       2
		lifecycles   86
	END
}

@test "what recording an event costs stands beside the floor, and beside LTTng-UST or why not" {
	local row
	for row in timers idlers handles wakeups fs_requests lifecycles; do
		jq -e --arg row "$row" '.recorder.programs[] | select(.name == $row) |
			(.ns | .bare > 0 and .shim > 0 and .hook > 0 and .record > 0) and
			(.floors.ns | type) == "number" and .recorded > 10000' "$BENCH/json"
		grep -qE "^recorder: $row, at most 1.6 times the floor +-?[0-9.]+" "$BENCH/table"
	done
	jq -e '.recorder | .floor_ns > 1 and (.lttng_ns > 10 or (.no_lttng | length) > 0)' "$BENCH/json"
	grep -qE '^a tracepoint of LTTng-UST( with three integers, written nowhere: [0-9]|: not measured, as [a-z])' \
		"$BENCH/table"
	is_met "recorder: at most 16 bytes per event"
}

@test "recording an event takes no more instructions than it did" {
	local row most
	while read -r row most; do
		jq -e --arg row "$row" --argjson most "$most" '.recorder.programs[] |
			select(.name == $row) | .instructions_per_event | . > 0 and . <= $most' "$BENCH/json"
	done <<-END
		timers       86
		idlers       71
		handles      71
		wakeups      81
		lifecycles   82
	END
}

@test "the throughput of servers that are recorded stands beside their own" {
	local row
	for row in ping_pongs tcp_pump1_client tcp_pump100_client uvloop_server; do
		jq -e --arg row "$row" '.recording[] | select(.name == $row) |
			(.ns | .bare > 0 and .shim > 0 and .record > 0) and .record.ratio > 0 and
			(.name == "uvloop_server" or (.ns.floor > 0 and .floor.ratio > 0))' "$BENCH/json"
	done
	grep -qE '^uvloop_server +request +[0-9.]+' "$BENCH/table"
}

@test "how fast a trace is read is told, and in how much memory" {
	jq -e '.report | length == 3 and all(.recorded >= 1000000 and .events_per_second > 0 and
		.megabytes > 0 and .bytes > 0)' "$BENCH/json"
	grep -qE '^report: at most 200 MB for [0-9]+ events +[0-9]+' "$BENCH/table"
}

@test "a stack stands beside a hook that takes none, for each compiler, known and new" {
	local kind build
	for kind in known new; do
		for build in gcc gcc-fp clang clang-fp; do
			jq -e --arg kind "$kind" --arg build "$build" '.stacks[] |
				select(.kind == $kind and .build == $build) |
				.addresses == 20 and .hook > 0 and .dwarf.ns > 0 and
				(.frames | if $build | endswith("-fp") then .ns > 0 else . == null end)' \
				"$BENCH/json"
		done
	done
	# What was taken before costs less.
	jq -e '[.stacks[] | select(.build == "gcc") | {(.kind): .dwarf.ns}] | add | .known < .new' \
		"$BENCH/json"
	grep -qE '^stacks: known, gcc, at most 400 ns for a known one of 20 frames +[0-9.]+' "$BENCH/table"
	grep -qE '^uvloop_server +request +[0-9.]+' "$BENCH/table"
	jq -e '.stacks_throughput[0] | .ns.record_stacks > 0 and .record_stacks.ratio > 0' "$BENCH/json"
}

# rows FILE: the rows of all tables of figures, as "name|baseline|measured|ratio|more|end|verdict".
rows() {
	sed -nE 's/^\| ?//; s/ ?\|$//; s/ ?\| ?/|/gp' "$1" | awk -F'|' 'NF == 7 && !/^(figure|---)/'
}

@test "the report has every figure, with its baseline and ratio" {
	rows "$BENCH/numbers.md" >"$BATS_TEST_TMPDIR/rows"
	awk -F'|' '!($1 != "" && $2 ~ /[0-9]/ && $3 ~ /[0-9]/ && $4 ~ /^(-?[0-9.]+|∞)/ && $5 ~ /[0-9]/) {
		print "not all is there: " $0; bad = 1 } END { exit bad }' "$BATS_TEST_TMPDIR/rows"
	local row
	{
		printf '%s\n' {shim,hook}:' '{timers,idlers,handles,wakeups,fs_requests,tcp_echo} \
			shim:' '{million_timers,million_async,loop_count,fs_stat,ping_pongs,queue_work} \
			{shim,recording,the\ floor}:' '{tcp_pump1_client,tcp_pump100_client} \
			{recording,the\ floor}": ping_pongs" \
			"recording: uvloop_server" "recording with stacks: uvloop_server" \
			recorder:' '{timers,idlers,handles,wakeups,fs_requests,lifecycles} \
			"recorder: bytes of an event" report:' '{timers,lifecycles,memory} \
			{shim,hook}:' '{empty_calls,run_in_scope,get_store,resources} \
			{no\ storage,a\ store}:' '{timers,idlers,handles,wakeups,fs_requests} \
			"a store: lifecycles" stacks:' '{known,new},' '{gcc,clang}{,-fp}", unwind tables" \
			stacks:' '{known,new},' '{gcc,clang}"-fp, frame pointers" \
			{shim,hook}": memory of a live resource" allocations:' '{timers,tcp_echo,resources} \
			"a patched call, beside one by symbol" "the start of node, preloaded"
		# Where LTTng-UST runs.
		jq -r '.recorder | select(.lttng_ns) | .programs[] | "recorder: \(.name), beside LTTng-UST"' \
			"$BENCH/json"
	} >"$BATS_TEST_TMPDIR/wanted"
	while read -r row; do
		grep -q "^$row|" "$BATS_TEST_TMPDIR/rows" || {
			echo "no figure is called $row"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/wanted"
}

@test "the report names each end beside its figure, and how it came out" {
	local count
	count=$(jq '.ends | length' "$BENCH/json")
	[ "$count" -ge 40 ]
	rows "$BENCH/numbers.md" | cut -d'|' -f7 | sed 's/<br>/\n/g' |
		grep -cE '^(met|\*\*missed\*\*|the noise does not tell)$' >"$BATS_TEST_TMPDIR/verdicts"
	[ "$(<"$BATS_TEST_TMPDIR/verdicts")" = "$count" ]
	grep -q "^Of $count ends $(jq '[.ends[] | select(.met)] | length' "$BENCH/json") are met" \
		"$BENCH/numbers.md"
	rows "$BENCH/numbers.md" | grep -E '^shim: timers\|.*\|at most 5 ns/event\|'
	rows "$BENCH/numbers.md" | grep -E '^hook: tcp_echo\|.*\|at most a ratio of 1.05<br>at most 12 ns/event\|'
}

@test "the report says what it was measured on, and by which command" {
	grep -qF "Made by \`scripts/bench --quick --report\`" "$BENCH/numbers.md"
	grep -qF "| kernel | $(uname -sr) |" "$BENCH/numbers.md"
	grep -qF "| libuv | $(pkg-config --modversion libuv) |" "$BENCH/numbers.md"
	grep -qE '^\| processor \| .+ \|$' "$BENCH/numbers.md"
	grep -qE '^\| compiler \| .+ \|$' "$BENCH/numbers.md"
	grep -qE '^\| measured \| 20[0-9-]+ [0-9:]+ UTC \|$' "$BENCH/numbers.md"
	# It is of this machine, but names nothing of it that is somebody's own.
	run ! grep -qF -e "$HOME" -e "$UVHOOKS_BUILD" -e "$(hostname)" "$BENCH"/numbers.{md,svg,json}
}

@test "the plot of the report is SVG, and has the charts and what is in them" {
	xmllint --noout "$BENCH/numbers.svg"
	[ "$(xmllint --xpath 'local-name(/*)' "$BENCH/numbers.svg")" = svg ]
	grep -q '(numbers.svg)' "$BENCH/numbers.md"
	local word words
	words=$(xmllint --xpath 'string(/)' "$BENCH/numbers.svg" | tr -s ' \n' ' ')
	for word in 'Nanoseconds of an event' timers tcp_echo 'Nanoseconds of a recorded event' floor \
		'Time of an operation' uvloop_server 'Nanoseconds of a stack' 'known, clang-fp'; do
		[[ $words == *"$word"* ]]
	done
}

@test "the page is made again from its numbers, the one of the documentation as well" {
	local bench=$BATS_TEST_DIRNAME/../scripts/bench docs=$BATS_TEST_DIRNAME/../docs
	"$bench" --report-from "$BENCH/numbers.json" --report "$BATS_TEST_TMPDIR/numbers.md"
	cmp "$BENCH/numbers.md" "$BATS_TEST_TMPDIR/numbers.md"
	mkdir "$BATS_TEST_TMPDIR/docs"
	"$bench" --report-from "$docs/numbers.json" --report "$BATS_TEST_TMPDIR/docs/numbers.md"
	cmp "$docs/numbers.md" "$BATS_TEST_TMPDIR/docs/numbers.md"
	xmllint --noout "$docs/numbers.svg"
	echo '{"per_event": []}' >"$BATS_TEST_TMPDIR/old.json"
	run -2 "$bench" --report-from "$BATS_TEST_TMPDIR/old.json" --report "$BATS_TEST_TMPDIR/old.md"
	[[ $output == *"not the numbers of this version"* ]]
}

@test "a benchmark that fails is run again, and its row is missing if it fails still; the others are there" {
	local build=$BATS_TEST_TMPDIR/build
	mkdir -p "$build/tests"
	ln -s "$UVHOOKS_BUILD"/{shim,tools,meson-info} "$build/"
	ln -s "$UVHOOKS_BUILD/tests/plugins" "$build/tests/"
	cp -r "$UVHOOKS_BUILD/tests/benchmarks" "$build/tests/"
	# One fails for the first time, the other each time.
	cat >"$build/tests/benchmarks/calls" <<-END
		#!/bin/sh
		[ -e "$BATS_TEST_TMPDIR/failed" ] || { : >"$BATS_TEST_TMPDIR/failed"; echo no luck >&2; exit 7; }
		exec "$UVHOOKS_BUILD/tests/benchmarks/calls" "\$@"
	END
	printf '#!/bin/sh\necho broken >&2\nexit 3\n' >"$build/tests/benchmarks/idlers"
	chmod +x "$build"/tests/benchmarks/{calls,idlers}
	UVHOOKS_BUILD=$build run -2 --separate-stderr "$BATS_TEST_DIRNAME/../scripts/bench" --quick \
		--only calls,idlers,timers --json "$BATS_TEST_TMPDIR/json"
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *"no luck; it is run again"* ]]
	[[ $stderr == *"not measured: "*"idlers"*"ended with 3: broken"* ]]
	[[ $output == *"libuv shared "* && $output == *"shim: timers, at most 5 ns/event"* ]]
	jq -e '.calls.ns and (.per_event | map(.name) == ["timers"]) and (.lost | length) == 1' \
		"$BATS_TEST_TMPDIR/json"
}

@test "one of libuv's benchmarks that has found nothing in its time is given more" {
	local real=$UVHOOKS_BUILD/libuv-benchmarks/quick folder=$BATS_TEST_TMPDIR/build/libuv-benchmarks/quick
	mkdir -p "$folder" "$BATS_TEST_TMPDIR/build/tests"
	ln -s "$UVHOOKS_BUILD"/{shim,tools,meson-info,libuv} "$BATS_TEST_TMPDIR/build/"
	ln -s "$UVHOOKS_BUILD"/tests/{plugins,benchmarks} "$BATS_TEST_TMPDIR/build/tests/"
	# Nothing of it is built again.
	sed "s|$UVHOOKS_BUILD|$BATS_TEST_TMPDIR/build|" "$real/stamp" >"$folder/stamp"
	# It has its turn only if it has four times the time.
	cat >"$folder/uv_run_benchmarks" <<-END
		#!/bin/sh
		[ "\$BENCH_LONGER" -ge 4 ] && exec "$real/uv_run_benchmarks" "\$@"
		echo "# 0 async events in 0.5 seconds (0/s, 0 unique handles seen)"
	END
	chmod +x "$folder/uv_run_benchmarks"
	UVHOOKS_BUILD=$BATS_TEST_TMPDIR/build run -0 --separate-stderr \
		"$BATS_TEST_DIRNAME/../scripts/bench" --quick --only million_async
	[[ $stderr != *building* ]]
	[[ $stderr == *"million_async (shim) has found nothing; it is run again, for longer"* ]]
	[[ $output == *"million_async "* ]]
}

@test "a row that is not there is refused, and so is a round that is none" {
	run -2 "$BATS_TEST_DIRNAME/../scripts/bench" --only timers,nothing
	[[ $output == *"no row is called nothing"* ]]
	run -2 "$BATS_TEST_DIRNAME/../scripts/bench" --rounds 0
	[[ $output == *"--rounds wants at least 1"* ]]
	run -2 "$BATS_TEST_DIRNAME/../scripts/bench" --report "$BATS_TEST_TMPDIR/numbers"
	[[ $output == *"ends in .md"* ]]
}
