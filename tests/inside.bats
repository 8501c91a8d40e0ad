#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2034
# Programs that have libuv inside: the events are those of the same program with libuv as a library.

load helpers
load versions

setup_file() {
	"$BATS_TEST_DIRNAME/inside/link" "$UVHOOKS_BUILD" "$BATS_FILE_TMPDIR"
	for program in steady_program calls_inside; do
		compile "$program" "$BATS_FILE_TMPDIR/shared-$program" cc -O2
	done
}

setup() {
	INSIDE=$BATS_FILE_TMPDIR/tests/programs
	ARCHIVE=$(pkg-config --variable=libdir libuv)/libuv_a.a
}

# compile NAME OUTPUT COMPILER...: a program of tests/inside or tests/programs; with the archive in
# $WITH if that is set, else with the library.
compile() {
	local name=$1 output=$2 source file
	shift 2
	for file in "$BATS_TEST_DIRNAME"/{inside,programs}/"$name".c; do
		[ ! -e "$file" ] || source=$file
	done
	"$@" -g -D_GNU_SOURCE -Wall -Wextra -Werror -I"$BATS_TEST_DIRNAME/../include" -o "$output" \
		"$source" -Wl,--as-needed "${WITH:--luv}" -lpthread -ldl -lrt
}

# play FOLDER PROGRAM...: runs it under the shim, strictly. Leaves in FOLDER what it said, how it ended
# and its events; not those of its children.
play() {
	local folder=$1 status=0
	shift
	rm -rf "$folder"
	mkdir -p "$folder"
	# shellcheck disable=SC2016 # the inner shell's $$ is the program's pid
	LOGS=$folder with_log UVHOOKS_STRICT=1 UVHOOKS_TEST_COUNTERS="$folder/counters" timeout 60 sh -c \
		'echo $$ >"$0"; exec "$@"' "$folder/pid" "$@" >"$folder/stdout" 2>"$folder/stderr" || status=$?
	echo "$status" >"$folder/status"
	mv "$folder/$(cat "$folder/pid").json" "$folder/events"
}

# same LEVEL ONE OTHER: do two programs say the same, and are their events the same? LEVEL is one of
# same_events.py's. What the kernel or threads decide may come differently once, but not always.
same() {
	local level=$1 folder
	folder=$(mktemp -d "$BATS_TEST_TMPDIR/same-XXXXXX")
	for _ in 1 2 3 4 5 6 7 8; do
		# shellcheck disable=SC2086 # a command is words
		play "$folder/one" $2
		# shellcheck disable=SC2086
		play "$folder/other" $3
		if "$PYTHON" "$BATS_TEST_DIRNAME/inside/same_events.py" "$level" "$folder/one/events" \
			"$folder/other/events" >"$folder/difference"; then
			break
		fi
	done
	if [ -s "$folder/difference" ]; then
		echo "$3 differs from $2 each time:"
		cat "$folder/difference"
		return 1
	fi
	for what in stdout stderr status; do
		diff "$folder/one/$what" "$folder/other/$what" || return 1
	done
	[ "$(cat "$folder/other/status")" = 0 ]
}

# Runs a command for each line of stdin, two at once; fails if one of them does.
in_two_rows() {
	local line pids=() failed=0
	while read -r line; do
		# shellcheck disable=SC2086 # a line is words
		"$@" $line &
		pids+=($!)
		if [ ${#pids[@]} -ge 2 ]; then
			wait "${pids[0]}" || failed=1
			pids=("${pids[@]:1}")
		fi
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
	return "$failed"
}

# How far the events of a program are the same each time.
level_of() {
	case $1 in
	loops | many_threads | s02_spaces | s05_trigger | s26_requests | worker_pool) echo shapes ;; # threads race for loops and tasks
	# as many reads and signals as come; threads race for the last word
	connections | crossing | fork_pool | s10_destroy_twice | s26_clients | s26_threads | signals) echo kinds ;;
	*) echo threads ;;
	esac
}

# The scene that is enough of a program which in all of them would tell a hundred thousand times the same.
scene_of() {
	case $1 in
	s13_deep) echo thousand ;;
	many_threads) echo plain ;;
	esac
}

same_inside() {
	local scene
	scene=$(scene_of "$1")
	same "$(level_of "$1")" "$PROGRAMS/$1 $scene" "$INSIDE/$1 $scene" || {
		echo "$1"
		return 1
	}
}

# Random by time, or too much to write down.
programs() {
	find "$INSIDE" -type f -printf '%f\n' | grep -vxE 'random_program|random_stores|million_timers' | sort
}

@test "these programs have libuv inside, and it is patched" {
	programs | wc -l
	[ "$(programs | wc -l)" -ge 40 ]
	for program in $(programs); do
		run ! grep -q 'libuv\.so' <(ldd "$INSIDE/$program")
	done
	with_shim UVHOOKS_VERBOSE=1 "$INSIDE/h1_timer" once 2>&1 >/dev/null |
		grep -E 'libuv .* in the program: [0-9]+ functions found, [1-9][0-9]+ patched, .*; patched$'
}

@test "their events are those of the same objects linked with the library" {
	in_two_rows same_inside < <(programs)
}

@test "they say and return what they do without the shim" {
	for program in h1_timer h3_tcp h9_throw h9_longjmp h9_thread_end failing_calls fork ends every_type \
		million_timers; do
		[ "$program" != million_timers ] || local -x LOG_OPTIONS=events=type_change UVHOOKS_TEST_TIMERS=100000
		runs_the_same "$INSIDE/$program"
	done
}

# Compares the steady program of $1 with the one that has the library, for a seed.
same_seed() {
	same threads "$BATS_FILE_TMPDIR/shared-steady_program $2 ${3:-400}" "$1 $2 ${3:-400}" || {
		echo "seed $2"
		return 1
	}
}

@test "random programs that are the same each time are so with libuv inside" {
	WITH=$ARCHIVE compile steady_program "$BATS_TEST_TMPDIR/steady_program" cc -O2
	seq 1 24 | in_two_rows same_seed "$BATS_TEST_TMPDIR/steady_program"
	in_two_rows same_seed "$BATS_TEST_TMPDIR/steady_program" <<<'25 4000'
	check_events --ended "$BATS_TEST_TMPDIR"/same-*/*/events
	cat "$BATS_TEST_TMPDIR"/same-*/*/counters >"$BATS_TEST_TMPDIR/counters"
	run ! grep -v ' 0$' "$BATS_TEST_TMPDIR/counters"
	# It did what it is for.
	cat "$BATS_TEST_TMPDIR"/same-*/other/events >"$BATS_TEST_TMPDIR/all"
	for type in TIMERWRAP IDLEWRAP ASYNCWRAP PIPEWRAP UDPWRAP SIGNALWRAP POLLWRAP FSREQCALLBACK WORKREQ \
		RANDOMREQ WRITEWRAP SHUTDOWNWRAP UDPSENDWRAP UVTHREAD; do
		grep -q "\"event\":\"destroy\",.*\"type\":\"$type\"" "$BATS_TEST_TMPDIR/all"
	done
	grep -q '"loop":2,' "$BATS_TEST_TMPDIR/all"
}

@test "random programs of all kinds keep the rules with libuv inside" {
	UVHOOKS_BUILD=$BATS_FILE_TMPDIR UVHOOKS_TEST_SEEDS='1 25' \
		inner_bats -f '^random programs keep the rules$' "$BATS_TEST_DIRNAME/properties.bats"
}

# A build of the program and one of libuv, of each kind.
same_build() {
	local archive=$1 name=$2 builder=("${@:3}") scratch seed
	scratch=$(mktemp -d "$BATS_TEST_TMPDIR/build-XXXXXX")
	case $archive in
	debian) archive=$ARCHIVE ;;
	*) archive=$("$BATS_TEST_DIRNAME/inside/libuv" "${archive%-O*}" "-O${archive#*-O}") ;;
	esac
	if [ "$name" = steady_program ]; then
		WITH=$archive compile "$name" "$scratch/$name" "${builder[@]}"
		for seed in 31 32; do
			same_seed "$scratch/$name" "$seed"
		done
	else
		WITH=$archive compile "$name" "$scratch/$name" "${builder[@]}"
		same threads "$PROGRAMS/$name" "$scratch/$name"
	fi || {
		echo "built with ${builder[*]}, libuv inside as $1"
		return 1
	}
}

@test "the events are the same for each compiler and optimisation, of the program and of libuv" {
	in_two_rows same_build <<-EOF
		debian steady_program gcc -O0
		debian steady_program gcc -Os
		debian steady_program gcc -O3 -fcf-protection=full
		debian steady_program clang -O2
		debian steady_program gcc -O2 -static-pie -fno-pie -no-pie
		gcc-O0 steady_program gcc -O0
		gcc-O0 steady_program gcc -O2
		clang-O3 steady_program clang -O2
		clang-O3 steady_program gcc -Os
		gcc-O0 h6_inside clang -O2
		clang-O3 h6_inside clang -O2
		clang-O3 h4_close_pending clang -O2
		clang-O3 h8_second_start clang -Os
		clang-O3 start_stop clang -O2
		debian h9_longjmp clang -O2
	EOF
}

@test "the program's code that runs inside libuv is not taken for libuv's" {
	WITH=$ARCHIVE compile calls_inside "$BATS_TEST_TMPDIR/plain" cc -O0
	WITH=$ARCHIVE compile calls_inside "$BATS_TEST_TMPDIR/quick" cc -O2
	WITH=$ARCHIVE compile calls_inside "$BATS_TEST_TMPDIR/clang" clang -O2
	for scene in allocator alloc_callback alloc_callback_jumps walk fork_handlers beside_own_calls; do
		for program in plain quick clang; do
			same shapes "$BATS_FILE_TMPDIR/shared-calls_inside $scene" \
				"$BATS_TEST_TMPDIR/$program $scene"
		done
	done
	check_events --ended "$BATS_TEST_TMPDIR"/same-*/*/events
	# The calls from inside are the program's.
	grep -q '"event":"start",.*on_idle' "$BATS_TEST_TMPDIR"/same-*/other/events
}

@test "two runs that differ in one event are told apart" {
	play "$BATS_TEST_TMPDIR/one" "$INSIDE/start_stop"
	grep -v '"event":"stop","id":"2"' "$BATS_TEST_TMPDIR/one/events" >"$BATS_TEST_TMPDIR/without"
	for level in exact threads shapes kinds; do
		"$PYTHON" "$BATS_TEST_DIRNAME/inside/same_events.py" "$level" "$BATS_TEST_TMPDIR/one/events" \
			"$BATS_TEST_TMPDIR/one/events"
	done
	for level in exact threads shapes; do
		run -1 "$PYTHON" "$BATS_TEST_DIRNAME/inside/same_events.py" "$level" \
			"$BATS_TEST_TMPDIR/one/events" "$BATS_TEST_TMPDIR/without"
	done
	sed '0,/on_timer/s//on_other/' "$BATS_TEST_TMPDIR/one/events" >"$BATS_TEST_TMPDIR/without"
	run -1 "$PYTHON" "$BATS_TEST_DIRNAME/inside/same_events.py" kinds "$BATS_TEST_TMPDIR/one/events" \
		"$BATS_TEST_TMPDIR/without"
}
