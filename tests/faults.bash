# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the bats files of faults share: a program that something goes wrong with runs in five ways at
# once, and must print and return the same in all of them.
#
#	bare      without the shim
#	dormant   under the shim alone
#	log       with the log plugin
#	recorder  with the recorder
#	flight    with the recorder as a flight recorder, and stacks
#
#	fault WORD...         runs tests/faults/faults with these words in each way, and compares
#	recorded [EXTRA]      ... holds the traces against what the program has counted
#	rows_are_true         the table of docs/faults.md has the tests of this file, and how often
#
#	accounted             ... or, where events were lost, each is counted
#
# Variables: STATUS, the exit status (0); WAYS, only these; PROGRAM, another one; BEFORE, a command in
# front of it; PRELOAD, the libraries, with SHIM for the shim; BARE_PRELOAD, those without it; TRACES,
# where the traces are; PLUGINS, behind those of each way. With OPEN=1 anybody may write there. With
# COUNT_EVENTS=1 a plugin counts what was given to the one before it. With
# COMPLAINS=1 the shim and its plugins may tell on stderr what they have lost.

FAULTS=$UVHOOKS_BUILD/tests/faults
ALL_WAYS='dormant log recorder flight'

uvhooks() {
	"$UVHOOKS_BUILD/tools/uvhooks" "$@"
}

plugins_of() {
	case $1 in
	bare | dormant) ;;
	log) echo "log:file=$2/%p.json,format=json,events=all" ;;
	recorder) echo "recorder:dir=$2" ;;
	flight) echo "recorder:dir=$2,ring=256M;stacks" ;;
	esac
}

# Of what is open here the program gets the first three descriptors alone.
close_others() {
	local path
	for path in /proc/"$BASHPID"/fd/*; do
		[ "${path##*/}" -le 2 ] || eval "exec ${path##*/}>&-"
	done
}

# run_way WAY WORD...: leaves all that is to be known in $RUN/WAY/.
run_way() {
	local way=$1 folder=$RUN/$1 traces=${TRACES:-$RUN/$1}/trace status=0 preload=${PRELOAD:-SHIM}
	local plugins
	shift
	mkdir -p "$folder" "$traces"
	[ "${OPEN:-}" != 1 ] || chmod 777 "$folder" "$traces"
	plugins=$(plugins_of "$way" "$traces")
	[ "$way" = bare ] && preload=${BARE_PRELOAD:-}
	[ "$way" = bare ] || plugins+=${plugins:+${PLUGINS:+;}}${PLUGINS:-}
	[ -z "$plugins" ] || [ "${COUNT_EVENTS:-}" != 1 ] ||
		plugins+=";$UVHOOKS_BUILD/tests/plugins/count_events.so:file=$folder/events"
	# shellcheck disable=SC2086 # BEFORE is words
	(close_others && EXEC="exec" && bare timeout 30 env FAULTS_COUNT="$folder/count" FAULTS_LOG="$traces" UVHOOKS_STRICT=1 \
		UVHOOKS_PLUGINS="$plugins" LD_PRELOAD="${preload//SHIM/$SHIM}" \
		${BEFORE:-} "${PROGRAM:-$FAULTS/faults}" "$@") \
		>"$folder/stdout" 2>"$folder/stderr" </dev/null || status=$?
	echo "$status" >"$folder/status"
	: >"$folder/complaints"
	if [ "${COMPLAINS:-}" = 1 ]; then
		sed -n '/^uvhooks: /p' "$folder/stderr" >"$folder/complaints"
		sed -i '/^uvhooks: /d' "$folder/stderr"
	fi
}

fault() {
	# shellcheck disable=SC2086 # words
	count_times ${WAYS:-$ALL_WAYS}
	RUN=$(mktemp -d "$BATS_TEST_TMPDIR/run-XXXXXX")
	run_ways "$@"
}

# In a shell of its own, which bats does not follow command by command: that takes most of the time.
run_ways() (
	trap - DEBUG
	local way what failed=0
	[ "${OPEN:-}" != 1 ] || chmod 777 "$RUN"
	for way in bare ${WAYS:-$ALL_WAYS}; do
		run_way "$way" "$@" 3>&- &
	done
	wait
	[ "$(cat "$RUN/bare/status")" = "${STATUS:-0}" ] || {
		echo "$*: bare it ended with $(cat "$RUN/bare/status") and said:"
		cat "$RUN/bare/stdout" "$RUN/bare/stderr"
		return 1
	}
	for way in ${WAYS:-$ALL_WAYS}; do
		for what in stdout stderr status; do
			diff -u --label "bare $what" --label "$way $what" "$RUN/bare/$what" "$RUN/$way/$what" ||
				failed=1
		done
	done
	[ "$failed" = 0 ] || echo "faults $* differs"
	return "$failed"
)

# So often, as many as there are arguments, has the test that runs done something to a process of ours.
count_times() {
	echo "$BATS_TEST_DESCRIPTION|$#" >>"$BATS_FILE_TMPDIR/times"
}

# The tests of this file that ran, and all that it has, are in the table of docs/faults.md.
rows_are_true() {
	local file=${BATS_TEST_FILENAME##*/} table=$BATS_TEST_DIRNAME/../docs/faults.md name times wrong
	wrong=$(
		sed -n 's/^@test "\(.*\)" {$/\1/p' "$BATS_TEST_FILENAME" |
			grep -v '^docs/faults.md\|^each test that docs\|^these tests' |
			while read -r name; do
				grep -qF "| $file: $name |" "$table" || echo "no row: $file: $name"
			done
		[ ! -e "$BATS_FILE_TMPDIR/times" ] ||
			awk -F'|' '{ times[$1] += $2 } END { for (name in times) print times[name] "|" name }' \
				<(grep -v '^these tests' "$BATS_FILE_TMPDIR/times") |
			while IFS='|' read -r times name; do
				grep -F "| $file: $name |" "$table" | grep -qE "^\|[^|]*\| $times \|" ||
					echo "$times times: $file: $name"
			done
	)
	echo "$wrong"
	[ -z "$wrong" ]
}

# number WAY INDEX: what the program counted: 0 callbacks, 1 those that had no id, 2 losses of the shim.
number() {
	od -An -t u8 -j $((8 * $2)) -N 8 "$RUN/$1/count" | tr -d ' '
}

# How many lines there are of these events, or of all.
lines_in() {
	local way=$1 traces=${TRACES:-$RUN/$1}/trace
	local events=${2:-.*}
	if [ "$way" = log ]; then
		cat "$traces"/*.json | grep -cE "\"event\":\"(${events//,/|}).*}$"
	else
		uvhooks log --events "${2:-all}" "$traces" 2>/dev/null | wc -l
	fi
}

# recorded [EXTRA]: every callback that the program had is in the trace of each way, but those that had
# no id, and those are counted. At most EXTRA of them had begun and were not counted any more.
recorded() (
	trap - DEBUG
	local way seen counted untraced
	[ "$(number bare 0)" -gt 0 ] || return 1
	for way in ${WAYS:-$ALL_WAYS}; do
		counted=$(number "$way" 0) untraced=$(number "$way" 1)
		[ "$untraced" -eq 0 ] || [ "$(number "$way" 2)" -gt 0 ] || return 1
		[ "$way" != dormant ] || continue
		seen=$(lines_in "$way" before,work_begin)
		echo "$way: $counted callbacks, $seen recorded, $untraced untraced"
		[ $((seen + untraced)) -ge "$counted" ] || return 1
		[ $((seen + untraced)) -le $((counted + ${1:-0})) ] || return 1
		[ "$way" = log ] || [ "$(lost_in "$way")" = 0 ] || return 1
	done
)

# What the plugin says that it has lost.
lost_in() {
	if [ "$1" = log ]; then
		{
			cat "${TRACES:-$RUN/log}"/trace/*.json | jq -R 'fromjson? | .lines // empty'
			sed -n 's/.* log: \([0-9]*\) lines could not.*/\1/p' "$RUN/log/complaints"
		} | awk '{ lines += $1 } END { print lines + 0 }'
	else
		uvhooks report --json "${TRACES:-$RUN/$1}/trace" 2>/dev/null |
			jq '[.processes[] | [.events_discarded, .counters.events_discarded // 0] | max] | add'
	fi
}

accounted() (
	trap - DEBUG
	local way seen counted lost
	for way in ${WAYS:-$ALL_WAYS}; do
		[ "$way" != dormant ] || continue
		counted=$(od -An -t u8 -N 8 "$RUN/$way/events" | tr -d ' ')
		seen=$(lines_in "$way") lost=$(lost_in "$way")
		echo "$way: $counted events, $seen recorded, $lost lost"
		[ "$counted" -gt 1000 ] || return 1
		[ $((seen + lost)) -ge "$counted" ] || return 1
	done
)
