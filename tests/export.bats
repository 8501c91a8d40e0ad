#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
#
# `uvhooks export`: every format is read by who it is for, and held against the events of the trace.

load helpers

EXPORT=$BATS_TEST_DIRNAME/export
UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks

setup_file() {
	PACKAGES=$("$EXPORT/packages") || return 1
	export PACKAGES
}

# Leaves a synthetic trace in $TRACE.
scene() {
	TRACE=$BATS_TEST_TMPDIR/$1
	"$PYTHON" "$BATS_TEST_DIRNAME/trace/make_trace.py" scene "$1" "$TRACE" >/dev/null
}

random_trace() {
	TRACE=$BATS_TEST_TMPDIR/random
	"$PYTHON" "$BATS_TEST_DIRNAME/trace/make_trace.py" random "$TRACE" "$@" >/dev/null
}

# Leaves the trace of a program in $TRACE: that of its own process.
record() {
	local folder=$BATS_TEST_TMPDIR/${1##*/}.trace
	bare timeout 60 "$UVHOOKS" record -o "$folder" -- "$@" >"$folder.log" 2>&1 || {
		cat "$folder.log"
		return 1
	}
	TRACE=$(find "$folder" -mindepth 1 -maxdepth 1 -type d | sort | head -n 1)
}

# export_as FORMAT [OPTION...]: leaves $TRACE in the file $FILE.
export_as() {
	local format=$1
	shift
	FILE=$BATS_TEST_TMPDIR/export.$format
	"$UVHOOKS" export --format "$format" -o "$FILE" "$@" "$TRACE" 2>"$FILE.log" || {
		cat "$FILE.log"
		return 1
	}
}

check() {
	PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$EXPORT/check_export.py" "$@" "$BATS_TEST_TMPDIR/log"
}

# Are the timelines of $TRACE right?
check_timelines() {
	"$UVHOOKS" log --format json "$TRACE" >"$BATS_TEST_TMPDIR/log" 2>/dev/null
	for format in perfetto chrome; do
		export_as "$format"
		check "$format" "$FILE" || return 1
	done
}

check_devtools() {
	"$UVHOOKS" log --format json "$TRACE" >"$BATS_TEST_TMPDIR/log"
	export_as chrome
	node "$EXPORT/read_chrome.mjs" "$PACKAGES" "$FILE" >"$FILE.read"
	check devtools "$FILE.read"
}

check_chains() {
	"$UVHOOKS" log --format json "$TRACE" >"$BATS_TEST_TMPDIR/log" 2>/dev/null
	export_as folded
	check folded "$FILE"
	for format in folded speedscope; do
		export_as "$format"
		node "$EXPORT/read_speedscope.mjs" "$PACKAGES" "$FILE" >"$FILE.read"
		check speedscope "$FILE.read"
	done
}

@test "perfetto and chrome show each callback and life, and one arrow to each effect" {
	local scene
	for scene in story tsc wide lost ring; do
		scene "$scene"
		check_timelines
	done
	random_trace --events 3000 --threads 4 --seed 5
	check_timelines | tee "$BATS_TEST_TMPDIR/counts"
	grep -Eq 'arrows=[1-9][0-9]{2}' "$BATS_TEST_TMPDIR/counts"
}

@test "so they do for programs: wake-ups, work, promises, exceptions, loops within loops" {
	local program
	for program in wakeup work s25_promise s11_after_destroy h9_longjmp h9_throw stacks; do
		record "$PROGRAMS/$program"
		check_timelines
	done
}

@test "so they do for a pool of workers, luv and Neovim" {
	record "$PROGRAMS/worker_pool"
	check_timelines
	record lua5.3 -e 'local uv = require "luv"; local t = uv.new_timer()
		t:start(1, 0, function() uv.fs_stat("/", function() t:close() end) end) uv.run()'
	check_timelines
	record nvim --headless --clean +'lua vim.defer_fn(function() vim.cmd("quit") end, 1)'
	check_timelines
}

@test "what is wrong in an export is noticed" {
	local file=$BATS_TEST_TMPDIR/wrong
	scene story
	check_timelines
	for change in '/"ph":"s".*"id":3/d' '/"ph":"f".*"id":2/d' 's/"tid":1001,"ts":801/"tid":1000,"ts":801/' \
		's/"name":"uv_run"/"name":"run"/' 's/"ts":401.000/"ts":401.001/' '/"name":"uv_run"/d' \
		'/"ph":"e".*"local":"3"/d' 's/\("ph":"[Xs]".*"ts":\)601/\12000/' 's/"dur":300/"dur":1300/'; do
		sed "$change" "$FILE" >"$file"
		run ! cmp -s "$FILE" "$file"
		run ! check chrome "$file"
	done
	export_as perfetto
	# A field that the schema does not have.
	{ cat "$FILE" && printf '\x0a\x02\x28\x01'; } >"$file"
	run ! check perfetto "$file"
	export_as folded
	sed '1s/ [0-9]*$/ 7/' "$FILE" >"$file"
	run ! check folded "$file"
}

@test "the trace engine of DevTools finds all slices and arrows of the chrome format" {
	random_trace --events 2000 --threads 3 --seed 3
	check_devtools
	record "$PROGRAMS/worker_pool"
	check_devtools
}

@test "speedscope reads folded and speedscope: every chain of causes, and how long it ran" {
	scene story
	check_chains
	random_trace --events 2000 --threads 3 --seed 7
	check_chains
	record "$PROGRAMS/worker_pool"
	check_chains
}

@test "folded stacks say who caused whom, and how many nanoseconds it ran" {
	scene story
	export_as folded
	diff -u - <(sed 's/story+0x1020/do_work/; s/story+0x1030/after_work/; s/story+0x1040/on_async/
		s/story+0x1050/on_close/; s/story+0x1020/do_work/' "$FILE") <<-EOF
		top level;TIMERWRAP on_timer 300000
		top level;TIMERWRAP on_timer;WORKREQ do_work 500000
		top level;TIMERWRAP on_timer;WORKREQ do_work;ASYNCWRAP on_async 100000
		top level;TIMERWRAP on_timer;FSREQCALLBACK stat on_stat 200000
		top level;TIMERWRAP on_timer;WORKREQ do_work;WORKREQ after_work 200000
		top level;TIMERWRAP on_close 100000
	EOF
}

@test "a callback that causes itself again stands in its chain once" {
	record lua5.3 -e 'local uv, left = require "luv", 300
		local function again()
			local timer = uv.new_timer()
			timer:start(0, 0, function()
				timer:close()
				left = left - 1
				if left > 0 then again() end
			end)
		end
		again() uv.run()'
	export_as folded
	cat "$FILE"
	[ "$(wc -l <"$FILE")" -le 3 ]
	grep -Eq '^top level;TIMERWRAP [^;]+ [0-9]+$' "$FILE"
}

@test "graphviz draws the graph of causes, of all or of the callbacks that ran longest" {
	scene story
	export_as dot
	dot -Tsvg "$FILE" >"$FILE.svg"
	[ "$(grep -c 'class="node"' "$FILE.svg")" -eq 7 ]
	[ "$(grep -c 'class="edge"' "$FILE.svg")" -eq 6 ]
	grep -q '1 x, 500 us' "$FILE.svg"
	export_as dot --top 3
	dot -Tsvg "$FILE" >"$FILE.svg"
	[ "$(grep -c 'class="node"' "$FILE.svg")" -eq 3 ]
	grep -q '3 of 7 callbacks are shown' "$FILE.log"
}

@test "callbacks of C++ have the names that the report shows" {
	record "$PROGRAMS/s19_throw"
	for format in folded speedscope chrome dot perfetto; do
		export_as "$format"
		grep -qaF 'inside::{lambda#1}' "$FILE"
		[ "$(grep -ca _Z "$FILE")" -eq 0 ]
	done
	"$UVHOOKS" report "$TRACE" | grep -qF 'inside::{lambda#1}'
}

@test "several processes are told apart" {
	scene family
	export_as folded
	[ "$(cut -d';' -f1 "$FILE" | sort -u | wc -l)" -gt 1 ]
	export_as speedscope
	node "$EXPORT/read_speedscope.mjs" "$PACKAGES" "$FILE" | jq -e 'length > 1'
	export_as chrome
	jq -e '[.traceEvents[] | select(.name == "process_name").pid] | unique | length > 1' "$FILE"
	export_as perfetto
	protoc --proto_path="$EXPORT" --decode=perfetto.protos.Trace track_event.proto <"$FILE" >"$FILE.txt"
	[ "$(grep -c 'process_name:' "$FILE.txt")" -gt 1 ]
}

@test "filters leave out slices and lives, and the arrows that had an end there" {
	scene story
	export_as chrome --type TIMERWRAP
	jq -e '[.traceEvents[] | select(.ph == "b").name] == ["TIMERWRAP"]' "$FILE"
	jq -e '[.traceEvents[] | select(.ph == "X" and .args.causes == null).args.type] ==
		["TIMERWRAP", "TIMERWRAP", null]' "$FILE"
	export_as chrome --type WORKREQ
	jq -e '[.traceEvents[] | select(.ph == "f").ts] == [1601]' "$FILE"
	export_as chrome --to 1ms
	jq -e '[.traceEvents[] | select(.ph == "X") | .ts + .dur] | max <= 1000' "$FILE"
	jq -e '[.traceEvents[] | select(.args.unfinished)] | length == 2' "$FILE"
	jq -e '[.traceEvents[] | select(.ph == "s").id] == [.traceEvents[] | select(.ph == "f").id]' "$FILE"
}

@test "without -o, and with -o -, the export goes to stdout" {
	scene story
	export_as folded
	"$UVHOOKS" export --format folded "$TRACE" | cmp - "$FILE"
	"$UVHOOKS" export --format folded -o - "$TRACE" | cmp - "$FILE"
	export_as perfetto
	"$UVHOOKS" export --format perfetto "$TRACE" | cmp - "$FILE"
}

@test "protobuf is not written to a terminal" {
	scene story
	run script -qec "'$UVHOOKS' export --format perfetto '$TRACE'" /dev/null
	[ "$status" -eq 2 ]
	[[ $output == *"not for a terminal"*"-o"* ]]
	run -0 script -qec "'$UVHOOKS' export --format folded '$TRACE'" /dev/null
	[[ $output == *"top level;"* ]]
}

@test "a file says what is in it and what to do next; one that was there is replaced at the end" {
	local file=$BATS_TEST_TMPDIR/out
	scene story
	echo former >"$file"
	run -2 "$UVHOOKS" export --format folded -o "$file" "$BATS_TEST_TMPDIR/none"
	[ "$(cat "$file")" = former ]
	run -0 "$UVHOOKS" export --format folded -o "$file" "$TRACE"
	[[ $output == *"6 callbacks, 6 of them with a cause"*"next: flamegraph.pl"*"$file"* ]]
	grep -q on_timer "$file"
	[ -z "$(find "$BATS_TEST_TMPDIR" -name '*.part')" ]
}

@test "a link is followed, rights are kept, and what may not be written stays" {
	local file=$BATS_TEST_TMPDIR/out user=()
	scene story
	mkdir "$BATS_TEST_TMPDIR/far"
	echo former >"$BATS_TEST_TMPDIR/far/file"
	chmod 640 "$BATS_TEST_TMPDIR/far/file"
	ln -s far/file "$file"
	run -0 "$UVHOOKS" export --format folded -o "$file" "$TRACE"
	[ -L "$file" ]
	grep -q on_timer "$BATS_TEST_TMPDIR/far/file"
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/far/file")" = 640 ]
	rm "$BATS_TEST_TMPDIR/far/file"
	run -2 "$UVHOOKS" export --format folded -o "$file" "$TRACE"
	[[ $output == *"cannot write to '$file': it is a link to nothing"* ]]
	[ "$(id -u)" -ne 0 ] || user=(setpriv --bounding-set -dac_override --inh-caps -dac_override
		--reuid=0 --regid=0 --clear-groups)
	echo former >"$BATS_TEST_TMPDIR/kept"
	chmod 400 "$BATS_TEST_TMPDIR/kept"
	run -2 "${user[@]}" "$UVHOOKS" export --format folded -o "$BATS_TEST_TMPDIR/kept" "$TRACE"
	[[ $output == *"cannot write to '$BATS_TEST_TMPDIR/kept': Permission denied"* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/kept")" = former ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -name '*.part')" ]
}

@test "a signal that ends it leaves nothing of the file" {
	local file=$BATS_TEST_TMPDIR/out pid
	"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" lost "$BATS_TEST_TMPDIR/lost"
	# What it has to say of lost events keeps it waiting, for ever: the pipe is full.
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 4<>"$BATS_TEST_TMPDIR/pipe"
	head -c 65536 /dev/zero >&4
	for signal in INT TERM HUP; do
		env --default-signal "$UVHOOKS" export --format folded -o "$file" \
			"$BATS_TEST_TMPDIR/lost" 2>&4 3>&- &
		pid=$!
		until [ -e "$file.$pid.part" ]; do
			kill -0 "$pid"
		done
		kill -"$signal" "$pid"
		wait "$pid" && return 1
		[ ! -e "$file.$pid.part" ]
		[ ! -e "$file" ]
	done
}

@test "what cannot be written is said" {
	scene story
	run -2 "$UVHOOKS" export --format folded -o "$BATS_TEST_TMPDIR/no/folder" "$TRACE"
	[[ $output == *"cannot write to"*"No such file"* ]]
	run -2 "$UVHOOKS" export --format folded -o "$BATS_TEST_TMPDIR" "$TRACE"
	[[ $output == *"cannot write to"*"Is a directory"* ]]
	run -1 "$UVHOOKS" export --format chrome -o /dev/full "$TRACE"
	[[ $output == *"cannot write to '/dev/full': No space left"* ]]
	# shellcheck disable=SC2016 # of the inner shell
	run -1 bash -c '"$0" export --format perfetto "$1" >/dev/full' "$UVHOOKS" "$TRACE"
	[[ $output == *"cannot write to"*"No space left"* ]]
}

@test "bad usage is refused, with what there is to choose from" {
	scene story
	run -2 "$UVHOOKS" export --format svg "$TRACE"
	[[ $output == *"svg is no format: known are perfetto, chrome, folded, speedscope, dot"* ]]
	run -2 "$UVHOOKS" export "$TRACE"
	[[ $output == *"--format is missing: known are"* ]]
	run -2 "$UVHOOKS" export --format dot
	[[ $output == *"folder of a trace is missing"* ]]
	run -2 "$UVHOOKS" export --format dot --top x "$TRACE"
	[[ $output == *"--top x"* ]]
	run -2 "$UVHOOKS" export --format folded --top 3 "$TRACE"
	[[ $output == *"--top is for --format dot"* ]]
	run -2 "$UVHOOKS" export --format dot --bad "$TRACE"
	[[ $output == *"unknown option '--bad'"*"uvhooks export --help"* ]]
	run -0 "$UVHOOKS" export --help
	[[ $output == *"perfetto"*"chrome"*"folded"*"speedscope"*"dot"* ]]
}

@test "of a damaged trace the rest is exported, with exit status 1" {
	local stream
	random_trace --events 3000 --threads 2 --seed 9
	stream=$(find "$TRACE" -name 'thread-*' | sort | head -n 1)
	truncate -s $(($(stat -c %s "$stream") * 2 / 3)) "$stream"
	run -1 "$UVHOOKS" export --format chrome -o "$BATS_TEST_TMPDIR/damaged" "$TRACE"
	"$UVHOOKS" log --format json "$TRACE" >"$BATS_TEST_TMPDIR/log" 2>/dev/null || [ $? -eq 1 ]
	check chrome "$BATS_TEST_TMPDIR/damaged"
}

@test "memory does not grow with the trace" {
	TRACE=$BATS_TEST_TMPDIR/big
	"$PYTHON" "$BATS_TEST_DIRNAME/trace/make_trace.py" big "$TRACE" --events 400000 >/dev/null
	for format in perfetto folded; do
		(
			ulimit -v 200000
			exec "$UVHOOKS" export --format "$format" "$TRACE" >"$BATS_TEST_TMPDIR/out"
		)
	done
}
