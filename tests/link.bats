#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Handles that are tied to others, and handles that become servers.

load helpers

@test "uv_accept ties the client to the server, although it was made elsewhere" {
	uvhooks_events link accept_tcp
	expect_trace init link before after <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPWRAP t1
		before 3
		link 3->2
		after 3
	EOF
	check_events --ended "$LOG"
}

@test "uv_accept ties a pipe to its server" {
	uvhooks_events link accept_pipe
	expect_trace init link <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 PIPECONNECTWRAP t3 e1
		init 5 PIPEWRAP t2
		link 2->5
	EOF
	check_events --ended "$LOG"
}

@test "uv_write2 ties the handle that is sent to the write, uv_accept the one received to the pipe" {
	uvhooks_events link write2
	expect_trace init link <<-EOF
		init 2 TCPWRAP t1
		init 3 PIPEWRAP t1
		init 4 PIPEWRAP t1
		init 5 WRITEWRAP t3 e1
		link 5->2
		init 6 TCPWRAP t4
		link 4->6
	EOF
	check_events --ended "$LOG"
}

@test "a handle becomes a server when it listens, once" {
	uvhooks_events link servers
	expect_trace type_change <<-EOF
		type_change 2 TCPSERVERWRAP
		type_change 3 PIPESERVERWRAP
	EOF
	[ "$(jq -r 'select(.id == "2") | .type' "$LOG" | uniq | tr '\n' ' ')" = "TCPWRAP TCPSERVERWRAP " ]
	[ "$(jq -r 'select(.id == "3") | .type' "$LOG" | uniq | tr '\n' ' ')" = "PIPEWRAP PIPESERVERWRAP " ]
}
