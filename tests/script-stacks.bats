#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # run sets output and stderr
# The lines of Lua and Python in stacks, and what the verbs make of them for programs that people run:
# Neovim with a plugin, a server on uvloop, a script with luv, a name server.

load helpers

setup() {
	SCRIPTS=$BATS_TEST_DIRNAME/scripts
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	export HOME=$BATS_TEST_TMPDIR/home LC_ALL=C.UTF-8 TERM=dumb
	unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME
	mkdir "$HOME"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# planted SCRIPT: the number of its line with the fault; of several, each with what is behind it.
planted() {
	sed -nE '/(#|--) PLANTED/{s/.*PLANTED *//;=;p}' "$SCRIPTS/$1" |
		paste -d ' ' - - | sed 's/ $//'
}

# recorded [OPTION]... -- PROGRAM [ARGUMENT]...: bare and into the folder `trace`; it must do the same.
# Its status is left in $status.
recorded() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -rf trace
	status=0
	bare "$@" >bare.stdout 2>bare.stderr </dev/null || status=$?
	local recorded=0
	bare "$uvhooks" record -o trace "${options[@]}" -- "$@" >stdout 2>stderr </dev/null ||
		recorded=$?
	diff -u bare.stdout stdout
	[ "$recorded" -eq "$status" ]
}

# Asks for the frames in a program that calls the shim itself.
with_stacks() {
	run -0 --separate-stderr with_shim UVHOOKS_STRICT=1 UVHOOKS_PLUGINS='stacks;python;lua' "$@"
	[ -z "$stderr" ]
}

@test "Neovim with a plugin that forgets its timers: leaks names the line of Lua" {
	local nvim=(nvim --headless -u NONE -i NONE +"luafile $SCRIPTS/leak_timers.lua" +'qa!') line
	line="leak_timers.lua:$(planted leak_timers.lua) in show"
	recorded --stacks -- "${nvim[@]}"
	[ "$status" -eq 0 ]
	run -1 "$uvhooks" leaks trace
	echo "$output"
	[[ $output == *"TIMERWRAP (uv_timer_t)"*"made at $line"* ]]

	KILLED=1 recorded --stacks -- "${nvim[@]}"
	[ "$status" -eq 137 ]
	run -1 "$uvhooks" leaks trace
	echo "$output"
	[[ $output == *"40 × TIMERWRAP (uv_timer_t)"*"made at $line"* ]]

	FIXED=1 recorded --stacks -- "${nvim[@]}"
	run -0 "$uvhooks" leaks trace
	echo "$output"
	[[ $output == *"No leaks"* ]]
	[[ $output != *leak_timers.lua:* ]]
}

@test "a script with luv that does not end: why names the line, of the coroutine that runs" {
	local line
	line=keeps_running.lua:$(planted keeps_running.lua)
	recorded --stacks -- lua5.3 "$SCRIPTS/keeps_running.lua"
	[ "$status" -eq 137 ]
	run "$uvhooks" why trace
	echo "$output"
	[[ $output == *"Kept alive by 1 handle"* ]]
	[[ $output == *"made at $line"* ]]

	run --separate-stderr bare "$uvhooks" run --why -- lua5.3 "$SCRIPTS/keeps_running.lua"
	echo "$stderr"
	[ "$status" -eq 137 ]
	[ "$output" = "$(cat bare.stdout)" ]
	[[ $stderr == *"made at $line"* ]]

	recorded --stacks -- lua5.3 "$SCRIPTS/keeps_running.lua" fixed
	[ "$status" -eq 0 ]
	run -0 "$uvhooks" why trace
	[[ $output == *"Nothing keeps"* ]]
	[[ $output != *"$line"* ]]
}

@test "a server on uvloop with a handler that blocks: stalls names the function of Python" {
	recorded --watchdog 100ms -- /usr/bin/python3 "$SCRIPTS/blocking_server.py"
	[ "$status" -eq 0 ]
	run -0 "$uvhooks" stalls --over 250ms trace
	echo "$output"
	[[ $output == *"1 callback ran longer"* ]]
	[[ $output == *"blocking_server.py:$(planted blocking_server.py) in expensive"* ]]

	recorded --watchdog 100ms -- /usr/bin/python3 "$SCRIPTS/blocking_server.py" fixed
	run -0 "$uvhooks" stalls --over 250ms trace
	echo "$output"
	[[ $output == *"No callback ran longer"* ]]
	[[ $output != *expensive* ]]
}

@test "a thread that is stuck in Python is told by its line, or by C where it keeps the GIL" {
	local way
	for way in sleep calculate thread keep; do
		run -0 bare "$uvhooks" record --watchdog 40ms -o "$way" -- \
			/usr/bin/python3 "$SCRIPTS/stuck.py" "$way"
		run "$uvhooks" stalls "$way"
		echo "$way: $output"
		# Nobody can look at the frames of who keeps the GIL; but the watchdog does not wait for it.
		if [ "$way" = keep ]; then
			grep -q 'inside: .*nanosleep' <<<"$output"
		else
			grep -q "stuck.py:$(planted stuck.py | sed -n "s/ $way\$//p") in stuck" <<<"$output"
		fi
	done
}

@test "BIND under the load of dig: the verbs find nothing wrong, and what it serves when it is killed" {
	recorded --stacks --watchdog 2s -- \
		"$BATS_TEST_DIRNAME/clients/named_client.sh" "$BATS_TEST_TMPDIR" killed
	[ "$status" -eq 0 ]
	local verb
	for verb in why leaks 'stalls --over 5s' pool; do
		# shellcheck disable=SC2086 # a verb and its options
		run -0 --separate-stderr "$uvhooks" $verb trace
		[ -z "$stderr" ]
		# shellcheck disable=SC2086
		"$uvhooks" $verb --json trace | jq . >json
		printf '%s\n' "$output" >"${verb%% *}"
	done
	grep -qE 'UDPWRAP .* 127\.0\.0\.1:[0-9]+, receiving' why
	grep -qE 'TCPSERVERWRAP .* listens on 127\.0\.0\.1:[0-9]+' why
	grep -q 'made at isc__nm_async_udplisten' why
	# dig ends as it should.
	grep -A1 'of dig' why | grep -q 'Nothing keeps them alive'
	[ "$(grep -c 'No leaks' leaks)" -eq "$(grep -c '(pid ' leaks)" ]
	grep -q 'No callback ran longer' stalls
	grep -q 'Nothing was asked of the thread pool' pool
}

@test "wherever a script of Lua makes a handle, in each version of Lua, it is its line that is told" {
	local lua
	planted places.lua >expected
	[ "$(wc -l <expected)" -eq 6 ]
	for lua in lua5.1 lua5.2 lua5.3 lua5.4 luajit; do
		recorded --stacks -- "$lua" "$SCRIPTS/places.lua"
		[ "$status" -eq 0 ]
		"$uvhooks" leaks --json trace | jq -r '
			[.. | objects | select(has("made") and has("count")) | select(.made.file // "" | endswith("places.lua"))]
			| group_by(.made.line)[] | "\(.[0].made.line) \(map(.count) | add)"' >seen
		diff -u expected seen
	done
}

@test "what LuaJIT has compiled is not told, and what it has not is told rightly" {
	with_stacks luajit "$SCRIPTS/compiled.lua"
	[ "$output" = $'some were told\tsome were compiled' ]
}

@test "Lua inside a program: before, below, beside and after its states" {
	with_stacks "$UVHOOKS_BUILD/tests/scripts/embeds_lua" libluajit-5.1.so.2
	diff -u - <(echo "$output") <<-END
		before: none
		in a function: f first.lua:2, main chunk first.lua:4
		in a coroutine: f first.lua:2,  first.lua:6, main chunk first.lua:11
		another thread: none
		in a state below:  first.lua:8, main chunk first.lua:11
		before an error: f first.lua:2,  first.lua:9,  first.lua:9, main chunk first.lua:11
		after an error: f first.lua:2,  first.lua:10, main chunk first.lua:11
		beside one that waits: main chunk first.lua:14
		between: none
		in a text: main chunk (text):1
		closed: none
	END
}

@test "Python inside a program: an error stays set, nothing is collected, without the GIL nothing is told" {
	local library
	library=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("INSTSONAME"))')
	with_stacks "$UVHOOKS_BUILD/tests/scripts/embeds_python" "$library"
	diff -u - <(echo "$output") <<-END
		before: none
		not initialised: none
		in C: none
		in a function: call <string>:4, <module> <string>:13
		in a method: call <string>:4, Class.method <string>:7, <module> <string>:14
		in a generator: call <string>:4, generate <string>:9, <module> <string>:15
		with an error: call <string>:4, <module> <string>:16
		the error is still set
		without the GIL: none
		when a collection is due: call <string>:4, deep <string>:21, deep <string>:21, deep <string>:21, deep <string>:21, <module> <string>:22
		named é: call <string>:4, é :1, <module> :2, <module> <string>:24
		a thread of C: none
		when it ends: none
		ended: none
	END
}

@test "tasks, callbacks, threads, other interpreters and children of Python are told apart" {
	with_stacks /usr/bin/python3 "$SCRIPTS/corners.py"
	diff -u - <(echo "$output") <<-END
		a callback: Worker.__call__, <module>
		a task: Worker.work, <module>
		an exception is handled: fall, fall, fall
		an exception was handled: fall, fall, fall
		a thread: <lambda>
		beside another interpreter: subinterpreter, <module>
		a child: fork, <module>
	END
}

@test "Python ends as ever while the watchdog asks for frames" {
	local wait
	for wait in 1 2 5 10 20; do
		run -7 with_shim UVHOOKS_STRICT=1 UVHOOKS_PLUGINS='stacks:watchdog_ms=1;python;lua' \
			timeout -s KILL 20 /usr/bin/python3 "$SCRIPTS/ends.py" "$wait"
		[ "$output" = ends ]
	done
}

@test "scripts without a libuv run as they do bare" {
	MORE_PLUGINS='stacks:watchdog_ms=1;python;lua' runs_the_same "$PYTHON" -c '
import threading
threads = [threading.Thread(target=lambda: sum(range(10000))) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sum(range(100)))'
	MORE_PLUGINS='stacks:watchdog_ms=1;python;lua' runs_the_same lua5.3 -e \
		'print(select("#", pcall(error)), coroutine.wrap(function() return 1 end)())'
}

@test "the plugins for scripts take no options, and say so" {
	local plugin
	for plugin in python lua; do
		run -2 bare "$uvhooks" run -p "$plugin:depth=3" -- true
		[[ $output == *"unknown option 'depth'; $plugin takes none"* ]]
	done
}
