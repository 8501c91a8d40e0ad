#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# Programs that nobody here wrote: each does the same bare, under the shim and with the log and the
# recorder; what it does is in the log, the log keeps the rules of every stream of events, and the
# trace holds the same events for babeltrace2 and for `uvhooks log`.

load helpers

setup() {
	CLIENTS=$BATS_TEST_DIRNAME/clients
	# What they leave behind and what they read of a user is theirs alone.
	export HOME=$BATS_TEST_TMPDIR/home LC_ALL=C.UTF-8 TERM=dumb
	unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME
	export CLIENT_FOLDER=$BATS_TEST_TMPDIR/client
	mkdir "$HOME" "$CLIENT_FOLDER"
}

# client PROGRAM...: the same three ways, the last one with stacks and a watchdog, too; then what it
# printed is in $LOGS/bare.stdout.
client() {
	local trace=$BATS_TEST_TMPDIR/trace
	MORE_PLUGINS="stacks:watchdog_ms=20;python;lua;recorder:dir=$trace,details=1" runs_the_same timeout -k 5 60 "$@"
	check_events "$LOGS"/*.json
	# First: it puts what a process left that did not come to its end into the files.
	"$UVHOOKS_BUILD/tools/uvhooks" report "$trace" >"$BATS_TEST_TMPDIR/report"
	UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks "$PYTHON" "$BATS_TEST_DIRNAME/recorded.py" compare \
		"$LOGS" "$trace"
}

@test "Neovim: timers, jobs, sockets, pipes, file watching, files, work, threads, names, signals" {
	client nvim --headless -u NONE -i NONE -n +"luafile $CLIENTS/nvim_client.lua" +'qa!'
	prints 'job: got a line, exit 7' 'tcp: echo hello' 'watch: event on watched, poll saw five bytes: true' \
		'work: 1 4 9 16' 'signal: sigusr1'
	saw init TIMERWRAP TCPWRAP PIPEWRAP PROCESSWRAP ASYNCWRAP SIGNALWRAP FSEVENTWRAP \
		STATWATCHER FSREQCALLBACK WORKREQ WRITEWRAP SHUTDOWNWRAP TCPCONNECTWRAP \
		PIPECONNECTWRAP GETADDRINFOREQWRAP UVTHREAD
	saw before TIMERWRAP TCPWRAP TCPSERVERWRAP PIPEWRAP PIPESERVERWRAP PROCESSWRAP ASYNCWRAP \
		SIGNALWRAP FSEVENTWRAP STATWATCHER FSREQCALLBACK WORKREQ WRITEWRAP SHUTDOWNWRAP \
		TCPCONNECTWRAP PIPECONNECTWRAP GETADDRINFOREQWRAP UVTHREAD
	saw destroy TIMERWRAP TCPWRAP TCPSERVERWRAP PIPEWRAP PIPESERVERWRAP PROCESSWRAP \
		FSREQCALLBACK WORKREQ WRITEWRAP UVTHREAD
	saw type_change TCPSERVERWRAP PIPESERVERWRAP
	saw link TCPSERVERWRAP PIPESERVERWRAP
	saw wakeup ASYNCWRAP
	saw work_begin WORKREQ
}

@test "Neovim: a chain of file system requests, each begun in the callback of the one before" {
	client nvim --headless -u NONE -i NONE -n +"luafile $CLIENTS/nvim_client.lua" +'qa!'
	# shellcheck disable=SC2016 # a program of jq
	run -0 jq -rs '
		(map(select(.event == "init")) | map({key: .id, value: .}) | from_entries) as $all
		| first(.[] | select(.event == "init" and .call == "unlink"))
		| [recurse($all[.trigger] // empty) | .call // empty] | reverse | join(" ")' \
		"$LOGS"/*.json
	[ "$output" = "open write fsync read close stat unlink" ]
}

@test "Neovim that only starts and quits" {
	client nvim --headless -u NONE -i NONE +q
	saw init TIMERWRAP SIGNALWRAP ASYNCWRAP
	saw destroy TIMERWRAP SIGNALWRAP
}

@test "uvhooks run shows the events of Neovim on stderr, and only there" {
	run -0 --separate-stderr bare "$UVHOOKS_BUILD/tools/uvhooks" run -p log -- nvim --headless +q
	[ -z "$output" ]
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *"init 2 "* ]]
	[[ $stderr == *"TIMERWRAP (uv_timer_t)"* ]]
	[[ $stderr == *"destroy 2 "* ]]
}

@test "uvloop in Python: servers and clients, subprocesses, names, signals, executors, two loops" {
	client /usr/bin/python3 "$CLIENTS/uvloop_client.py" "$CLIENT_FOLDER"
	prints 'loop: uvloop' 'udp: margatad' 'subprocess: got something noise 5' 'signal: came' \
		'thread: woken' 'loop in a thread: closed'
	saw init TIMERWRAP IDLEWRAP CHECKWRAP ASYNCWRAP POLLWRAP TCPWRAP UDPWRAP PIPEWRAP \
		PROCESSWRAP TCPCONNECTWRAP PIPECONNECTWRAP SHUTDOWNWRAP GETADDRINFOREQWRAP \
		GETNAMEINFOREQWRAP
	saw before TIMERWRAP IDLEWRAP CHECKWRAP ASYNCWRAP POLLWRAP TCPWRAP TCPSERVERWRAP UDPWRAP \
		PIPEWRAP PIPESERVERWRAP PROCESSWRAP TCPCONNECTWRAP PIPECONNECTWRAP SHUTDOWNWRAP \
		GETADDRINFOREQWRAP GETNAMEINFOREQWRAP
	saw link TCPSERVERWRAP PIPESERVERWRAP
	saw wakeup ASYNCWRAP
	# Three loops, one after the other and in two threads: as many id spaces.
	[ "$(jq -r 'select(.event == "loop_enter") | .loop' "$LOGS"/*.json | sort -u | wc -l)" -eq 3 ]
}

@test "luv in Lua: every kind of handle, and an error in a callback that ends the program" {
	client lua5.3 "$CLIENTS/luv_client.lua" "$CLIENT_FOLDER"
	[ "$(cat "$LOGS/bare.status")" -eq 255 ]
	grep -q 'raised on purpose' "$LOGS/bare.stderr"
	saw before TIMERWRAP PREPAREWRAP CHECKWRAP IDLEWRAP TCPWRAP TCPSERVERWRAP UDPWRAP PIPEWRAP \
		PROCESSWRAP ASYNCWRAP TCPCONNECTWRAP WRITEWRAP SHUTDOWNWRAP UDPSENDWRAP FSREQCALLBACK \
		WORKREQ GETADDRINFOREQWRAP RANDOMREQ UVTHREAD
	saw destroy TIMERWRAP PREPAREWRAP CHECKWRAP IDLEWRAP TCPWRAP TCPSERVERWRAP UDPWRAP PIPEWRAP \
		PROCESSWRAP ASYNCWRAP TCPCONNECTWRAP WRITEWRAP SHUTDOWNWRAP UDPSENDWRAP FSREQCALLBACK \
		WORKREQ GETADDRINFOREQWRAP RANDOMREQ UVTHREAD
	saw work_end WORKREQ
}

@test "CMake configures, builds, tests and installs a project" {
	client "$CLIENTS/cmake_client.sh" "$CLIENT_FOLDER"
	prints '-- Looking for epoll_wait - found' 'test 4 Passed' 'no script: 1'
	saw init PROCESSWRAP PIPEWRAP TIMERWRAP
	saw before PROCESSWRAP PIPEWRAP
	saw destroy PROCESSWRAP PIPEWRAP TIMERWRAP
}

@test "BIND answers dig over UDP and TCP, gives out a zone, and is stopped by rndc" {
	client "$CLIENTS/named_client.sh" "$CLIENT_FOLDER"
	prints 'transfer: 400' 'many: 400' 'reload: server reload successful' 'stopped, status 0'
	saw init ASYNCWRAP TIMERWRAP UDPWRAP TCPWRAP
	saw before ASYNCWRAP TIMERWRAP UDPWRAP TCPWRAP TCPSERVERWRAP
	saw wakeup ASYNCWRAP
	saw type_change TCPSERVERWRAP
	# named runs a loop in each of its threads.
	[ "$(jq -rs 'map(select(.event == "loop_enter") | .thread) | unique | length' \
		"$LOGS"/*.json | sort -n | tail -n 1)" -ge 2 ]
}

@test "Raku on MoarVM: promises, a process, sockets, file watching, a signal" {
	client raku "$CLIENTS/raku_client.raku" "$CLIENT_FOLDER"
	prints 'timers: 1 2 3' 'process: got a line, noise, exit 4' 'watch: watched' 'signal: Kept'
	saw init TIMERWRAP ASYNCWRAP PROCESSWRAP PIPEWRAP TCPWRAP TCPCONNECTWRAP WRITEWRAP \
		FSEVENTWRAP SIGNALWRAP UVTHREAD
	saw before TIMERWRAP ASYNCWRAP PROCESSWRAP PIPEWRAP TCPWRAP TCPSERVERWRAP TCPCONNECTWRAP \
		WRITEWRAP FSEVENTWRAP SIGNALWRAP UVTHREAD
	saw wakeup ASYNCWRAP
}
