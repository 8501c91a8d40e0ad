#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034
# bats file_tags=slow
# The other official nodes, back to the oldest one: what the newest does in node.bats, in short.

load helpers
load node

setup_file() {
	node_setup
	local others
	others=$(node_paths | grep -vxF "$NEWEST")
	[ "$(wc -l <<<"$others")" -ge 2 ]
	export OTHERS=$others
}

# others PROGRAM [ARGUMENT...]: with each of them, bare and with the log plugin.
others() {
	local node failed=0
	local WAYS="bare log"
	while read -r node; do
		node_same "$node" "$NODE_FOLDER/programs/$1" "${@:2}" || failed=1
	done <<<"$OTHERS"
	return $failed
}

@test "each is of another version, and says so under the shim" {
	local versions node
	versions=$(while read -r node; do
		node_same "$node" -p process.version >&2
		cat "$LOGS/log.stdout"
	done <<<"$NODES")
	[ "$(sort -u <<<"$versions" | wc -l)" -eq "$(wc -l <<<"$NODES")" ]
	[ "$(cut -d . -f 1 <<<"$versions" | sort -u | wc -l)" -ge 3 ]
}

@test "files" {
	others fs.js
	saw destroy FSREQCALLBACK
}

@test "timers" {
	others timers.js
}

@test "sockets" {
	others net.js
	saw link TCPSERVERWRAP PIPESERVERWRAP
}

@test "HTTP" {
	others http.js
}

@test "children" {
	others child_process.js
	saw before PROCESSWRAP
}

@test "the thread pool" {
	others pool.js
	saw work_begin WORKREQ
}

@test "names" {
	others dns.js
}

@test "workers" {
	others worker_threads.js
	saw destroy UVTHREAD
}

@test "signals" {
	others signals.js
}

@test "what Node tells of itself" {
	others hooks.js
}

@test "the end in a callback: by exit, by an error" {
	EXPECTED_STATUS=13 others exit_in_callback.js
	EXPECTED_STATUS=1 others uncaught.js callback
}
