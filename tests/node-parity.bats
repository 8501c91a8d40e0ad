#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031
# bats file_tags=slow
# Node's own async_hooks and the shim, in one process, tell of the same natives with the same parents.
# node/parity.py says what that means; that it finds what differs is tested here too.

load helpers
load node

setup_file() {
	node_setup
}

parity() {
	"$PYTHON" "$NODE_FOLDER/parity.py" "$@"
}

# both NODE PROGRAM: leaves what the two tell in $BOTH.
both() {
	BOTH=$(mktemp -d "$BATS_TEST_TMPDIR/both-XXXXXX")
	node_env timeout -k 5 60 env PARITY_FOLDER="$BOTH" "$UVHOOKS" run \
		-p "log:file=$BOTH/%p.json,format=json,events=init,before,type_change" -- \
		"$1" --require "$NODE_FOLDER/parity_hook.js" "$NODE_FOLDER/$2"
}

@test "every kind of native, in the main thread and a worker, with each node" {
	local node
	while read -r node; do
		both "$node" parity_program.js
		run -0 parity --types "TCPWRAP,TCPSERVERWRAP,PIPEWRAP,PIPESERVERWRAP,UDPWRAP,PROCESSWRAP,\
SIGNALWRAP,FSEVENTWRAP,STATWATCHER,TCPCONNECTWRAP,PIPECONNECTWRAP,WRITEWRAP,SHUTDOWNWRAP,FSREQCALLBACK,\
FSREQPROMISE,FILEHANDLECLOSEREQ,GETADDRINFOREQWRAP,GETNAMEINFOREQWRAP,MESSAGEPORT,WORKER,\
PBKDF2REQUEST,SCRYPTREQUEST,RANDOMBYTESREQUEST,KEYPAIRGENREQUEST,HASHREQUEST,ZLIB" "$BOTH"
		[[ ${lines[0]} =~ ^2\ threads,\ ([0-9]+)\ natives,\ ([0-9]+)\ edges ]]
		[ "${BASH_REMATCH[1]}" -ge 150 ]
		[ "${BASH_REMATCH[2]}" -ge 70 ]
	done < <(node_paths)
}

@test "hundreds of sockets, with the newest" {
	both "$NEWEST" programs/net.js
	run -0 parity --types TCPWRAP,TCPSERVERWRAP,PIPEWRAP,TCPCONNECTWRAP,WRITEWRAP "$BOTH"
	[[ ${lines[0]} =~ ([0-9]+)\ edges ]]
	[ "${BASH_REMATCH[1]}" -ge 300 ]
}

# views: a small pair of views that agree, made by hand: a server whose socket is written to, a chain
# of two requests behind a tick, a message port after one of Node's own, a worker, and work.
views() {
	VIEWS=$BATS_TEST_TMPDIR/views
	rm -rf "$VIEWS"
	mkdir "$VIEWS"
	cat >"$VIEWS/7-7.hooks" <<-END
		i 2 TCPSERVERWRAP 1 1
		i 3 FSREQCALLBACK 1 1
		i 4 MESSAGEPORT 1 1
		i 5 WORKER 1 1
		i 6 Timeout 1 1
		i 14 FSREQCALLBACK 1 1
		i 15 GETADDRINFOREQWRAP 1 1
		i 7 TCPWRAP 2 0
		b 2
		i 8 WRITEWRAP 7 2
		a 2
		b 3
		i 9 TickObject 3 3
		a 3
		b 9
		i 10 FSREQPROMISE 9 9
		a 9
		b 6
		i 11 PBKDF2REQUEST 6 6
		i 12 RANDOMBYTESREQUEST 6 6
		a 6
		b 10
		a 10
		b 11
		i 13 PIPEWRAP 11 11
		a 11
		b 14
		a 14
		b 8
		a 8
		b 15
		a 15
	END
	: >"$VIEWS/7-8.hooks"
	ours init 2 ASYNCWRAP 1 1
	ours init 3 TIMERWRAP 1 1
	ours init 4 TCPWRAP 1 1
	ours type_change 4 TCPSERVERWRAP 1 1
	ours init 5 FSREQCALLBACK 1 1
	ours init 6 ASYNCWRAP 1 1
	ours init 7 UVTHREAD 1 1
	ours init 13 FSREQCALLBACK 1 1
	ours init 14 GETADDRINFOREQWRAP 1 1
	ours before 7 UVTHREAD 1 7 8
	ours init 1:2 ASYNCWRAP 7 7 8
	ours before 4 TCPSERVERWRAP 1 4
	ours init 8 TCPWRAP 4 4
	ours init 9 WRITEWRAP 8 4
	ours before 5 FSREQCALLBACK 1 5
	ours init 10 FSREQCALLBACK 5 5
	ours before 3 TIMERWRAP 1 3
	ours init 11 WORKREQ 3 3
	ours before 10 FSREQCALLBACK 5 10
	ours before 11 WORKREQ 3 11
	ours init 12 PIPEWRAP 11 11
	ours before 13 FSREQCALLBACK 1 13
	ours before 9 WRITEWRAP 8 9
	ours before 14 GETADDRINFOREQWRAP 1 14
}

# ours EVENT ID TYPE TRIGGER EXECUTION [THREAD]: one line of the shim's view.
ours() {
	local loop=0
	[[ $2 != 1:* ]] || loop=1
	[ "$3" != UVTHREAD ] || loop=null
	printf '{"event":"%s","id":"%s","type":"%s","trigger":"%s","execution":"%s","loop":%s,"thread":%s}\n' \
		"${@:1:5}" "$loop" "${6:-7}" >>"$VIEWS/7.json"
}

# differ TEXT SED: after this change of the shim's view, the comparison fails and says so.
differ() {
	views
	cp "$VIEWS/7.json" "$VIEWS/before"
	sed -i -E "$2" "$VIEWS/7.json"
	! cmp -s "$VIEWS/7.json" "$VIEWS/before"
	run -1 parity "$VIEWS"
	grep -E "$1" <<<"$output"
}

@test "the comparison: what agrees, agrees" {
	views
	run -0 parity --types WRITEWRAP,PBKDF2REQUEST,WORKER "$VIEWS"
	[ "${lines[0]}" = "2 threads, 11 natives, 4 edges between them" ]
}

@test "the comparison finds a native that is missing or too many" {
	differ '1 WRITEWRAP in Node, 0 in the shim' '/"id":"9"/d'
	differ '1 PIPEWRAP in Node, 0 in the shim' '/"id":"12"/d'
	differ '4 times work ended in Node, 3 in the shim' '/"id":"10"/d'
	differ '2 TCPWRAP in Node, 3 in the shim' 's/TIMERWRAP/TCPWRAP/'
	differ '4 times work ended in Node, 3 in the shim' '/"id":"11"/d'
	differ 'WORKREQ 11 has not called back in the shim' '/"before","id":"11"/d'
	differ '1 WORKER in Node, 0 threads' '/"id":"7"/d'
	differ '0 SIGNALWRAP in Node, 1 in the shim' '1s/ASYNCWRAP/SIGNALWRAP/'
}

@test "the comparison finds a wrong parent" {
	differ 'WRITEWRAP 8 \(9\) should have the trigger 8 \(TCPWRAP 7\), not 4' \
		'/"init","id":"9"/s/"trigger":"8"/"trigger":"4"/'
	differ 'TCPWRAP 7 \(8\) should have the trigger 4' '/"init","id":"8"/s/"trigger":"4"/"trigger":"1"/'
	differ 'FSREQPROMISE 10 \(10\) should have the trigger 5' \
		'/"init","id":"10"/s/"trigger":"5"/"trigger":"1"/'
	differ 'PIPEWRAP 13 \(12\) should have the trigger 11' '/"id":"12"/s/"trigger":"11"/"trigger":"0"/'
}

@test "the comparison finds what is made in the wrong place" {
	differ 'TCPWRAP 7 \(8\) should be made in a callback of TCPSERVERWRAP 2 \(4\), not of None \(1\)' \
		'/"init","id":"8"/s/"execution":"4"/"execution":"1"/'
	differ 'PBKDF2REQUEST 11 \(11\) should be made in a callback of Timeout 6 \(None\), not of .* \(5\)' \
		'/"init","id":"11"/s/"execution":"3"/"execution":"5"/'
	differ 'MESSAGEPORT 4 \(6\) should be made in a callback of no native' \
		'/"init","id":"6"/s/"execution":"1"/"execution":"5"/'
	differ 'WORKER 5 \(7\) should be made in a callback of no native' \
		'/"init","id":"7"/s/"execution":"1"/"execution":"5"/'
}

@test "the comparison finds callbacks that are missing or in another order" {
	differ 'requests call back 2 times in Node, 1 in the shim' '/"before","id":"9"/d'
	differ 'callback 0 is that of 9 .* in Node, of 14 .* in the shim' \
		'/"before","id":"9"/{s/"9"/"14"/;n;s/"14"/"9"/}'
	# Work is paired by its callbacks: in another order they belong to what was made in another order.
	differ 'FSREQCALLBACK 14 is made after FSREQCALLBACK 3 in Node, but 5 before 13 in the shim' \
		'/"before","id":"5"/s/"id":"5"/"id":"13"/;t;/"before","id":"13"/s/"id":"13"/"id":"5"/'
}

@test "the comparison finds a wrong kind of request" {
	differ 'PBKDF2REQUEST 11 cannot be the FSREQCALLBACK 11' '/"id":"11"/s/WORKREQ/FSREQCALLBACK/'
	# Node may do what a file needs by work of its own.
	views
	sed -i '/"id":"10"/s/FSREQCALLBACK/WORKREQ/' "$VIEWS/7.json"
	run -0 parity "$VIEWS"
}

@test "the comparison finds a wrong server" {
	differ 'TCPSERVERWRAP 2 is a server, 4 is no' '/type_change/d'
	differ 'TCPWRAP 7 is no server, 8 is one' '/type_change/p;/type_change/s/"4"/"8"/'
}

@test "the comparison is not content with nothing" {
	views
	run -1 parity --types UDPWRAP "$VIEWS"
	grep -qx 'there is no UDPWRAP at all' <<<"$output"
	rm "$VIEWS/7.json"
	run -1 parity "$VIEWS"
	grep -qx 'thread 7: the shim has seen nothing of process 7' <<<"$output"
	: >"$VIEWS/7.json"
	run -1 parity "$VIEWS"
	grep -qx 'thread 7: the shim has seen no loop in it' <<<"$output"
	rm "$VIEWS"/*
	run -1 parity "$VIEWS"
	grep -qx "no view of Node's in $VIEWS" <<<"$output"
	run -2 parity
	run -2 parity --types
}
