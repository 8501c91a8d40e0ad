#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Signal handles.

load helpers

@test "a handle that fires once is armed again by the program" {
	uvhooks_events signals oneshot
	expect_trace node start stop <<-EOF
		init 2 SIGNALWRAP t1
		start 2 e1
		before 2
		after 2
		start 2 e1
		before 2
		after 2
		destroy 2
	EOF
}

@test "a handle that stays armed fires for each signal" {
	uvhooks_events signals repeated
	expect_trace node start stop <<-EOF
		init 2 SIGNALWRAP t1
		start 2 e1
		before 2
		after 2
		before 2
		after 2
		before 2
		after 2
		destroy 2
	EOF
}
