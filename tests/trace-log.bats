#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2030,SC2031,SC2154
# uvhooks log: the events of a trace, in the lines that the log plugin writes.

load helpers

setup_file() {
	export STORIES=$BATS_FILE_TMPDIR/stories
	for story in late wakeups leaks lost two; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$STORIES/$story"
	done
}

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	plugins=$UVHOOKS_BUILD/shim/plugins
	cd "$BATS_TEST_TMPDIR" || return 1
}

# recorded PLUGINS PROGRAM...: runs it under the recorder, and under the plugins, which is launched
# as `uvhooks run` does it. Leaves the trace in the folder `trace`.
recorded() {
	local plugins=$1
	shift
	# shellcheck disable=SC2016 # the inner shell's $$ is the program's pid
	with_shim UVHOOKS_PLUGINS="$plugins;recorder:dir=trace" \
		sh -c 'UVHOOKS_LAUNCHED=$$ && export UVHOOKS_LAUNCHED && exec "$@"' \
		sh "$@" >stdout 2>stderr </dev/null
}

# without_times text|json <LINES
without_times() {
	case $1 in
	text) sed -E 's/^ *[0-9]+\.[0-9]{6}  //' ;;
	json) sed -E 's/"time_ns":[0-9]+/"time_ns":0/' ;;
	esac
}

# Which of two threads has come first is not for two plugins to agree on.
by_thread() {
	sed -E '/thread"?[=:]/!s/$/ thread=0/; s/^(.*thread"?[=:]([0-9]+).*)$/\2 \1/' | sort -s -n -k1,1
}

# Are the lines of the tool those of the plugin, in the log of each process?
same_lines() {
	local log format pid failed=0
	for log in text.* json.*; do
		format=${log%%.*} pid=${log##*.}
		"$uvhooks" log --format "$format" --process "$pid" trace >tool
		without_times "$format" <"$log" >expected
		without_times "$format" <tool >seen
		# A child that was forked within a callback goes on as deep as its parent was.
		[ "$pid" = "$main" ] || sed -i -E 's/^ +//' expected seen
		if [ "$(jq -r .thread "json.$pid" | sort -u | wc -l)" -gt 1 ]; then
			by_thread <expected >expected.by-thread
			by_thread <seen >seen.by-thread
			mv expected.by-thread expected && mv seen.by-thread seen
		fi
		diff expected seen >difference && continue
		echo "$* differs as $format in process $pid:"
		head -5 difference
		failed=1
	done
	return "$failed"
}

# Runs programs with the recorder and two log plugins, one for each format.
compare() {
	local program failed=0
	# The copy is another plugin to the loader.
	cp "$plugins/log.so" "$BATS_TEST_TMPDIR/json-log.so"
	for program; do
		mkdir "$program" && cd "$program" || return 1
		recorded "log:file=text.%p;$BATS_TEST_TMPDIR/json-log.so:file=json.%p,format=json" \
			"$PROGRAMS/$program"
		main=$(jq -r .thread json.* | head -1)
		same_lines "$program" || failed=1
		cd ..
	done
	return "$failed"
}

@test "handles and requests: the same lines as the plugin's, as text and as JSON" {
	compare h1_timer h2_fs h3_tcp h4_close_pending h6_inside h7_errors all_fs close_callbacks \
		every_type failing_calls link null_callbacks reads start_stop
}

@test "the same where callbacks are left by longjmp, exceptions and the end of a thread" {
	compare h9_longjmp h9_throw h9_thread_end s19_longjmp s19_throw s19_thread_end
}

@test "the same where threads, nested loops and the thread pool are at work" {
	compare h5_work h8_second_start nested_run threads wakeup work worker_pool
}

@test "the same for what a program makes itself: its types, promises, storages" {
	compare embedder_parity s04_types s22_process_exit s25_promise s26_captured random_stores
}

@test "the same in the children of a fork" {
	compare fork
}

@test "the times are those of the plugin, but for when each began to count" {
	recorded log:file=log "$PROGRAMS/h1_timer" repeat
	"$uvhooks" log trace >seen
	# shellcheck disable=SC2016 # awk's
	paste <(awk '{print $1}' log) <(awk '{print $1}' seen) |
		awk 'BEGIN {wrong = 0} {d = $1 - $2; if (d > 0.02 || d < -0.02) wrong++}
			END {exit NR < 5 || wrong > 0}'
}

@test "--events takes the words of the plugin's option, and indents as it does" {
	for list in node init,destroy before,after loop_enter,loop_exit,init before; do
		recorded "log:events=$list,file=log" "$PROGRAMS/h3_tcp"
		"$uvhooks" log --events "$list" trace | without_times text >seen
		without_times text <log >expected
		diff expected seen
		[ -s seen ]
		rm -r log trace
	done
}

@test "the help names the events that are shown where nothing is asked for" {
	local but
	recorded "" "$PROGRAMS/states"
	but=$("$uvhooks" log --help | sed -n 's/.*default: all but //p' | sed 's/,//g; s/ and / /')
	[ -n "$but" ]
	"$uvhooks" log --format json trace | jq -r .event | sort -u >shown
	"$uvhooks" log --format json --events all trace | jq -r .event | sort -u |
		grep -vxF "$(tr ' ' '\n' <<<"$but")" >expected
	diff expected shown
}

@test "filters let through what they say" {
	"$uvhooks" log "$STORIES/leaks" >all
	"$uvhooks" log --type FSREQCALLBACK "$STORIES/leaks" >seen
	diff <(grep FSREQCALLBACK all) seen
	"$uvhooks" log --type uv_tcp_t "$STORIES/leaks" >seen
	diff <(grep uv_tcp_t all) seen
	"$uvhooks" log --id 10,11 "$STORIES/leaks" >seen
	diff <(grep -E '^ *[0-9.]+ +[a-z_]+ (10|11) ' all) seen
	"$uvhooks" log --from 100us --to 0.0002 "$STORIES/leaks" >seen
	diff <(awk '$1 >= 0.0001 && $1 < 0.0002 || /^  0.000200 +before 2 /' all) seen
	"$uvhooks" log --loop 1 "$STORIES/wakeups" >seen
	[ "$(wc -l <seen)" -eq 1 ]
	grep -q 'init 1:2 TIMERWRAP' seen
	"$uvhooks" log --process 1001 "$STORIES/two" >seen
	[ "$(wc -l <seen)" -eq 5 ]
	"$uvhooks" log --process twin-1000,1001 "$STORIES/two" >seen
	[ "$(wc -l <seen)" -eq 10 ]
	"$uvhooks" log --type TIMERWRAP --id 10 "$STORIES/leaks" >seen
	[ ! -s seen ]
}

@test "an id or a loop that the trace lacks is told, by every verb" {
	local verb

	for verb in log report tree why leaks pool stalls stack "export --format chrome"; do
		# shellcheck disable=SC2086 # the export's words
		run -1 --separate-stderr "$uvhooks" $verb --id 10,4711 --loop 0,3 "$STORIES/leaks"
		[ "$stderr" = "uvhooks: --id: nothing of 4711 is in this trace
uvhooks: --loop: nothing of a loop 3 is in this trace" ]
	done
	run -1 --separate-stderr "$uvhooks" log --id 10 --to 1us "$STORIES/leaks"
	[ "$stderr" = "uvhooks: --id: nothing of 10 is in this trace up to --to" ]
	run -0 --separate-stderr "$uvhooks" log --id 10 --type TIMERWRAP "$STORIES/leaks"
	[ "$output$stderr" = "" ]
}

@test "--callback shows a resource from where the callback is first armed to its end" {
	"$uvhooks" log --callback on_connec "$STORIES/leaks" >seen
	[ "$(grep -cv ' 2 TCPSERVERWRAP' seen)" -eq 0 ]
	head -1 seen | grep -q ' start 2 '
	tail -1 seen | grep -q ' destroy 2 '
	grep -q 'callback=on_close' seen
	"$uvhooks" log --callback on_late "$STORIES/late" | head -1 | grep -q ' start 2 '
}

@test "what was lost is said first, on stderr" {
	run -0 --separate-stderr "$uvhooks" log "$STORIES/lost"
	[ "${#lines[@]}" -eq 2 ]
	[[ ${stderr_lines[0]} == "uvhooks: story-1000: 7 events were lost while recording: "* ]]
	[[ ${stderr_lines[1]} == *"the beginning may be missing"* ]]
}

@test "a reader that goes away ends it quietly" {
	(
		echo 0 >status
		"$uvhooks" log "$STORIES/leaks" 2>stderr || echo $? >status
	) | head -1 >first
	[ "$(wc -l <first)" -eq 1 ]
	[ ! -s stderr ]
	# Killed by SIGPIPE, unless all fitted into the pipe.
	grep -qx -e 141 -e 0 status
}

@test "output that cannot be written is a failure, and the reading ends there" {
	run -1 --separate-stderr bash -c "\"$uvhooks\" log \"$STORIES/leaks\" >/dev/full"
	[[ $stderr == "uvhooks: cannot write to standard output: "* ]]
}

@test "long work shows how far it is, on a terminal, and wipes that away" {
	"$PYTHON" "$BATS_TEST_DIRNAME/trace/make_trace.py" big big --events 3000000 >count
	TERM=xterm script -qec "$uvhooks log big >lines" seen </dev/null >/dev/null
	grep -qE $'\rreading \\[=*> *\\] +[0-9]+ %.*\r\033\\[K' seen
	[ "$(wc -l <lines)" -eq "$(cat count)" ]
	# Not into the lines, where these go to the terminal, too.
	TERM=xterm script -qec "$uvhooks log --to 100ms big" seen </dev/null >/dev/null
	[ "$(grep -c 'reading' seen)" -eq 0 ]
}

@test "no progress is shown where nobody looks" {
	run -0 --separate-stderr "$uvhooks" log "$STORIES/leaks"
	[ -z "$stderr" ]
}

@test "what nothing in the trace goes by is refused with what there is, by every verb" {
	for verb in log report leaks why stalls pool tree "stack --depth 1" "export --format folded"; do
		# shellcheck disable=SC2086
		refuses "has a type 'timerwrap'; there is TIMERWRAP" $verb --type timerwrap "$STORIES/leaks"
	done
	refuses "has a type 'uv_nothing_t'; there is embedder, TIMERWRAP, uv_timer_t, " \
		log --type TIMERWRAP,uv_nothing_t "$STORIES/leaks"
	refuses "no callback in this trace has 'ON_CONNEC' in its name; there is on_connection" \
		log --callback ON_CONNEC "$STORIES/leaks"
	refuses "there is on_connection, on_read, on_timeout" log --callback nothing "$STORIES/leaks"
	refuses "no process of this trace is '7'; there is twin-1000, twin-1001" \
		log --process 1000,7 "$STORIES/two"
	# Known, but not in this trace.
	run -0 --separate-stderr "$uvhooks" log --type uv_fs_poll_t,TLSWRAP,embedder "$STORIES/leaks"
	[ -z "$output$stderr" ]
	# What was lost may have been it.
	run -0 "$uvhooks" log --callback nothing "$STORIES/lost"
}

@test "the types that a program has named are those that it is asked for" {
	with_shim UVHOOKS_PLUGINS=recorder:dir=trace "$PROGRAMS/s23_many_types" >/dev/null
	name=$("$uvhooks" log trace | grep -om1 'init [0-9]* [A-Za-z_0-9]*' | cut -d' ' -f3)
	"$uvhooks" log --type "$name" trace | grep -q " init .* $name "
	refuses "nor this trace has a type 'x$name'; there is $name" log --type "x$name" trace
}

@test "wrong usage is refused with what would be right" {
	refuses "the folder of a trace is missing" log
	refuses "one trace at a time" log "$STORIES/late" "$STORIES/lost"
	refuses "--format xml: known are text and json" log --format xml "$STORIES/late"
	refuses "'start2' is not an event; known are node, all, init" log --events init,start2 "$STORIES/late"
	refuses "--type needs types" log --type , "$STORIES/late"
	refuses "--type needs types" log --type TIMERWRAP, "$STORIES/late"
	refuses "--from is later than --to" log --from 2ms --to 1ms "$STORIES/late"
	refuses "'x' is no async id; they are like 7 or 1:7" log --id 7,x "$STORIES/late"
	refuses "'1:7' is no id space" log --loop 1:7 "$STORIES/late"
	refuses "'soon' is no time since the trace began; say 1.5 for seconds" log --from soon "$STORIES/late"
	refuses "--to: '-1'" log --to -1 "$STORIES/late"
	refuses "--callback needs" log --callback '' "$STORIES/late"
	refuses "the option '--type' needs a value" log "$STORIES/late" --type
	refuses "unknown option '--colour'" log --colour "$STORIES/late"
	refuses "$BATS_TEST_TMPDIR/nowhere" log "$BATS_TEST_TMPDIR/nowhere"
	refuses "$BATS_TEST_TMPDIR" log "$BATS_TEST_TMPDIR"
	refuses "/dev/null" log /dev/null
}
