#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The same scene in JavaScript, as Node's own async_hooks tell it, and in C++, as the shim does: the same
# events with the same ids in the same order.

load helpers
load node

setup_file() {
	node_setup
}

# The scenes of the program; those of the script are called alike.
scenes() {
	bare "$PROGRAMS/embedder_parity" | sed -n 's/^scene //p'
}

# Ids in the order in which resources are made, from 2 on: Node may have made others between. 0 and 1
# mean the same to both. An id of a resource that is not shown is a question.
renumbered() {
	awk '
		function id(given) {
			return given < 2 ? given : (given in known ? known[given] : "?")
		}
		$1 == "init" {
			known[$2] = ++count + 1
			print $1, known[$2], $3, "t" id(substr($4, 2)), "e" id(substr($5, 2))
			next
		}
		{ print $1, id($2), "e" id(substr($3, 2)) }
	'
}

# told_by_node NODE SCENE
told_by_node() {
	node_env timeout -k 5 60 "$1" --expose-internals "$NODE_FOLDER/embedder_parity.js" "$2" | renumbered
}

# told_by_shim SCENE KIND...: what Node calls a Timeout is a timer of libuv's here. No promise's end is
# compared, and what ends with the loop did not end by itself.
told_by_shim() {
	uvhooks_events embedder_parity "$1"
	jq -r --arg events " $2 " '
		.event as $event | select($events | contains(" \($event) ")) | select(.flags != ["loop_closed"]) |
		if .event == "init" then
			"init \(.id) \(if .type == "TIMERWRAP" then "Timeout" else .type end) " +
			"t\(.trigger) e\(.execution)"
		else "\(.event) \(.id) e\(.execution)" end' "$LOG" | renumbered
}

# same_told NODE SCENE
same_told() {
	local events="init before after promise_resolve"
	case $2 in
	then | chain | two_children | promise_inside | then_inside) ;;
	*) events+=" destroy" ;;
	esac
	told_by_node "$1" "$2" >"$BATS_TEST_TMPDIR/node"
	told_by_shim "$2" "$events" >"$BATS_TEST_TMPDIR/shim"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/node")" -ge 6 ]
	diff -u "$BATS_TEST_TMPDIR/node" "$BATS_TEST_TMPDIR/shim"
}

@test "every scene, with each node" {
	local node scene failed=() count=0
	while read -r node; do
		while read -r scene; do
			count=$((count + 1))
			same_told "$node" "$scene" || failed+=("$node $scene")
		done < <(scenes)
	done < <(node_paths)
	echo "$count scenes; not the same: ${failed[*]}"
	[ "${#failed[@]}" = 0 ]
	[ "$count" -ge 13 ]
}

@test "the scenes of the program are those of the script" {
	grep -oP '^\t\K\w+(?=\(\) \{$)' "$NODE_FOLDER/embedder_parity.js" | diff <(scenes) -
}

@test "the program does the same bare, and its log keeps the rules" {
	runs_the_same "$PROGRAMS/embedder_parity"
	for scene in $(scenes); do
		uvhooks_events embedder_parity "$scene"
		check_events --ended --named-triggers "$LOG"
	done
}

@test "the comparison finds what differs" {
	same_told "$NEWEST" nested
	# A wrong trigger, an event too many or too few, another order.
	for edit in 's/t3 e2/t2 e2/' '4p' '6d' '$!N;s/\(.*\)\n\(.*\)/\2\n\1/'; do
		sed -e "$edit" "$BATS_TEST_TMPDIR/shim" >"$BATS_TEST_TMPDIR/wrong"
		run -1 diff -q "$BATS_TEST_TMPDIR/node" "$BATS_TEST_TMPDIR/wrong"
	done
	# An id that no shown resource has is none of theirs.
	[ "$(renumbered <<<"init 9 A t7 e1")" = "init 2 A t? e1" ]
}
