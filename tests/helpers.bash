# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the bats files share. UVHOOKS_BUILD names the build folder to test.
#
#	uvhooks_events [-s] PROGRAM [ARGUMENT...]
#	events KIND...              prints the events of $LOG, one a line
#	events_of ID KIND...        ... of one resource
#	expect_trace KIND... <<EOF  compares them with what is expected
#	callbacks_of ID             prints which callbacks of it were called
#	runs_the_same PROGRAM...    bare, with the shim, with shim and log
#
# A KIND is the name of an event, `node` (init, before, after, destroy) or `all`.

bats_require_minimum_version 1.5.0

UVHOOKS_BUILD=${UVHOOKS_BUILD:-$BATS_TEST_DIRNAME/../build}
if [ ! -e "$UVHOOKS_BUILD/shim/libuvhooks.so" ]; then
	echo "there is no shim in $UVHOOKS_BUILD: build first, or set UVHOOKS_BUILD" >&2
	exit 1
fi
UVHOOKS_BUILD=$(cd "$UVHOOKS_BUILD" && pwd)
PROGRAMS=$UVHOOKS_BUILD/tests/programs
SHIM=$UVHOOKS_BUILD/shim/libuvhooks.so
# The system's, rather than a version manager's stand-in for it, which is slow to start.
PYTHON=$(command -v /usr/bin/python3 || command -v python3)

# Runs a command with an empty set of UVHOOKS_ variables, whatever the caller's are. EXEC=exec makes
# it the last that the shell does.
bare() {
	${EXEC:-} env -u LD_PRELOAD -u UVHOOKS_PLUGINS -u UVHOOKS_PLUGIN_PATH -u UVHOOKS_FOLLOW \
		-u UVHOOKS_VERBOSE -u UVHOOKS_STRICT -u UVHOOKS_LONGJMP -u UVHOOKS_FLUSH_AT_EXIT \
		-u UVHOOKS_LAUNCHED -u UVHOOKS_DISABLE -u UVHOOKS_SKIP TMPDIR="$BATS_TEST_TMPDIR" "$@"
}

# Runs a command under the shim alone.
with_shim() {
	bare env LD_PRELOAD="$SHIM" "$@"
}

# Runs a command under the shim and the log plugin. Each process of the tree has a file of its own,
# $LOGS/PID.json. VARIABLE=VALUE may come before the command; MORE_PLUGINS are loaded, too.
with_log() {
	with_shim UVHOOKS_PLUGINS="log:file=$LOGS/%p.json,format=json${LOG_OPTIONS:+,$LOG_OPTIONS}${MORE_PLUGINS:+;$MORE_PLUGINS}" "$@"
}

# Runs a program of tests/programs under the shim, strictly, with every event logged. Leaves the log
# of the program itself in $LOG, those of all processes in $LOGS, its output in $output, and fails if
# the program does.
uvhooks_events() {
	local program=$PROGRAMS/$1
	shift
	LOGS=$(mktemp -d "$BATS_TEST_TMPDIR/logs-XXXXXX")
	local status=0
	# shellcheck disable=SC2016 # the inner shell's $$ is the program's pid
	with_log UVHOOKS_STRICT="${UVHOOKS_STRICT-1}" sh -c 'echo $$ > "$0"; exec "$@"' \
		"$LOGS/pid" "$program" "$@" >"$LOGS/stdout" 2>"$LOGS/stderr" || status=$?
	# shellcheck disable=SC2034 # for the test
	output=$(cat "$LOGS/stdout" "$LOGS/stderr")
	LOG=$LOGS/$(cat "$LOGS/pid").json
	if [ "$status" -ne "${EXPECTED_STATUS:-0}" ]; then
		echo "$program $* ended with $status and said:"
		cat "$LOGS/stdout" "$LOGS/stderr"
		return 1
	fi
	[ -e "$LOG" ] || : >"$LOG"
}

# The one line of an event. What comes behind the id is only what says something: the execution id
# where it is not the trigger, flags where there are any.
# shellcheck disable=SC2016 # a program of jq, not of the shell
EVENT_LINE='
	def flags: [.flags[]?] | map(" " + .) | add // "";
	def execution: if .execution == .trigger then "" else " e" + .execution end;
	def line:
		if .event == "init" then
			"init \(.id) \(.type) t\(.trigger)" + execution + (if .call then " \(.call)" else "" end)
		elif .event == "type_change" then "type_change \(.id) \(.type)"
		elif .event == "start" then "start \(.id) e\(.execution)"
		elif .event == "wakeup" then "wakeup \(.id) from \(.sender)"
		elif .event == "link" then "link \(.id)->\(.other)"
		else "\(.event) \(.id)"
		end + flags;
	def chosen($kinds): .event as $event
		| $kinds | any(. == "all" or . == $event or
			(. == "node" and ($event | IN("init", "before", "after", "destroy"))));
'

events() {
	jq -r "$EVENT_LINE"'select(chosen($ARGS.positional)) | line' "$LOG" --args "$@"
}

events_of() {
	local id=$1
	shift
	jq -r --arg id "$id" "$EVENT_LINE"'select(.id == $id and chosen($ARGS.positional)) | line' \
		"$LOG" --args "$@"
}

# The callbacks of a resource that were called, by name.
callbacks_of() {
	jq -r --arg id "$1" 'select(.event == "before" and .id == $id) | .callback' "$LOG"
}

# How many events of a kind and a type of resource there are.
count_of() {
	jq -r --arg event "$1" --arg type "$2" \
		'select(.event == $event and .type == $type) | .id' "$LOG" | wc -l
}

# Compares the text on stdin with the output of a command.
expect_output_of() {
	diff -u --label expected --label seen - <("$@")
}

expect_trace() {
	expect_output_of events "$@"
}

# expect_trace_of ID KIND... <<EOF
expect_trace_of() {
	expect_output_of events_of "$@"
}

# The id of the Nth resource of a type in $LOG, counting from 1.
id_of() {
	jq -r --arg type "$1" 'select(.event == "init" and .type == $type) | .id' "$LOG" |
		sed -n "${2:-1}p"
}

# Do the rules that every stream of events keeps hold? Takes what check_events.py takes.
check_events() {
	"$PYTHON" "$BATS_TEST_DIRNAME/check_events.py" "$@"
}

# Runs a command in the three ways and compares stdout, stderr and status with the bare run. Prints
# the differences; leaves the logs in $LOGS.
runs_the_same() {
	local folder way status failed=0
	folder=$(mktemp -d "$BATS_TEST_TMPDIR/ways-XXXXXX")
	LOGS=$folder
	for way in bare with_shim with_log; do
		status=0
		# In a shell that becomes the command, so that no shell reports in its stderr how it died.
		(EXEC="exec" && "$way" "$@") >"$folder/$way.stdout" 2>"$folder/$way.stderr" </dev/null || status=$?
		echo "$status" >"$folder/$way.status"
	done
	for way in with_shim with_log; do
		for what in stdout stderr status; do
			if ! cmp -s "$folder/bare.$what" "$folder/$way.$what"; then
				echo "$* differs $way in its $what:"
				diff -u --label bare --label "$way" "$folder/bare.$what" "$folder/$way.$what" || :
				failed=1
			fi
		done
	done
	return "$failed"
}

# prints LINE...: these are among what runs_the_same printed, bare.
prints() {
	local line
	for line; do
		grep -qxF -- "$line" "$LOGS/bare.stdout" || {
			echo "it did not print: $line"
			cat "$LOGS/bare.stdout" "$LOGS/bare.stderr"
			return 1
		}
	done
}

# saw EVENT TYPE...: there is at least one such event for each of the types, in any process.
saw() {
	local event=$1 type seen
	shift
	seen=$(jq -r --arg event "$event" 'select(.event == $event) | .type' "$LOGS"/*.json | sort -u)
	for type; do
		grep -qx "$type" <<<"$seen" || {
			echo "no $event of a $type; there were: $seen"
			return 1
		}
	done
}

# refuses MESSAGE VERB ARGUMENT...: with status 2, and a line on stderr that has the message in it.
refuses() {
	local message=$1
	shift
	run -2 --separate-stderr "$UVHOOKS_BUILD/tools/uvhooks" "$@"
	[ -z "$output" ]
	# shellcheck disable=SC2154 # of bats
	[[ ${stderr_lines[0]} == *"$message"* ]] || {
		echo "$* said: $stderr"
		return 1
	}
}
