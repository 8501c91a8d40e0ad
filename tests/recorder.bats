#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The recorder plugin: its options, what it leaves on disk, and that the program does not notice it.

load helpers

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace
}

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

# recorded COMMAND...: with the recorder and $OPTIONS behind dir=.
recorded() {
	with_shim UVHOOKS_PLUGINS="recorder:dir=$TRACE${OPTIONS:+,$OPTIONS}" "$@"
}

# A number or a text of the metadata's env block.
env_of() {
	sed -n "s/^\t$2 = \"\{0,1\}\(.*[^\"]\)\{0,1\}\"\{0,1\};$/\1/p" "$1/metadata"
}

@test "what is wrong with the options is said before the program starts, with what to do" {
	local options message
	while read -r options message; do
		run -2 --separate-stderr uvhooks run -p "recorder${options#-}" -- "$PROGRAMS/h1_timer"
		[ "$output" = "" ]
		# shellcheck disable=SC2154 # of bats
		[[ $stderr == *"$message"* ]] || {
			echo "recorder$options: $stderr"
			return 1
		}
	done <<-END
		- dir=DIR is missing
		:dir=$TRACE,details=2 details=2: say 1 or 0
		:dir= dir= needs the path of a folder
		:dir=/none/below it cannot be made in /none: No such file or directory
		:dir=/dev/null this is no folder
		:dir=$TRACE,ring=a ring=a: say a size, as a number of bytes or with K, M or G
		:dir=$TRACE,ring=10K 1M is the least
		:dir=$TRACE,max_size=0 max_size=0: say a size
		:dir=$TRACE,max_size=-1 max_size=-1: say a size
		:dir=$TRACE,max_size=99999999999G say a size
		:dir=$TRACE,ring=1M,max_size=1M exclude each other
		:dir=$TRACE,size=1M unknown option 'size'; known are dir=DIR, ring=SIZE, max_size=SIZE, details=1, frozen=1, snapshot=1, and, while the program runs, stop=1 and dump=DIR
		:stop=1 stop=1: nothing is recorded yet
		:dump=$TRACE dump=: nothing is recorded yet
	END
	[ ! -e "$TRACE" ]
}

@test "a program that was preloaded by hand runs on without, and the reason is told" {
	run -0 --separate-stderr with_shim UVHOOKS_PLUGINS="recorder:dir=/none/below" "$PROGRAMS/busy"
	[ "$output" = "1000 callbacks" ]
	[[ $stderr == *"recorder"*"/none"* ]]
}

@test "a folder for the process, with metadata, definitions and a file for each thread, for its owner alone" {
	local folder
	umask 000
	recorded "$PROGRAMS/busy" 1000 threads=2 1000
	[ "$(stat -c %a "$TRACE")" = 700 ]
	folder=$(echo "$TRACE"/busy-*)
	[[ $folder =~ /busy-[0-9]+$ ]]
	[ "$(stat -c %a "$folder")" = 700 ]
	[ "$(stat -c %a "$folder"/* | sort -u)" = 600 ]
	[ -e "$folder/metadata" ]
	[ -e "$folder/definitions" ]
	# the first, two more, and four of libuv's pool at most
	[ "$(find "$folder" -name "thread-[0-9]*-[0-9]*-0" | wc -l)" -ge 4 ]
	[ "$(find "$folder" -type f | wc -l)" -le 9 ]
	# nothing that is there while it runs only
	[ ! -e "$folder/.buffers" ]
}

@test "metadata tells who it was, where and when" {
	local folder before after
	before=$(date +%s)
	cp "$PROGRAMS/busy" "$BATS_TEST_TMPDIR/a \"b\\c"
	recorded UVHOOKS_LAUNCHED=77 "$BATS_TEST_TMPDIR/a \"b\\c" 10 sh=':  "x"'
	after=$(date +%s)
	folder=$(echo "$TRACE"/*)
	[[ $folder =~ /a__b_c-[0-9]+$ ]]
	[ "$(env_of "$folder" hostname)" = "$(uname -n)" ]
	[ "$(env_of "$folder" tracer_name)" = uvhooks ]
	[ "$(env_of "$folder" pid)" = "${folder##*-}" ]
	[ "$(env_of "$folder" ppid)" -gt 0 ]
	[ "$(env_of "$folder" launched)" = 77 ]
	[ "$(env_of "$folder" parent)" = "" ]
	[ "$(env_of "$folder" mode)" = all ]
	[ "$(env_of "$folder" program)" = "$BATS_TEST_TMPDIR/a \\\"b\\\\c" ]
	grep -qF 'c 10 sh=:  \"x\"";' "$folder/metadata"
	uvhooks report --json "$TRACE" | jq -e --argjson before "$before" --argjson after "$after" \
		'.processes[0] | .ended and (.start_ns / 1e9 | . >= $before - 1 and . <= $after + 1)'
	[ "$(head -c 10 "$folder/metadata")" = "/* CTF 1.8" ]
}

@test "definitions tell libraries with their build ids, callbacks, threads, the libuv, the clocks, the end" {
	local definitions build_id
	recorded "$PROGRAMS/busy" 1000
	definitions=$(babeltrace2 "$TRACE" | grep -E ' (library|callback|thread|libuv|clock|end|counter): ')
	[[ $(grep -c ' library: ' <<<"$definitions") -ge 5 ]]
	build_id=$(readelf -n "$PROGRAMS/busy" | sed -n 's/.*Build ID: //p')
	grep "path = \"$PROGRAMS/busy\"" <<<"$definitions" |
		grep -qF "build_id = [ [0] = $((16#${build_id:0:2})), [1] = $((16#${build_id:2:2})), [2] = $((16#${build_id:4:2})),"
	[[ $(grep -c ' callback: ' <<<"$definitions") -ge 3 ]]
	grep -q ' thread: .*name = "busy"' <<<"$definitions"
	grep -q ' libuv: .*path = ".*libuv.so' <<<"$definitions"
	grep -q ' clock: .*realtime_ns = [0-9]' <<<"$definitions"
	[ "$(grep -c ' end: ' <<<"$definitions")" = 1 ]
	# nothing was lost
	[[ $definitions != *" counter: "* ]]
}

@test "a link in the place of a folder or a file is not followed" {
	local victim=$BATS_TEST_TMPDIR/victim
	mkdir "$victim" "$TRACE"
	# The folder that would be its own: the pid stays when a shell becomes a program.
	# shellcheck disable=SC2016 # the inner shell's
	recorded UVHOOKS_FOLLOW=1 env -u LD_PRELOAD sh -c \
		'ln -s "$0" "$1/busy-$$"; shift; exec "$@"' "$victim" "$TRACE" \
		env LD_PRELOAD="$SHIM" "$PROGRAMS/busy" 1000
	[ -z "$(ls "$victim")" ]
	[ "$(find "$TRACE" -mindepth 1 -maxdepth 1 -type d -name 'busy-*-2' | wc -l)" = 1 ]
	rm -r "$TRACE"
	# The files that are written while it runs.
	: >"$victim/file"
	recorded "$PROGRAMS/busy" 5000 \
		"sh=cd $TRACE/busy-* && for f in thread-* definitions metadata; do ln -sf $victim/file \$f; done" \
		20000 threads=1 1000
	[ ! -s "$victim/file" ]
}

@test "a fork's child has a folder of its own that names its parent's, and so has what it executes" {
	local parent child grandchild
	recorded "$PROGRAMS/busy" 100 fork 100 exec 100
	# The parent does what is behind the fork as well: it executes, too.
	[ "$(find "$TRACE" -name metadata | wc -l)" = 4 ]
	for parent in "$TRACE"/*; do
		[ "$(env_of "$parent" parent)" != "" ] || break
	done
	for child in "$TRACE"/*; do
		[ "$(env_of "$child" ppid)" != "$(env_of "$parent" pid)" ] ||
			[ "$(env_of "$child" parent)" != "$(basename "$parent")" ] || break
	done
	[ "$(env_of "$child" ppid)" = "$(env_of "$parent" pid)" ]
	for grandchild in "$TRACE"/*; do
		[ "$(env_of "$grandchild" parent)" != "$(basename "$child")" ] || break
	done
	[ "$(env_of "$grandchild" pid)" = "$(env_of "$child" pid)" ]
	[ "$(basename "$grandchild")" = "$(basename "$child")-2" ]
	uvhooks report --json "$TRACE" |
		jq -e '[.processes[] | select(.parent == null)] | length == 1'
}

@test "what a fork's child does first is not older than its recording" {
	recorded "$PROGRAMS/fork" child_makes_one
	uvhooks report --json "$TRACE" | jq -e '[.processes[] | .duration_ns >= 0] == [true, true] and
		(.live | length == 1 and .[0].first_init_ns >= 0)'
}

# becomes COMMAND...: a shell that does what $prelude says becomes the program, with its pid.
becomes() {
	# shellcheck disable=SC2016 # the inner shell's
	TRACE=$TRACE recorded env -u LD_PRELOAD sh -c 'eval "$1"; shift; exec "$@"' sh "$prelude" \
		env LD_PRELOAD="$SHIM" "$@"
}

@test "a process id that has come again, or is a part of a name, makes no parent" {
	local child prelude
	mkdir "$TRACE"
	# Of an earlier process of this id; of another whose name ends with it; of nobody.
	# shellcheck disable=SC2016 # the inner shell's
	prelude='mkdir $TRACE/old-$$ $TRACE/x-7-$$ $TRACE/y-$PPID $TRACE/z-$$-2
		echo "$$ 1" >$TRACE/old-$$/.buffers; echo "$PPID 1" >$TRACE/y-$PPID/.buffers
		echo "7 $(cut -d" " -f22 /proc/$$/stat)" >$TRACE/x-7-$$/.buffers'
	becomes "$PROGRAMS/busy" 10
	child=$(echo "$TRACE"/busy-*)
	[ "$(env_of "$child" parent)" = "" ]
}

@test "of several programs that a process was, the latest is the parent, and else its parent is" {
	local child prelude
	mkdir "$TRACE"
	# shellcheck disable=SC2016 # the inner shell's
	prelude='start() { cut -d" " -f22 /proc/$1/stat; }
		mkdir $TRACE/first-$$ $TRACE/second-$$ $TRACE/third-$$ $TRACE/up-$PPID
		for folder in first second third; do
			echo "$$ $(start $$)" >$TRACE/$folder-$$/.buffers
		done
		touch -d "2 days ago" $TRACE/first-$$/.buffers
		touch -d "1 day ago" $TRACE/third-$$/.buffers
		echo "$PPID $(start $PPID)" >$TRACE/up-$PPID/.buffers'
	becomes "$PROGRAMS/busy" 10
	child=$(echo "$TRACE"/busy-*)
	[ "$(env_of "$child" parent)" = "second-${child##*-}" ]
	rm -r "$TRACE"
	# shellcheck disable=SC2016 # the inner shell's
	prelude='mkdir $TRACE $TRACE/up-$PPID
		echo "$PPID $(cut -d" " -f22 /proc/$PPID/stat)" >$TRACE/up-$PPID/.buffers'
	becomes "$PROGRAMS/busy" 10
	[[ "$(env_of "$(echo "$TRACE"/busy-*)" parent)" == up-* ]]
}

@test "a flight recorder stays within its size for ever, and has the newest" {
	local bytes
	OPTIONS=ring=1M recorded "$PROGRAMS/busy" 100000 threads=1 20000 short=20 777
	bytes=$(find "$TRACE" -name 'thread-*' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
	[ "$bytes" -gt $((700 * 1024)) ]
	[ "$bytes" -le $((1024 * 1024)) ]
	[ "$(env_of "$(echo "$TRACE"/*)" mode)" = ring ]
	run -0 --separate-stderr babeltrace2 "$TRACE"
	[ "$stderr" = "" ]
	# The last loop of the first thread, and what it ends with.
	[ "$(uvhooks log --events before "$TRACE" 2>/dev/null | wc -l)" -gt 777 ]
	uvhooks log "$TRACE" 2>/dev/null | tail -n 1 | grep -q loop_exit
	# The timer was made long before: it is told again and again.
	uvhooks log --events destroy "$TRACE" 2>/dev/null | tail -n 1 |
		grep -q 'destroy 2 TIMERWRAP (uv_timer_t) trigger=1 '
}

@test "max_size stops the recording, and the count of what came after is exact" {
	local count=$BATS_TEST_TMPDIR/count bytes lost
	with_shim UVHOOKS_PLUGINS="recorder:dir=$TRACE,max_size=200K;$UVHOOKS_BUILD/tests/plugins/count_events.so:file=$count" \
		"$PROGRAMS/busy" 50000
	bytes=$(find "$TRACE" -name 'thread-*' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
	[ "$bytes" -le $((200 * 1024)) ]
	[ "$bytes" -gt $((100 * 1024)) ]
	lost=$(uvhooks report --json "$TRACE" | jq '.processes[0].events_discarded')
	[ $(($(uvhooks log "$TRACE" 2>/dev/null | wc -l) + lost)) = "$(od -An -t u8 -N 8 "$count" | tr -d ' ')" ]
	uvhooks report "$TRACE" 2>&1 | head -n 1 | grep -q LOST
	babeltrace2 "$TRACE" 2>&1 >/dev/null | grep -q "discarded"
	# What it has is all of the beginning: nothing came after that fitted in again.
	uvhooks log --events init "$TRACE" 2>/dev/null | sed -nE 's/.* init ([0-9]+) .*/\1/p' |
		sort -n >"$BATS_TEST_TMPDIR/ids"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/ids")" = "$(($(tail -n 1 "$BATS_TEST_TMPDIR/ids") - 1))" ]
}

@test "nothing is recorded in a setuid program" {
	[ "$(id -u)" = 0 ] || skip "only root can make and try one"
	cp "$PROGRAMS/busy" "$BATS_TEST_TMPDIR/setuid"
	chown 65534 "$BATS_TEST_TMPDIR/setuid"
	chmod 4755 "$BATS_TEST_TMPDIR/setuid"
	mkdir -m 777 "$TRACE"
	run -0 recorded "$BATS_TEST_TMPDIR/setuid" 1000
	[ -z "$(ls "$TRACE")" ]
}

@test "a thousand threads, one after the other, and none is forgotten" {
	recorded "$PROGRAMS/busy" short=1000
	[ "$(uvhooks log --events loop_enter "$TRACE" | wc -l)" = 2000 ]
	# Each of the threads, and its timer.
	run -0 --separate-stderr uvhooks log --events before "$TRACE"
	[ "${#lines[@]}" = 2000 ]
	[ "$stderr" = "" ]
}

@test "no descriptor and no thread is the recorder's" {
	local way
	for way in with_shim recorded; do
		"$way" "$PROGRAMS/busy" 5000 \
			"sh=ls /proc/\$PPID/task | wc -l; ls -l /proc/\$PPID/fd | sed 's/.*[0-9] -> //; s/:.*//' | sort" \
			| cat >"$BATS_TEST_TMPDIR/$way"
	done
	diff "$BATS_TEST_TMPDIR/with_shim" "$BATS_TEST_TMPDIR/recorded"
	grep -q anon_inode "$BATS_TEST_TMPDIR/recorded"
}

@test "a million of anything is no more than a longer trace" {
	recorded "$PROGRAMS/million_timers" >"$BATS_TEST_TMPDIR/stdout"
	bare "$PROGRAMS/million_timers" | cmp - "$BATS_TEST_TMPDIR/stdout"
	uvhooks report --json "$TRACE" |
		jq -e '.processes[0] | .events_discarded == 0 and .events >= 5000000'
}

@test "uvhooks record: the status is the program's, and the next command is told" {
	cd "$BATS_TEST_TMPDIR"
	run -0 --separate-stderr uvhooks record -o "$TRACE" -- "$PROGRAMS/busy" 1000
	[ "$output" = "1000 callbacks" ]
	[[ $stderr == *"uvhooks report"*"$TRACE"* ]]
	run -0 uvhooks report "$TRACE"
	run -0 --separate-stderr uvhooks record -- "$PROGRAMS/busy" 10
	[ -d busy.trace ]
	run -0 --separate-stderr uvhooks record --ring 1M -- "$PROGRAMS/busy" 10
	[ -d busy-2.trace ]
	run -2 uvhooks record -o "$TRACE" -- "$PROGRAMS/busy" 10
	[[ $output == *"$TRACE"* ]]
	run -2 uvhooks record --ring 1K -o "$BATS_TEST_TMPDIR/new" -- "$PROGRAMS/busy" 10
	[[ $output == *"1M"* ]]
	run -2 uvhooks record --watchdog 0 -o "$BATS_TEST_TMPDIR/new" -- "$PROGRAMS/busy" 10
	[[ $output == *"--watchdog"*"say 100ms"* ]]
	run -2 uvhooks record -o "$BATS_TEST_TMPDIR/new"
	[[ $output == *"a program is missing"* ]]
	run -127 uvhooks record -o "$BATS_TEST_TMPDIR/new" -- "$BATS_TEST_TMPDIR/nothing"
}

@test "a second recorder is refused before anything is made, with what to do" {
	cd "$BATS_TEST_TMPDIR"
	ln -s "$UVHOOKS_BUILD/shim/plugins/recorder.so" recorder.so
	for plugin in recorder:dir=x ./recorder.so:dir=x "log;recorder:dir=x"; do
		run -2 uvhooks record -p "$plugin" -o "$TRACE" -- touch started
		[[ $output == *"a recorder is among the plugins already"*"-o"* ]]
		UVHOOKS_PLUGINS=$plugin run -2 uvhooks run --why -- touch started
		[[ $output == *"a recorder is among the plugins already"* ]]
	done
	[ ! -e "$TRACE" ] && [ ! -e x ] && [ ! -e started ]
	# Another plugin with an option that looks like it.
	run -0 uvhooks record -p "log:file=x\\;recorder:y" -o "$TRACE" -- "$PROGRAMS/busy" 10
}

@test "nobody who reads what record and run --why say: the status is the program's" {
	cd "$BATS_TEST_TMPDIR"
	for verb in "record -o trace" "run --why"; do
		# The pipe has no reader once it is there.
		mkfifo pipe
		exec 5<>pipe
		exec 6>pipe 5>&-
		status=0
		# shellcheck disable=SC2086
		"$UVHOOKS_BUILD/tools/uvhooks" $verb -- sh -c 'exit 5' >out 2>&6 6>&- || status=$?
		exec 6>&-
		rm pipe
		echo "$verb: $status"
		[ "$status" -eq 5 ]
	done
}

@test "a flight recorder tells again where the resources that live were made" {
	run -137 uvhooks record --stacks --ring 1M -o "$TRACE" -- "$PROGRAMS/busy" 200000 kill
	run -0 --separate-stderr uvhooks log --id 2 --events init "$TRACE"
	[ "$output" = "" ]
	run -0 --separate-stderr uvhooks stack "$TRACE"
	grep -E '^ +1 +1 +TIMERWRAP +on_timer +busy\.c:[0-9]+ in open_load +2$' <<<"$output"
}
