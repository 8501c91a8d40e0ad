#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A second start with another callback: which of the two is armed is libuv's rule, kind by kind.

load helpers

# second_start SCENE CALLBACK STARTS: which callback ran, and how often the handle was armed.
second_start() {
	uvhooks_events h8_second_start "$1"
	[ "$(callbacks_of 2)" = "$2" ]
	[ "$(events_of 2 start | wc -l)" = "$3" ]
	check_events --ended "$LOG"
}

@test "idle, prepare and check handles keep the first callback" {
	second_start idle first_idle 1
	second_start prepare first_prepare 1
	second_start check first_check 1
}

@test "an fs_poll handle keeps the first callback" {
	second_start fs_poll first_change 1
}

@test "an fs_event handle refuses the second" {
	second_start fs_event first_event 1
}

@test "a stream and a udp handle refuse the second" {
	second_start read_twice first_read 1
	second_start udp_recv first_recv 1
}

@test "a stream that was stopped takes the second" {
	second_start read_again second_read 2
}

@test "a timer takes the second, and refuses none" {
	second_start timer second_timer 2
}

@test "a signal handle takes the second, for the same signal or another" {
	second_start signal_same second_signal 2
	second_start signal_other second_signal 2
}

@test "a poll handle takes the second" {
	second_start poll second_poll 2
}

@test "a server takes the second, and becomes a server once" {
	second_start listen second_connection 2
	expect_trace type_change <<<"type_change 2 TCPSERVERWRAP"
}
