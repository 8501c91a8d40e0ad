#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Local storages (rule S26): what a callback sees of them, and when a store is released. Each program
# checks by itself what the shim must carry; a test makes sure that these checks were made, function by
# function.

load helpers

# Runs scenes under the shim and the log; nothing is lost, and $UVHOOKS_TEST_SIGHTINGS is written.
sightings() {
	export UVHOOKS_TEST_SIGHTINGS=$BATS_TEST_TMPDIR/sightings
	export UVHOOKS_TEST_COUNTERS=$BATS_TEST_TMPDIR/counters
	rm -f "$UVHOOKS_TEST_SIGHTINGS"
	uvhooks_events "$@"
	check_events --ended "$LOG"
	run -1 grep -v ' 0$' "$UVHOOKS_TEST_COUNTERS"
}

# saw_by PROGRAM [SCENE...] <<EOF: the functions that looked at a store, and how often.
saw_by() {
	sightings "$@"
	sort "$UVHOOKS_TEST_SIGHTINGS" >"$BATS_TEST_TMPDIR/seen"
	sort | diff -u --label expected --label seen - "$BATS_TEST_TMPDIR/seen"
}

# The same without the numbers, where these are chance.
saw_by_chance() {
	sightings "$@"
	cut -d ' ' -f 1 "$UVHOOKS_TEST_SIGHTINGS" | sort >"$BATS_TEST_TMPDIR/seen"
	sort | diff -u --label expected --label seen - "$BATS_TEST_TMPDIR/seen"
}

# says PROGRAM SCENE <<EOF: in all ways, this.
says() {
	runs_the_same "$PROGRAMS/$1" "$2"
	diff -u --label expected --label said <(echo "scene $2" && cat) "$LOGS/bare.stdout"
}

@test "run gives the function its argument and the caller what it returns" {
	says s26_local_storage args <<-EOF
		half of it: 42
		half of it: 21
		released: a 2, b 0, c 0
	EOF
}

@test "run nests, exit leaves, and both put back what was" {
	says s26_local_storage nested <<-EOF
		before: none
		in a: a
		in b: b
		out of b: none
		in c: c
		in b again: b
		in a again: a
		in a run with no store: none
		still in a: a
		afterwards: none
		released: a 1, b 1, c 1
	EOF
}

@test "the current store again enters nothing and is released once" {
	says s26_local_storage same_value <<-EOF
		in a, twice: a
		released: a 0, b 0, c 0
		released: a 1, b 0, c 0
		nothing, again: none
		released: a 0, b 0, c 0
	EOF
}

@test "a store that is entered twice is released twice" {
	says s26_local_storage entered_twice <<-EOF
		the outer one's store: a
		between: b
		released: a 2, b 1, c 0
		once more: a
		released: a 1, b 0, c 0
	EOF
}

@test "enter_with holds to the end of the scope" {
	says s26_local_storage enter_with <<-EOF
		entered in a run: b
		a run in it: c
		after the run in it: b
		after the run: none
		released: a 1, b 1, c 1
		entered in an exit: b
		after the exit: a
		after the run: none
		released: a 1, b 1, c 0
		entered in the same run: b
		after the same run: b
		after the run: none
		released: a 1, b 1, c 0
		entered in another's run: b
		after the other's run: a
		after the run: none
		released: a 1, b 1, c 1
		entered in a job: b
		after the job: none
		the job again: none
		released: a 0, b 1, c 0
		entered at top level: a
		a run there: b
		another one: c
		left by hand: none
		released: a 1, b 1, c 1
	EOF
}

@test "disable drops the store everywhere, and run begins anew" {
	says s26_local_storage disable <<-EOF
		disabled: none
		an exit after it: none
		and after that: none
		a run after it: b
		after that run: none
		entered after it: c
		the scope around: none
		outside: none
		released: a 1, b 2, c 1
		a run after more of them: a
		and outside: none
		released: a 1, b 0, c 0
	EOF
}

@test "two storages do not mix" {
	says s26_local_storage two_storages <<-EOF
		in the first: a and none
		in both: a and c
		out of the first: none
		both again: a and c
		the first changed: b and c
		the second disabled: b and none
		in the first again: a and none
		outside: none and none
		released: a 1, b 1, c 1
	EOF
}

@test "a store is any pointer, and may do without a release function" {
	says s26_local_storage misc_stores <<<"any pointer is a store"
}

@test "ten thousand runs nest, and a hundred exits leave nothing behind" {
	says s26_local_storage deep_stack <<<"10000 runs, one in the other"
	says s26_local_storage exit_does_not_leak <<-EOF
		after a hundred exits: none
		released: a 0, b 100, c 0
	EOF
}

@test "stores that replace each other in a long loop take no memory" {
	says s26_local_storage alternating <<-EOF
		released: a 1, b 0, c 0
		nothing has grown
	EOF
}

@test "a run is no resource: there is no event of it, and no id changes in it" {
	says s26_local_storage run_resource <<<"released: a 2, b 0, c 0"
	uvhooks_events s26_local_storage run_resource
	[ "$(events all | sort -u)" = "$(printf 'loop_enter 0\nloop_exit 0')" ]
}

@test "a timer carries the store of its last start to its callback" {
	saw_by s26_captured carried last_start <<-EOF
		carried 4
		on_close_sees_b 1
		on_timer_sees_a 4
		on_timer_sees_b 2
		on_timer_sees_nothing 1
	EOF
}

@test "a repeating timer keeps what it carries until uv_timer_again" {
	saw_by s26_captured repeating <<-EOF
		on_close_sees_b 1
		on_repeat 5
	EOF
}

@test "what was made before an enter_with sees the store before it" {
	saw_by s26_captured enter_with <<-EOF
		enter_with 1
		on_after_sees_d 1
		on_before_sees_a 1
	EOF
}

@test "a store goes along a chain of callbacks, and out of a nested loop nothing comes" {
	saw_by s26_captured chain nested_loop <<-EOF
		on_link 8
		on_outer_sees_a 3
		on_timer_sees_b 1
	EOF
}

@test "what carries the store of a disabled storage sees nothing" {
	saw_by s26_captured disable <<-EOF
		disable_and_make 1
		on_close_sees_b 1
		on_timer_sees_b 1
		on_timer_sees_nothing 2
	EOF
}

@test "idle, prepare, check, poll, signal, file and process handles carry a store" {
	saw_by s26_captured watchers polling signals files process walked <<-EOF
		on_change_sees_a 1
		on_check_sees_c 1
		on_close_sees_b 1
		on_exit_sees_a 1
		on_idle_sees_a 1
		on_poll 2
		on_prepare_sees_b 1
		on_signal_sees_a 1
		on_stat_sees_b 1
	EOF
}

@test "requests carry a store: to file system, pool thread, resolver and random callbacks" {
	saw_by s26_requests files work cancelled names <<-EOF
		after_work_sees_a 8
		on_address_sees_a 1
		on_cancelled_sees_a 1
		on_closed_sees_a 1
		on_name_sees_a 1
		on_open_sees_a 1
		on_random_sees_a 1
		on_stat_sees_a 1
		work_sees_a 8
		work_sees_nothing 8
	EOF
}

@test "streams carry the store of who listens, connects, writes and reads" {
	saw_by_chance s26_requests tcp udp pipe <<-EOF
		on_closed_stream
		on_connected_sees_b
		on_connection_sees_a
		on_datagram_sees_b
		on_first_read_sees_c
		on_pipe_read_sees_b
		on_pipe_written_sees_a
		on_refused_sees_a
		on_second_read_sees_d
		on_sent_sees_a
		on_shutdown_sees_c
		on_written_sees_b
	EOF
}

@test "of many clients of one server each sees its own store, on both sides" {
	saw_by_chance s26_clients <<-EOF
		client_of
		on_connection
		session_of
	EOF
	# Each client: connected, 40 writes, shut down; each session: reads, shut down, closed.
	awk '$1 == "client_of" && $2 >= 24 * 42 { n++ } $1 == "session_of" && $2 >= 24 * 4 { n++ }
		END { exit n != 2 }' "$UVHOOKS_TEST_SIGHTINGS"
}

@test "a thread that libuv makes begins with the stores of who made it; any other with nothing" {
	saw_by s26_threads threads plain_threads <<-EOF
		child_of_plain 1
		child_sees_a 1
		grandchild_sees_b 1
		nothing_is_left 1
		plain_thread 2
		threads 3
	EOF
}

@test "a wake-up brings the store of the latest sender, where a storage wants it" {
	saw_by s26_threads wakeups latest_without <<-EOF
		on_async 14
	EOF
}

@test "a signal handler may send a store" {
	saw_by_chance s26_threads interrupts <<-EOF
		on_interrupted
	EOF
}

@test "snapshots and bound functions bring their stores to any thread" {
	saw_by s26_threads snapshots bound <<-EOF
		bound 2
		bound_to_a 3
		call_from_timer 2
		in_snapshot 1000
		snapshots 5
	EOF
	[ "$(jq -r 'select(.event == "init" and .type == "bound-anonymous-fn") | .id' "$LOG" | wc -l)" = 2 ]
}

@test "a store is released once, when the last that holds it ends" {
	saw_by s26_release handle_ends started_again restarted_inside closed_inside request_ends two_hold \
		two_storages changed_behind disabled storage_goes storage_again errno_kept heap_stores <<-EOF
		changed_behind 3
		disabled 3
		handle_ends 4
		in_the_end 24
		on_closing 2
		on_free 1
		on_restarting 3
		on_reused 1
		on_stat 2
		on_text 100
		request_ends 1
		restarted_inside 2
		start_in_second 2
		started_again 3
		storage_again 2
		storage_goes 1
		two_hold 1
		two_storages 4
	EOF
}

@test "a release function may enter, make, close and end what it likes" {
	uvhooks_events s26_release busy_release
	grep -Fx "scene busy_release" <<<"$output"
	[ "$(count_of destroy bound-anonymous-fn)" = "$(count_of init bound-anonymous-fn)" ]
	[ "$(count_of destroy TIMERWRAP)" = "$(count_of init TIMERWRAP)" ]
}

@test "stores and ids are back behind an exception, and released where a thread ends inside" {
	says s26_throw sync <<-EOF
		caught in a: with b
		caught in a: with none
		caught in none: with c
		released: a 1, b 2, c 1
	EOF
	says s26_throw scopes <<-EOF
		caught in b: with c
		caught in b: with c
		caught in b: with c
		released: a 1, b 1, c 3
	EOF
	says s26_throw unwinding <<-EOF
		while unwinding: c
		caught in none: with b
		released: a 0, b 1, c 1
	EOF
	says s26_throw thread_ends <<<"released: a 1, b 1, c 0"
	saw_by s26_throw callbacks <<-EOF
		on_next_sees_a 1
		throwing_sees_a 1
	EOF
}

@test "a scope that longjmp leaves is left: its stores are gone, and released" {
	export UVHOOKS_TEST_SIGHTINGS=$BATS_TEST_TMPDIR/sightings
	uvhooks_events s26_longjmp from_top_level in_callback from_scope
	check_events --ended "$LOG"
	sort "$UVHOOKS_TEST_SIGHTINGS" | diff -u - /dev/fd/3 3<<-EOF
		from_scope 3
		from_top_level 3
		in_callback 1
		on_timer_sees_a 4
		scope_sees_a 1
	EOF
}

@test "a forked child goes on in its scope, and a signal handler sees what it interrupts" {
	runs_the_same "$PROGRAMS/s26_longjmp" forked
	prints "the child ended with 7"
	runs_the_same "$PROGRAMS/s26_longjmp" interrupted
	prints "seen in a signal handler"
}

@test "a store that is freed on release is freed once: valgrind finds nothing" {
	local log=$BATS_TEST_TMPDIR/valgrind
	with_shim valgrind --quiet --error-exitcode=9 --leak-check=no --log-file="$log" \
		"$PROGRAMS/s26_release" >"$BATS_TEST_TMPDIR/out" || {
		cat "$log"
		return 1
	}
	[ ! -s "$log" ]
}
