#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Promises of the program's own: what Node tells of its promises, in the same order.

load helpers

expect_promises() {
	expect_trace node promise_resolve
	check_events --ended "$LOG"
}

@test "Promise.resolve(1).then(f): the child is triggered by its parent, and runs f" {
	uvhooks_events s25_promise "then"
	expect_promises <<-EOF
		init 2 PROMISE t1
		promise_resolve 2
		init 3 PROMISE t2 e1
		before 3
		init 4 InReaction t3
		promise_resolve 3
		after 3
		destroy 4
		destroy 2
		destroy 3
	EOF
}

@test "a chain: each is triggered by the one before" {
	uvhooks_events s25_promise chain
	expect_promises <<-EOF
		init 2 PROMISE t1
		init 3 PROMISE t2 e1
		init 4 PROMISE t3 e1
		promise_resolve 2
		before 3
		promise_resolve 3
		after 3
		before 4
		promise_resolve 4
		after 4
		destroy 2
		destroy 3
		destroy 4
	EOF
}

@test "two children of one promise" {
	uvhooks_events s25_promise two_children
	expect_promises <<-EOF
		init 2 PROMISE t1
		init 3 PROMISE t2 e1
		init 4 PROMISE t2 e1
		promise_resolve 2
		before 3
		promise_resolve 3
		after 3
		before 4
		promise_resolve 4
		after 4
		destroy 2
		destroy 3
		destroy 4
	EOF
}

@test "a promise is resolved once, also if its reaction resolves it" {
	uvhooks_events s25_promise twice
	expect_promises <<-EOF
		init 2 PROMISE t1
		init 3 PROMISE t2 e1
		promise_resolve 2
		before 3
		promise_resolve 3
		after 3
		destroy 2
		destroy 3
	EOF
	uvhooks_events s25_promise two_threads
	expect_promises <<-EOF
		init 2 PROMISE t1
		promise_resolve 2
		destroy 2
	EOF
}

@test "a promise may end unresolved, and its memory be another" {
	uvhooks_events s25_promise never
	expect_promises <<-EOF
		init 2 PROMISE t1
		destroy 2
		init 3 PROMISE t1
		destroy 3
		init 4 PROMISE t1
		promise_resolve 4
		destroy 4
	EOF
}

@test "a promise that is made in a reaction is triggered by the reaction's" {
	uvhooks_events s25_promise inside
	expect_promises <<-EOF
		init 2 PROMISE t1
		promise_resolve 2
		init 3 PROMISE t2 e1
		before 3
		init 4 PROMISE t3
		promise_resolve 4
		promise_resolve 3
		after 3
		destroy 2
		destroy 3
		destroy 4
	EOF
}

@test "a child is triggered by its parent wherever it is made" {
	uvhooks_events s25_promise then_elsewhere
	expect_trace init <<-EOF
		init 2 PROMISE t1
		init 3 Job t1
		init 4 PROMISE t2 e3
		init 5 PROMISE t2 e1
	EOF
	check_events --ended --named-triggers "$LOG"
}

@test "a reaction that throws does not resolve its promise" {
	uvhooks_events s19_throw reaction
	expect_promises <<-EOF
		init 2 PROMISE t1
		before 2
		after 2 unwound
		promise_resolve 2
		destroy 2
	EOF
}

@test "arguments that are none are refused, and are no event" {
	uvhooks_events s25_promise wrong
	expect_promises <<-EOF
		init 2 PROMISE t1
		init 3 PROMISE t2 e1
		destroy 2
		destroy 3
	EOF
}

@test "libuv's resources are never resolved" {
	for program in h2_fs h3_tcp h5_work; do
		uvhooks_events "$program"
		[ "$(events promise_resolve | wc -l)" = 0 ]
	done
}

@test "a hook that comes late hears the rest" {
	runs_the_same "$PROGRAMS/s25_promise" late
}
