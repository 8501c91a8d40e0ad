#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# An HTTP server in node under load: under the shim and with the log plugin each client gets its
# answer, as without them.

load helpers
load node

setup_file() {
	node_setup
	TOOLS=$(UVHOOKS_BUILD=$UVHOOKS_BUILD "$BATS_TEST_DIRNAME/../scripts/node-binaries" --tools)
	export TOOLS
}

# load_on REQUESTS COMMAND...: the command is what starts the server, with node as its last word. The
# clients run in the newest node, bare.
load_on() {
	local requests=$1
	shift
	run -0 --separate-stderr node_env timeout -k 5 60 "$NEWEST" "$NODE_FOLDER/load.js" "$TOOLS" "$requests" \
		"$@" "$NODE_FOLDER/programs/server.js"
	diff -u --label expected --label seen - <(echo "$output") <<-END
		clients: $requests answers
		errors: {"errors":0,"timeouts":0,"mismatches":0,"resets":0,"non2xx":0}
		server: answered $requests, status 0, signal null
	END
}

@test "every request is answered, bare and under the shim, with each node" {
	local node
	load_on 2000 "$NEWEST"
	while read -r node; do
		load_on 3000 "$UVHOOKS" run -- "$node"
	done < <(node_paths)
}

@test "every request is answered while every event is logged, and the log keeps the rules" {
	LOGS=$BATS_TEST_TMPDIR
	load_on 2000 "$UVHOOKS" run -p "log:file=$LOGS/%p.json,format=json" -- "$NEWEST"
	check_events "$LOGS"/*.json
	saw before TCPWRAP TCPSERVERWRAP TIMERWRAP CHECKWRAP FSREQCALLBACK WORKREQ
	saw destroy TCPWRAP FSREQCALLBACK WORKREQ
	# As many connections were accepted as there were clients.
	[ "$(jq -r 'select(.event == "link" and .type == "TCPSERVERWRAP") | .other' "$LOGS"/*.json |
		sort -u | wc -l)" -eq 20 ]
}

@test "clients under the shim: every request is answered" {
	load_on 2000 "$NEWEST"
	run -0 --separate-stderr node_env timeout -k 5 60 "$UVHOOKS" run \
		-p "log:file=$BATS_TEST_TMPDIR/clients-%p.json,format=json" -- \
		"$NEWEST" "$NODE_FOLDER/load.js" "$TOOLS" 2000 env -u LD_PRELOAD "$NEWEST" \
		"$NODE_FOLDER/programs/server.js"
	[ "${lines[0]}" = "clients: 2000 answers" ]
	check_events "$BATS_TEST_TMPDIR"/clients-*.json
	LOGS=$BATS_TEST_TMPDIR saw before TCPCONNECTWRAP TCPWRAP PROCESSWRAP
}
