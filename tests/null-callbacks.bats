#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Callbacks that are NULL: a synchronous call is no resource; where none is needed the resource ends in
# silence; where one is needed libuv's error stays.

load helpers

@test "synchronous calls are no resources" {
	uvhooks_events null_callbacks synchronous
	expect_trace node start </dev/null
	uvhooks_events all_fs synchronous
	expect_trace node </dev/null
}

@test "a write and a shutdown" {
	uvhooks_events null_callbacks write_and_shutdown
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 WRITEWRAP t2 e1
		init 5 SHUTDOWNWRAP t2 e1
		destroy 4
		destroy 5
		destroy 3
		destroy 2
	EOF
}

@test "a datagram" {
	uvhooks_events null_callbacks udp_send
	expect_trace node <<-EOF
		init 2 UDPWRAP t1
		init 3 UDPSENDWRAP t2 e1
		destroy 3
		destroy 2
	EOF
}

@test "a connect" {
	uvhooks_events null_callbacks connect
	expect_trace node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		destroy 3
		destroy 2
	EOF
}

@test "work: it begins and ends, and nothing comes after" {
	uvhooks_events null_callbacks work_after
	expect_trace node work_begin work_end <<-EOF
		init 2 WORKREQ t1
		work_begin 2
		work_end 2
		destroy 2
	EOF
}

@test "an async handle" {
	uvhooks_events null_callbacks async
	expect_trace node <<-EOF
		init 2 ASYNCWRAP t1
		destroy 2
	EOF
}

@test "closing" {
	uvhooks_events null_callbacks close
	expect_trace node <<-EOF
		init 2 TIMERWRAP t1
		init 3 TCPWRAP t1
		init 4 SIGNALWRAP t1
		destroy 4
		destroy 3
		destroy 2
	EOF
}

@test "the exit of a child" {
	uvhooks_events null_callbacks exit_of_child
	expect_trace node <<-EOF
		init 2 PROCESSWRAP t1
		destroy 2
	EOF
}

@test "where a callback is needed, nothing is armed and no request is made" {
	uvhooks_events null_callbacks einval
	expect_trace init start before after work_begin <<-EOF
		init 2 TIMERWRAP t1
		init 3 IDLEWRAP t1
		init 4 PREPAREWRAP t1
		init 5 CHECKWRAP t1
		init 6 PIPEWRAP t1
		init 7 PIPEWRAP t1
		init 8 UDPWRAP t1
	EOF
	check_events --ended "$LOG"
}
