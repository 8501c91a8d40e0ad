#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# check_events.py, which holds a log against the rules of every stream of events: it must pass what is
# right and name what is broken. Each broken stream differs from a right one by one edit.

load helpers

# A right stream, line by line: timer 2, request 3 made in its callback, async handle 4 woken by a
# thread 5, a server 6 with its client 7, work 8, and a second loop. Behind it, from line 36 on, those of
# the program itself in a third space: a job 2:2, which runs once more after its destroy, a promise 2:3
# with its child 2:4, and one with a name of libuv's.
setup() {
	LOG=$BATS_TEST_TMPDIR/right.json
	cat >"$LOG" <<-'EOF'
		{"event":"init","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"1","loop":0,"thread":9,"time_ns":1}
		{"event":"start","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"1","loop":0,"thread":9,"time_ns":2}
		{"event":"loop_enter","id":"0","type":"NONE","uv_type":"none","trigger":"0","execution":"1","loop":0,"thread":9,"time_ns":3}
		{"event":"before","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"2","loop":0,"thread":9,"time_ns":4}
		{"event":"init","id":"3","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"2","execution":"2","loop":0,"thread":9,"time_ns":5,"call":"stat"}
		{"event":"stop","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"2","loop":0,"thread":9,"time_ns":6}
		{"event":"after","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"2","loop":0,"thread":9,"time_ns":7}
		{"event":"before","id":"3","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"2","execution":"3","loop":0,"thread":9,"time_ns":8,"call":"stat"}
		{"event":"after","id":"3","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"2","execution":"3","loop":0,"thread":9,"time_ns":9,"call":"stat"}
		{"event":"destroy","id":"3","type":"FSREQCALLBACK","uv_type":"uv_fs_t","trigger":"2","execution":"0","loop":0,"thread":9,"time_ns":10,"call":"stat"}
		{"event":"before","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"2","loop":0,"thread":9,"time_ns":11,"flags":["closing"]}
		{"event":"after","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"2","loop":0,"thread":9,"time_ns":12,"flags":["closing"]}
		{"event":"destroy","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"0","loop":0,"thread":9,"time_ns":13}
		{"event":"loop_exit","id":"0","type":"NONE","uv_type":"none","trigger":"0","execution":"1","loop":0,"thread":9,"time_ns":14}
		{"event":"init","id":"4","type":"ASYNCWRAP","uv_type":"uv_async_t","trigger":"1","execution":"1","loop":0,"thread":9,"time_ns":15}
		{"event":"init","id":"5","type":"UVTHREAD","uv_type":"uv_thread_t","trigger":"1","execution":"1","loop":null,"thread":9,"time_ns":16}
		{"event":"before","id":"5","type":"UVTHREAD","uv_type":"uv_thread_t","trigger":"1","execution":"5","loop":null,"thread":8,"time_ns":17}
		{"event":"init","id":"1:2","type":"IDLEWRAP","uv_type":"uv_idle_t","trigger":"5","execution":"5","loop":1,"thread":8,"time_ns":18}
		{"event":"loop_enter","id":"1:0","type":"NONE","uv_type":"none","trigger":"1:0","execution":"5","loop":1,"thread":8,"time_ns":19}
		{"event":"destroy","id":"1:2","type":"IDLEWRAP","uv_type":"uv_idle_t","trigger":"5","execution":"1:0","loop":1,"thread":8,"time_ns":20}
		{"event":"loop_exit","id":"1:0","type":"NONE","uv_type":"none","trigger":"1:0","execution":"5","loop":1,"thread":8,"time_ns":21}
		{"event":"after","id":"5","type":"UVTHREAD","uv_type":"uv_thread_t","trigger":"1","execution":"5","loop":null,"thread":8,"time_ns":22}
		{"event":"destroy","id":"5","type":"UVTHREAD","uv_type":"uv_thread_t","trigger":"1","execution":"0","loop":null,"thread":8,"time_ns":23}
		{"event":"loop_enter","id":"0","type":"NONE","uv_type":"none","trigger":"0","execution":"1","loop":0,"thread":9,"time_ns":24}
		{"event":"wakeup","id":"4","type":"ASYNCWRAP","uv_type":"uv_async_t","trigger":"1","execution":"0","loop":0,"thread":9,"time_ns":25,"sender":"5"}
		{"event":"before","id":"4","type":"ASYNCWRAP","uv_type":"uv_async_t","trigger":"1","execution":"4","loop":0,"thread":9,"time_ns":26}
		{"event":"init","id":"6","type":"TCPWRAP","uv_type":"uv_tcp_t","trigger":"4","execution":"4","loop":0,"thread":9,"time_ns":27}
		{"event":"type_change","id":"6","type":"TCPSERVERWRAP","uv_type":"uv_tcp_t","trigger":"4","execution":"4","loop":0,"thread":9,"time_ns":28}
		{"event":"init","id":"7","type":"TCPWRAP","uv_type":"uv_tcp_t","trigger":"4","execution":"4","loop":0,"thread":9,"time_ns":29}
		{"event":"link","id":"6","type":"TCPSERVERWRAP","uv_type":"uv_tcp_t","trigger":"4","execution":"4","loop":0,"thread":9,"time_ns":30,"other":"7"}
		{"event":"init","id":"8","type":"WORKREQ","uv_type":"uv_work_t","trigger":"4","execution":"4","loop":0,"thread":9,"time_ns":31}
		{"event":"after","id":"4","type":"ASYNCWRAP","uv_type":"uv_async_t","trigger":"1","execution":"4","loop":0,"thread":9,"time_ns":32}
		{"event":"work_begin","id":"8","type":"WORKREQ","uv_type":"uv_work_t","trigger":"4","execution":"8","loop":0,"thread":7,"time_ns":33}
		{"event":"work_end","id":"8","type":"WORKREQ","uv_type":"uv_work_t","trigger":"4","execution":"8","loop":0,"thread":7,"time_ns":34}
		{"event":"init","id":"9","type":"WRITEWRAP","uv_type":"uv_write_t","trigger":"7","execution":"0","loop":0,"thread":9,"time_ns":35}
		{"event":"init","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:1","loop":2,"thread":6,"time_ns":36}
		{"event":"init","id":"2:3","type":"PROMISE","uv_type":"none","trigger":"2:1","execution":"2:1","loop":2,"thread":6,"time_ns":37}
		{"event":"before","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:2","loop":2,"thread":6,"time_ns":38}
		{"event":"init","id":"2:4","type":"PROMISE","uv_type":"none","trigger":"2:3","execution":"2:2","loop":2,"thread":6,"time_ns":39}
		{"event":"promise_resolve","id":"2:3","type":"PROMISE","uv_type":"none","trigger":"2:1","execution":"2:2","loop":2,"thread":6,"time_ns":40}
		{"event":"after","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:2","loop":2,"thread":6,"time_ns":41}
		{"event":"destroy","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:0","loop":2,"thread":6,"time_ns":42}
		{"event":"before","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:2","loop":2,"thread":6,"time_ns":43,"flags":["after_destroy"]}
		{"event":"init","id":"2:5","type":"TCPWRAP","uv_type":"none","trigger":"2:2","execution":"2:2","loop":2,"thread":6,"time_ns":44}
		{"event":"after","id":"2:2","type":"Job","uv_type":"none","trigger":"2:1","execution":"2:2","loop":2,"thread":6,"time_ns":45,"flags":["after_destroy"]}
		{"event":"destroy","id":"2:5","type":"TCPWRAP","uv_type":"none","trigger":"2:2","execution":"2:0","loop":2,"thread":6,"time_ns":46,"flags":["thread_ended"]}
	EOF
}

# broken SED-SCRIPT MESSAGE: the stream with this edit must be refused, with that message.
broken() {
	sed "$1" "$LOG" >"$BATS_TEST_TMPDIR/broken.json"
	run -1 cmp -s "$LOG" "$BATS_TEST_TMPDIR/broken.json"
	run -1 check_events "$BATS_TEST_TMPDIR/broken.json"
	echo "$output"
	[[ $output = *"$2"* ]]
}

@test "a right stream passes" {
	check_events "$LOG"
}

@test "an empty log passes" {
	check_events /dev/null
}

@test "a line that is not JSON" {
	broken '3s/}$//' "not JSON"
}

@test "keys that lack, are too many or in another order" {
	broken '1s/,"loop":0//' "the keys are"
	broken '1s/"time_ns"/"when"/' "the keys are"
	broken '1s/"id":"2","type":"TIMERWRAP"/"type":"TIMERWRAP","id":"2"/' "the keys are"
	broken '1s/}$/,"colour":"red"}/' "the keys end in"
	broken '5s/,"call":"stat"//' "call is for fs requests"
	broken '25s/,"sender":"5"//' "sender is for wakeup"
	broken '30s/,"other":"7"//' "other is for link"
}

@test "an unknown event, type, flag or form of an id" {
	broken '2s/"start"/"begin"/' "no event"
	broken '1s/uv_timer_t/uv_idle_t/' "the two names of the type differ"
	broken '11s/closing/shutting/' "unknown or no flags"
	broken '11s/"closing"//' "unknown or no flags"
	broken '1s/"id":"2"/"id":"0:2"/' "no id"
	broken '1s/"id":"2"/"id":"02"/' "no id"
	broken '1s/"id":"2"/"id":2/' "an id is a string"
	broken '1s/"id":"2"/"id":"1"/' "no resource has this id"
}

@test "a loop that is not that of the id" {
	broken '18s/"loop":1/"loop":0/' "the loop is not that of the id"
	broken '16s/"loop":null/"loop":0/' "a thread has no loop"
}

@test "a second init" {
	broken '15s/"id":"4"/"id":"2"/' "a second init"
}

@test "ids that leave one out or do not begin with 2" {
	broken '15s/"id":"4"/"id":"6"/' "the next id of this space is 4"
	broken '1s/"id":"2"/"id":"3"/' "the next id of this space is 2"
}

@test "an event before init" {
	broken '1d' "start before init"
}

@test "a second destroy, and an event after destroy" {
	broken '13{p}' "destroy after destroy"
	broken '14s/.*/{"event":"start","id":"2","type":"TIMERWRAP","uv_type":"uv_timer_t","trigger":"1","execution":"1","loop":0,"thread":9,"time_ns":14}/' \
		"start after destroy"
}

@test "an end that is never followed by destroy" {
	broken '10d' "FSREQCALLBACK 3 has ended and was never destroyed"
	broken '13d' "TIMERWRAP 2 has ended and was never destroyed"
}

@test "with --ended, a resource that is never destroyed" {
	run -1 check_events --ended "$LOG"
	[[ $output = *"ASYNCWRAP 4 was never destroyed"* ]]
	[[ $output != *"TIMERWRAP 2"* ]]
}

@test "after without before, and after of another" {
	broken '8d' "nothing runs in this thread"
	broken '7d' "2 runs in this thread"
}

@test "destroy while the resource is on a stack, or while another is" {
	broken '9{h;d};10{G}' "destroy while it is on a stack"
	broken '20{h;d};26{p;x;s/"thread":8,"time_ns":20/"thread":9,"time_ns":26/}' "destroy while 4 runs in this thread"
}

@test "a request with two callbacks" {
	broken '9{p;s/"after"/"before"/}' "a request has one callback"
}

@test "a callback after the close callback" {
	broken '12{p;s/"after"/"before"/}' "a callback after the close callback"
}

@test "an execution id that is not that of what runs" {
	broken '4s/"execution":"2"/"execution":"1"/' "the execution id should be its own"
	broken '6s/"execution":"2"/"execution":"1"/' "the execution id should be 2"
	broken '2s/"execution":"1"/"execution":"0"/' "the execution id should be that of top-level code"
	broken '18s/"trigger":"5","execution":"5"/"trigger":"1","execution":"1"/' "the execution id should be 5"
	broken '25s/"execution":"0"/"execution":"1"/' "the execution id should be 0"
	broken '10s/"execution":"0"/"execution":"1"/' "the execution id should be 0 of its space"
	broken '20s/"execution":"1:0"/"execution":"0"/' "the execution id should be 0 of its space"
}

@test "a trigger that is unknown, changes, or is not what the rule says" {
	broken '35s/"trigger":"7"/"trigger":"77"/' "the trigger is unknown"
	broken '7s/"trigger":"1"/"trigger":"3"/' "the trigger is not that of init"
	broken '5s/"trigger":"2"/"trigger":"1"/' "the trigger should be the execution id"
	broken '35s/"trigger":"7"/"trigger":"8"/' "the trigger should be the handle"
	broken '35s/"trigger":"7"/"trigger":"2"/' "the trigger is destroyed"
}

@test "a type that changes, but for a server's" {
	broken '4s/TIMERWRAP","uv_type":"uv_timer_t/IDLEWRAP","uv_type":"uv_idle_t/' "the type was TIMERWRAP"
	broken '28s/TCPSERVERWRAP","uv_type":"uv_tcp_t/PIPESERVERWRAP","uv_type":"uv_pipe_t/' "TCPWRAP cannot become this"
	broken '27s/TCPWRAP/TCPSERVERWRAP/' "no handle is made a server"
}

@test "stop without start" {
	broken '2d' "stop without a start"
}

@test "an async callback without its wakeup, and a wakeup from nobody" {
	broken '25d' "an async callback without a wakeup"
	broken '25s/"sender":"5"/"sender":"55"/' "the sender is unknown"
}

@test "work that begins twice, ends unbegun, or is no work" {
	broken '33{p}' "the work began before"
	broken '33d' "nothing runs in this thread"
	broken '34s/"work_end"/"after"/' "8 runs in this thread"
}

@test "a link to nobody" {
	broken '30s/"other":"7"/"other":"77"/' "the other is unknown"
}

@test "time that runs backwards in a thread" {
	broken '6s/"time_ns":6/"time_ns":4/' "time runs backwards"
}

@test "a loop that is left unentered, or before an inner one" {
	broken '3d' "uv_run of no loop ends first"
	broken '14s/"id":"0"/"id":"1:0"/;14s/"loop":0/"loop":1/' "uv_run of 0 ends first"
}

@test "with --late, what was made before the log began may end in it" {
	sed 1,3d "$LOG" >"$BATS_TEST_TMPDIR/late.json"
	run -1 check_events "$BATS_TEST_TMPDIR/late.json"
	check_events --late "$BATS_TEST_TMPDIR/late.json"
}

@test "an unknown option is refused" {
	run -2 check_events --lenient "$LOG"
}

@test "the program's own resources: what is said of their types" {
	broken '36s/"Job"/"J\\u0007b"/' "no name of a type"
	broken '36s/"Job"/""/' "no name of a type"
	broken "36s/Job/$(printf 'x%.0s' {1..64})/" "the name of the type is too long"
	broken '38s/"Job"/"Task"/' "the type was embedder Job"
	broken '46s/"uv_type":"none"/"uv_type":"uv_tcp_t"/' "thread_ended is for the program's own resources"
	broken '46{h;s/"destroy"/"type_change"/;s/"2:0"/"2:1"/;s/,"flags".*/}/;G}' "embedder TCPWRAP cannot become this"
}

@test "the program's own resources: destroy while they run, and what comes behind it" {
	broken '41{h;d};42{G}' "destroy while it is on a stack"
	broken '43s/,"flags".*/}/' "before after destroy"
	broken '38s/}$/,"flags":["after_destroy"]}/' "its destroy has not been delivered"
	broken '44s/}$/,"flags":["after_destroy"]}/' "after_destroy is not for init"
	broken '13s/}$/,"flags":["thread_ended"]}/' "thread_ended is for the program's own resources"
}

@test "the program's own resources: triggers, unless the program names them" {
	broken '44s/"trigger":"2:2"/"trigger":"2:3"/;46s/"trigger":"2:2"/"trigger":"2:3"/' \
		"the trigger should be the execution id"
	check_events --named-triggers "$BATS_TEST_TMPDIR/broken.json"
	broken '36s/"trigger":"2:1"/"trigger":"77"/' "the trigger is unknown"
	broken '39s/"trigger":"2:3"/"trigger":"2:1"/' "the trigger should be the execution id"
	broken '44s/"execution":"2:2"/"execution":"2:1"/' "the execution id should be 2:2"
}

@test "promises: what is none, and what was resolved before" {
	broken '40{p}' "it was resolved before"
	broken '40s/2:3/2:2/;40s/PROMISE/Job/' "this is no promise"
	broken '40s/"execution":"2:2"/"execution":"2:1"/' "the execution id should be 2:2"
}

@test "what hooks make while they hear of a destroy, with --nested-hooks" {
	made='{"event":"init","id":"2:5","type":"Made","uv_type":"none","trigger":"2:0","execution":"2:0","loop":2,"thread":6,"time_ns":42}'
	broken "44d;46d;42a$made" "the execution id should be that of top-level code"
	check_events --nested-hooks "$BATS_TEST_TMPDIR/broken.json"
	broken "44d;46d;43a${made/42/43}" "the execution id should be 2:2"
	run -1 check_events --nested-hooks "$BATS_TEST_TMPDIR/broken.json"
}
