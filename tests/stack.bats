#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # lines and stderr are set by run
# uvhooks stack: where a resource was made, and what triggered it, up to top-level code.

load helpers

setup_file() {
	export STORIES=$BATS_FILE_TMPDIR/stories
	export TRACES=$BATS_FILE_TMPDIR/traces
	for story in chain leaks two; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$STORIES/$story"
	done
	mkdir "$TRACES"
	record --stacks -o "$TRACES/chain" -- "$UVHOOKS_BUILD/tests/stack/chain" 50
	record -o "$TRACES/bare" -- "$UVHOOKS_BUILD/tests/stack/chain" 50
}

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	cd "$BATS_TEST_TMPDIR" || return 1
	export LC_ALL=C
}

record() {
	bare "$UVHOOKS_BUILD/tools/uvhooks" record "$@" >"$BATS_FILE_TMPDIR/record.out" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/record.out"
		return 1
	}
}

# The id of the latest resource of a type in a trace, alive or not.
latest() {
	bare "$uvhooks" tree --json "$1" |
		jq -r --arg type "$2" '[.resources[] | select(.type == $type).id] | last'
}

# "chain.c:12": the line of tests/stack/chain.c with this comment.
line() {
	echo "chain.c:$(grep -nF "/* $1 */" "$BATS_TEST_DIRNAME/stack/chain.c" | cut -d: -f1)"
}

# Without the times, which differ.
stack() {
	bare "$uvhooks" stack "$@" | sed 's/  made at .*//'
}

# From the line behind a call on: where it returns to is the same, in each stack.
in_main() {
	grep -nF 'uv_run(' "$BATS_TEST_DIRNAME/stack/chain.c" | sed 's/\([0-9]*\):.*/chain.c:\1 in main/'
}

@test "each trigger is told with the stack that it was made on, up to top level" {
	expect_output_of stack "$TRACES/chain" "$(latest "$TRACES/chain" WRITEWRAP)" <<-EOF
		7 WRITEWRAP (uv_write_t) on_write
		    made:
		      $(line 'the write is made') in on_connect
		      $(in_main)
		triggered by
		4 TCPWRAP (uv_tcp_t)
		    made:
		      $(line 'the client is made') in on_first
		      $(in_main)
		triggered by
		3 TIMERWRAP (uv_timer_t) on_first
		    made:
		      $(line 'the first is made') in main
		    armed:
		      $(line 'the first is armed') in main
		triggered by top level
	EOF
}

@test "what has made its like again and again is told once, though all of it is gone" {
	stack "$TRACES/chain" "$(latest "$TRACES/chain" TIMERWRAP)" >found
	[ "$(grep -c on_next found)" -eq 3 ]
	grep -qxF "... 50 more like this: TIMERWRAP from $(line 'the next is made') in make_next" found
	[ "$(grep -c '^triggered by' found)" -eq 4 ]
	grep -qF WRITEWRAP found
	[ "$(tail -n 1 found)" = 'triggered by top level' ]
}

@test "--depth limits how many triggers are told" {
	local id
	id=$(latest "$TRACES/chain" WRITEWRAP)
	stack --depth 2 "$TRACES/chain" "$id" >found
	[ "$(grep -c '^[0-9]' found)" -eq 2 ]
	[ "$(tail -n 1 found)" = '... 1 more up to the first: --depth 4' ]
	[ "$(stack --depth 4 "$TRACES/chain" "$id" | tail -n 1)" = 'triggered by top level' ]
}

@test "-v tells whole stacks, with all files, and what is inlined" {
	stack -v "$TRACES/chain" "$(latest "$TRACES/chain" TIMERWRAP)" >found
	grep -qE '^      /.*/tests/stack/chain.c:[0-9]+ in make_next \(inlined\)$' found
	grep -qE '^      (uv_run \(/.*libuv.*\+0x[0-9a-f]+\)|/.*/core.c:[0-9]+ in uv_run)$' found
	grep -qE '^      (_start \(/.*/chain\+0x|/.*/start.S:[0-9]+ in _start)' found
}

@test "--json tells everything: the whole chain, and each stack once" {
	bare "$uvhooks" stack --json "$TRACES/chain" "$(latest "$TRACES/chain" TIMERWRAP)" >found.json
	jq -e '.version == 1 and (.resources | length) == 1' found.json
	jq -e '.resources[0] | .alive and .runs == 1 and .root == "top level"' found.json
	jq -e '.resources[0].chain | length == 54' found.json
	jq -e '.resources[0].chain[0] | .type == "TIMERWRAP" and .uv_type == "uv_timer_t" and
		.callback == "on_next" and .at_ns > 0 and .made.function == "make_next"' found.json
	[ "chain.c:$(jq '.resources[0].chain[1].made.line' found.json)" = "$(line 'the next is made')" ]
	jq -e '[.resources[0] | .stacks as $stacks | .chain[] | .made_stack, .armed_stack |
		select(. != null) | $stacks[tostring] | length > 1] | all' found.json
	jq -e '.resources[0] | (.stacks | length) == 8' found.json
	jq -e '.resources[0] | .stacks[.chain[0].made_stack | tostring] |
		.[0].inlined and .[0].origin == "program" and .[-1].origin == "runtime"' found.json
}

@test "without an ID there are the places where resources were made, first what is alive" {
	run -0 bare "$uvhooks" stack "$TRACES/chain"
	[[ ${lines[0]} == *alive*made*type*callback*'made at'*id ]]
	[[ ${lines[1]} =~ ^\ +1\ +51\ +TIMERWRAP\ +on_next\ +"$(line 'the next is made') in make_next"\ +[0-9]+,\ \.\.\.$ ]]
	[[ $output == *" 0     1  WRITEWRAP "*" on_write "*"$(line 'the write is made') in on_connect"* ]]
	# The most of what is alive first, and the example is alive.
	run -0 bare "$uvhooks" stack "$STORIES/leaks"
	[[ ${lines[1]} =~ ^\ +1,000\ +1,000\ +TCPWRAP\ +on_read ]]
	bare "$uvhooks" stack --type uv_timer_t --json "$TRACES/chain" >sites.json
	jq -e '.sites | length == 2 and .[0].alive == 1 and .[0].count == 51' sites.json
	jq -e '.sites[0].made | .function == "make_next" and .origin == "program"' sites.json
	[ "$(latest "$TRACES/chain" TIMERWRAP)" = "$(jq -r '.sites[0].id' sites.json)" ]
}

@test "without stacks the chain stands alone, and how to record them is said" {
	expect_output_of stack "$TRACES/bare" "$(latest "$TRACES/bare" WRITEWRAP)" <<-EOF
		7 WRITEWRAP (uv_write_t) on_write
		triggered by
		4 TCPWRAP (uv_tcp_t)
		triggered by
		3 TIMERWRAP (uv_timer_t) on_first
		triggered by top level
		There are no stacks in this trace; record with stacks: uvhooks record --stacks -o DIR -- PROGRAM
	EOF
	run -0 bare "$uvhooks" stack "$TRACES/bare"
	[[ ${lines[1]} =~ on_next\ +-\ +[0-9]+ ]]
	[[ ${lines[-1]} == 'There are no stacks in this trace;'* ]]
}

@test "a chain of 50,000 is told in a few lines, and whole for programs" {
	expect_output_of stack "$STORIES/chain" 50002 <<-EOF
		50002 TIMERWRAP (uv_timer_t) on_step
		... 50,000 more like this: TIMERWRAP
		triggered by top level
		There are no stacks in this trace; record with stacks: uvhooks record --stacks -o DIR -- PROGRAM
	EOF
	bare "$uvhooks" stack --json "$STORIES/chain" 50002 | jq -e '.resources[0].chain | length == 50001'
	# No more than --limit says is kept of what comes before.
	run -1 --separate-stderr bare "$uvhooks" stack --limit 1000 "$STORIES/chain" 50002
	[[ $stderr == *'more than 1000 resources'*'--limit'* ]]
}

@test "an id that several processes have is told of each, or of the one that is named" {
	run -0 stack "$STORIES/two" 2
	[ "${lines[0]}" = twin-1000 ]
	[ "${lines[3]}" = twin-1001 ]
	run -0 stack --process 1001 "$STORIES/two" 2
	[ "${lines[0]}" = twin-1001 ]
	[ "${#lines[@]}" -eq 4 ]
}

@test "an id that is not in the trace is said, and so is what is none" {
	run -1 --separate-stderr bare "$uvhooks" stack "$TRACES/chain" 9999
	[ -z "$output" ]
	[[ $stderr == *'there is no 9999 in this trace'* ]]
	run -1 --separate-stderr bare "$uvhooks" stack "$TRACES/chain" 1
	[[ $stderr == *'1 is no resource: it stands for top-level code'* ]]
	run -2 bare "$uvhooks" stack "$TRACES/chain" timer
	[[ $output == *"'timer' is no async id"* ]]
	run -2 bare "$uvhooks" stack "$TRACES/chain" 7 8
	run -2 bare "$uvhooks" stack --depth 0 "$TRACES/chain" 7
	run -2 bare "$uvhooks" stack "$BATS_TEST_TMPDIR/none" 7
}

@test "the program does the same with and without its stacks recorded" {
	run -0 bare "$UVHOOKS_BUILD/tests/stack/chain" 50
	local plain=$output
	[ "$(bare "$uvhooks" record --stacks -o again -- "$UVHOOKS_BUILD/tests/stack/chain" 50 2>err)" = "$plain" ]
}
