#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034
# bats file_tags=slow
# The newest official node, which holds its libuv inside: it does the same bare, under `uvhooks run`
# and with the log plugin; what it does is in the log, and the log keeps the rules of every stream.

load helpers
load node

setup_file() {
	node_setup
}

# newest PROGRAM [ARGUMENT...]: with the newest node.
newest() {
	node_same "$NEWEST" "$NODE_FOLDER/programs/$1" "${@:2}"
}

@test "files: requests of every kind, by callbacks, promises and streams" {
	newest fs.js
	prints 'opendir b file renamed soft@' 'streams 33030144' 'gone true'
	saw init FSREQCALLBACK
	saw before FSREQCALLBACK
	saw destroy FSREQCALLBACK
	run -0 jq -rs 'map(select(.event == "init") | .call | values) | unique | join(" ")' "$LOGS"/*.json
	for call in access chmod close copyfile fchmod fdatasync fstat fsync ftruncate futime link lstat lutime \
		mkdir mkdtemp open opendir read readdir readlink realpath rename rmdir scandir stat statfs \
		symlink unlink utime write; do
		[[ " $output " == *" $call "* ]] || {
			echo "no $call: $output"
			return 1
		}
	done
}

@test "files, where libuv may use io_uring, and with one thread in its pool" {
	NODE_SET=UV_USE_IO_URING=1 newest fs.js
	NODE_SET=UV_THREADPOOL_SIZE=1 newest fs.js
}

@test "timeouts, intervals, immediates, ticks and promises" {
	newest timers.js
	prints '5 beats, 2000 fired' 'in order true true'
	saw init TIMERWRAP CHECKWRAP IDLEWRAP PREPAREWRAP
	saw before TIMERWRAP CHECKWRAP
	saw start TIMERWRAP IDLEWRAP
	saw stop IDLEWRAP
	# Callbacks have their names, although the program exports none of them.
	run -0 jq -rs 'map(.callback | values) | unique | join(" ")' "$LOGS"/*.json
	[[ $output == *_ZN4node11Environment9RunTimersEP10uv_timer_s* ]]
}

@test "children: spawn, exec, fork, synchronous ones, and a server handed over" {
	newest child_process.js
	prints 'none ENOENT spawn /there/is/no/such/program' 'spawnSync in' 'fork answers 42' \
		'from the child a connection that the child took' 'many 0 1 2 3 4 5 6 7 8 9'
	saw init PROCESSWRAP PIPEWRAP WRITEWRAP SHUTDOWNWRAP
	saw before PROCESSWRAP PIPEWRAP
	saw destroy PROCESSWRAP PIPEWRAP
	saw link WRITEWRAP PIPEWRAP
	# spawnSync has a loop of its own, in the same thread.
	# shellcheck disable=SC2016 # a program of jq
	run -0 jq -rs 'map(select(.event == "loop_enter" and .thread == $pid) | .loop) | unique | length > 1' \
		--argjson pid "$(parent_pid)" "$LOGS/$(parent_pid).json"
	[ "$output" = true ]
	jq -es 'any(.event == "init" and .type == "PROCESSWRAP" and any(.flags[]?; . == "failed"))' \
		"$LOGS/$(parent_pid).json"
}

# The process whose log is the largest.
parent_pid() {
	find "$LOGS" -name '*.json' -printf '%s %f\n' | sort -rn | sed -n '1s/.* \(.*\)\.json/\1/p'
}

@test "TCP and local sockets: echo, much data, half open ends, refusals and resets" {
	newest net.js
	prints 'echo true' 'much 4001000 true true 4001000' 'refused: ECONNREFUSED connect' 'reset: ECONNRESET'
	saw init TCPWRAP PIPEWRAP TCPCONNECTWRAP PIPECONNECTWRAP WRITEWRAP SHUTDOWNWRAP GETADDRINFOREQWRAP
	saw before TCPWRAP TCPSERVERWRAP PIPEWRAP PIPESERVERWRAP TCPCONNECTWRAP PIPECONNECTWRAP WRITEWRAP \
		SHUTDOWNWRAP GETADDRINFOREQWRAP
	saw type_change TCPSERVERWRAP PIPESERVERWRAP
	saw link TCPSERVERWRAP PIPESERVERWRAP
	saw destroy TCPWRAP TCPSERVERWRAP PIPEWRAP PIPESERVERWRAP WRITEWRAP
}

@test "datagrams" {
	newest dgram.js
	prints 'answers 40' 'too big EMSGSIZE'
	saw init UDPWRAP
	saw before UDPWRAP
	saw destroy UDPWRAP
}

@test "HTTP with keep-alive, upgrades and aborts, TLS, HTTP/2, fetch" {
	newest http.js
	prints 'post true' 'pipelined 4' 'fetch 200 45000' 'tls TLSv1.2 140000' 'done'
	saw before TCPWRAP TCPSERVERWRAP TCPCONNECTWRAP SHUTDOWNWRAP WORKREQ
}

@test "the thread pool: compression and cryptography" {
	newest pool.js
	prints 'compressed and back' Z_DATA_ERROR 'verify true' 'subtle true'
	saw init WORKREQ
	saw work_begin WORKREQ
	saw work_end WORKREQ
	saw destroy WORKREQ
}

@test "names: by the system's resolver, and by Node's own" {
	newest dns.js
	prints "lookup { address: '127.0.0.1', family: 4 }" 'resolve4 192.0.2.1 192.0.2.3 192.0.2.5' 'none ENOTFOUND'
	saw before GETADDRINFOREQWRAP GETNAMEINFOREQWRAP POLLWRAP
}

@test "fs.watch and fs.watchFile" {
	newest watch.js
	prints 'watch rename new' 'watchFile true'
	saw init FSEVENTWRAP STATWATCHER
	saw before FSEVENTWRAP STATWATCHER
	saw destroy FSEVENTWRAP STATWATCHER
}

@test "signals, handled or not" {
	newest signals.js
	prints 'SIGUSR2 5' 'handles SIGTERM 9 null' 'does not SIGKILL null SIGKILL'
	saw before SIGNALWRAP PROCESSWRAP
}

@test "standard input and output that are pipes" {
	seq 100000 >"$BATS_TEST_TMPDIR/numbers"
	# shellcheck disable=SC2016 # for the inner shell
	WRAP=(sh -c 'cat | { "$@"; echo "$?" >&2; } | cat' sh)
	STDIN=$BATS_TEST_TMPDIR/numbers newest stdin.js
	prints written
	[ "$(wc -l <"$LOGS/bare.stdout")" -eq 3002 ]
	grep -qx '100000 lines, 488895 bytes' "$LOGS/bare.stderr"
	saw before PIPEWRAP
}

@test "a terminal" {
	WRAP=("$PYTHON" "$NODE_FOLDER/terminal.py" 'name? ' me)
	newest terminal.js
	grep -q 'hello me' "$LOGS/bare.stdout"
	grep -q 91 "$LOGS/bare.stdout"
	saw init TTYWRAP
	saw before TTYWRAP
}

@test "workers: the same, and each has an id space of its own" {
	newest worker_threads.js
	prints 'works: 1 (0), 4 (0), 9 (0), 16 (0)' 'terminated 1' 'nested from the inner through the outer'
	saw before ASYNCWRAP FSREQCALLBACK TCPWRAP
	saw wakeup ASYNCWRAP
	saw destroy ASYNCWRAP UVTHREAD
	# Thirteen workers and the main thread at least; node has threads with loops of its own.
	run -0 jq -rs 'map(select(.event == "loop_enter")) | group_by(.loop) | map(map(.thread) | unique)
		| (all(length == 1)) and (flatten | unique | length >= 14)' "$LOGS"/*.json
	[ "$output" = true ]
}

@test "what Node tells of itself: its handles, its own async hooks, AsyncLocalStorage" {
	newest hooks.js
	prints 'store in the store' 'active TCPServerWrap'
}

@test "a cluster of processes that share one socket, in both ways" {
	newest cluster.js
	prints 'answers 30'
	saw link WRITEWRAP PIPEWRAP
	newest cluster.js shared
	prints 'answers 30'
	saw link WRITEWRAP PIPEWRAP
}

@test "modules with await and import, WebAssembly" {
	newest esm.mjs
	prints 'stat true' 'worker true' 'wasm 42'
}

@test "process.exit in a callback, with much still pending" {
	EXPECTED_STATUS=13 newest exit_in_callback.js
	prints leaving 'exit 13'
}

@test "errors that nobody catches" {
	newest uncaught.js caught
	for kind in callback timer rejection top; do
		EXPECTED_STATUS=1 newest uncaught.js "$kind"
		grep -q 'TypeError: on purpose' "$LOGS/bare.stderr"
	done
	EXPECTED_STATUS=7 newest uncaught.js handler
}

@test "abort, SIGKILL, exit without handlers, and too deep a stack, in a callback" {
	newest ends.js
	prints 'abort null SIGABRT undefined' 'kill null SIGKILL undefined' 'exit 6 null undefined'
}

@test "with its code on large pages" {
	node_same "$NEWEST" --use-largepages=on "$NODE_FOLDER/programs/net.js"
	prints 'much 4001000 true true 4001000'
	saw before TCPWRAP TCPSERVERWRAP PIPEWRAP
	node_same "$NEWEST" --use-largepages=silent "$NODE_FOLDER/programs/timers.js"
}

@test "with the inspector on, and a client that asks it" {
	# Whether it knows already that its client has gone when it ends is a race of node's threads.
	NORMALISE='s|ws://127\.0\.0\.1:[0-9]+/[-0-9a-f]+|ws://ADDRESS|; /^Debugger ending/,+1d'
	node_same "$NEWEST" --inspect=127.0.0.1:0 "$NODE_FOLDER/programs/inspector.js"
	prints 'target node' 'evaluated 42' 'null inside' 'closed ECONNREFUSED'
	grep -q '^Debugger listening on ws://ADDRESS$' "$LOGS/bare.stderr"
	saw before TCPWRAP TCPSERVERWRAP
}

@test "the inspector, started by a signal" {
	NORMALISE='s|ws://127\.0\.0\.1:[0-9]+/[-0-9a-f]+|ws://ADDRESS|'
	node_same "$NEWEST" --inspect-port=127.0.0.1:0 "$NODE_FOLDER/programs/inspector_later.js"
	prints 'inspector 200'
	grep -q '^Debugger listening on ws://ADDRESS$' "$LOGS/bare.stderr"
}

@test "an addon that calls libuv by itself: each of its calls is seen once, with its callbacks" {
	local addon=$BATS_TEST_TMPDIR/addon.node
	cc -Wall -Wextra -Werror -shared -fPIC -I"$(dirname "$(dirname "$NEWEST")")/include/node" \
		"$NODE_FOLDER/addon.c" -o "$addon"
	newest addon.js "$addon"
	prints '3 ticks, 385, a file: yes' stat
	LOG=$(echo "$LOGS"/*.json)
	run -0 jq -r 'select((.callback // "" | startswith("addon_")) and
		(.event | IN("init", "before", "work_begin", "wakeup"))) | "\(.event) \(.type) \(.callback)"' "$LOG"
	diff -u --label expected --label seen - <(sort <<<"$output") <<-END
		before ASYNCWRAP addon_closed
		before ASYNCWRAP addon_woken
		before FSREQCALLBACK addon_stat
		before TIMERWRAP addon_closed
		before TIMERWRAP addon_tick
		before TIMERWRAP addon_tick
		before TIMERWRAP addon_tick
		before UVTHREAD addon_thread
		before WORKREQ addon_worked
		init ASYNCWRAP addon_woken
		init FSREQCALLBACK addon_stat
		init UVTHREAD addon_thread
		init WORKREQ addon_worked
		wakeup ASYNCWRAP addon_woken
		work_begin WORKREQ addon_work
	END
	# The thread woke the loop.
	[ "$(jq -r 'select(.event == "wakeup" and .callback == "addon_woken") | .sender' "$LOG")" = \
		"$(jq -r 'select(.event == "init" and .callback == "addon_thread") | .id' "$LOG")" ]
}

@test "nothing is lost, and every function is patched" {
	local program
	for program in fs.js net.js worker_threads.js pool.js; do
		run -0 --separate-stderr node_env env UVHOOKS_VERBOSE=1 timeout -k 5 60 "$UVHOOKS" run -- "$NEWEST" \
			"$NODE_FOLDER/programs/$program"
		# shellcheck disable=SC2154 # run sets it
		grep -E '^uvhooks: libuv [0-9.]+ in the program: .* 0 left alone' <<<"$stderr"
		# A counter that is not 0 is told at the end.
		if grep -E '^uvhooks: [a-z_]+: [0-9]+$' <<<"$stderr"; then
			return 1
		fi
	done
}

# reads PROGRAM...: the calls by which the kernel is asked to read, of a node that does nothing else.
reads() {
	"$@" -p 'fs.readFileSync("/proc/self/io", "utf8").match(/syscr: (\d+)/)[1]'
}

@test "libuv's functions are found in a few passes over the symbols, which is not a read for each file" {
	local bytes bare shim
	bytes=$((0x$(readelf -SW "$NEWEST" | sed -nE 's/.* \.symtab +SYMTAB +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) .*/\1/p')))
	bare=$(reads "$NEWEST")
	shim=$(LD_PRELOAD=$UVHOOKS_BUILD/shim/libuvhooks.so reads "$NEWEST")
	echo "$bare reads bare, $shim under the shim; $bytes bytes of symbols"
	[ "$bare" -gt 0 ]
	[ "$shim" -gt "$bare" ]
	[ "$shim" -lt $((bare + 300 + 3 * bytes / 12288)) ]
}
