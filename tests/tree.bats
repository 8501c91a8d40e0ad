#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2154
# uvhooks tree: who caused what in a trace.

load helpers

setup_file() {
	export STORIES=$BATS_FILE_TMPDIR/stories
	for story in busy leaks chain lost empty two ring; do
		"$PYTHON" "$BATS_TEST_DIRNAME/report/stories.py" "$story" "$STORIES/$story"
	done
}

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	cd "$BATS_TEST_TMPDIR" || return 1
	export LC_ALL=C
}

tree() {
	"$uvhooks" tree "${@:2}" "$STORIES/$1"
}

# tree_is STORY OPTION... <<EOF
tree_is() {
	expect_output_of tree "$@"
}

@test "below each resource is what it triggered; the like are put together" {
	tree_is leaks <<-'EOF'
		top level  all below: 5.00 us
		`- 2 TCPSERVERWRAP on_connection  1,001 runs, 3.00 us, with all below 5.00 us, lived 2.00 ms
		   `- 10,... TCPWRAP on_read x 1,000  1,000 runs, 2.00 us, with all below 2.00 us, 1,000 alive
		      |- 11,... TIMERWRAP x 999  0 runs, 999 alive
		      `- 2009 TIMERWRAP on_timeout  1 run, 2 ns, alive
		         `- 5000 FSREQCALLBACK (uv_fs_open) on_open  0 runs, alive
	EOF
}

@test "with --all each resource is there for itself" {
	tree leaks --all >text
	[ "$(wc -l <text)" -eq $((1 + 1 + 2 * 1000 + 1)) ]
	grep -qxF '   |- 12 TCPWRAP on_read  1 run, 2 ns, alive' text
	grep -qxF '   |  `- 13 TIMERWRAP  0 runs, alive' text
}

@test "with an ID there is what caused it, in a line, and what it caused" {
	run -0 "$uvhooks" tree "$STORIES/leaks" 2009
	[ "${lines[0]}" = ' 2009 < 2008 TCPWRAP on_read < 2 TCPSERVERWRAP on_connection < top level' ]
	[ "${lines[1]}" = '2009 TIMERWRAP on_timeout  1 run, 2 ns, alive' ]
	[ "${lines[2]}" = '`- 5000 FSREQCALLBACK (uv_fs_open) on_open  0 runs, alive' ]
	[ "${#lines[@]}" -eq 3 ]
	# Top level is an ID as others are.
	diff <("$uvhooks" tree "$STORIES/leaks" 1) <(tree leaks)
}

@test "an ID that is not there is said, with status 1" {
	run -1 --separate-stderr "$uvhooks" tree "$STORIES/leaks" 1:7
	[ -z "$output" ]
	[ "$stderr" = "uvhooks: nothing of 1:7 is in this trace" ]
}

@test "those that cause their like again and again are one line" {
	# 50,001 timers; each but the last has run for 10 ns.
	tree chain | sed -n 2p >line
	grep -qE '^`- 2,\.\.\. TIMERWRAP on_step x 50,001, up to 50,001 in a row  50,000 runs, 500 us, ' line
	grep -q ', 1 alive$' line
}

@test "a chain of 50,000 needs no deeper stack, and no wider lines" {
	(
		ulimit -s 256
		tree chain --all
	) >text
	[ "$(wc -l <text)" -eq $((1 + 50001)) ]
	grep -qE '\(49999\) `- 50000 TIMERWRAP on_step ' text
	[ "$(wc -L <text)" -lt 200 ]
	tree chain --all --depth 3 >text
	[ "$(wc -l <text)" -eq 5 ]
	grep -q '\.\.\. and 1 below: --depth 7, or --all' text
	"$uvhooks" tree "$STORIES/chain" 40000 | sed -n 2p |
		grep -q '^40000,\.\.\. TIMERWRAP on_step x 10,003, '
}

@test "as JSON it is flat: each resource behind its trigger" {
	tree leaks --json >tree.json
	jq -e '(.resources | length) == 2002 and .complete' tree.json
	jq -e '.resources[0] | .id == "2" and .trigger == "1" and .type == "TCPSERVERWRAP" and
		.callback == "on_connection" and .runs == 1001 and .run_ns == 3001 and
		.below_ns == 3001 + 2000 + 2 and .init_ns == 0 and .destroy_ns == 2e6 + 12' tree.json
	# What a subtree took is the sum of what is in it.
	jq -e '[.resources[] | .run_ns] | add == 3001 + 2000 + 2' tree.json
	jq -e '.resources | [foreach .[] as $one ({"1": true}; .[$one.id] = true; .[$one.trigger])] |
		all' tree.json
	jq -e '.resources[] | select(.id == "5000") | .call == "open" and (has("destroy_ns") | not)' \
		tree.json
	"$uvhooks" tree --json "$STORIES/leaks" 2008 | jq -e '[.resources[].id] == ["2", "2008", "2009", "5000"]'
	tree chain --json | jq -e '.resources | length == 50001'
}

@test "filters keep the line to what passes them" {
	tree_is leaks --type FSREQCALLBACK <<-'EOF'
		top level  all below: 0 ns
		`- 2 TCPSERVERWRAP on_connection  all below: 0 ns
		   `- 2008 TCPWRAP on_read  all below: 0 ns
		      `- 2009 TIMERWRAP on_timeout  all below: 0 ns
		         `- 5000 FSREQCALLBACK (uv_fs_open) on_open  0 runs, alive
	EOF
	tree leaks --json --type FSREQCALLBACK |
		jq -e '[.resources[] | .context] == [true, true, true, null]'
	tree leaks --type TIMERWRAP --from 0.5 | grep -qx 'No event passed the filters.'
	run -1 --separate-stderr "$uvhooks" tree --from 0.5 "$STORIES/leaks" 2
	[ "$stderr" = "uvhooks: nothing of 2 is in this trace that passes the filters" ]
	tree empty | grep -qx 'There are no resources in this trace.'
}

@test "where there are too many resources it says so, and what to do" {
	run -1 --separate-stderr "$uvhooks" tree --limit 100 "$STORIES/leaks"
	[[ $stderr == *"there are more than 100 resources"*"name an ID, use --from and --to or --type, or raise --limit" ]]
	[ -n "$output" ]
	run -1 --separate-stderr "$uvhooks" tree --json --limit 100 "$STORIES/leaks"
	jq -e '(.complete | not) and (.resources | length) == 99' <<<"$output"
	# Under the limit with an ID.
	run -0 "$uvhooks" tree --limit 100 "$STORIES/leaks" 500
	grep -q '^500 TCPWRAP on_read' <<<"$output"
}

@test "what was lost is said first" {
	run -0 --separate-stderr "$uvhooks" tree "$STORIES/lost"
	[[ $stderr == "uvhooks: story-1000: 7 events were lost while recording: "* ]]
}

@test "each process has a tree of its own" {
	tree_is two <<-'EOF'
		twin-1000
		top level  all below: 1.00 us
		`- 2 TIMERWRAP on_timer  1 run, 1.00 us, alive
		twin-1001
		top level  all below: 1.00 us
		`- 2 TIMERWRAP on_timer  1 run, 1.00 us, alive
	EOF
	[ "$(tree two --process 1001 | grep -c '^top level')" -eq 1 ]
}

@test "lines are drawn as the locale allows" {
	LC_ALL=C.UTF-8 tree leaks | grep -qF '      ├─ 11,... TIMERWRAP × 999'
	[ "$(tree leaks | LC_ALL=C grep -c '[^ -~]')" -eq 0 ]
	escape=$'\033'
	tree busy --color=always | grep -q "$escape"
	[ "$(tree busy | grep -c "$escape")" -eq 0 ]
}

@test "the tree of a real program has each resource once, below its trigger" {
	for program in work worker_pool s25_promise; do
		with_shim UVHOOKS_PLUGINS="recorder:dir=$program" "$PROGRAMS/$program" >/dev/null
		"$uvhooks" log --format json --events init "$program" |
			jq -r '"\(.id) \(.trigger)"' | sort >expected
		"$uvhooks" tree --json "$program" |
			jq -r '.resources[] | "\(.id) \(.trigger)"' | sort | diff expected -
		[ -s expected ]
	done
}

@test "wrong usage is refused with what would be right" {
	refuses "the folder of a trace is missing" tree
	refuses "one trace and one ID at a time" tree "$STORIES/leaks" 1 2
	refuses "'x7' is no async id; they are like 7 or 1:7" tree "$STORIES/leaks" x7
	refuses "--depth: '0' is no number from 1 to" tree --depth 0 "$STORIES/leaks"
	refuses "--limit: 'all' is no number from 1 to" tree --limit all "$STORIES/leaks"
	refuses "unknown option '--deep'" tree --deep "$STORIES/leaks"
	refuses "$BATS_TEST_TMPDIR/nowhere" tree "$BATS_TEST_TMPDIR/nowhere"
	refuses "$BATS_TEST_TMPDIR" tree "$BATS_TEST_TMPDIR"
}
