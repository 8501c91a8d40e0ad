#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154
# Looking into a process that runs, and changing what the shim does there: uvhooks ps and ctl, and
# the verbs that take a pid.
#
# FUZZ_SECONDS says how long to look into memory that is made of random bytes.

load helpers
load control

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	end_targets
}

@test "a dormant program that sleeps in its loop tells all of its status" {
	target one named idle
	run -0 --separate-stderr ctl "$PID" status --json
	[ -z "$stderr" ]
	is '.state == "dormant" and .answered and .plugins == "" and .losses == {}'
	is '.libuv | test("^[0-9.]+, linked$")'
	is '.live == 3 and .live_by_type == {"TIMERWRAP": 1, "POLLWRAP": 1, "my type": 1}'
	is '.resources_made == 3 and .memory_bytes > 0 and .hooks == []'
	is '.loops | length == 1 and .[0].callback == null and .[0].can_be_woken'
	run -0 ctl "$PID" status
	grep -qx 'state     dormant: no hook is enabled' <<<"$output"
	grep -qx 'live      3 resources, 3 made' <<<"$output"
	grep -qx ' *1 my type' <<<"$output"
	grep -qx 'losses    none' <<<"$output"
	end_target one
}

@test "a program whose loop never sleeps answers, too" {
	target one busy
	run -0 ctl "$PID" status --json
	is '.answered and .live_by_type.IDLEWRAP == 1'
	end_target one
}

@test "a callback that does not return is named, by itself and where something was asked for" {
	target one stuck
	run -1 --separate-stderr ctl --timeout 50ms "$PID" status
	grep -qE '^loops +0x[0-9a-f]+ \(ids 0:\) runs on_stuck of 2 \(TIMERWRAP\)$' <<<"$output"
	grep -qE '^live +1 resource$' <<<"$output"
	[[ $stderr == *"what plugins say, hooks and memory are missing: no loop of process $PID has answered in "* ]]
	run -1 --separate-stderr ctl --timeout 50ms "$PID" load log
	[ -z "$output" ]
	[[ $stderr == *"runs on_stuck of 2 (TIMERWRAP)"*"to wait longer: uvhooks ctl --timeout 1m $PID"* ]]
	run -1 --separate-stderr ctl --timeout 50ms "$PID" why
	[[ $stderr == *"runs on_stuck of 2 (TIMERWRAP)"* ]]
	[ -z "$(find . -name 'uvhooks-*')" ]
	run -1 --separate-stderr ctl --timeout 50ms "$PID" status --json
	is '.answered == false and .loops[0].callback == "on_stuck" and .live == 1'
	# What was given up is not done later.
	end_target one
	[ "$(said one)" = "" ]
}

@test "code outside of all loops is told apart, before the first and behind the last" {
	target one bare
	run -0 --separate-stderr ctl "$PID" status
	grep -qx 'loops     none has run' <<<"$output"
	run -1 ctl "$PID" load log
	[[ $output == *"process $PID has no loop that could do it: none has run yet"* ]]
	end_target one
	target two toplevel
	run -1 --separate-stderr ctl --timeout 50ms "$PID" status
	grep -q 'does not run: its thread is in no uv_run()$' <<<"$output"
	end_target two
}

@test "a process that is stopped is looked into, and it is said that it is" {
	target one idle
	kill -STOP "$PID"
	run -1 --separate-stderr ctl --timeout 50ms "$PID" status
	grep -qE '^live +2 resources$' <<<"$output"
	[[ $stderr == *"the process is stopped, by a signal or a debugger: kill -CONT $PID"* ]]
	kill -CONT "$PID"
	run -0 ctl "$PID" status --json
	is .answered
	end_target one
}

@test "ps lists what is under the shim, and nothing else" {
	target one idle
	local mine=$PID
	SHIM_SET=(UVHOOKS_DISABLE=1)
	target two idle
	local disabled=$PID
	SHIM_SET=(UVHOOKS_PLUGINS=log:file=log)
	target three idle
	run -0 --separate-stderr bare "$UVHOOKS" ps --json
	is "[.processes[] | select(.pid == $mine)] | length == 1 and .[0].state == \"dormant\" and .[0].live == 2"
	is ".processes[] | select(.pid == $mine) | .program == \"$CONTROL/target idle\" and .user == \"$(id -un)\" and .up_ns > 0"
	is "[.processes[] | select(.pid == $disabled)] | .[0].state == \"disabled\""
	is ".processes[] | select(.pid == $PID) | .plugins == [\"log\"] and .state == \"log\""
	is "[.processes[] | select(.pid == $$)] == []"
	run -0 --separate-stderr bare "$UVHOOKS" ps "$mine" "$disabled"
	[ "${#lines[@]}" -eq 3 ]
	grep -qE "^ +$mine .* dormant +2 +[0-9]+ s +$CONTROL/target idle$" <<<"$output"
	run -2 bare "$UVHOOKS" ps $$
	[[ $output == *"process $$ cannot be looked into: it was started without libuvhooks.so"* ]]
	end_target one
	end_target two
	end_target three
	run -2 bare "$UVHOOKS" ps "$mine"
	[[ $output == *"there is no process $mine (any more)"* ]]
}

@test "a plugin is loaded into Neovim that runs, told other options, and switched off and on" {
	start nvim nvim --headless --embed -u NONE -i NONE -n
	# Requests in msgpack, which its loop answers.
	printf '\x94\x00\x01\xacnvim_command\x91\xa5let x' >&"${FDS[nvim]}"
	head -c 1 <&"${FDS[nvim.out]}" >/dev/null
	run -0 ctl "${PIDS[nvim]}" load log:file=events,format=json
	[ -z "$output" ]
	printf '\x94\x00\x02\xacnvim_command\x91\xa5let x' >&"${FDS[nvim]}"
	head -c 1 <&"${FDS[nvim.out]}" >/dev/null
	run -0 ctl "${PIDS[nvim]}" status --json
	is '.plugins == "log" and (.hooks[0] | test("^1 enabled log init before after "))'
	run -0 ctl "${PIDS[nvim]}" disable log
	run -0 ctl "${PIDS[nvim]}" status --json
	is '.hooks[0] | test("^1 disabled log ")'
	run -0 ctl "${PIDS[nvim]}" enable hook 1
	run -1 ctl "${PIDS[nvim]}" enable hook 2
	[[ $output == *"there is no hook '2'"* ]]
	run -1 ctl "${PIDS[nvim]}" disable nothing
	[[ $output == *"no plugin 'nothing'"* ]]
	run -1 ctl "${PIDS[nvim]}" load nothing
	[[ $output == *"plugin 'nothing' is neither in UVHOOKS_PLUGIN_PATH"* ]]
	run -1 ctl "${PIDS[nvim]}" set nothing:a=b
	[[ $output == *"plugin 'nothing' is not loaded"* ]]
	printf '\x94\x00\x03\xacnvim_command\x91\xa3qa!' >&"${FDS[nvim]}"
	end_target nvim
	grep -q '"event":"before"' events
	check_events --late events || jq -c . events | head -n 20
}

@test "a server of uvloop that runs is recorded, from some moment to another" {
	cat >server.py <<-'END'
		import asyncio, os, sys, uvloop
		async def main():
		    reader = asyncio.StreamReader()
		    await asyncio.get_running_loop().connect_read_pipe(
		        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
		    print("ready", os.getpid(), flush=True)
		    while await reader.readline():
		        await asyncio.sleep(0.001)
		        print("slept", flush=True)
		uvloop.install()
		asyncio.run(main())
	END
	start server /usr/bin/python3 server.py
	wait_ready server
	local line trace='t:r,a;c\e'
	mkdir "$trace"
	run -0 ctl "$PID" record start -o "$trace" --stacks
	[[ $output == *"it goes to $PWD/$trace; now: uvhooks report "* ]]
	echo >&"${FDS[server]}"
	read -r -t 20 -u "${FDS[server.out]}" line
	run -0 ctl "$PID" status --json
	is '.plugins | test("^stacks,python,lua,recorder$")'
	run -0 ctl "$PID" record stop
	run -0 bare "$UVHOOKS" log --type TIMERWRAP "$trace"
	grep -q ' init ' <<<"$output"
	run -0 bare "$UVHOOKS" stack "$trace"
	grep -q 'server.py:[0-9]' <<<"$output"
	# Where something is already, nothing is begun.
	run -2 ctl "$PID" record start -o "$trace"
	[[ $output == *"is there, and is no empty folder"* ]]
	run -2 ctl "$PID" record start
	[[ $output == *"-o DIR is missing"* ]]
	run -1 ctl "$PID" record start -o nowhere/trace
	[[ $output == *"nowhere: No such file or directory"* ]]
	end_target server
}

@test "why, leaks and stack take a pid: what keeps a sleeping program alive is named, again and again" {
	target one idle
	local round
	for round in 1 2 3; do
		run -0 --separate-stderr bare "$UVHOOKS" why "$PID"
		grep -q '^  Kept alive by 2 handles:$' <<<"$output"
		grep -q '^    TIMERWRAP (uv_timer_t) never: fires in [0-9]* s$' <<<"$output"
		grep -q '^    POLLWRAP (uv_poll_t) on_input: polls fd 0$' <<<"$output"
		[ -z "$stderr" ]
	done
	run -0 ctl "$PID" why --json
	is '[.processes[].loops[].groups[].type] | sort == ["POLLWRAP", "TIMERWRAP"]' ||
		is '[.. | objects | .type? // empty] | sort | unique == ["POLLWRAP", "TIMERWRAP"]'
	run -0 bare "$UVHOOKS" leaks "$PID"
	run -0 bare "$UVHOOKS" stack "$PID"
	# A folder of that name comes first.
	mkdir "$PID"
	run -2 bare "$UVHOOKS" why "$PID"
	[[ $output == *"no trace can be read in $PID"* ]]
	rmdir "$PID"
	[ -z "$(find . -name 'uvhooks-*')" ]
	end_target one
	[ "$(said one)" = "loop ended, alive: 0" ]
	run -2 bare "$UVHOOKS" why "$PID"
}

@test "asking keeps no loop alive, and one that has ended can be closed" {
	target one ends
	run -0 ctl "$PID" status
	run -0 bare "$CONTROL/ask" "$PID" 100 status
	[ "$output" = "100 done, 0 refused, 0 without an answer" ]
	end_target one
	[ "$(said one)" = "loop ended, alive: 0"$'\n'"loop closed" ]
}

@test "a program that is asked a thousand times does what it does alone" {
	SHIM_SET=(UVHOOKS_PLUGINS=log:file=log)
	target one busy
	run -0 bare "$CONTROL/ask" "$PID" 1000 'disable log' status 'enable log' 'enable hook 7'
	echo "$output"
	[ "$output" = "750 done, 250 refused, 0 without an answer" ]
	end_target one
	diff <(: | bare "$CONTROL/target" busy | grep -v ^ready) <(said one)
	[ ! -s one.err ]
}

@test "of commands that come at once each gets its own answer" {
	target one idle
	local i round pids=()
	for i in 1 2 3; do
		bare "$CONTROL/ask" "$PID" 200 status "enable hook $i" >"ask.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for round in {1..10}; do
		run -0 ctl "$PID" status --json
		is '.answered and .live == 2'
	done
	wait "${pids[@]}"
	for i in 1 2 3; do
		[ "$(cat "ask.$i")" = "100 done, 100 refused, 0 without an answer" ]
	done
	end_target one
}

@test "a process that ends while it is asked is no riddle" {
	target one stuck
	ctl --timeout 20s "$PID" load log >said 2>&1 3>&- &
	local command=$!
	# It holds the lock as soon as it has written its request.
	until ! flock -n "/proc/$PID/mem" true; do :; done
	kill -KILL "$PID"
	local status=0
	wait "$command" || status=$?
	[ "$status" -eq 1 ]
	grep -qx "uvhooks: process $PID has ended, or become another program" said
	wait "$PID" 2>/dev/null || :
	unset 'PIDS[one]'
}

@test "the child of a fork is a process of its own; that of a vfork is none" {
	target one fork idle
	local child=$PID parent=${PIDS[one]}
	run -0 ctl "$child" status --json
	is ".pid == $child and .answered and .live == 2"
	run -0 --separate-stderr ctl "$parent" status --json
	is ".pid == $parent and .live == 0 and .loops == []"
	end_target one
	target two vfork
	run -2 ctl "$PID" status
	[[ $output == *"it shares the memory of its parent"* ]]
	end_target two
}

# Somebody else, who may not enter our folders: by descriptor.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/7 "$@" 7<"$UVHOOKS"
}

@test "the kernel keeps other users out" {
	if [ "$(id -u)" -ne 0 ]; then
		run -1 bare "$UVHOOKS" ps 1
		[[ $output == *"the kernel does not let us look into process 1 of user root"* ]]
		return
	fi
	target one idle
	run -1 as_nobody ctl "$PID" status
	[[ $output == *"the kernel does not let us look into process $PID of user root: only that user may, and root"* ]]
	run -1 as_nobody why "$PID"
	[[ $output == *"only that user may, and root"* ]]
	run -0 as_nobody ps
	[[ $output == *" processes could not be looked into: of other users, or protected; root may"* ]]
	[[ $output != *" $PID "* ]]
	run -0 ctl "$PID" status --json
	is .answered
	end_target one
}

@test "root makes folders for a process as the process's user, who can lead it nowhere" {
	if [ "$(id -u)" -ne 0 ]; then
		target one idle
		run -1 ctl "$PID" record start -o /uvhooks.trace
		[[ $output == *"Permission denied"* ]]
		end_target one
		return
	fi
	mkdir --mode=700 secret
	mkdir open
	chown 65534:65534 open
	ln -s ../secret open/trap
	ln -s ../secret/inner open/other
	# What nobody can reach: our own folders.
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR"
	target one nobody idle
	run -1 ctl "$PID" record start -o open/trap
	[[ $output == *"Permission denied"* ]]
	run -1 ctl "$PID" record start -o open/other
	[[ $output == *"Permission denied"* ]]
	[ -z "$(ls -A secret)" ]
	[ "$(stat -c %U secret)" = root ]
	run -0 ctl "$PID" record start -o open/trace
	[ "$(stat -c '%u %a' open/trace)" = "65534 700" ]
	run -0 ctl "$PID" record stop
	run -0 bare "$UVHOOKS" report open/trace
	run -0 bare "$UVHOOKS" why "$PID"
	echo "$output"
	grep -q 'Kept alive by 2 handles' <<<"$output"
	end_target one
}

@test "a process with a root of its own finds its folders there" {
	local before
	if [ "$(id -u)" -ne 0 ]; then
		AS=(unshare --user --map-root-user)
	fi
	# It loads what it finds there.
	mkdir -p root/tmp "root${SHIM%/*}/plugins"
	chmod 1777 root/tmp
	cp "${SHIM%/*}/plugins/recorder.so" "root${SHIM%/*}/plugins/"
	before=$(find root/tmp)
	target one "chroot=$BATS_TEST_TMPDIR/root" idle
	run -0 bare "$UVHOOKS" why "$PID"
	echo "$output"
	echo "$output"
	grep -q 'Kept alive by 2 handles' <<<"$output"
	[ "$(find root/tmp)" = "$before" ]
	run -2 ctl "$PID" record start -o trace
	[[ $output == *"has a root of its own: name the folder by an absolute path"* ]]
	run -0 ctl "$PID" record start -o /tmp/trace
	[[ $output == *"it goes to /proc/$PID/root/tmp/trace"* ]]
	[ -d root/tmp/trace ]
	run -0 ctl "$PID" record stop
	end_target one
}

@test "a plugin that would end the process is not loaded into it" {
	local way
	target one idle
	for way in 'abort()' 'exit(3)'; do
		"${CC:-cc}" -x c -shared -fPIC -I"$BATS_TEST_DIRNAME/../include" -o crash.so - <<-END
			#include <stdlib.h>
			#include <uvhooks/plugin.h>

			static int ends(struct uvhooks_plugin_args *args)
			{
				(void) args;
				$way;
				return 0;
			}

			UVHOOKS_PLUGIN = {
			    .size = sizeof(struct uvhooks_plugin),
			    .abi = UVHOOKS_PLUGIN_ABI,
			    .name = "crash",
			    .init = ends,
			};
		END
		run -1 ctl "$PID" load context ./crash.so
		[[ $output == *"crash.so"*"so nothing was loaded"* ]]
	done
	run -0 ctl "$PID" status --json
	is '.answered and .plugins == ""'
	end_target one
}

@test "what is no request is refused, and what is not there is said" {
	target one idle
	run -2 ctl
	[[ $output == *"a pid is missing"* ]]
	run -2 ctl "$PID"
	[[ $output == *"what to do: status, say, is missing"* ]]
	run -2 ctl "$PID" dance
	[[ $output == *"unknown verb 'dance'"* ]]
	run -2 ctl nobody status
	[[ $output == *"'nobody' is no pid"* ]]
	run -2 ctl "$PID" load
	run -2 ctl "$PID" set
	run -2 ctl "$PID" record
	run -2 ctl "$PID" record wind
	run -2 ctl "$PID" off now
	run -2 ctl "$PID" status now
	run -2 ctl --timeout never "$PID" status
	run -2 ctl --nonsense "$PID" status
	run -1 ctl "$PID" load "$(printf 'log:file=%05000d' 1)"
	[[ $output == *"that is too long: 4095 bytes are the most"* ]]
	run -1 ctl "$PID" load log:nonsense=1
	[[ $output == *"plugin 'log': "*nonsense* ]]
	run -1 ctl "$PID" load context log:file=log nothing
	[[ $output == *"plugin 'nothing' is neither in UVHOOKS_PLUGIN_PATH"* ]]
	run -0 ctl "$PID" status --json
	is '.plugins == "context,log"'
	run -0 ctl "$PID" off
	run -0 ctl "$PID" status
	grep -qx 'state     disabled: it lets everything pass' <<<"$output"
	end_target one
}

@test "what was turned off says so, and a plugin without a name is no request" {
	target one idle
	for words in "load" "set" "enable" "disable"; do
		run -2 --separate-stderr ctl "$PID" "$words" ""
		# shellcheck disable=SC2154 # bats sets it
		[[ $stderr == "uvhooks: ctl: $words: '' names no plugin"* ]]
	done
	run -0 ctl "$PID" load log:file="$BATS_TEST_TMPDIR/log"
	run -0 ctl "$PID" off
	for words in "load meter" "enable log" "record start -o $BATS_TEST_TMPDIR/trace"; do
		# shellcheck disable=SC2086
		run -1 --separate-stderr ctl "$PID" $words
		[[ $stderr == "uvhooks: the shim in this process was turned off, "*"start the program again" ]]
	done
	run -1 --separate-stderr bare "$UVHOOKS" leaks "$PID"
	[[ $stderr == "uvhooks: the shim in this process was turned off, "* ]]
	run -0 ctl "$PID" status
	[ ! -e "$BATS_TEST_TMPDIR/trace" ]
}

@test "bytes that no command would write do a process no harm" {
	SHIM_SET=(UVHOOKS_PLUGINS=log:file=log)
	target one idle
	local seed
	for seed in 1 2 3; do
		run -0 bare "$CONTROL/ask" "$PID" 300 --hostile "$seed"
		echo "$output"
		[ "$output" = "2 done, 0 refused, 0 without an answer" ]
	done
	run -0 ctl "$PID" status --json
	is '.answered and .live == 2'
	end_target one
	[ "$(said one)" = "loop ended, alive: 0" ]
	[ ! -s one.err ]
}

@test "whatever a process has in memory, who looks into it comes to no harm" {
	local tools=$BATS_TEST_DIRNAME/../tools
	clang -std=gnu11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror \
		-I "$BATS_TEST_DIRNAME/../include" -I "$tools" \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o fuzz \
		"$BATS_TEST_DIRNAME/fuzz/fuzz_process.c" "$BATS_TEST_DIRNAME/control/say.c" \
		"$tools"/process*.c \
		"$tools"/{trace_symbols,elf_debug,elf_file,elf_functions,elf_lines,elf_raw,elf_symbols,memory,terminal_text}.c \
		-lelf -ldw
	mkdir seeds
	FUZZ_SEEDS=seeds bare ./fuzz
	[ "$(find seeds -type f | wc -l)" -eq 3 ]
	local limit=(-runs=150)
	[ -z "${FUZZ_SECONDS:-}" ] || limit=(-max_total_time="$FUZZ_SECONDS")
	bare ./fuzz "${limit[@]}" -seed=1 -max_len=24000 -timeout=20 -rss_limit_mb=2000 seeds >log 2>&1 || {
		tail -n 40 log
		return 1
	}
}

@test "node, whose libuv is inside of it, tells what keeps it alive, and is recorded from now on" {
	local node
	node=$(UVHOOKS_BUILD=$UVHOOKS_BUILD "$BATS_TEST_DIRNAME/../scripts/node-binaries" | tail -n 1)
	start node env -u NODE_OPTIONS "$node" -e '
		const timer = setInterval(() => {}, 3600000);
		const server = require("net").createServer().listen(0, "127.0.0.1", () =>
			console.log("ready " + process.pid));
		process.stdin.once("data", () => { server.close(); clearInterval(timer); process.stdin.destroy(); });'
	wait_ready node
	run -0 ctl "$PID" status --json
	is '(.libuv | test(", patched$")) and .state == "dormant" and .answered'
	is '.live_by_type.TCPSERVERWRAP == 1'
	run -0 bare "$UVHOOKS" why "$PID"
	echo "$output"
	grep -q 'TCPSERVERWRAP (uv_tcp_t) .*: listens on 127.0.0.1:[0-9]*$' <<<"$output"
	run -0 ctl "$PID" record start -o trace
	echo >&"${FDS[node]}"
	end_target node
	run -0 bare "$UVHOOKS" log --type TCPSERVERWRAP trace
	grep -q ' destroy ' <<<"$output"
}

@test "a program that gains rights as it starts has no shim, and that is said" {
	cp "$CONTROL/target" setuid
	[ "$(id -u)" -ne 0 ] || chown 65534 setuid
	chmod u+s setuid
	start one ./setuid bare
	wait_ready one
	if [ "$(id -u)" -ne 0 ]; then
		# One's own rights are none to gain.
		run -0 ctl "$PID" status
	else
		run -2 ctl "$PID" status
		[[ $output == *"it was started without libuvhooks.so: "*"(a setuid program ignores it)"* ]]
		run -2 bare "$UVHOOKS" ps "$PID"
	fi
	end_target one
}

@test "of a program with many loops one answers, and all are listed as far as there is room" {
	SHIM_SET=(UVHOOKS_PLUGINS=log:file=log)
	target one loops
	run -0 bare "$CONTROL/ask" "$PID" 100 status 'disable log' 'enable log'
	[ "$output" = "100 done, 0 refused, 0 without an answer" ]
	run -0 ctl "$PID" status --json
	is '.answered and (.loops | length) == 32 and .live_by_type.ASYNCWRAP == 40'
	run -0 ctl "$PID" status
	grep -qx ' *and 8 more since it began that found no room in the list' <<<"$output"
	end_target one
	[ "$(said one)" = "40 loops have ended" ]
}

@test "a log that is told other events hears all that it is told" {
	cat >asks.c <<-'END'
		#include <stdio.h>
		#include <unistd.h>
		#include <uv.h>

		/* Until there is a file "end". */
		static void ask(uv_timer_t *timer)
		{
			uv_fs_t request;

			if (uv_fs_stat(NULL, &request, "end", NULL) == 0)
				uv_close((uv_handle_t *) timer, NULL);
			uv_fs_req_cleanup(&request);
		}

		int main(void)
		{
			uv_timer_t timer;

			printf("ready %d\n", (int) getpid());
			fflush(stdout);
			uv_timer_init(uv_default_loop(), &timer);
			uv_timer_start(&timer, ask, 1, 1);
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
		}
	END
	cc -o asks asks.c -luv
	SHIM_SET=("UVHOOKS_PLUGINS=log:file=log,events=fs_call")
	start asks ./asks
	wait_ready asks
	run -0 ctl "$PID" set log:events=fs_call+before
	: >log
	touch end
	end_target asks
	grep -q ' before ' log
	grep -q 'fs_call' log
}
