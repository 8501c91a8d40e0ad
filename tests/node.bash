# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # for the tests
#
# What the tests of node share, beside helpers.bash.
#
#	node_setup                 in setup_file: NODES, the executables to test, the oldest first
#	node_paths                 prints them, one a line
#	node_same NODE ARG...      bare, under `uvhooks run` and under `uvhooks run -p log`: the same
#
# WRAP, an array, is a command that runs node and all that is before it. STDIN names what it reads.
# NODE_SET is a VARIABLE=VALUE for it. EXPECTED_STATUS is 0 unless set. WAYS may be fewer. NORMALISE
# is a program of sed, for what differs from run to run.

NODE_FOLDER=$BATS_TEST_DIRNAME/node
UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks
WRAP=()
WAYS="bare run log"

# The fetched ones, and the system's own if it too holds its libuv inside.
node_setup() {
	local paths own
	paths=$(UVHOOKS_BUILD=$UVHOOKS_BUILD "$BATS_TEST_DIRNAME/../scripts/node-binaries") || return 1
	own=$(command -v /usr/bin/node || true)
	if [ -n "$own" ] && nm -D --defined-only "$own" 2>/dev/null | grep -q ' T uv_run$'; then
		paths=$own$'\n'$paths
	fi
	export NODES=$paths
	export NEWEST=${paths##*$'\n'}
}

node_paths() {
	echo "$NODES"
}

# What node reads of its environment is the test's alone.
node_env() {
	bare env -u NODE_OPTIONS -u NODE_PATH -u NODE_DEBUG -u FORCE_COLOR -u NO_COLOR -u UV_THREADPOOL_SIZE \
		HOME="$BATS_TEST_TMPDIR" TERM=dumb LC_ALL=C.UTF-8 ${NODE_SET:+"$NODE_SET"} "$@"
}

# Leaves the logs in $LOGS, PID.json, and the output in $LOGS/bare.stdout and so on.
node_same() {
	local folder way status failed=0 prefix what program
	folder=$(mktemp -d "$BATS_TEST_TMPDIR/ways-XXXXXX")
	LOGS=$folder
	for way in $WAYS; do
		case $way in
		bare) prefix=() ;;
		run) prefix=("$UVHOOKS" run --) ;;
		log) prefix=("$UVHOOKS" run -p "log:file=$folder/%p.json,format=json" --) ;;
		esac
		status=0
		# In a shell that becomes the command, so that no shell reports in its stderr how it died.
		(EXEC="exec" && node_env timeout -k 5 60 ${WRAP[@]+"${WRAP[@]}"} ${prefix[@]+"${prefix[@]}"} "$@") \
			>"$folder/$way.stdout" 2>"$folder/$way.stderr" <"${STDIN:-/dev/null}" || status=$?
		echo "$status" >"$folder/$way.status"
		if [ -n "${NORMALISE:-}" ]; then
			sed -i -E "$NORMALISE" "$folder/$way.stdout" "$folder/$way.stderr"
		fi
	done
	program="$(basename "$(dirname "$(dirname "$1")")") ${*:2}"
	if [ "$(cat "$folder/bare.status")" -ne "${EXPECTED_STATUS:-0}" ]; then
		echo "$program fails without the shim, with $(cat "$folder/bare.status"):"
		cat "$folder/bare.stdout" "$folder/bare.stderr"
		return 1
	fi
	for way in ${WAYS#bare }; do
		for what in stdout stderr status; do
			if ! cmp -s "$folder/bare.$what" "$folder/$way.$what"; then
				echo "$program differs with $way in its $what:"
				diff -u --label bare --label "$way" "$folder/bare.$what" "$folder/$way.$what" |
					head -n 40 || :
				failed=1
			fi
		done
	done
	[ -n "$(find "$folder" -name '*.json')" ] || {
		echo "nothing of $program was seen"
		failed=1
	}
	[ $failed -ne 0 ] || check_events "$folder"/*.json || failed=1
	return $failed
}
