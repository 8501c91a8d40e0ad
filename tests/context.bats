#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2030,SC2031
# The context plugin: each event of a server that knows nothing of it says which connection or datagram has
# caused it.

load helpers

CLIENTS=$BATS_TEST_DIRNAME/clients

# Runs a command under the shim and the context plugin. Each process has a log of its own, $LOGS/PID.json.
with_context() {
	with_shim UVHOOKS_PLUGINS="context:file=$LOGS/%p.json,format=json${OPTIONS:+,$OPTIONS}" "$@"
}

# served PROGRAM...: does the same bare and with the plugin. Leaves in $LOG the log of the process that was a
# server, or else the only one.
served() {
	local way status logs
	LOGS=$(mktemp -d "$BATS_TEST_TMPDIR/logs-XXXXXX")
	for way in bare with_context; do
		status=0
		"$way" UVHOOKS_STRICT=1 timeout -k 5 60 "$@" >"$LOGS/$way.stdout" 2>"$LOGS/$way.stderr" ||
			status=$?
		echo "$status" >"$LOGS/$way.status"
	done
	for what in stdout stderr status; do
		diff -u "$LOGS/bare.$what" "$LOGS/with_context.$what"
	done
	logs=("$LOGS"/*.json)
	# A server whose port was taken has ended at once, and another one was started: the longest log.
	[ "${#logs[@]}" = 1 ] ||
		mapfile -t logs < <(grep -lZ TCPSERVERWRAP "$LOGS"/*.json | xargs -0 ls -S | head -n 1)
	[ "${#logs[@]}" = 1 ]
	LOG=${logs[0]}
}

# The events of some kinds, each behind its connection.
contexts() {
	jq -r "$EVENT_LINE"'select(chosen($ARGS.positional)) | "\(.context // "-") \(line)"' "$LOG" --args "$@"
}

expect_contexts() {
	expect_output_of contexts "$@"
}

# What can be known without the plugin: a resource is a connection's if it is the accepted handle, or if the
# chain of its triggers leads there.
# shellcheck disable=SC2016 # a program of jq
OWNERS='
	def owners: map(select(.event == "link" and .uv_type != "uv_write_t") | {key: .other, value: .context})
		| from_entries;
	def triggers: map(select(.event == "init") | {key: .id, value: .trigger}) | from_entries;
	def owned: owners as $owners | triggers as $triggers
		| def owner: if $owners[.] then $owners[.] elif $triggers[.] then $triggers[.] | owner else null end;
		.[] | select(.type != "TCPSERVERWRAP" and .event != "link") | .owner = (.id | owner);
'

# Every event says what can be known so, and nothing else. Prints those that do not.
all_told() {
	jq -rs "$OWNERS"'owned | select(.context != .owner) | "\(.context) but of \(.owner): \(tojson)"' "$LOG" |
		tee "$BATS_TEST_TMPDIR/wrong"
	[ ! -s "$BATS_TEST_TMPDIR/wrong" ]
}

# The connections, in the order in which they were accepted.
accepted() {
	jq -r 'select(.event == "link") | .context' "$LOG"
}

# How many kinds of contexts there are that begin so: distinct c
distinct() {
	jq -r --arg kind "$1" '.context // "-" | select(startswith($kind))' "$LOG" | sort -u | wc -l
}

@test "a connection comes with the server's callback, and goes over to the handle and its writes" {
	served "$PROGRAMS/h3_tcp"
	expect_contexts all <<-EOF
		- init 2 TCPWRAP t1
		- type_change 2 TCPSERVERWRAP
		- start 2 e1
		- loop_enter 0
		c1 before 2
		c1 init 3 TCPWRAP t2
		c1 link 2->3
		c1 start 3 e2
		c1 after 2
		c1 before 3
		c1 init 4 WRITEWRAP t3
		c1 after 3
		c1 before 4
		c1 after 4
		c1 destroy 4
		c1 before 3
		c1 after 3
		- before 2 closing
		- after 2 closing
		- destroy 2
		c1 before 3 closing
		c1 after 3 closing
		c1 destroy 3
		- loop_exit 0
		- loop_enter 0
		- loop_exit 0
	EOF
}

@test "a handle that was made before it is accepted is nobody's until then" {
	served "$PROGRAMS/link" accept_tcp
	expect_contexts init before link after destroy <<-EOF
		- init 2 TCPWRAP t1
		- init 3 TCPWRAP t1
		c1 before 3
		c1 link 3->2
		c1 after 3
		- destroy 3
		c1 destroy 2
	EOF
}

@test "a handle that comes over a pipe is a connection, one that is sent is not" {
	served "$PROGRAMS/link" write2
	expect_contexts init before link after destroy <<-EOF
		- init 2 TCPWRAP t1
		- init 3 PIPEWRAP t1
		- init 4 PIPEWRAP t1
		- init 5 WRITEWRAP t3 e1
		- link 5->2
		- before 5
		- after 5
		- destroy 5
		- before 4
		- init 6 TCPWRAP t4
		c1 link 4->6
		- after 4
		- destroy 4
		- destroy 3
		c1 destroy 6
		- destroy 2
	EOF
}

@test "a server that accepts later, in a timer, accepts the connection that had come" {
	served "$PROGRAMS/connections" late
	expect_contexts init before link after destroy <<-EOF
		- init 2 TCPWRAP t1
		c1 before 2
		c1 init 3 TIMERWRAP t2
		c1 after 2
		c1 before 3
		c1 init 4 TCPWRAP t3
		c1 link 2->4
		c1 after 3
		- destroy 2
		c1 destroy 3
		c1 destroy 4
	EOF
}

@test "each datagram is a connection of its own, unless they are not wanted" {
	served "$PROGRAMS/connections" datagrams
	expect_contexts init before after destroy <<-EOF
		- init 2 UDPWRAP t1
		d1 before 2
		d1 init 3 UDPSENDWRAP t2
		d1 after 2
		d2 before 2
		d2 init 4 UDPSENDWRAP t2
		d2 after 2
		d3 before 2
		d3 init 5 UDPSENDWRAP t2
		d3 after 2
		- before 2 noop
		- after 2 noop
		d1 before 3
		d1 after 3
		d1 destroy 3
		d2 before 4
		d2 after 4
		d2 destroy 4
		d3 before 5
		d3 after 5
		d3 destroy 5
		- destroy 2
	EOF
	OPTIONS=datagrams=0 served "$PROGRAMS/connections" datagrams
	[ "$(jq -r .context "$LOG" | sort -u)" = null ]
}

@test "a connection goes along to a thread, and with uv_async_send to a handle that was there before" {
	served "$PROGRAMS/connections" wake
	expect_contexts init before after destroy <<-EOF
		- init 2 ASYNCWRAP t1
		- init 3 TCPWRAP t1
		c1 before 3
		c1 init 4 TCPWRAP t3
		c1 after 3
		c1 before 4
		c1 init 5 UVTHREAD t4
		c1 before 5
		c1 after 5
		c1 destroy 5
		c1 after 4
		- destroy 3
		c1 destroy 4
		c1 before 2
		c1 init 6 TIMERWRAP t2
		c1 after 2
		- destroy 2
		c1 before 6
		c1 after 6
		c1 destroy 6
	EOF
}

@test "several connections: what each has read, timed, had worked, written and shut down is its own" {
	served "$PROGRAMS/connections" several
	[ "$(accepted | tr '\n' ' ')" = "c1 c2 c3 c4 " ]
	all_told
	for context in c1 c2 c3 c4; do
		for made in "TCPWRAP 1" "TIMERWRAP 1" "WORKREQ 2" "WRITEWRAP 2" "SHUTDOWNWRAP 1"; do
			[ "$(jq -r --arg context $context --arg made "$made" \
				'select(.event == "init" and .context == $context and .type == ($made / " ")[0]) | .id' \
				"$LOG" | wc -l)" = "${made#* }" ]
		done
		# On the threads of the pool, too.
		[ "$(jq -r --arg context $context 'select(.event == "work_begin" and .context == $context) | .id' \
			"$LOG" | wc -l)" = 2 ]
	done
}

@test "several loops in threads of their own: no two connections have one name" {
	served "$PROGRAMS/connections" loops
	[ "$(accepted | wc -l)" = 16 ]
	[ "$(accepted | sort -u | wc -l)" = 16 ]
	[ "$(jq -r 'select(.event == "link") | .loop' "$LOG" | sort -u | wc -l)" = 4 ]
	all_told
}

@test "a forked child goes on with the connections that there were" {
	LOGS=$(mktemp -d "$BATS_TEST_TMPDIR/logs-XXXXXX")
	run -0 with_context "$PROGRAMS/connections" forks
	[ "$output" = $'scene forks\nchild\nparent' ]
	LOG=$(grep -l TCPSERVERWRAP "$LOGS"/*.json)
	expect_contexts init before link after destroy <<-EOF
		- init 2 TCPWRAP t1
		c1 before 2
		c1 init 3 TCPWRAP t2
		c1 link 2->3
		c1 after 2
		c1 before 3
		c1 after 3
		c1 before 3
		c1 after 3
		- destroy 2
		c1 destroy 3
	EOF
	LOG=$(grep -L TCPSERVERWRAP "$LOGS"/*.json)
	expect_contexts init before link after destroy <<-EOF
		c1 init 4 TIMERWRAP t3
	EOF
}

# peak CONNECTIONS: the most memory that the server ever had, in KiB.
peak() {
	with_shim CONNECTIONS="$1" UVHOOKS_PLUGINS="context:file=$BATS_TEST_TMPDIR/none,only=c0" "$PYTHON" -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$PROGRAMS/connections" sequential
}

@test "a thousand connections, one after the other, leave nothing behind" {
	LOGS=$BATS_TEST_TMPDIR
	OPTIONS=only=d1 run -0 --separate-stderr with_context UVHOOKS_VERBOSE=1 CONNECTIONS=1000 \
		"$PROGRAMS/connections" sequential
	# shellcheck disable=SC2154 # run sets it
	echo "$stderr"
	[[ $stderr == *"uvhooks: context: 1000 connections and datagrams, 0 of them still held"* ]]
	few=$(peak 200)
	many=$(peak 3000)
	echo "$few KiB, $many KiB"
	[ $((many - few)) -lt 256 ]
}

@test "uvloop, written as a protocol: all that five clients at once cause is told apart" {
	served /usr/bin/python3 "$CLIENTS/uvloop_echo.py" protocol
	[ "$(accepted | sort | tr '\n' ' ')" = "c1 c2 c3 c4 c5 " ]
	jq -es "$OWNERS"'[owned | select(.owner != null)] | length > 100 and all(.context == .owner)' "$LOG"
	for context in c1 c2 c3 c4 c5; do
		for made in "TCPWRAP 1" "TIMERWRAP 2" "WRITEWRAP 1" "SHUTDOWNWRAP 1"; do
			[ "$(jq -r --arg context $context --arg made "$made" \
				'select(.event == "init" and .context == $context and .type == ($made / " ")[0]) | .id' \
				"$LOG" | wc -l)" = "${made#* }" ]
		done
	done
	# What else is anybody's are the handles by which asyncio works its queues off.
	jq -es "$OWNERS"'[owned | select(.owner == null and .context != null) | .type] | unique
		| . - ["CHECKWRAP", "IDLEWRAP"] == []' "$LOG"
}

@test "uvloop, written with streams: what goes through asyncio's queue is never another's" {
	served /usr/bin/python3 "$CLIENTS/uvloop_echo.py" streams
	[ "$(accepted | sort | tr '\n' ' ')" = "c1 c2 c3 c4 c5 " ]
	jq -es "$OWNERS"'[owned | select(.owner != null and (.uv_type | IN("uv_tcp_t", "uv_write_t", "uv_shutdown_t")))]
		| length > 50 and all(.context == .owner)' "$LOG"
	# Each has made two timers: none has more, and what cannot be told says so.
	jq -es 'map(select(.event == "init" and .type == "TIMERWRAP") | .context)
		| length == 10 and all(. != null)
		and (map(select(. != "?")) | group_by(.) | all(length <= 2))' "$LOG"
	# One client after the other: then all can be told.
	served /usr/bin/python3 "$CLIENTS/uvloop_echo.py" streams one
	jq -es 'map(select(.event == "init" and .type == "TIMERWRAP") | .context)
		| sort == ["c1", "c1", "c2", "c2", "c3", "c3", "c4", "c4", "c5", "c5"]' "$LOG"
}

@test "BIND: as many contexts as there are queries and connections, each answered in its own" {
	export CLIENT_FOLDER=$BATS_TEST_TMPDIR/client
	mkdir "$CLIENT_FOLDER"
	served "$CLIENTS/named_client.sh" "$CLIENT_FOLDER"
	# dig asks four names for three types, two names at once, a zone that is refused, and 400 names.
	[ "$(distinct d)" = $((12 + 2 + 1 + 400)) ]
	# By TCP a question and a transfer; and rndc twice.
	[ "$(distinct c)" = 4 ]
	[ "$(distinct '?')" = 0 ]
	jq -es "$OWNERS"'[owned | select(.owner != null and (.uv_type | IN("uv_tcp_t", "uv_write_t")))]
		| length > 20 and all(.context == .owner)' "$LOG"
	# Each datagram has one answer.
	jq -es 'map(select(.event == "init" and .type == "UDPSENDWRAP") | .context)
		| length == 415 and (unique | length == 415) and all(startswith("d"))' "$LOG"
}

@test "for people the connection stands in front, and only= chooses some" {
	run -0 --separate-stderr bare "$UVHOOKS_BUILD/tools/uvhooks" run -p context:events=init+before,only=c2,c3+- \
		-- "$PROGRAMS/connections" several
	[ "$output" = $'scene several\n8 answers' ]
	[ "$(cut -c 1-7 <<<"$stderr" | sort -u | tr -d ' ' | tr '\n' ' ')" = "[-] [c2] [c3] " ]
	[ "$(grep -cEv '^\[(-|c2|c3)\] +[0-9]+\.[0-9]{6} +(init|before) [0-9]+ ' <<<"$stderr")" = 0 ]
	grep -Eq '^\[c2\]     0\.[0-9]{6} +before [0-9]+ TCPWRAP \(uv_tcp_t\) trigger=2 execution=[0-9]+ callback=on_read' \
		<<<"$stderr"
}

@test "what an option must be is said, and the program is not started" {
	while IFS='|' read -r options reason; do
		run -2 --separate-stderr bare "$UVHOOKS_BUILD/tools/uvhooks" run -p "context:$options" -- \
			touch "$BATS_TEST_TMPDIR/started"
		echo "$options: $stderr"
		[[ "$stderr" == *"plugin 'context': "*"$reason"* ]]
		[ ! -e "$BATS_TEST_TMPDIR/started" ]
	done <<-END
		onyl=c1|unknown option 'onyl'; known are file=PATH, format=text|json, events=LIST, types=LIST, only=LIST and datagrams=0|1
		only=|only: '' is nobody; say c1 for the first connection
		only=c1,x1|only: 'x1' is nobody; say c1 for the first connection
		only=c01|only: 'c01' is nobody
		datagrams=no|datagrams=no: known are 0 and 1
		events=befor|'befor' is not an event
		format=xml|format=xml: known are text and json
	END
}

@test "through the bare environment the program runs on, and one line says what is wrong" {
	run -0 --separate-stderr with_shim UVHOOKS_PLUGINS=context:bogus=1 "$PROGRAMS/h3_tcp"
	# shellcheck disable=SC2154 # run sets it
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"plugin 'context': unknown option 'bogus'"* ]]
}

@test "the log plugin can be there too, and says the same of each event but for whom" {
	LOGS=$BATS_TEST_TMPDIR
	with_shim UVHOOKS_PLUGINS="log:file=$LOGS/log,format=json;context:file=$LOGS/context,format=json" \
		"$PROGRAMS/connections" several wake datagrams >"$LOGS/output"
	[ "$(wc -l <"$LOGS/log")" -gt 100 ]
	# Threads have their turns between the two.
	diff <(jq -c 'del(.time_ns)' "$LOGS/log" | sort) <(jq -c 'del(.time_ns, .context)' "$LOGS/context" | sort)
}

@test "events that are asked for are there, also those that a log has not by itself" {
	LOGS=$BATS_TEST_TMPDIR
	OPTIONS=events=fs_call+init with_context "$PROGRAMS/states" requests >"$BATS_TEST_TMPDIR/stdout"
	[ "$(jq -r 'select(.event == "fs_call") | .call' "$LOGS"/*.json)" = stat ]
	[ "$(jq -r .event "$LOGS"/*.json | sort -u | xargs)" = "fs_call init" ]
}
