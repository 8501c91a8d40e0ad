#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The memory of a request belongs to the program again when its callback is called.

load helpers

@test "a request that is submitted again in its callback is a second one" {
	uvhooks_events request_memory fs_reuse
	expect_trace node <<-EOF
		init 2 FSREQCALLBACK t1 open
		before 2
		init 3 FSREQCALLBACK t2 stat
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
	uvhooks_events request_memory write_reuse
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 WRITEWRAP t2 e1
		before 4
		init 5 WRITEWRAP t2 e4
		after 4
		destroy 4
		before 5
		after 5
		destroy 5
		destroy 3
		destroy 2
	EOF
	uvhooks_events request_memory udp_reuse
	expect_trace node <<-EOF
		init 2 UDPWRAP t1
		init 3 UDPSENDWRAP t2 e1
		before 3
		init 4 UDPSENDWRAP t2 e3
		after 3
		destroy 3
		before 4
		after 4
		destroy 4
		destroy 2
	EOF
	uvhooks_events request_memory dns_reuse
	expect_trace node <<-EOF
		init 2 GETADDRINFOREQWRAP t1
		before 2
		init 3 GETADDRINFOREQWRAP t2
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
	uvhooks_events request_memory work_reuse
	expect_trace node <<-EOF
		init 2 WORKREQ t1
		before 2
		init 3 WORKREQ t2
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
	for id in 2 3; do
		expect_trace_of "$id" work_begin work_end before <<-EOF
			work_begin $id
			work_end $id
			before $id
		EOF
	done
}

@test "a request that is overwritten and freed in its callback ends as any" {
	for scene in fs_free work_free random_free; do
		uvhooks_events request_memory "$scene"
		check_events --ended "$LOG"
		expect_trace before after destroy <<-EOF
			before 2
			after 2
			destroy 2
		EOF
	done
	uvhooks_events request_memory dns_free
	expect_trace before after destroy <<-EOF
		before 2
		after 2
		destroy 2
		before 3
		after 3
		destroy 3
	EOF
	uvhooks_events request_memory write_free
	expect_trace before after destroy <<-EOF
		before 4
		after 4
		destroy 4
		before 5
		after 5
		destroy 5
		destroy 3
		destroy 2
	EOF
	for scene in udp_free connect_free; do
		uvhooks_events request_memory "$scene"
		expect_trace before after destroy <<-EOF
			before 3
			after 3
			destroy 3
			destroy 2
		EOF
	done
}

@test "a request that was copied from one in flight is a request of its own" {
	uvhooks_events request_memory copied_request
	expect_trace node <<-EOF
		init 2 PIPEWRAP t1
		init 3 PIPEWRAP t1
		init 4 WRITEWRAP t2 e1
		init 5 WRITEWRAP t2 e1
		before 4
		after 4
		destroy 4
		before 5
		after 5
		destroy 5
		destroy 3
		destroy 2
	EOF
}

@test "a request may be submitted again with the callback that its memory holds" {
	local scene
	for scene in fs work dns random; do
		uvhooks_events request_fields "$scene"
		check_events --ended "$LOG"
		expect_trace_of 2 before after destroy <<-EOF
			before 2
			after 2
			destroy 2
		EOF
		expect_trace_of 3 before after destroy <<-EOF
			before 3
			after 3
			destroy 3
		EOF
		[ "$(callbacks_of 2)" = "$(callbacks_of 3)" ]
	done
	for scene in fs_later write connect pipe send; do
		uvhooks_events request_fields "$scene"
		check_events --ended "$LOG"
	done
}
