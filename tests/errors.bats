#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Calls that fail: no resource came to be, no id is spent, and what was there before is unharmed.

load helpers

@test "on streams" {
	uvhooks_events failing_calls streams
	expect_trace all <<-EOF
		init 2 TCPWRAP t1
		init 3 PIPEWRAP t1
		init 4 PIPEWRAP t1
		loop_enter 0
		destroy 4
		destroy 3
		destroy 2
		loop_exit 0
	EOF
}

@test "a second connect, even with the request of the first" {
	uvhooks_events failing_calls connect_twice
	expect_trace node <<-EOF
		init 2 TCPWRAP t1
		init 3 TCPCONNECTWRAP t2 e1
		before 3
		after 3
		destroy 3
		destroy 2
	EOF
	[ "$(callbacks_of 3)" = on_connect ]
}

@test "a server whose address is in use is none" {
	uvhooks_events failing_calls listen_in_use
	expect_trace init type_change start destroy <<-EOF
		init 2 TCPWRAP t1
		destroy 2
	EOF
}

@test "uv_pipe_connect fails in its callback, so it is a request" {
	uvhooks_events failing_calls pipe_connect
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPECONNECTWRAP t2 e1
		before 3
		after 3
		destroy 3
		destroy 2
	EOF
}

@test "on udp handles" {
	uvhooks_events failing_calls udp
	expect_trace node <<-EOF
		init 2 UDPWRAP t1
		destroy 2
	EOF
}

@test "requests to the thread pool" {
	uvhooks_events failing_calls requests
	expect_trace node work_begin </dev/null
}

@test "watchers" {
	uvhooks_events failing_calls watchers
	expect_trace node start <<-EOF
		init 2 SIGNALWRAP t1
		init 3 FSEVENTWRAP t1
		init 4 TIMERWRAP t1
		destroy 3
		destroy 2
		destroy 4
	EOF
}

@test "a child that cannot have its stdio is failed" {
	uvhooks_events failing_calls spawn_stdio
	expect_trace node <<-EOF
		init 2 PROCESSWRAP t1 failed
		destroy 2
	EOF
}

@test "a child in the memory of one that failed" {
	uvhooks_events failing_calls spawn_again
	expect_trace node <<-EOF
		init 2 PROCESSWRAP t1 failed
		before 2 closing
		init 3 PROCESSWRAP t2
		after 2 closing
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
}

@test "a thread that could not be made is destroyed as failed" {
	uvhooks_events failing_calls thread
	expect_trace node <<-EOF
		init 2 UVTHREAD t1
		destroy 2 failed
	EOF
}
