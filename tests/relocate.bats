#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The entries of libuv's functions are moved as a patched program needs it: everything that is
# intercepted can be, in every libuv that is found or built here, and does what it did.
#
# RELOCATE_ALL=1 builds and runs many more (see tests/relocate/variant); that takes some minutes.
# FUZZ_SECONDS says how long to feed it with random bytes.

load helpers

RELOCATE=$UVHOOKS_BUILD/tests/relocate/relocate
PATCH_ALL=$UVHOOKS_BUILD/tests/relocate/patch_all.so
TREE=$BATS_TEST_DIRNAME/relocate
SCRIPTS=$BATS_TEST_DIRNAME/../scripts

# Compilers and options that make the entries of functions look different. The installed one is by gcc -O2.
some_variants() {
	local options
	for options in "gcc -O0 -pg" "gcc -Os -fcf-protection=full" "clang -Os" \
		"clang -O3 -fpatchable-function-entry=8"; do
		# shellcheck disable=SC2086 # options are words
		"$TREE/variant" $options || return
	done
}

setup_file() {
	if [ "$(uname -m)" != x86_64 ]; then
		echo "this moves x86-64 code" >&2
		return 1
	fi
	VARIANTS=$BATS_FILE_TMPDIR/variants
	if [ -n "${RELOCATE_ALL:-}" ]; then
		"$TREE/variant" --all >"$VARIANTS"
	else
		some_variants >"$VARIANTS"
	fi
	# The fetched ones, and the system's own if it too holds its libuv inside.
	NODES=$BATS_FILE_TMPDIR/nodes
	"$SCRIPTS/node-binaries" >"$NODES"
	if nm -D --defined-only /usr/bin/node 2>/dev/null | grep -q ' T uv_run$'; then
		echo /usr/bin/node >>"$NODES"
	fi
	# patch_all.so counts what is executed, in all tests together.
	PATCH_COUNTS=$BATS_FILE_TMPDIR/counts
	truncate -s 8192 "$PATCH_COUNTS"
	export VARIANTS NODES PATCH_COUNTS
}

installed_libuv() {
	ldconfig -p | sed -n 's/.*libuv\.so\.1 (libc6,x86-64).* => //p' | head -n 1
}

# with_patched FOLDER COMMAND...: every function of the libuv in the folder is moved.
with_patched() {
	local folder=$1
	shift
	bare LD_LIBRARY_PATH="$folder" LD_PRELOAD="$PATCH_ALL" "$@"
}

# same NAME: compares what `keep before` and `keep after` have left.
same() {
	diff -ru before after || {
		echo "$1 differs"
		return 1
	}
}

# keep NAME COMMAND...: leaves NAME/stdout, NAME/stderr and NAME/status.
keep() {
	local name=$1 status=0
	shift
	[ -d "$name" ] || mkdir "$name"
	"$@" >"$name/stdout" 2>"$name/stderr" </dev/null || status=$?
	echo "$status" >"$name/status"
}

@test "every intercepted function of the installed libuv is moved, and each refusal has a reason" {
	run -0 "$RELOCATE" check "$(installed_libuv)"
	echo "$output"
	[[ $output =~ near:\ ([0-9]+)\ functions,\ ([0-9]+)\ moved,\ ([0-9]+)\ refused ]]
	[ "${BASH_REMATCH[1]}" -ge 290 ]
	[ "$(grep -cE '^  uv_\w+: [A-Z_]+, it .* \([0-9]+ bytes: .*\)$' <<<"$output")" \
		-eq "${BASH_REMATCH[3]}" ]
}

@test "every intercepted function of each node that holds its libuv inside is moved" {
	mapfile -t nodes <"$NODES"
	[ "${#nodes[@]}" -ge 3 ]
	run -0 "$RELOCATE" check "${nodes[@]}"
	echo "$output"
	[ "$(grep -c '105 intercepted, 0 of them refused\|104 intercepted, 0 of them refused' \
		<<<"$output")" -eq "${#nodes[@]}" ]
}

@test "so is every one of a libuv by whatever compiler and options, but what has no room" {
	local folder
	while read -r folder; do
		# There, this one has four bytes, and the next function begins behind them.
		if [[ $folder == */clang-Os* ]]; then
			"$RELOCATE" check --but uv_signal_start "$folder/libuv.so.1"
		else
			"$RELOCATE" check "$folder/libuv.so.1"
		fi
	done <"$VARIANTS"
}

@test "an intercepted function that is refused is an error" {
	local folder
	folder=$(grep '/clang-Os$' "$VARIANTS")
	run -1 "$RELOCATE" check "$folder/libuv.so.1"
	[[ $output == *"uv_signal_start (intercepted): SHORT, it is too short for a jump (4 bytes:"* ]]
}

@test "another disassembler reads in the moved code what was there before" {
	local file
	while read -r file; do
		run -0 "$TREE/second_opinion.py" "$file" "$RELOCATE"
		[[ $output == *" functions, 0 differ" ]]
	done < <(installed_libuv && cat "$NODES" && sed 's|$|/libuv.so.1|' "$VARIANTS")
}

@test "another disassembler sees what is wrong" {
	cat >"$BATS_TEST_TMPDIR/wrong" <<-END
		#!/bin/sh
		"$RELOCATE" "\$@"
		# the first instruction that was moved
		printf '\220' | dd of="\$3.after" bs=1 conv=notrunc status=none
	END
	chmod +x "$BATS_TEST_TMPDIR/wrong"
	run -1 "$TREE/second_opinion.py" "$(installed_libuv)" "$BATS_TEST_TMPDIR/wrong"
	[[ $output == *" functions, 1 differ" ]]
}

@test "programs say and return the same with every function of their libuv moved" {
	local folder program programs turn=0 failed=0
	cd "$BATS_TEST_TMPDIR" || return
	# shellcheck disable=SC2153 # helpers.bash sets it
	# Those left out take long, have a libuv that comes late or is static, or functions of its names.
	programs=$(find "$PROGRAMS/" -maxdepth 1 -type f -perm -u+x ! -name '*.so' -printf '%f\n' |
		grep -vE -- '-(tail|clang)$|^(million_timers|fork_pool|many_threads|interposing)$|^(late|static)_' | sort)
	[ "$(wc -l <<<"$programs")" -ge 30 ]
	# Each with the installed libuv, and with every second of the others in turn.
	for program in $programs; do
		keep before bare "$PROGRAMS/$program"
		turn=$((turn + 1))
		while read -r folder; do
			keep after with_patched "$folder" "$PROGRAMS/$program"
			same "$program with ${folder##*/}" || failed=1
		done < <(dirname "$(installed_libuv)" &&
			awk -v turn=$turn -v all="${RELOCATE_ALL:-}" 'all != "" || (NR + turn) % 2 == 0' "$VARIANTS")
	done
	[ "$failed" -eq 0 ]
}

# Tests of libuv's own suite that together call what the programs do not, and take no time.
SUITE="barrier_serial_thread_single closed_fd_events condvar_4 cwd_and_chdir dlerror env_vars
fs_chown fs_get_system_error fs_lutime fs_null_req fs_poll_getpath fs_readdir_empty_dir
fs_symlink_dir get_loadavg get_memory get_passwd gethostname getsockname_tcp getters_setters
gettimeofday handle_type_name has_ref homedir ip6_addr_link_local ip_name metrics_idle_time_zero
open_osfhandle_valid_handle poll_multiple_handles process_priority process_title
queue_foreach_delete random_sync req_type_name semaphore_3 signal_close_loop_alive
socket_buffer_size spawn_detached sys_error tcp_close_reset_client tcp_flags tcp_oob tcp_open_bound
tcp_try_write_error tcp_write_to_half_open_connection thread_equal thread_local_storage
thread_mutex_recursive thread_rwlock thread_rwlock_trylock threadpool_cancel_fs timer_early_check
timer_init tmpdir udp_connect6 udp_create_early_bad_bind udp_no_autobind udp_open_connect uname
we_get_signal_one_shot"

# In a network of its own, as the suite uses fixed ports.
isolated() {
	local namespaces=(--net)
	[ "$(id -u)" -eq 0 ] || namespaces=(--user --map-root-user --net)
	# shellcheck disable=SC2016 # for the inner shell
	unshare "${namespaces[@]}" bash -ec 'ip link set lo up; "$@"' bash "$@"
}

# One test of the suite, with the libuv in a folder. A busy machine may be too slow for a test:
# three tries.
suite_test() {
	local folder=$1 name=$2 try
	for try in 1 2 3; do
		! with_patched "$folder" UV_RUN_AS_ROOT=1 UV_TEST_TIMEOUT_MULTIPLIER=4 \
			./uv_run_tests "$name" >output 2>&1 </dev/null || return 0
	done
	echo "$name with ${folder##*/}, try $try:"
	cat output
	return 1
}

suite_tests() {
	local folder name failed=0
	while read -r folder; do
		for name in $SUITE; do
			suite_test "$folder" "$name" || failed=1
		done
	done <"$VARIANTS"
	return "$failed"
}

@test "libuv's own tests pass with every function moved" {
	local libuv
	libuv=$("$SCRIPTS/libuv-source" debian)
	cd "$BATS_TEST_TMPDIR" || return
	cp -r "$libuv/source/test" .
	cp "$libuv/build/uv_run_tests" .
	if [ -z "${RELOCATE_ALL:-}" ]; then
		grep -E 'cf-protection|patchable' "$VARIANTS" >variants
		VARIANTS=variants
	fi
	[ "$(wc -l <"$VARIANTS")" -ge 2 ]
	export -f bare with_patched suite_test suite_tests
	export SUITE VARIANTS PATCH_ALL
	isolated suite_tests
}

@test "node says and returns the same with every function moved" {
	local node failed=0
	cd "$BATS_TEST_TMPDIR" || return
	while read -r node; do
		keep before bare "$node" "$TREE/busy.js"
		keep after bare LD_PRELOAD="$PATCH_ALL" "$node" "$TREE/busy.js"
		[ "$(tail -n 1 before/stdout)" = "done" ]
		same "$node" || failed=1
	done < <(if [ -n "${RELOCATE_ALL:-}" ]; then cat "$NODES"; else sed -n '1p; $p' "$NODES"; fi)
	[ "$failed" -eq 0 ]
}

@test "every intercepted function has been executed in these tests, and most of the others" {
	run -0 "$RELOCATE" counts "$PATCH_COUNTS"
	echo "$output"
	[[ $output =~ ([0-9]+)' functions patched, '([0-9]+)' executed' ]]
	[ "${BASH_REMATCH[2]}" -ge 240 ]
}

@test "whatever bytes a function is made of, nothing is read or written outside, and nothing moved wrongly" {
	cd "$BATS_TEST_TMPDIR" || return
	clang -std=gnu11 -g -O1 -Wall -Wextra -Werror -I "$BATS_TEST_DIRNAME/../shim" \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o fuzz \
		"$BATS_TEST_DIRNAME/fuzz/fuzz_patch_move.c" "$TREE/same.c" \
		"$BATS_TEST_DIRNAME"/../shim/patch_move.c \
		"$BATS_TEST_DIRNAME"/../shim/patch_move_x86_64.c -lZydis
	"$RELOCATE" pairs "$(installed_libuv)" seed
	mkdir seeds
	split -b 128 -a 3 seed.before seeds/
	./fuzz -max_total_time="${FUZZ_SECONDS:-2}" -max_len=128 -timeout=10 -print_final_stats=1 seeds >log 2>&1 || {
		tail -n 40 log
		return 1
	}
	[ "$(sed -n 's/^stat::number_of_executed_units: *//p' log)" -ge 1000 ]
}

@test "moving all that is intercepted takes no more than a few milliseconds" {
	run -0 "$RELOCATE" time "$(tail -n 1 "$NODES")"
	echo "$output"
	[[ $output =~ ' ns for a function, '([0-9]+)'.'[0-9]+' ms for all 10'[0-9]$ ]]
	[ "${BASH_REMATCH[1]}" -lt 5 ]
}
