#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Trigger ids: the handle that a request works on, else what runs.

load helpers

@test "a request on a handle is triggered by the handle, whoever makes it" {
	uvhooks_events request_memory write_reuse
	expect_trace init <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 WRITEWRAP t2 e1
		init 5 WRITEWRAP t2 e4
	EOF
	uvhooks_events request_memory connect_reuse
	expect_trace init <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPWRAP t1
		init 4 TCPCONNECTWRAP t2 e1
		init 5 TCPCONNECTWRAP t3 e4
	EOF
	uvhooks_events request_memory udp_reuse
	expect_trace init <<-EOF
		init 2 UDPWRAP t1
		init 3 UDPSENDWRAP t2 e1
		init 4 UDPSENDWRAP t2 e3
	EOF
	uvhooks_events close_pending close_reset_refused
	expect_trace init <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		init 4 SHUTDOWNWRAP t2 e3
	EOF
}

@test "any other request is triggered by what runs" {
	uvhooks_events request_memory dns_free
	expect_trace init <<-EOF
		init 2 GETNAMEINFOREQWRAP t1
		init 3 GETADDRINFOREQWRAP t2
	EOF
	uvhooks_events request_memory work_reuse
	expect_trace init <<-EOF
		init 2 WORKREQ t1
		init 3 WORKREQ t2
	EOF
}

@test "a handle is triggered by what runs" {
	uvhooks_events nested_run inside
	expect_trace init <<-EOF
		init 2 TIMERWRAP t1
		init 3 TIMERWRAP t2
	EOF
}

@test "a client that is made in the connection callback is triggered by the server" {
	uvhooks_events h3_tcp echo
	expect_trace_of 3 init <<<"init 3 TCPWRAP t2"
}

@test "what an alloc callback makes is made inside libuv" {
	uvhooks_events reads alloc_makes
	expect_trace init start before <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		start 2 e1
		init 4 TIMERWRAP t0
		start 4 e0
		before 2
		before 4
	EOF
	check_events --ended "$LOG"
}

@test "what a walk callback makes is made by the caller of uv_walk" {
	uvhooks_events loops walk_makes
	expect_trace init <<-EOF
		init 2 IDLEWRAP t1
		init 3 TIMERWRAP t1
	EOF
	check_events --ended "$LOG"
}

@test "what work makes is triggered by the work" {
	uvhooks_events work own_loop
	expect_trace init <<-EOF
		init 2 WORKREQ t1
		init 1:2 TIMERWRAP t2
	EOF
	check_events --ended "$LOG"
}
