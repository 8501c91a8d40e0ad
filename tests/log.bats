#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The log plugin: one line per event, for people or as JSON, in any process, without harm to it.

bats_require_minimum_version 1.5.0

setup() {
	build=$(cd "${UVHOOKS_BUILD:-$BATS_TEST_DIRNAME/../build}" && pwd)
	uvhooks=$build/tools/uvhooks
	habits=$build/tests/plugins/habits
	programs=$build/tests/programs
	unset LD_PRELOAD
	for name in $(compgen -e UVHOOKS_); do
		[ "$name" = UVHOOKS_BUILD ] || unset "$name"
	done
	cd "$BATS_TEST_TMPDIR" || return 1
}

# logged OPTIONS PROGRAM...: runs it with the log plugin, twice as strict as a user would.
logged() {
	run -0 --separate-stderr timeout 60 "$uvhooks" run -p "log${1:+:$1}" -- "${@:2}"
}

# same_as_bare ARGUMENTS OF HABITS: what the last run has written to stdout is what it writes bare.
same_as_bare() {
	local bare

	bare=$(timeout 60 "$habits" "$@" 2>/dev/null)
	[ "$output" = "$bare" ]
}

# Every line of a file is one JSON object, with the keys and types that were promised, in order.
valid_json() {
	# shellcheck disable=SC2016 # for jq
	jq -n -e --raw-input '
		def id: type == "string" and test("^([1-9][0-9]*:)?(0|[1-9][0-9]*)$");
		def natural: type == "number" and . >= 0 and . == floor;
		def name: type == "string" and length > 0;
		def always: ["event", "id", "type", "uv_type", "trigger", "execution", "loop",
			"thread", "time_ns"];
		def sometimes: ["call", "callback", "sender", "other", "flags"];
		def good:
			keys_unsorted as $keys
			| $keys[:9] == always
			and $keys[9:] == (sometimes | map(select(. as $k | $keys | index([$k]))))
			and (.event | IN("init", "before", "after", "destroy", "promise_resolve",
				"start", "stop", "wakeup", "work_begin", "work_end", "link",
				"type_change", "loop_enter", "loop_exit"))
			and (.id | id) and (.trigger | id) and (.execution | id)
			and (.type | name) and (.uv_type | name)
			and (.loop | . == null or natural)
			and (.thread | natural) and (.time_ns | natural)
			and ((has("call") | not) or (.call | name))
			and ((has("callback") | not) or (.callback | name))
			and has("sender") == (.event == "wakeup")
			and has("other") == (.event == "link")
			and ((has("sender") | not) or (.sender | id))
			and ((has("other") | not) or (.other | id))
			and ((has("flags") | not)
				or ((.flags | length > 0) and (.flags | all(name))));
		reduce inputs as $line ({lines: 0, bad: []};
			.lines += 1
			| if ($line | fromjson? | good) then . else .bad += [$line] end)
		| if .bad == [] then .lines > 0 else .bad[0] | error end' "$1"
}

# How many lines of a JSON log are such events: count FILE EVENT [TYPE]
count() {
	jq -c --arg event "$2" --arg type "${3-}" \
		'select(.event == $event and ($type == "" or .type == $type))' "$1" | wc -l
}

# The text of a log with its times taken away.
without_times() {
	sed -E 's/^ *[0-9]+\.[0-9]{6}  //' "$1"
}

@test "text: a line for each event, indented by the callbacks and loops around it" {
	logged file="$PWD/log" "$programs/h1_timer" once
	without_times log >shown
	diff -u - shown <<-'END'
		init 2 TIMERWRAP (uv_timer_t) trigger=1 execution=1
		start 2 TIMERWRAP (uv_timer_t) trigger=1 execution=1 callback=on_timer
		loop_enter 0 execution=1
		  before 2 TIMERWRAP (uv_timer_t) trigger=1 execution=2 callback=on_timer
		  after 2 TIMERWRAP (uv_timer_t) trigger=1 execution=2 callback=on_timer
		  before 2 TIMERWRAP (uv_timer_t) trigger=1 execution=2 callback=on_close (closing)
		  after 2 TIMERWRAP (uv_timer_t) trigger=1 execution=2 callback=on_close (closing)
		  destroy 2 TIMERWRAP (uv_timer_t) trigger=1 execution=0
		loop_exit 0 execution=1
	END
}

@test "text: what is made in a callback is indented below it, fs requests name their call" {
	logged file="$PWD/log" "$programs/h2_fs"
	without_times log >shown
	grep -Eq '^init [0-9]+ FSREQCALLBACK \(uv_fs_stat\) trigger=1 execution=1 callback=' shown
	# In a callback (2) that runs in a loop.
	grep -Eq '^    init [0-9:]+ FSREQCALLBACK \(uv_fs_[a-z]+\) trigger=([0-9:]+) execution=\1 ' shown
}

@test "text: seconds since the start, with microseconds, that never go back" {
	logged '' "$habits" timers
	printf '%s\n' "$stderr" >log
	[ "$(grep -cvE '^ {0,2}[0-9]+\.[0-9]{6}  +[a-z]' log)" -eq 0 ]
	awk '$1 < last { exit 1 } { last = $1 } END { exit last > 60 }' log
}

@test "text: the thread is shown where it is not the program's first" {
	logged file="$PWD/log" "$habits" threads
	[ "$(grep -o 'thread=[0-9]*$' log | sort -u | wc -l)" -eq 8 ]
	rm log
	logged file="$PWD/log" "$habits" timers
	run -1 grep thread= log
	# And everywhere in a child, whose lines are mixed with its parent's.
	rm log
	logged file="$PWD/log" "$habits" spawns
	[ "$(grep -o 'thread=[0-9]*$' log | sort -u | wc -l)" -eq 2 ]
	grep -qv 'thread=' log
}

@test "json: every line is an object with the promised keys and types, in order" {
	for program in h1_timer h2_fs h3_tcp h4_close_pending h5_work h6_inside h7_errors; do
		rm -f log
		echo "$program"
		logged format=json,file="$PWD/log" "$programs/$program"
		valid_json log
	done
}

@test "json: call, callback, other and flags are there where they apply" {
	logged format=json,file="$PWD/fs" "$programs/h2_fs"
	jq -se 'map(select(.type == "FSREQCALLBACK")) | length > 0 and all(has("call"))' fs
	jq -se 'map(select(.type != "FSREQCALLBACK")) | length > 0 and all(has("call") | not)' fs
	jq -se 'map(select(.event == "before")) | length > 0 and all(has("callback"))' fs
	logged format=json,file="$PWD/tcp" "$programs/h3_tcp"
	# The other end of a link is a resource that was made.
	jq -se '(map(select(.event == "init").id)) as $made
		| map(select(.event == "link"))
		| length > 0 and all(.other | IN($made[]))' tcp
	jq -se 'map(select(.event == "before" and .flags == ["closing"])) | length > 0' tcp
	jq -se 'map(select(.event == "type_change").type) | . == ["TCPSERVERWRAP"]' tcp
}

@test "json: a wake-up names its sender, a loop and a thread have their places" {
	cat >wake.c <<-'END'
		#include <uv.h>

		static void on_wake(uv_async_t *async)
		{
			uv_close((uv_handle_t *) async, NULL);
		}

		static void on_thread(void *async)
		{
			uv_async_send(async);
		}

		int main(void)
		{
			uv_async_t async;
			uv_thread_t thread;

			uv_async_init(uv_default_loop(), &async, on_wake);
			uv_thread_create(&thread, on_thread, &async);
			uv_run(uv_default_loop(), UV_RUN_DEFAULT);
			return uv_thread_join(&thread);
		}
	END
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" wake.c -o wake $(pkg-config --cflags --libs libuv)
	logged format=json,file="$PWD/log" ./wake
	valid_json log
	jq -se '(map(select(.event == "init" and .type == "UVTHREAD"))[0]) as $thread
		| (map(select(.event == "init" and .type == "ASYNCWRAP"))[0]) as $async
		| $thread.loop == null and $async.loop == 0
		and (map(select(.event == "wakeup"))
			| length == 1 and .[0].id == $async.id and .[0].sender == $thread.id)
		and (map(select(.event == "before" and .type == "UVTHREAD"))[0].thread
			!= $async.thread)' log
}

@test "a callback is named by its symbol, static or not, or by its library and offset" {
	logged format=json,file="$PWD/log" "$habits" timers
	# The program's own static function, and the C library's free as a close callback.
	jq -se 'map(select(.event == "before").callback) | unique == ["free", "on_timer"]' log
	rm log
	cp "$habits" stripped
	strip stripped
	logged format=json,file="$PWD/log" ./stripped timers
	jq -se 'map(select(.event == "before").callback) | unique
		| length == 2 and .[0] == "free" and (.[1] | test("^stripped\\+0x[0-9a-f]+$"))' log
	# The offset is what addr2line wants.
	offset=$(jq -r 'select(.event == "start").callback | split("+")[1]' log | head -n 1)
	run -0 addr2line -f -e "$habits" "$offset"
	[ "${lines[0]}" = on_timer ]
}

@test "a callback in a file that was replaced since, or that is gone, still has a name" {
	cat >self.c <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		#include <uv.h>

		static void on_timer(uv_timer_t *timer)
		{
			uv_close((uv_handle_t *) timer, NULL);
		}

		int main(int argc, char **argv)
		{
			uv_timer_t timer;
			FILE *file;

			(void) argc;
			unlink(argv[0]);
			file = fopen(argv[0], "w");
			fputs("something else\n", file);
			fclose(file);
			uv_timer_init(uv_default_loop(), &timer);
			uv_timer_start(&timer, on_timer, 0, 0);
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
		}
	END
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" self.c -o self $(pkg-config --cflags --libs libuv)
	logged format=json,file="$PWD/log" ./self
	valid_json log
	jq -se 'map(select(.event == "before").callback)
		| length == 1 and (.[0] | test("^on_timer$|^self.*\\+0x"))' log
}

@test "events= selects events, in a list that ',' or '+' parts, or by the words node and all" {
	for list in init,destroy init+destroy 'init\,destroy'; do
		rm -f log
		logged "format=json,events=$list,file=$PWD/log" "$habits" timers
		jq -se 'map(.event) | unique == ["destroy", "init"]' log
	done
	rm log
	logged "events=node,format=json,file=$PWD/log" "$habits" timers
	jq -se 'map(.event) | unique == ["after", "before", "destroy", "init"]' log
	rm log
	logged "events=all,format=json,file=$PWD/log" "$habits" timers
	jq -se 'map(.event) | unique | contains(["loop_enter", "start"])' log
}

@test "types= selects resources, by Node's names or libuv's" {
	for list in TIMERWRAP uv_timer_t uv_fs_t,TIMERWRAP uv_fs_t+TIMERWRAP; do
		rm -f log
		logged "format=json,types=$list,file=$PWD/log" "$habits" spawns
		jq -se 'map(.type) | unique == ["TIMERWRAP"]' log
	done
	# All types that share a name of libuv.
	rm log
	logged "format=json,types=uv_tcp_t,file=$PWD/log" "$programs/h3_tcp"
	jq -se 'map(.type) | unique == ["TCPSERVERWRAP", "TCPWRAP"]' log
}

# A program with resources of its own: of the types that are named, made, run and ended, in order.
embedder() {
	cat >embedder.c <<-'END'
		#include <uv.h>
		#include <uvhooks/promise.h>

		static void *on_run(void *argument)
		{
			return argument;
		}

		static void run_promises(void)
		{
			struct uvhooks_promise parent, child;

			uvhooks_promise_create(&parent);
			uvhooks_promise_then(&parent, &child);
			uvhooks_promise_resolve(&parent);
			uvhooks_promise_run_reaction(&child, on_run, NULL);
			uvhooks_promise_emit_destroy(&child);
			uvhooks_promise_emit_destroy(&parent);
		}

		int main(int argc, char **argv)
		{
			struct uvhooks_async_resource resource;
			uv_timer_t timer;

			uv_timer_init(uv_default_loop(), &timer);
			uv_close((uv_handle_t *) &timer, NULL);
			uv_run(uv_default_loop(), UV_RUN_DEFAULT);
			for (int i = 1; i < argc; i++) {
				uvhooks_async_resource_create(&resource, argv[i], NULL);
				uvhooks_async_resource_run_in_async_scope(&resource, on_run, NULL);
				uvhooks_async_resource_emit_destroy(&resource);
			}
			run_promises();
			return 0;
		}
	END
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" embedder.c -o embedder -I "$BATS_TEST_DIRNAME/../include" \
		$(pkg-config --cflags --libs libuv)
}

@test "text: a program's own resources go without a name of libuv's, promises are resolved" {
	embedder
	logged file="$PWD/log" ./embedder Job
	without_times log >shown
	diff -u - shown <<-'END'
		init 2 TIMERWRAP (uv_timer_t) trigger=1 execution=1
		loop_enter 0 execution=1
		  destroy 2 TIMERWRAP (uv_timer_t) trigger=1 execution=0
		loop_exit 0 execution=1
		init 3 Job trigger=1 execution=1
		before 3 Job trigger=1 execution=3 callback=on_run
		after 3 Job trigger=1 execution=3 callback=on_run
		destroy 3 Job trigger=1 execution=0
		init 4 PROMISE trigger=1 execution=1
		init 5 PROMISE trigger=4 execution=1
		promise_resolve 4 PROMISE trigger=1 execution=1
		before 5 PROMISE trigger=4 execution=5 callback=on_run
		  promise_resolve 5 PROMISE trigger=4 execution=5
		after 5 PROMISE trigger=4 execution=5 callback=on_run
		destroy 5 PROMISE trigger=4 execution=0
		destroy 4 PROMISE trigger=1 execution=0
	END
}

@test "json: a program's own resources have its names, and libuv has none for them" {
	embedder
	logged format=json,file="$PWD/log" ./embedder Job HTTPINCOMINGMESSAGE
	valid_json log
	jq -se 'map(select(.event == "init") | [.type, .uv_type]) == [["TIMERWRAP", "uv_timer_t"],
		["Job", "none"], ["HTTPINCOMINGMESSAGE", "none"], ["PROMISE", "none"],
		["PROMISE", "none"]]' log
	[ "$(count log promise_resolve PROMISE)" -eq 2 ]
}

@test "json: names of types are printable and UTF-8, whatever the program calls them" {
	embedder
	long=$(printf 'x%.0s' {1..62})
	logged format=json,file="$PWD/log" ./embedder 'quote"' 'back\slash' $'new\nline' $'esc\e[2J' \
		$'del\x7f' $'csi\xc2\x9b' 'Tâche' '仕事' '🧵' $'latin\xe2che' $'cut\xf0\x9f\xa7' $'long\xc0\x80' \
		$'surrogate\xed\xa0\x80' "${long}仕" "${long}yzzz"
	valid_json log
	iconv -f UTF-8 -t UTF-8 log >/dev/null
	# In JSON all of these are said by escapes, if at all: none is.
	run -1 env LC_ALL=C grep -aP '[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\x5c' log
	jq -r 'select(.event == "init" and .uv_type == "none" and .type != "PROMISE") | .type' log |
		diff -u <(printf '%s\n' 'quote?' 'back?slash' 'new?line' 'esc?[2J' 'del?' 'csi?' 'Tâche' '仕事' '🧵' \
			'latin?che' 'cut???' 'long??' 'surrogate???' "$long" "${long}y") -
	# The same in the log for people.
	rm log
	logged file="$PWD/log" ./embedder $'esc\e[2J' $'csi\xc2\x9b' $'latin\xe2che'
	iconv -f UTF-8 -t UTF-8 log >/dev/null
	run -1 env LC_ALL=C grep -aP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' log
	[ "$(grep -c 'init [0-9]* \(esc?\[2J\|csi?\|latin?che\) ' log)" -eq 3 ]
}

@test "types=embedder selects what the program makes itself, and a name of Node's only that" {
	embedder
	logged "format=json,types=embedder,file=$PWD/log" ./embedder Job TCPWRAP HTTPINCOMINGMESSAGE
	jq -se 'map(.type) | unique == ["HTTPINCOMINGMESSAGE", "Job", "PROMISE", "TCPWRAP"]' log
	rm log
	logged "format=json,types=PROMISE,file=$PWD/log" ./embedder Job HTTPINCOMINGMESSAGE
	jq -se 'map(.type) | unique == ["PROMISE"]' log
	rm log
	logged "format=json,types=HTTPINCOMINGMESSAGE+uv_timer_t,file=$PWD/log" \
		./embedder Job HTTPINCOMINGMESSAGE TIMERWRAP
	jq -se 'map(.type + " " + .uv_type) | unique
		== ["HTTPINCOMINGMESSAGE none", "TIMERWRAP uv_timer_t"]' log
	# A thousand names of its own are no less: none of them is a type that was chosen.
	rm log
	# shellcheck disable=SC2046 # words, on purpose
	logged "format=json,types=TIMERWRAP,file=$PWD/log" ./embedder $(printf 'Own%d ' {1..3000})
	jq -se 'map(.type) | unique == ["TIMERWRAP"]' log
	rm log
	# shellcheck disable=SC2046 # words, on purpose
	logged "format=json,types=embedder,events=init,file=$PWD/log" ./embedder $(printf 'Own%d ' {1..3000})
	[ "$(jq -r .type log | sort -u | grep -c '^Own')" -eq 3000 ]
}

@test "text: where only one of a pair is shown, it indents nothing" {
	logged "events=before,file=$PWD/log" "$habits" timers
	[ "$(wc -l <log)" -gt 3 ]
	run -1 grep -Ev '^ {0,2}[0-9]+\.[0-9]{6}  before ' log
}

# shellcheck disable=SC2154 # bats sets stderr_lines
@test "what an option must be is said, and the program is not started" {
	mkdir folder
	ln -s elsewhere link
	while IFS='|' read -r options reason; do
		run -2 --separate-stderr "$uvhooks" run -p "log:$options" -- touch started
		echo "$options: $stderr"
		[[ "$stderr" == *"plugin 'log': "*"$reason"* ]]
		[ "${#stderr_lines[@]}" -eq 1 ]
		[ ! -e started ]
	done <<-END
		fiel=x|unknown option 'fiel'; known are file=PATH, format=text|json, events=LIST and types=LIST
		format=xml|format=xml: known are text and json
		format|known are text and json
		file=|file= needs the path of a file
		file|file= needs the path of a file
		file=%d|only %p (the process id) and %% may follow a %
		file=x%|only %p (the process id) and %% may follow a %
		file=$PWD/nowhere/log|no file can be made in $PWD/nowhere: No such file or directory
		file=$PWD/folder|$PWD/folder names a folder, not a file
		file=$PWD/new/|names a folder, not a file
		file=link|is a symbolic link; name the file that it leads to
		events=|'' is not an event; known are node, all, init, before
		events=init,befor|'befor' is not an event; known are node, all, init, before
		types=Timer|'Timer' is not a type; say one as Node does, TIMERWRAP, or as libuv does, uv_timer_t
		types=NONE|'NONE' is not a type
		types=none|'none' is not a type
		types=embedders|'embedders' is not a type
	END
}

@test "a user who may not write there is told so before the program starts" {
	as_user() {
		if [ "$(id -u)" -eq 0 ]; then
			setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
		else
			"$@"
		fi
	}
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_TEST_TMPDIR"
	mkdir open
	cp -r "$build/tools" "$build/shim" open/
	touch open/log
	chmod -R a+rX,a-w open
	run -2 --separate-stderr as_user open/tools/uvhooks run -p "log:file=$PWD/open/new" -- true
	[[ "$stderr" == *"no file can be made in $PWD/open: Permission denied"* ]]
	run -2 --separate-stderr as_user open/tools/uvhooks run -p "log:file=$PWD/open/log" -- true
	[[ "$stderr" == *"file=$PWD/open/log cannot be written: Permission denied"* ]]
	chmod -R u+w open
}

@test "the check before the start makes no file" {
	run -2 --separate-stderr "$uvhooks" run -p "log:file=$PWD/log" -p nowhere -- true
	[ ! -e log ]
}

@test "through the bare environment the program runs on, and one line says what is wrong" {
	run -0 --separate-stderr env LD_PRELOAD="$build/shim/libuvhooks.so" \
		UVHOOKS_PLUGINS=log:bogus=1 "$habits" timers
	[ "$output" = "timers ran 3 timers" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"plugin 'log': unknown option 'bogus'"* ]]
}

@test "the log is on stderr by default, and stdout is the program's" {
	logged '' "$habits" timers
	same_as_bare timers
	[ "$(grep -c ' init .*TIMERWRAP' <<<"$stderr")" -eq 3 ]
}

@test "file= makes a private file, and appends to one that is there" {
	umask 000
	logged "file=$PWD/log" "$habits" timers
	[ -z "$stderr" ]
	[ "$(stat -c %a log)" = 600 ]
	before=$(wc -l <log)
	logged "file=$PWD/log" "$habits" timers
	[ "$(wc -l <log)" -eq $((2 * before)) ]
}

@test "%p is the process id and %% a percent sign" {
	logged "file=$PWD/100%%-%p" "$habits" timers
	[ "$(echo 100%-[0-9]*)" != '100%-[0-9]*' ]
	rm 100%-*
	run -0 --separate-stderr bash -c 'echo $$; exec "$@"' bash \
		"$uvhooks" run -p "log:file=$PWD/%p" -- "$habits" timers
	[ -s "${lines[0]}" ]
}

@test "a program without libuv, in between, leaves no file and has no descriptor more" {
	logged "file=$PWD/log-%p" sh -c 'ls /proc/self/fd; true'
	[ "$output" = "$(sh -c 'ls /proc/self/fd; true')" ]
	[ "$(echo log-*)" = 'log-*' ]
	# shellcheck disable=SC2016 # for the inner shell
	logged "file=$PWD/log-%p" sh -c '"$0" timers; true' "$habits"
	[ "$(find . -name 'log-*' | wc -l)" -eq 1 ]
}

@test "%p: after a fork the child writes its own file, and nothing is written twice" {
	logged "format=json,file=$PWD/log-%p" "$habits" forks
	same_as_bare forks
	[ "$(find . -name 'log-*' | wc -l)" -eq 3 ]
	parents=0
	for log in log-*; do
		valid_json "$log"
		# All of them from the process whose id the name has.
		jq -se --argjson pid "${log#log-}" 'all(.thread == $pid)' "$log"
		timers=$(count "$log" init TIMERWRAP)
		[ "$timers" -eq "$(count "$log" destroy TIMERWRAP)" ]
		[ "$timers" -eq 5 ] || { [ "$timers" -eq 6 ] && parents=$((parents + 1)); }
	done
	[ "$parents" -eq 1 ]
}

@test "parents and children write whole lines to one file, after a fork and after exec" {
	logged "format=json,file=$PWD/log" "$habits" forks
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 16 ]
	[ "$(count log destroy TIMERWRAP)" -eq 16 ]
	[ "$(jq -s 'map(.thread) | unique | length' log)" -eq 3 ]
	rm log
	logged "format=json,file=$PWD/log" "$habits" spawns
	same_as_bare spawns
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 6 ]
	[ "$(count log init PROCESSWRAP)" -eq 2 ]
	rm log
	logged "format=json,file=$PWD/log-%p" "$habits" spawns
	[ "$(find . -name 'log-*' | wc -l)" -eq 3 ]
}

@test "eight threads and eight processes: no line is lost or broken" {
	logged "format=json,file=$PWD/log" "$habits" threads
	same_as_bare threads
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 1600 ]
	[ "$(count log before TIMERWRAP)" -eq 3200 ]
	[ "$(count log destroy TIMERWRAP)" -eq 1600 ]
	rm log
	# shellcheck disable=SC2016 # for the inner shell
	logged "format=json,file=$PWD/log" \
		bash -c 'for i in 1 2 3 4 5 6 7 8; do "$0" threads & done; wait' "$habits"
	# What is in a line was looked at above; here each of very many is one.
	[ "$(jq -c 'keys_unsorted[:3]' log | sort | uniq -c | awk '{ n += $1 } END { print NR, n }')" = \
		"1 $(wc -l <log)" ]
	[ "$(grep -c '^{"event":"init",.*"type":"TIMERWRAP"' log)" -eq $((8 * 1600)) ]
}

@test "a program that closes all descriptors and uses their numbers again keeps its file and the log" {
	logged "format=json,file=$PWD/log" "$habits" closes victim
	same_as_bare closes victim2
	[[ "$output" == *"the file has 0 bytes" ]]
	[ ! -s victim ]
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 6 ]
	[ "$(count log destroy TIMERWRAP)" -eq 6 ]
}

@test "a relative file= means the folder that the program was started in" {
	logged "format=json,file=log" "$habits" folder log
	[ "$output" = $'elsewhere ran 3 timers\nlog is not there' ]
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 3 ]
}

@test "a file that takes stderr's number gets nothing of the log" {
	logged format=json "$habits" stderr victim
	[[ "$output" == *"the file has 0 bytes" ]]
	[ ! -s victim ]
	[ "$(grep -c '"init".*TIMERWRAP' <<<"$stderr")" -eq 3 ]
}

@test "a limit to the size of files costs lines, which are counted, and not the program" {
	logged "format=json,file=$PWD/whole" "$habits" timers
	logged "format=json,file=$PWD/log" "$habits" limits
	same_as_bare limits
	jq -e . log >/dev/null
	[ "$(count log dropped)" -eq 1 ]
	[ "$(count log init TIMERWRAP)" -eq 6 ]
	# As many as five timers have: two of three timers' lines each, the loop's two aside.
	per_timer=$((($(wc -l <whole) - 2) / 3))
	jq -se --argjson lost $((5 * per_timer + 2)) \
		'map(select(.event == "dropped")) | .[0].lines == $lost' log
	logged "file=$PWD/text" "$habits" limits
	grep -Eq '^ +[0-9.]+  dropped [0-9]+ lines that could not be written$' text
}

@test "a full disk costs lines, said at the end, and not the program" {
	logged file=/dev/full "$habits" timers
	same_as_bare timers
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "uvhooks: log: "[1-9]*" lines could not be written to /dev/full: No space left on device" ]]
}

@test "a stderr that nobody reads any more does not end the program" {
	mkfifo pipe
	# shellcheck disable=SC2094 # a pipe, whose reader goes away
	exec {reader}<>pipe {writer}>pipe {reader}<&-
	# shellcheck disable=SC2016 # for the inner shell
	run -0 timeout 60 bash -c '"$@" 2>&"$0"' "$writer" "$uvhooks" run -p log -- "$habits" timers
	exec {writer}>&-
	[ "$output" = "timers ran 3 timers" ]
}

@test "a non-blocking stderr that is full does not keep the program waiting" {
	mkfifo pipe
	exec {both}<>pipe
	# shellcheck disable=SC2016 # for the inner shell
	run -0 timeout 60 bash -c '"$@" 2>&"$0"' "$both" \
		"$uvhooks" run -p log:format=json -- "$habits" deaf
	[ "$output" = "deaf ran 2000 timers" ]
	# What got through is whole; a line more tells us where it ends.
	timeout 60 head -c 32768 <&"$both" | sed '$d' >log
	exec {both}>&-
	valid_json log
}

@test "a call that is no cancellation point does not become one" {
	logged "file=$PWD/log" "$habits" cancelled
	same_as_bare cancelled
	[[ "$output" == *"reached its cancellation point"* ]]
}

@test "a small stack is enough" {
	logged "format=json,file=$PWD/log" "$habits" small
	same_as_bare small
	valid_json log
	[ "$(count log init TIMERWRAP)" -eq 200 ]
}

@test "the plugin needs nothing but libc, exports one symbol and little static TLS" {
	log=$build/shim/plugins/log.so
	run -0 readelf -d "$log"
	[ "$(grep -c '(NEEDED)' <<<"$output")" -eq 1 ]
	grep -q 'NEEDED.*\[libc\.so' <<<"$output"
	[ "$(nm -D --defined-only "$log" | awk '{ print $3 }')" = uvhooks_plugin ]
	tls=$(readelf -lW "$log" | awk '$1 == "TLS" { print $6 }')
	[ $((${tls:-0})) -le 32 ]
}
