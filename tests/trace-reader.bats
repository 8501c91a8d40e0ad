#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The reader of traces, by itself: it finds in a trace what was written into it, reads what it can of
# one that is damaged, says what it cannot, and takes little memory. The traces are written by
# tests/trace/make_trace.py, which knows what must be found in them.
#
# FUZZ_SECONDS says how long to feed it with random bytes.

load helpers

MAKE=$BATS_TEST_DIRNAME/trace/make_trace.py
DUMP=$UVHOOKS_BUILD/tests/trace/dump_trace
DAMAGE=$UVHOOKS_BUILD/tests/trace/damage_trace

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

make_trace() {
	"$PYTHON" "$MAKE" "$@"
}

# dump DIR: the events on stdout; what is damaged in `damage`.
dump() {
	bare "$DUMP" "$@" 2>damage
}

# A story to damage: in t/story-1000, its events in `expected`.
story() {
	make_trace scene story t >expected
	FOLDER=t/story-1000
	MAIN=$FOLDER/thread-1000-0-0
}

# put FILE OFFSET BYTES: writes over what is there.
put() {
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

expect_damage() {
	grep -qF -- "$1" damage || {
		echo "nobody said '$1', but:"
		cat damage
		return 1
	}
}

@test "what was written into a trace is found in it, every field of every event" {
	local scene
	for scene in $(make_trace scenes); do
		make_trace scene "$scene" "$scene" >expected
		[ -s expected ]
		dump "$scene" >found
		diff expected found
		[ ! -s damage ]
	done
}

@test "stacks with their lines, states and the rarer events are found in it, too" {
	make_trace answers t
	bare "$DUMP" --answers t >found 2>damage
	diff --label expected --label found - found <<-'END'
		stack 2 fs=-1 stack 1 of init 0x7f0000001011=inner /src/main.c:10 /opt/story=outer /src/main.c:20 /opt/story 0x7f0000001021=main /src/main.c:30 /opt/story unref=0 pool=0 thread=-1 stacks=1,0
		stack 2 fs=-1 stack 2 of start 'made' a.lua:12 '' b.lua:0 0x7f0000001011=inner /src/main.c:10 /opt/story=outer /src/main.c:20 /opt/story unref=0 pool=0 thread=-1 stacks=1,2
		state 2 fs=-1 flags=3 fd=-1 due=1700000000001000000 repeat=500 '' unref=0 pool=0 thread=-1 stacks=1,2
		unref 2 fs=-1 unref=1 pool=0 thread=-1 stacks=1,2
		state 3 fs=1 flags=3 fd=-1 due=0 repeat=0 '/tmp/?[31mäxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' unref=0 pool=0 thread=-1 stacks=0,0
		state 3 fs=1 flags=3 fd=7 due=0 repeat=0 '/tmp/?[31mäxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' unref=0 pool=0 thread=-1 stacks=0,0
		pool_end 3 fs=1 unref=0 pool=1 thread=1 stacks=0,0
		fs_call 2 fs=3 duration=9223372036854775807 unref=1 pool=0 thread=-1 stacks=1,2
		stack 2 fs=-1 stack 1 of fs_call 0x7f0000001011=inner /src/main.c:10 /opt/story=outer /src/main.c:20 /opt/story 0x7f0000001021=main /src/main.c:30 /opt/story unref=1 pool=0 thread=-1 stacks=1,2
		stall 2 fs=-1 duration=100000000 of thread 1009 unref=1 pool=0 thread=-1 stacks=1,2
		stack 2 fs=-1 stack 4 of stall unref=1 pool=0 thread=-1 stacks=1,2
		ref 2 fs=-1 unref=0 pool=0 thread=-1 stacks=1,2
		unref 2 fs=-1 unref=1 pool=0 thread=-1 stacks=1,2
		fs_call 1 fs=6 duration=5 of none
		loop_busy 0 fs=-1 of none
		stack 4 fs=-1 stack 0 of resource unref=0 pool=0 thread=-1 stacks=0,0
		stack 4 fs=-1 stack 1 of resource 0x7f0000001011=inner /src/main.c:10 /opt/story=outer /src/main.c:20 /opt/story 0x7f0000001021=main /src/main.c:30 /opt/story unref=0 pool=0 thread=-1 stacks=0,1
	END
	[ ! -s damage ]
}

@test "the same holds for random events of several threads" {
	local seed
	for seed in 1 2 3; do
		make_trace random "random-$seed" --events 10000 --threads "$seed" --seed "$seed" >expected
		dump "random-$seed" >found
		diff expected found
		[ ! -s damage ]
	done
}

@test "babeltrace2 reads the same traces, without a warning" {
	local scene
	for scene in story tsc monotonic wide ring family; do
		make_trace scene "$scene" "$scene" >expected
		babeltrace2 "$scene" >found 2>warnings
		[ ! -s warnings ]
		[ "$(grep -cE ' (init|before|after|destroy|promise_resolve|start|stop|wakeup|work_begin|work_end|link|type_change|loop_enter|loop_exit|resource): ' found)" \
			-eq "$(wc -l <expected)" ]
	done
}

@test "processes are told with what is known of them, parents before children" {
	make_trace scene family t >/dev/null
	dump --processes t >found
	diff found - <<-'END'
		0 sh-1007 pid=1007 launched=1007 program=/opt/story command=sh -c "x\y"?z host=host parent= libuv=0x12c02 /opt/libuv.so.1 ring=0 ended=1 start=1700000000000000000 last=1700000000002401000 discarded=0
		  thread 0 1007 story discarded=0
		  thread 1 1008  discarded=0
		1 sh-1008 pid=1008 launched=1007 program=/opt/story command=story --now host=host parent=sh-1007 libuv=0x12c02 /opt/libuv.so.1 ring=0 ended=1 start=1700000000000050000 last=1700000000000850333 discarded=0
		  thread 0 1008 story discarded=0
		  thread 1 1009  discarded=0
		2 node-1008-2 pid=1008 launched=1007 program=/opt/story command=story --now host=host parent=sh-1008 libuv=0x12c02 /opt/libuv.so.1 ring=0 ended=1 start=1700000000003000000 last=1700000000005401000 discarded=0
		  thread 0 1008 story discarded=0
		  thread 1 1009  discarded=0
	END
	make_trace scene lost l >/dev/null
	dump --processes l >found
	[ "$(grep -c 'discarded=3$' found)" -eq 2 ]
	make_trace scene wide w >/dev/null
	dump --processes w >found
	grep -q '^  counter untracked_callbacks=7$' found
	grep -q '^  thread 0 1003 main "quoted" name discarded=0$' found
}

@test "one process of a trace can be read alone, by whatever path" {
	make_trace scene family t >expected
	dump t/sh-1008/ >found
	diff <(grep ' sh-1008$' expected) found
	(cd t/sh-1008 && bare "$DUMP" .) >found
	diff <(grep ' sh-1008$' expected) found
	ln -s t link
	dump link >found
	diff expected found
}

@test "what is no trace is refused, with the reason" {
	run -2 bare "$DUMP" nowhere
	[[ $output == *"nowhere cannot be opened as a trace: No such file or directory; give the folder"* ]]
	mkdir empty
	run -2 bare "$DUMP" empty
	[[ $output == *"no trace can be read in empty; give the folder that"* ]]
	: >file
	run -2 bare "$DUMP" file
	[[ $output == *"Not a directory"* ]]
	mkdir foreign
	: >foreign/definitions
	run -2 bare "$DUMP" foreign
	[[ $output == *"foreign/definitions: the file is empty"*"no trace can be read in foreign"* ]]
}

@test "a file that is cut is read up to there" {
	story
	truncate -s 300 "$MAIN"
	dump t >found
	expect_damage "story-1000/thread-1000-0-0, at byte 0: a packet of "
	expect_damage "is cut short; the 300 that are there were read"
	expect_damage "story-1000/thread-1000-0-0, at byte 296: a record is longer than its packet; the rest of this packet was left out"
	diff <(head -n "$(grep -c 'thread=1000' found)" <(grep thread=1000 expected)) \
		<(grep thread=1000 found)
	diff <(grep thread=1001 expected | cut -d ' ' -f 1-3) <(grep thread=1001 found | cut -d ' ' -f 1-3)
}

@test "a packet whose header is broken is left out, and the next one is read" {
	story
	put "$MAIN" 8 '\xff\xff'
	dump t >found
	expect_damage "thread-1000-0-0, at byte 0: no packet of this trace begins here; "
	[ "$(wc -l <found)" -gt 5 ]
	[ "$(wc -l <found)" -lt 20 ]
	story
	put "$MAIN" 48 '\xff\xff\xff\xff\xff\xff\xff\x0f\xff\xff\xff\xff\xff\xff\xff\x0f'
	dump t >found
	expect_damage "the size of a packet is wrong; it was read up to byte"
	diff expected found
	story
	put "$MAIN" 56 '\x08'
	dump t >found
	expect_damage "the sizes of a packet differ; taken for"
	diff expected found
	story
	put "$MAIN" 32 '\xff\xff\xff\xff\xff\xff\xff\xff'
	dump t >found
	expect_damage "a packet that ends before it begins; its"
	story
	put "$MAIN" 24 '\x07'
	dump t >found
	expect_damage "a packet of another stream; its"
	# The beginning is a whole packet of another process.
	story
	make_trace scene tsc other >/dev/null
	cat other/tsc-1001/thread-1001-0-0 "$MAIN" >joined
	mv joined "$MAIN"
	dump t >found
	expect_damage "no packet of this trace begins here"
	diff expected found
}

@test "a record that cannot be one ends its packet" {
	story
	# Number 11 has no event.
	put "$MAIN" 104 '\x0b'
	dump t >found
	expect_damage "at byte 104: a record has a number that none has; the rest of this packet was left out"
	[ "$(wc -l <found)" -gt 5 ]
	story
	# The second one is before the first, as an extended header says.
	make_trace scene wide w >/dev/null
	put w/wide-1003/thread-1003-0-0 109 '\x00\x00\x00\x00\x00\x00\x00\x00'
	dump w >found
	expect_damage "a record has a time before that of the one in front of it"
	put w/wide-1003/thread-1003-0-0 109 '\xff\xff\xff\xff\xff\xff\xff\xff'
	dump w >found
	expect_damage "a record has a time after the end of its packet"
	grep -q thread=1004 found
}

@test "packets that are missing are told, and the stack is mended behind them" {
	make_trace scene ring t >expected
	sed -i 's/"ring"/"all"/' t/ring-1006/metadata
	dump t >found
	expect_damage "ring-1006/thread-1006-0-1: 1 packets in front of this file are missing"
	diff expected found
	rm t/ring-1006/thread-1006-0-2
	dump t >found
	expect_damage "2 packets are missing in front of this one"
	grep -q ' loop_exit 0 .* depth=0 begin=0 ' found
}

@test "what a process does to its trace while that is read is no damage" {
	local folder=t/ring-1006 start
	make_trace scene ring t >/dev/null
	# This process, as if it were the one that records.
	start=$(sed 's/.*) //' "/proc/$$/stat" | cut -d ' ' -f 20)
	echo "$$ $start" >$folder/.buffers
	dump t >/dev/null
	[ ! -s damage ]
	# It has removed a file, begun another one, and is about to write on in the last.
	rm $folder/thread-1006-0-2
	: >$folder/thread-1007-1-0
	truncate -s -3 $folder/thread-1006-0-3
	dump t >/dev/null
	diff damage - <<-'END'
		damage: ring-1006: its flight recorder went on while this was read, and removed events from the middle of it
	END
	# It has ended.
	rm $folder/.buffers
	dump t >/dev/null
	expect_damage "2 packets are missing in front of this one"
	expect_damage "is cut short"
	expect_damage "the file is empty"
}

@test "without metadata, or with another trace's, the events are read" {
	story
	rm "$FOLDER/metadata"
	dump t >found
	expect_damage "story-1000: without its \`metadata\` neither program nor clock are known"
	# The definitions have two readings of the clocks, so not even the times are lost.
	diff expected found
	make_trace scene tsc other >/dev/null
	cp other/tsc-1001/metadata "$FOLDER/"
	dump t >found
	expect_damage "story-1000/metadata: its uuid is not that of the packets, which was taken"
	diff <(cut -d ' ' -f 2- expected | sed 's/ begin=.*//') <(cut -d ' ' -f 2- found | sed 's/ begin=.*//')
	head -c 65536 /dev/zero >"$FOLDER/metadata"
	dump t >found
	expect_damage "story-1000/metadata: no uuid of the trace in it"
	expect_damage "story-1000/metadata: no clock in it"
	diff expected found
	# Without definitions, too, a tick is shown as a nanosecond.
	rm "$FOLDER/metadata" "$FOLDER/definitions"
	dump t >found
	expect_damage "without its \`definitions\` no names are known"
	[ "$(wc -l <found)" -eq "$(wc -l <expected)" ]
	[[ $(head -n 1 found) == "1000000001000 init 2 type=TIMERWRAP "* ]]
}

@test "broken definitions cost names, and no events" {
	story
	put "$FOLDER/definitions" 104 '\xff'
	dump t >found
	expect_damage "story-1000/definitions, at byte 104: 255 is no definition; the rest of this packet was left out"
	[ "$(wc -l <found)" -eq "$(wc -l <expected)" ]
	story
	truncate -s 150 "$FOLDER/definitions"
	dump t >found
	expect_damage "a definition is longer than its packet"
	[ "$(wc -l <found)" -eq "$(wc -l <expected)" ]
}

@test "foreign, empty and unreadable things in a trace are told, and never waited for" {
	story
	echo hello >"$FOLDER/notes"
	: >"$FOLDER/thread-9-9-0"
	mkfifo "$FOLDER/thread-8-8-0"
	ln -s thread-1000-0-0 "$FOLDER/thread-7-7-0"
	mkdir "$FOLDER/thread-6-6-0"
	head -c 5000 /dev/urandom >"$FOLDER/thread-5-5-0"
	: >"$FOLDER/.hidden"
	ln -s story-1000 t/link-1
	mkdir t/nothing
	: >t/file
	timeout 10 env "$DUMP" t >found 2>damage
	diff expected found
	expect_damage "story-1000/notes: no part of a trace; it was left out"
	expect_damage "story-1000/thread-9-9-0: the file is empty"
	expect_damage "story-1000/thread-8-8-0: no regular file; it was left out"
	expect_damage "story-1000/thread-7-7-0: no regular file; it was left out"
	expect_damage "story-1000/thread-6-6-0: no regular file; it was left out"
	expect_damage "story-1000/thread-5-5-0, at byte 0: no packet of this trace begins here; 5000 bytes were left out"
	expect_damage "link-1: a symbolic link, which is not followed"
	[ "$(wc -l <damage)" -eq 7 ]
}

# Root is asked, too.
without_rights() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --bounding-set=-dac_override,-dac_read_search "$@"
	else
		"$@"
	fi
}

@test "what may not be read is told, and the rest is read" {
	make_trace scene family t >expected
	chmod 0 t/sh-1007 t/sh-1008/thread-1009-1-0
	without_rights "$DUMP" t >found 2>damage
	chmod 700 t/sh-1007
	expect_damage "sh-1007: cannot be opened: Permission denied"
	expect_damage "sh-1008/thread-1009-1-0: cannot be read: Permission denied"
	diff <(grep ' node-1008-2$' expected) <(grep ' node-1008-2$' found)
	grep -q 'thread=1008 .* sh-1008$' found
}

@test "sizes that no disk has are read in a moment" {
	story
	truncate -s 15T "$MAIN" "$FOLDER/metadata" "$FOLDER/definitions"
	timeout 20 "$DUMP" t >found 2>damage
	diff expected found
	expect_damage "no packet of this trace begins here; "
}

@test "a file that becomes shorter while it is read costs what was in it" {
	make_trace big t --events 200000 >/dev/null
	cat >shorten.gdb <<-'END'
		break uvh_trace_next
		run
		shell truncate -s 100000 t/big-3000/thread-3000-0-0
		delete
		continue
	END
	gdb -nx -batch -x shorten.gdb --args "$DUMP" t >found 2>damage
	expect_damage "the file has become shorter, or cannot be read any more; the rest of this packet was left out"
	[ "$(grep -c ' init ' found)" -ge 100 ]
	grep -q 'exited normally' found
}

@test "damage at any byte costs what hangs on that byte only, and is told" {
	make_trace scene story t --short >/dev/null
	mkdir copies
	run -0 "$DAMAGE" t/story-1000 copies
	echo "$output"
	[[ $output =~ ^([0-9]+)\ damaged\ traces\ of\ 25\ events$ ]]
	[ "${BASH_REMATCH[1]}" -ge 5000 ]
}

# peak DIR: the memory that reading takes, in KiB.
peak() {
	bare "$DUMP" --count "$1" 2>&1 >/dev/null | sed -n 's/.* per second, \([0-9]*\) KiB$/\1/p'
}

@test "ten times as many events take no more memory" {
	local some many
	make_trace big some --events 500000 --threads 4 >/dev/null
	make_trace big many --events 5000000 --threads 4 >/dev/null
	some=$(peak some)
	many=$(peak many)
	echo "$some KiB for 500,000 events, $many KiB for 5,000,000"
	[ "$many" -lt $((some + 1024)) ]
	[ "$many" -lt 65536 ]
}

@test "of timers that make each other for ever the last few hundred are remembered" {
	local some many
	make_trace big some --events 100000 --chain >/dev/null
	make_trace big many --events 2000000 --chain >/dev/null
	some=$(peak some)
	many=$(peak many)
	echo "$some KiB for 100,000 events, $many KiB for 2,000,000"
	[ "$many" -lt $((some + 1024)) ]
	dump --live many >found
	cat found
	[[ $(cat found) =~ ^[0-9]+\ FSREQCALLBACK\ .*\(gone\).*\ ([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -ge 256 ]
	[ "${BASH_REMATCH[1]}" -le 1024 ]
}

@test "what is alive in the end is known with its state and the chain of its triggers" {
	make_trace scene wide t >/dev/null
	dump --live t >found
	diff found - <<-'END'
		2 TCPSERVERWRAP armed=0 seen=1 runs=1 run=90 chain=0
		3 TCPWRAP armed=0 seen=1 runs=0 run=0 chain=0
		1:2 TIMERWRAP armed=1 seen=1 runs=3 run=22 chain=2 1
		8589934596 my type armed=0 seen=1 runs=1 run=0 chain=3 1
		8 UVTHREAD armed=0 seen=1 runs=0 run=0 chain=1:2 2 2
		6 IDLEWRAP armed=0 seen=1 runs=0 run=0 chain=0
		7 other type armed=0 seen=1 runs=0 run=0 chain=0
	END
}

@test "whatever bytes a trace is made of, the reader keeps its promises" {
	local tools=$BATS_TEST_DIRNAME/../tools sources file
	mapfile -t sources < <(find "$tools" -name 'trace_*.c' ! -name trace_filter.c ! -name trace_known.c \
		! -name trace_names.c)
	clang -std=gnu11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror \
		-I "$BATS_TEST_DIRNAME/../include" \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o fuzz \
		"$BATS_TEST_DIRNAME/fuzz/fuzz_trace.c" "$BATS_TEST_DIRNAME/trace/check_trace.c" \
		"${sources[@]}" "$tools"/{elf_debug,elf_file,elf_functions,elf_lines,elf_raw,elf_symbols,memory}.c -lelf -ldw
	mkdir regressions
	for file in "$BATS_TEST_DIRNAME"/trace/regressions/*.base64; do
		base64 -d "$file" >"regressions/${file##*/}"
	done
	bare ./fuzz -timeout=10 regressions/* >log 2>&1 || {
		tail -n 40 log
		return 1
	}
	make_trace seeds seeds
	local limit=(-runs=3000)
	[ -z "${FUZZ_SECONDS:-}" ] || limit=(-max_total_time="$FUZZ_SECONDS")
	bare ./fuzz "${limit[@]}" -seed=1 -max_len=8192 -timeout=10 -rss_limit_mb=1000 seeds >log 2>&1 || {
		tail -n 40 log
		return 1
	}
}
