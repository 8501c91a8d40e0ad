# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # EXEC is for `bare`
#
# Programs to look into while they run, for the bats files that do.
#
#	target NAME WORD...        starts tests/control/target under the shim; leaves its pid in $PID
#	                           once it says that it is ready
#	end_target NAME            lets it go on to its end; its status is that of this
#	said NAME                  what it wrote, but for "ready PID"
#
# SHIM_SET, an array, is VARIABLE=VALUE for the program. AS, an array, is a command that runs it.

CONTROL=$UVHOOKS_BUILD/tests/control
UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks
SHIM_SET=()
AS=()
# -g: bats reads this file in a function.
declare -gA FDS PIDS

# The program reads from a FIFO that only this shell writes to: it ends, at the latest, with us.
start() {
	local name=$1 fd
	shift
	mkfifo "$BATS_TEST_TMPDIR/$name.in" "$BATS_TEST_TMPDIR/$name.out"
	(
		# It would keep the others waiting.
		for fd in ${FDS[@]+"${FDS[@]}"}; do
			exec {fd}>&-
		done
		EXEC="exec"
		with_shim ${SHIM_SET[@]+"${SHIM_SET[@]}"} ${AS[@]+"${AS[@]}"} "$@"
	) <"$BATS_TEST_TMPDIR/$name.in" >"$BATS_TEST_TMPDIR/$name.out" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
	PIDS[$name]=$!
	exec {fd}>"$BATS_TEST_TMPDIR/$name.in"
	FDS[$name]=$fd
	exec {fd}<"$BATS_TEST_TMPDIR/$name.out"
	FDS[$name.out]=$fd
}

# Reads what it writes up to "ready PID".
wait_ready() {
	local line
	while read -r -t 20 -u "${FDS[$1.out]}" line; do
		case $line in
		"ready "*)
			# shellcheck disable=SC2034 # for the test
			PID=${line#ready }
			return 0
			;;
		esac
		echo "$line" >>"$BATS_TEST_TMPDIR/$1.said"
	done
	echo "$1 did not get ready:"
	cat "$BATS_TEST_TMPDIR/$1.err"
	return 1
}

target() {
	start "$1" "$CONTROL/target" "${@:2}"
	wait_ready "$1"
}

end_target() {
	local status=0
	local fd=${FDS[$1]}
	exec {fd}>&-
	fd=${FDS[$1.out]}
	cat <&"$fd" >>"$BATS_TEST_TMPDIR/$1.said"
	exec {fd}<&-
	unset "FDS[$1]" "FDS[$1.out]"
	wait "${PIDS[$1]}" || status=$?
	unset "PIDS[$1]"
	[ $status -eq 0 ] || cat "$BATS_TEST_TMPDIR/$1.err"
	return $status
}

said() {
	cat "$BATS_TEST_TMPDIR/$1.said"
}

# What a failed test has left.
end_targets() {
	local pid
	for pid in ${PIDS[@]+"${PIDS[@]}"}; do
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
}

ctl() {
	bare "$UVHOOKS" ctl "$@"
}

# is EXPRESSION: does it hold for $output, as JSON?
is() {
	# shellcheck disable=SC2154 # of bats
	jq -e "$1" <<<"$output" >/dev/null || {
		echo "not so: $1"
		echo "$output"
		return 1
	}
}
