#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a program while a session of LTTng-UST records the tracepoint of lttng_tracepoint.c. To be run
# as root of a mount namespace and a process namespace of its own, so that this daemon is nobody
# else's and ends with the namespace:
#
#	unshare --mount --pid --fork --kill-child --mount-proc lttng_session.sh FOLDER PROGRAM ...
#
# FOLDER is empty. The session keeps the newest events in its buffers and writes none to disk, which
# is when a tracepoint costs least; at the end what is in them is written, and the number of events
# in it goes to FOLDER/events.
set -eu

folder=$1
shift
mount -t tmpfs tmpfs /run
export LTTNG_HOME="$folder" HOME="$folder"
{
	lttng-sessiond --no-kernel --background
	lttng --no-sessiond create bench --snapshot --output="$folder/trace"
	lttng --no-sessiond enable-channel --userspace --subbuf-size=512K --num-subbuf=4 bench
	lttng --no-sessiond enable-event --userspace --channel=bench 'uvhooks_bench:*'
	lttng --no-sessiond start
} >"$folder/log" 2>&1 || {
	cat "$folder/log" >&2
	exit 1
}
# It begins when the session knows it.
status=0
LTTNG_UST_REGISTER_TIMEOUT=20000 "$@" || status=$?
{
	lttng --no-sessiond snapshot record
	lttng --no-sessiond destroy
} >>"$folder/log" 2>&1 || cat "$folder/log" >&2
babeltrace2 "$folder/trace" 2>>"$folder/log" | grep -c uvhooks_bench:three >"$folder/events"
exit "$status"
