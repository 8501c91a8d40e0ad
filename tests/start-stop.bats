#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Arming and disarming: start and stop are what the program did, not what libuv does by itself.

load helpers

starts_and_stops() {
	uvhooks_events start_stop "$1"
	expect_trace start stop
	check_events --ended "$LOG"
}

@test "a timer: uv_timer_again arms only what has a repeat, uv_timer_stop disarms only what is armed" {
	starts_and_stops timer <<-EOF
		start 2 e1
		start 2 e1
		start 2 e1
		stop 2
		start 2 e1
	EOF
}

@test "idle, prepare and check handles: a second start is none" {
	for scene in idle prepare check; do
		starts_and_stops "$scene" <<-EOF
			start 2 e1
			stop 2
		EOF
	done
}

@test "a poll handle: every uv_poll_start arms anew, with no events it disarms" {
	starts_and_stops poll <<-EOF
		start 2 e1
		start 2 e1
		stop 2
		start 2 e1
		stop 2
	EOF
}

@test "a signal handle: both ways to start it" {
	starts_and_stops signal <<-EOF
		start 2 e1
		stop 2
		start 2 e1
		stop 2
	EOF
}

@test "file watchers" {
	for scene in fs_event fs_poll; do
		starts_and_stops "$scene" <<-EOF
			start 2 e1
			stop 2
		EOF
	done
}

@test "reading: from a stream, and datagrams" {
	for scene in read udp_recv; do
		starts_and_stops "$scene" <<-EOF
			start 2 e1
			stop 2
		EOF
	done
}

@test "a start says in whose callback the handle was armed" {
	starts_and_stops arm_elsewhere <<-EOF
		start 3 e1
		start 2 e3
	EOF
}

@test "a repeating timer is armed once and disarmed once, however often it fires" {
	starts_and_stops repeating <<-EOF
		start 2 e1
		stop 2
	EOF
	[ "$(events before | wc -l)" = 3 ]
}

@test "listening is a start" {
	uvhooks_events link servers
	expect_trace start stop <<-EOF
		start 2 e1
		start 2 e1
		start 3 e1
	EOF
}

@test "uv_close and a timer that has fired are no stop" {
	uvhooks_events h1_timer once
	expect_trace start stop <<<"start 2 e1"
}
