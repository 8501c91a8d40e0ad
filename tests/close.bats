#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uv_close while requests wait, and the order in which handles close.

load helpers

@test "queued writes end before their stream does" {
	uvhooks_events close_pending write_queue
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 WRITEWRAP t2 e1
		init 5 WRITEWRAP t2 e1
		destroy 3
		before 4
		after 4
		destroy 4
		before 5
		after 5
		destroy 5
		before 2 closing
		after 2 closing
		destroy 2
	EOF
}

@test "a pending connect ends before a write that waits for it" {
	uvhooks_events close_pending connect_and_write
	expect_trace node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		init 4 WRITEWRAP t2 e1
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

@test "datagrams end before their handle does" {
	uvhooks_events close_pending udp_send
	expect_trace node <<-EOF
		init 2 UDPWRAP t1
		init 3 UDPSENDWRAP t2 e1
		init 4 UDPSENDWRAP t2 e1
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

@test "handles that are closed together close last first" {
	uvhooks_events close_pending order
	expect_trace before destroy <<-EOF
		before 4 closing
		destroy 4
		before 3 closing
		destroy 3
		before 2 closing
		destroy 2
	EOF
}

@test "uv_tcp_close_reset closes" {
	uvhooks_events close_pending close_reset
	expect_trace node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		before 3
		after 3
		destroy 3
		before 2 closing
		after 2 closing
		destroy 2
	EOF
	[ "$(callbacks_of 2)" = on_reset ]
}

@test "a uv_tcp_close_reset that is refused closes nothing" {
	uvhooks_events close_pending close_reset_refused
	expect_trace node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		before 3
		init 4 SHUTDOWNWRAP t2 e3
		after 3
		destroy 3
		before 4
		after 4
		destroy 4
		before 2 closing
		after 2 closing
		destroy 2
	EOF
	[ "$(callbacks_of 2)" = on_close ]
}
