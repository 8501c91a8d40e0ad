#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The canonical traces: what Node's async_hooks would say of each program. Every one is held against
# three builds: the project's, gcc -O2 with tail calls, and clang -O2 (where clang is found).

load helpers

# on_each_build PROGRAM SCENE KIND... <<EOF
on_each_build() {
	local program=$1 scene=$2 expected build
	shift 2
	expected=$BATS_TEST_TMPDIR/expected
	cat >"$expected"
	for build in "$program" "$program-tail" "$program-clang"; do
		[ -e "$PROGRAMS/$build" ] || [ "$build" = "$program-clang" ] || return 1
		[ -e "$PROGRAMS/$build" ] || continue
		echo "$build $scene"
		uvhooks_events "$build" "$scene"
		expect_trace "$@" <"$expected"
		check_events --ended "$LOG"
	done
}

@test "the builds with tail calls jump from a callback into libuv" {
	for build in h1_timer-tail h2_fs-tail h3_tcp-tail; do
		objdump -d --no-show-raw-insn "$PROGRAMS/$build" |
			grep -E 'jmp +[0-9a-f]+ <uv_(close|fs_stat|write|read_start)@plt>'
	done
}

@test "there is a clang build of every canonical program if there is clang" {
	command -v clang >/dev/null || return 0
	for program in "$PROGRAMS"/h*-tail; do
		[ -x "${program%-tail}-clang" ]
	done
}

@test "H1: a timer that fires once and is closed in its callback" {
	on_each_build h1_timer once all <<-EOF
		init 2 TIMERWRAP t1
		start 2 e1
		loop_enter 0
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
		loop_exit 0
	EOF
}

@test "H1: a repeating timer has one init, a before and after each time, and one destroy" {
	on_each_build h1_timer repeat all <<-EOF
		init 2 TIMERWRAP t1
		start 2 e1
		loop_enter 0
		before 2
		after 2
		before 2
		after 2
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
		loop_exit 0
	EOF
}

@test "H2: a file system request" {
	on_each_build h2_fs stat node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		before 2
		after 2
		destroy 2
	EOF
}

@test "H2: a chain of requests on the same memory" {
	on_each_build h2_fs chain node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		before 2
		init 3 FSREQCALLBACK t2 stat
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
}

@test "H2: a synchronous request is no resource" {
	on_each_build h2_fs synchronous node </dev/null
}

@test "H3: a server accepts, reads and writes back" {
	on_each_build h3_tcp echo node link <<-EOF
		init 2 TCPWRAP t1
		before 2
		init 3 TCPWRAP t2
		link 2->3
		after 2
		before 3
		init 4 WRITEWRAP t3
		after 3
		before 4
		after 4
		destroy 4
		before 3
		after 3
		before 2 closing
		after 2 closing
		destroy 2
		before 3 closing
		after 3 closing
		destroy 3
	EOF
}

@test "H4: closing a handle ends its pending connect and shutdown first" {
	on_each_build h4_close_pending close_pending node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		init 4 SHUTDOWNWRAP t2 e1
		before 3
		after 3
		destroy 3
		before 4
		after 4
		destroy 4
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H5: work begins and ends on the pool before its callback" {
	on_each_build h5_work work node work_begin work_end <<-EOF
		init 2 WORKREQ t1
		work_begin 2
		work_end 2
		before 2
		after 2
		destroy 2
	EOF
}

@test "H5: work that is cancelled never begins" {
	for build in h5_work h5_work-tail; do
		uvhooks_events "$build" cancel
		expect_trace_of 2 all <<-EOF
			init 2 WORKREQ t1
			work_begin 2
			work_end 2
			destroy 2
		EOF
		expect_trace_of 3 all <<-EOF
			init 3 WORKREQ t1
			before 3 cancelled
			after 3 cancelled
			destroy 3
		EOF
	done
}

@test "H6: the timer and the requests of an fs_poll handle are libuv's own" {
	on_each_build h6_inside fs_poll node <<-EOF
		init 2 STATWATCHER t1
		before 2
		after 2
		before 2
		after 2
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H6: the signal handle behind uv_spawn is libuv's own" {
	on_each_build h6_inside spawn node <<-EOF
		init 2 PROCESSWRAP t1
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H6: the default loop brings no resource" {
	on_each_build h6_inside default_loop node </dev/null
}

@test "H6: the calls behind uv_fs_copyfile are libuv's own" {
	on_each_build h6_inside copyfile node <<-EOF
		init 2 FSREQCALLBACK t1 copyfile
		before 2
		after 2
		destroy 2
	EOF
}

@test "H7: a write that fails at once is no resource" {
	on_each_build h7_errors write_epipe node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 SHUTDOWNWRAP t2 e1
		before 4
		after 4
		destroy 4
		destroy 3
		destroy 2
	EOF
}

@test "H7: an init that fails is no resource" {
	on_each_build h7_errors tcp_init_ex node </dev/null
}

@test "H7: a process that could not be started lives, as failed, until it is closed" {
	on_each_build h7_errors spawn_enoent node <<-EOF
		init 2 PROCESSWRAP t1 failed
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H8: the callback that runs is the one that libuv kept" {
	for build in h8_second_start h8_second_start-tail; do
		uvhooks_events "$build"
		expect_output_of echo "$output" <<-EOF
			scene idle
			first
			scene prepare
			first
			scene check
			first
			scene timer
			second
			scene signal_same
			second
			scene signal_other
			second, of the other signal
			scene read_twice
			first
			scene read_again
			second
			scene udp_recv
			first
			scene poll
			second
			scene listen
			second
			scene fs_poll
			first
			scene fs_event
			first
		EOF
		check_events --ended "$LOG"
	done
}

@test "H9: an exception ends the callback before it reaches main" {
	on_each_build h9_throw to_main node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2 unwound
		init 3 TIMERWRAP t1
		before 2 closing
		after 2 closing
		destroy 2
		before 3
		after 3
		before 3 closing
		after 3 closing
		destroy 3
	EOF
}

@test "H9: an exception that an outer callback catches leaves that one open" {
	on_each_build h9_throw to_outer_callback node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3 unwound
		init 4 TIMERWRAP t2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
		destroy 3
		destroy 4
	EOF
}

@test "H9: an exception through two callbacks ends the inner one first" {
	on_each_build h9_throw through_two node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3 unwound
		after 2 unwound
		destroy 2
		destroy 3
	EOF
}

@test "H9: an exception that stays within a callback changes nothing" {
	on_each_build h9_throw inside node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H9: a close callback that throws was the end of its handle" {
	on_each_build h9_throw from_close node <<-EOF
		init 2 TIMERWRAP t1
		before 2 closing
		after 2 unwound closing
		destroy 2
	EOF
}

@test "H9: a request whose callback throws has ended" {
	on_each_build h9_throw from_request node <<-EOF
		init 2 FSREQCALLBACK t1 stat
		before 2
		after 2 unwound
		destroy 2
		init 3 FSREQCALLBACK t1 stat
		before 3
		after 3
		destroy 3
	EOF
}

@test "H9: a longjmp to main is noticed at the next uv_run" {
	on_each_build h9_longjmp to_main node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2 unwound
		init 3 TIMERWRAP t1
		before 2 closing
		after 2 closing
		destroy 2
		before 3
		after 3
		before 3 closing
		after 3 closing
		destroy 3
	EOF
}

@test "H9: a longjmp through two callbacks ends the inner one first" {
	on_each_build h9_longjmp through_two node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3 unwound
		after 2 unwound
		destroy 2
		destroy 3
	EOF
}

@test "H9: a longjmp to an outer callback leaves that one open" {
	on_each_build h9_longjmp to_outer_callback node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		init 3 TIMERWRAP t2
		before 3
		after 3 unwound
		after 2
		before 2 closing
		after 2 closing
		destroy 2
		destroy 3
	EOF
}

@test "H9: a longjmp within a callback changes nothing" {
	on_each_build h9_longjmp inside node <<-EOF
		init 2 TIMERWRAP t1
		before 2
		after 2
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "H9: pthread_exit in a callback ends it, then the thread" {
	on_each_build h9_thread_end thread_exit node <<-EOF
		init 2 UVTHREAD t1
		before 2
		init 1:2 TIMERWRAP t2
		before 1:2
		after 1:2 unwound
		after 2 unwound
		destroy 2
		before 1:2 closing
		after 1:2 closing
		destroy 1:2
	EOF
}

@test "H9: pthread_cancel in a callback ends it, then the thread" {
	on_each_build h9_thread_end thread_cancel node <<-EOF
		init 2 UVTHREAD t1
		before 2
		init 1:2 TIMERWRAP t2
		before 1:2
		after 1:2 unwound
		after 2 unwound
		destroy 2
		before 1:2 closing
		after 1:2 closing
		destroy 1:2
	EOF
}
