#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uvhooks run: the program is what it would be without us, and what cannot work is said at once.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	unset LD_PRELOAD
	for name in $(compgen -e UVHOOKS_); do
		[ "$name" = UVHOOKS_BUILD ] || unset "$name"
	done
	cd "$BATS_TEST_TMPDIR" || return 1
}

# compile NAME FLAG... <source
compile() {
	"${CC:-cc}" -Wall -x c -o "$1" - "${@:2}"
}

uv_program() {
	cat <<-'END'
		#include <stdio.h>
		#include <uv.h>

		static void on_timer(uv_timer_t *timer)
		{
			puts("timer");
			uv_close((uv_handle_t *) timer, NULL);
		}

		int main(void)
		{
			uv_timer_t timer;

			uv_timer_init(uv_default_loop(), &timer);
			uv_timer_start(&timer, on_timer, 1, 0);
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
		}
	END
}

# A plugin that does nothing: plugin NAME.so [STATEMENT when it is loaded [STATEMENT in its init]]
plugin() {
	compile "$1" -shared -fPIC -I"$BATS_TEST_DIRNAME/../include" <<-END
		#include <fcntl.h>
		#include <stdlib.h>
		#include <unistd.h>
		#include <uvhooks/plugin.h>

		/* Adds a line to the file that the variable MARK names: a word and the process. */
		__attribute__((unused)) static void note(const char *word)
		{
			int fd = open(getenv("MARK"), O_CREAT | O_APPEND | O_WRONLY, 0600);

			dprintf(fd, "%s %d\n", word, (int) getpid());
			close(fd);
		}

		__attribute__((constructor)) static void load(void)
		{
			${2-}
		}

		static int init(struct uvhooks_plugin_args *args)
		{
			${3-}
			return args->count != 0 ? uvhooks_plugin_error(args, "takes no options") : 0;
		}

		UVHOOKS_PLUGIN = {
			.size = sizeof(struct uvhooks_plugin),
			.abi = UVHOOKS_PLUGIN_ABI,
			.name = "test",
			.summary = "test",
			.init = init,
		};
	END
}

# Prints how a command ends, which a shell blurs: "exit 3" or "signal 9".
make_ending() {
	compile ending <<-'END'
		#include <stdio.h>
		#include <sys/wait.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			int status;

			if (argc < 2)
				return 1;
			if (fork() == 0) {
				execv(argv[1], argv + 1);
				_exit(99);
			}
			wait(&status);
			if (WIFSIGNALED(status))
				printf("signal %d\n", WTERMSIG(status));
			else
				printf("exit %d\n", WEXITSTATUS(status));
			return 0;
		}
	END
}

# Makes $open, a folder that every user can read, with a build in it.
open_folder() {
	open=$BATS_TEST_TMPDIR/open
	mkdir -p "$open/build"
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_TEST_TMPDIR"
	chmod 755 "$open"
	cp -r "$UVHOOKS_BUILD/tools" "$UVHOOKS_BUILD/shim" "$open/build/"
	chmod -R a+rX "$open"
}

# Runs a command as a user who is not root. (setpriv itself keeps root's rights to execute; env
# has lost them.)
as_user() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups -- env "$@"
}

# shellcheck disable=SC2154 # bats sets stderr_lines
refused() {
	[ -z "$output" ]
	[[ "${stderr_lines[0]}" == "uvhooks: cannot trace '"* ]]
	[ "${#stderr_lines[@]}" -eq 2 ]
	[[ "${stderr_lines[1]}" == "uvhooks: "* ]]
}

@test "the program's exit status is passed on" {
	make_ending
	for code in 0 1 2 7 126 127 255; do
		run -0 --separate-stderr ./ending "$uvhooks" run -- sh -c "exit $code"
		[ "$output" = "exit $code" ]
	done
}

@test "a program that a signal kills is killed by that signal" {
	make_ending
	for signal in 9 15 6; do
		run -0 --separate-stderr ./ending "$uvhooks" run -- sh -c "kill -$signal \$\$"
		[ "$output" = "signal $signal" ]
	done
}

# signal_reaches SIGNAL WAY: ./catcher ends with 40 more than the number of the signal that it got.
signal_reaches() {
	# shellcheck disable=SC2086 # a way is words
	coproc "$uvhooks" $2 -- ./catcher 2>errors 3>&-
	pid=$COPROC_PID
	exec {from}<&"${COPROC[0]}"
	read -r line <&"$from"
	[ "$line" = ready ]
	kill -"$1" "$pid"
	number=$(kill -l "$1")
	read -r line <&"$from"
	[ "$line" = "got $number" ]
	exec {from}<&-
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq $((40 + number)) ]
}

@test "signals sent to the command reach the program" {
	compile catcher <<-'END'
		#include <signal.h>
		#include <stdio.h>

		int main(void)
		{
			sigset_t set;
			int got;

			sigemptyset(&set);
			sigaddset(&set, SIGUSR1);
			sigaddset(&set, SIGTERM);
			sigaddset(&set, SIGINT);
			sigaddset(&set, SIGALRM);
			sigprocmask(SIG_BLOCK, &set, NULL);
			puts("ready");
			fflush(stdout);
			sigwait(&set, &got);
			printf("got %d\n", got);
			return 40 + got;
		}
	END
	local way signal
	for way in run "run --why" "record -o trace"; do
		for signal in USR1 TERM INT ALRM; do
			rm -rf trace
			signal_reaches "$signal" "$way"
		done
	done
}

@test "a program's status is told where the death of children is ignored" {
	local way
	for way in run "run --why" "record -o trace"; do
		# shellcheck disable=SC2086 # a way is words
		run -7 bash -c 'trap "" CHLD; "$@"' bash env --ignore-signal=CHLD "$uvhooks" $way -- sh -c 'exit 7'
	done
}

@test "the program is the process that was started, and finds its pid in UVHOOKS_LAUNCHED" {
	# shellcheck disable=SC2016 # for the inner shell
	run -0 --separate-stderr bash -c 'echo $$; exec "$0" run -- sh -c "echo \$\$ \$UVHOOKS_LAUNCHED"' \
		"$uvhooks"
	[ "${lines[1]}" = "${lines[0]} ${lines[0]}" ]
}

@test "what the parent ignores stays ignored, checked plugins or not" {
	bare=$(env --ignore-signal=CHLD,USR2 grep SigIgn /proc/self/status)
	for option in '' --plugin=log; do
		run -0 --separate-stderr env --ignore-signal=CHLD,USR2 "$uvhooks" run \
			${option:+"$option"} -- grep SigIgn /proc/self/status
		[ "$output" = "$bare" ]
	done
}

@test "the program gets the file descriptors of its parent and no others" {
	# shellcheck disable=SC2016 # for the inner shell
	list='exec 3>&- 5</dev/null 9</dev/null; "$@" sh -c "cd /proc/self/fd && echo *"'
	bare=$(bash -c "$list" bash env)
	run -0 --separate-stderr bash -c "$list" bash "$uvhooks" run -p log --
	[ "$output" = "$bare" ]
	# And a closed one stays closed.
	bare=$(env sh -c 'cd /proc/self/fd && echo *' <&- 3>&-)
	run -0 --separate-stderr bash -c '"$@" <&- 3>&-' bash "$uvhooks" run -- \
		sh -c 'cd /proc/self/fd && echo *'
	[ "$output" = "$bare" ]
}

@test "standard input goes through, byte for byte" {
	head -c 300000 /dev/urandom >bytes
	"$uvhooks" run -- cat <bytes >copy 2>errors
	cmp bytes copy
}

@test "arguments arrive as they were given" {
	compile "show words" <<-'END'
		#include <stdio.h>

		int main(int argc, char **argv)
		{
			for (int i = 0; i < argc; i++)
				printf("<%s>", argv[i]);
			return 0;
		}
	END
	run -0 --separate-stderr "$uvhooks" run -- "./show words" 'a b' '' '*' $'new\nline' -- --help -p x
	[ "$output" = $'<./show words><a b><><*><new\nline><--><--help><-p><x>' ]
	# Without "--", too, the first word that is no option ends ours.
	run -0 --separate-stderr "$uvhooks" run "./show words" --no-follow -p
	[ "$output" = '<./show words><--no-follow><-p>' ]
	# And through PATH, argv[0] being the name.
	PATH=$PWD:$PATH run -0 --separate-stderr "$uvhooks" run "show words" x
	[ "$output" = '<show words><x>' ]
}

@test "the program is found through PATH as a shell finds it" {
	mkdir one two three
	printf '#!/bin/sh\necho one\n' >one/tool # not executable
	mkdir two/tool
	printf '#!/bin/sh\necho three\n' >three/tool
	chmod +x three/tool
	PATH=$PWD/one:$PWD/two:$PWD/three:$PATH run -0 --separate-stderr "$uvhooks" run tool
	[ "$output" = three ]
	# An empty entry is the working folder.
	cd three
	PATH=/nowhere::$PATH run -0 --separate-stderr "$uvhooks" run tool
	[ "$output" = three ]
}

@test "a script without #! is run by the shell" {
	# shellcheck disable=SC2016 # for the script
	printf 'echo "$# $1"\nexit 5\n' >script
	chmod +x script
	run -5 --separate-stderr "$uvhooks" run ./script 'a b' c
	[ "$output" = "2 a b" ]
}

@test "every script that execvp runs is run, and told the same" {
	mkdir here
	printf '#!/bin/sh\necho here\n' >here/only-here
	printf '#!/usr/bin/env -S '"'printf'"' %%s,%%s "a b"\n' >quoted
	# shellcheck disable=SC2016 # for env
	printf '#!/usr/bin/env -S ${NAMED} named\n' >variable
	printf '#!/usr/bin/env -S PATH=here only-here\n' >path
	printf '#!/usr/bin/env -S printf split # word\n' >comment
	: >empty
	printf '#!\necho bang\n' >bang
	printf '#! \t \necho blank\n' >blank
	printf '#!/bin/%0300d\necho long\n' 0 >long
	printf '#!/bin/echo %0300d\n' 0 >long-words
	printf 'echo plain\n' >plain
	# shellcheck disable=SC2016 # for the script
	printf '#!%s/plain\necho "by a text: $0"\n' "$PWD" >by-text
	printf '#!/bin/sh\necho deep\n' >deep-0
	for depth in 1 2 3 4 5; do
		printf '#!%s/deep-%d\n' "$PWD" $((depth - 1)) >deep-$depth
	done
	chmod +x quoted variable path comment empty bang blank long long-words plain by-text deep-* here/*
	export NAMED=echo
	for script in quoted variable path comment empty bang blank long long-words by-text deep-4 deep-5; do
		theirs=0 ours=0
		env "./$script" word >expected 2>/dev/null || theirs=$?
		"$uvhooks" run "./$script" word >out 2>errors || ours=$?
		echo "$script: execvp $theirs, uvhooks $ours: $(cat errors)"
		[ "$ours" -eq "$theirs" ]
		diff expected out
	done
}

@test "what cannot be started has the status that a shell gives it, and a message" {
	touch data folder-file
	mkdir folder
	printf '#!/no/such/interpreter\n' >orphan
	printf '\0\1\2\3binary' >binary
	chmod +x orphan binary
	for program in ./nothing nothing-at-all ./data ./folder ./orphan ./binary ./data/below ''; do
		shell=0
		# shellcheck disable=SC2016 # for the inner shell
		bash -c '"$0"' "$program" 2>/dev/null || shell=$?
		ours=0
		"$uvhooks" run -- "$program" >out 2>errors || ours=$?
		echo "$program: shell $shell, uvhooks $ours: $(cat errors)"
		[ "$ours" -eq "$shell" ]
		[ ! -s out ]
		[[ "$(cat errors)" == "uvhooks: cannot run '$program'"* ]]
	done
	run -127 --separate-stderr "$uvhooks" run ./orphan
	[[ "$stderr" == *"/no/such/interpreter"* ]]
	run -127 --separate-stderr "$uvhooks" run nothing-at-all
	[[ "$stderr" == *"PATH"* ]]
}

@test "a program whose loader is missing exits 127 and names the loader" {
	compile program -Wl,--dynamic-linker=/no/such/ld.so <<<'int main(void) { return 0; }'
	run -127 --separate-stderr "$uvhooks" run ./program
	[[ "$stderr" == *"/no/such/ld.so"* ]]
}

@test "a program that may be run but not read is run" {
	open_folder
	cp "$(type -P true)" "$open/secret"
	chmod 111 "$open/secret"
	run -0 as_user "$open/build/tools/uvhooks" run "$open/secret"
}

@test "LD_PRELOAD has libuvhooks.so first and keeps what was there, in order" {
	run -0 --separate-stderr "$uvhooks" run -- printenv LD_PRELOAD
	[ "$output" = "$SHIM" ]
	LD_PRELOAD='libm.so.6 libdl.so.2:libpthread.so.0' run -0 --separate-stderr "$uvhooks" run -- \
		printenv LD_PRELOAD
	[ "$output" = "$SHIM:libm.so.6:libdl.so.2:libpthread.so.0" ]
}

@test "libuvhooks.so is never in LD_PRELOAD twice, be it another copy" {
	LD_PRELOAD="libm.so.6:$SHIM" run -0 --separate-stderr "$uvhooks" run -- printenv LD_PRELOAD
	[ "$output" = "$SHIM:libm.so.6" ]
	run -0 --separate-stderr "$uvhooks" run -- "$uvhooks" run -- printenv LD_PRELOAD
	[ "$output" = "$SHIM" ]
	mkdir other
	cp "$SHIM" other/
	LD_PRELOAD="$PWD/other/libuvhooks.so" run -0 --separate-stderr "$uvhooks" run -- \
		printenv LD_PRELOAD
	[ "$output" = "$SHIM" ]
}

@test "a program built with ASan runs, the ASan runtime being preloaded first" {
	compile program -fsanitize=address <<-'END'
		#include <stdio.h>
		#include <stdlib.h>

		int main(void)
		{
			puts(getenv("LD_PRELOAD"));
			return 3;
		}
	END
	run -3 --separate-stderr "$uvhooks" run ./program
	[[ "$output" == /*/libasan.so.*:$SHIM ]]
	[[ "$stderr" != *"does not come first"* ]]
	LD_PRELOAD=libm.so.6 run -3 --separate-stderr "$uvhooks" run ./program
	[[ "$output" == /*/libasan.so.*:$SHIM:libm.so.6 ]]
}

@test "an ASan runtime that is in LD_PRELOAD already stays in front, once" {
	asan=$("${CC:-cc}" -print-file-name=libasan.so)
	asan=$(realpath "$asan")
	run -0 --separate-stderr env LD_PRELOAD="$asan:libm.so.6" ASAN_OPTIONS=detect_leaks=0 \
		"$uvhooks" run -- printenv LD_PRELOAD
	[ "$output" = "$asan:$SHIM:libm.so.6" ]
}

@test "plugins go behind those in the environment, in order" {
	plugin one.so
	plugin two.so
	run -0 --separate-stderr "$uvhooks" run -p "$PWD/one.so" --plugin="$PWD/two.so" -- \
		printenv UVHOOKS_PLUGINS
	[ "$output" = "$PWD/one.so;$PWD/two.so" ]
	UVHOOKS_PLUGINS="$PWD/two.so" run -0 --separate-stderr "$uvhooks" run -p "$PWD/one.so" -- \
		printenv UVHOOKS_PLUGINS
	[ "$output" = "$PWD/two.so;$PWD/one.so" ]
	run -1 --separate-stderr "$uvhooks" run -- printenv UVHOOKS_PLUGINS
	[ -z "$output" ]
}

@test "a plugin's relative path holds in every folder, odd characters and all" {
	folder=$'odd ;:,\\ folder'
	mkdir -p "$folder/sub"
	cd "$folder"
	plugin sub/my.so '' 'note(args->dry_run ? "dry" : "real");'
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program $(pkg-config --cflags --libs libuv)
	MARK=$PWD/mark run -0 --separate-stderr "$uvhooks" run -p sub/my.so -- env -C / "$PWD/program"
	[ "$output" = timer ]
	[ -z "$stderr" ]
	grep -q real mark
	# A name stays a name, and a '/' in an option is no path of the plugin.
	cd "$BATS_TEST_TMPDIR"
	run -0 --separate-stderr "$uvhooks" run -p log:file="$PWD/log" -- printenv UVHOOKS_PLUGINS
	[ "$output" = "log:file=$PWD/log" ]
}

@test "a plugin that cannot be used is named with the reason, and the program is not started" {
	plugin good.so
	compile empty.so -shared -fPIC <<<'int nothing;'
	echo text >text.so
	for wanted in nowhere ./nowhere.so ./text.so ./empty.so ./good.so:bogus=1 log:bogus=1; do
		rm -f started
		run -2 --separate-stderr "$uvhooks" run -p ./good.so -p "$wanted" -- touch started
		echo "$wanted: $stderr"
		[ -z "$output" ]
		[[ "$stderr" == "uvhooks: "* ]]
		name=${wanted%%:*}
		[[ "$stderr" == *"${name#./}"* ]]
		[ ! -e started ]
	done
	run -2 --separate-stderr "$uvhooks" run -p log:bogus=1 -- true
	[[ "$stderr" == *bogus* ]]
}

@test "a broken plugin in the environment is found by run as well" {
	UVHOOKS_PLUGINS=nowhere run -2 --separate-stderr "$uvhooks" run -- touch started
	[[ "$stderr" == *nowhere* ]]
	[ ! -e started ]
}

@test "a plugin without a name is refused" {
	for wanted in '' ':file=x' ';'; do
		run -2 --separate-stderr "$uvhooks" run -p "$wanted" -- true
		[[ "$stderr" == *"names no plugin"* ]]
	done
}

@test "a plugin that ends the process in its init is said with the status" {
	plugin ends.so '' 'exit(3);'
	run -2 --separate-stderr "$uvhooks" run -p ./ends.so -- touch started
	[[ "$stderr" == *"ends.so' was checked, it ended the process with status 3" ]]
	[ ! -e started ]
}

@test "a plugin without an init is no plugin of another version" {
	printf '#include <uvhooks/plugin.h>\nUVHOOKS_PLUGIN = {.size = sizeof(struct uvhooks_plugin), .abi = UVHOOKS_PLUGIN_ABI};\n' |
		compile none.so -shared -fPIC -I"$BATS_TEST_DIRNAME/../include"
	run -2 --separate-stderr "$uvhooks" run -p ./none.so -- touch started
	[[ "$stderr" == *"none.so': its uvhooks_plugin has no init" ]]
	[ ! -e started ]
}

@test "what is wrong in the environment is said once" {
	uv_program | compile program -luv
	UVHOOKS_STRICT=7 run -0 --separate-stderr "$uvhooks" run -p log:file=lines ./program
	[ "$stderr" = "uvhooks: UVHOOKS_STRICT='7' is neither 0 nor 1; it is ignored" ]
}

@test "a backslash at the end of UVHOOKS_PLUGINS is its own, and guards no other plugin" {
	UVHOOKS_PLUGINS="log:file=a\\" run -0 --separate-stderr "$uvhooks" run -p context -- printenv UVHOOKS_PLUGINS
	[ "$output" = 'log:file=a\\;context' ]
}

@test "names in messages are shown letter by letter" {
	run -127 --separate-stderr "$uvhooks" run $'./\e[31m\n\xff\u00e9\xc2\x9b'
	[ "$stderr" = 'uvhooks: cannot run '"'"'./\x1b[31m\x0a\xff'$'\u00e9'"\\xc2\\x9b': it was not found" ]
	run -2 --separate-stderr "$uvhooks" $'no\e[31mverb'
	[ "${stderr_lines[0]}" = "uvhooks: unknown verb 'no\\x1b[31mverb'" ]
}

@test "a plugin that crashes when it is loaded is said, not suffered" {
	plugin crash.so 'abort();'
	run -2 --separate-stderr "$uvhooks" run -p ./crash.so -- touch started
	[[ "$stderr" == "uvhooks: "*crash.so*crashed* ]]
	[ ! -e started ]
}

@test "the check of a plugin leaves nothing behind: no output, no file" {
	printf '#!/no/such/interpreter\n' >orphan
	chmod +x orphan
	compile program -Wl,--dynamic-linker=/no/such/ld.so <<<'int main(void) { return 0; }'
	run -127 --separate-stderr "$uvhooks" run -p log:file="$PWD/log" ./program
	[ ! -e log ]
	[ -z "$output" ]
}

@test "a plugin is checked by a dry run in another process, and started once in the program" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program $(pkg-config --cflags --libs libuv)
	plugin start.so '' 'note(args->dry_run ? "dry" : "real");'
	export MARK=$PWD/mark
	for start in environment option; do
		rm -f mark
		if [ "$start" = environment ]; then
			UVHOOKS_PLUGINS=$PWD/start.so "$uvhooks" run -- ./program >out &
		else
			"$uvhooks" run -p ./start.so ./program >out &
		fi
		wait $!
		[ "$(wc -l <mark)" -eq 2 ]
		grep -q '^dry ' mark
		grep -qx "real $!" mark
		[ "$(grep -c " $!\$" mark)" -eq 1 ]
	done
}

@test "--no-follow keeps the programs that are started out of it" {
	run -0 --separate-stderr "$uvhooks" run -p log:file="$PWD/log" -- sh -c env
	grep -q "^LD_PRELOAD=$SHIM" <<<"$output"
	grep -q '^UVHOOKS_PLUGINS=' <<<"$output"
	LD_PRELOAD=libm.so.6 run -0 --separate-stderr "$uvhooks" run --no-follow \
		-p log:file="$PWD/log" -- sh -c env
	grep -qx 'LD_PRELOAD=libm.so.6' <<<"$output"
	[ "$(grep -c '^UVHOOKS_[^B]' <<<"$output")" -eq 0 ]
}

@test "the log plugin shows the events of the program, whose output is untouched" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program $(pkg-config --cflags --libs libuv)
	run -0 --separate-stderr "$uvhooks" run -p log -- ./program
	[ "$output" = timer ]
	[[ "$stderr" == *TIMERWRAP* ]]
	run -0 --separate-stderr "$uvhooks" run -- ./program
	[ "$output" = timer ]
	[ -z "$stderr" ]
}

@test "a program without libuv gets no word from the command, and one from the shim at its end" {
	run -0 --separate-stderr "$uvhooks" run -- true
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "uvhooks: "*"no libuv"*"could be seen"* ]]
	# One that is replaced before it ends says nothing.
	run -0 "$uvhooks" run -- sh -c 'exec env -i true'
	[ -z "$output" ]
}

@test "a statically linked program is refused" {
	for flag in -static -static-pie; do
		compile program "$flag" <<<'int main(void) { return 0; }'
		run -2 --separate-stderr "$uvhooks" run ./program
		refused
		[[ "$stderr" == *"statically linked"* ]]
	done
}

@test "a program for another machine is refused, and the machine named" {
	compile program <<<'int main(void) { return 0; }'
	cp program other
	printf '\xb7\x00' | dd of=other bs=1 seek=18 conv=notrunc status=none # e_machine: EM_AARCH64
	run -2 --separate-stderr "$uvhooks" run ./other
	refused
	[[ "$stderr" == *"is for aarch64 (64 bit)"* ]]
	# A 32-bit ELF header with nothing behind it.
	{
		printf '\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0'
		head -c 28 /dev/zero
	} >small
	chmod +x small
	run -2 --separate-stderr "$uvhooks" run ./small
	refused
	[[ "$stderr" == *"is for i386 (32 bit)"* ]]
}

@test "a program of another C library is refused" {
	compile program -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 <<<'int main(void) { return 0; }'
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "$stderr" == *"/lib/ld-musl-x86_64.so.1"* ]]
}

@test "a setuid program is refused where it gains rights, and run where it does not" {
	open_folder
	cp "$(type -P true)" "$open/program"
	chmod 4755 "$open/program"
	# Its owner gains nothing by it.
	run -0 "$uvhooks" run "$open/program"
	run -2 --separate-stderr as_user "$open/build/tools/uvhooks" run "$open/program"
	refused
	[[ "$stderr" == *"setuid root"* ]]
	chown nobody "$open/program"
	chmod 4755 "$open/program"
	run -2 --separate-stderr "$uvhooks" run "$open/program"
	refused
	[[ "$stderr" == *"setuid nobody"* ]]
	chown root:nogroup "$open/program"
	chmod 2755 "$open/program"
	run -2 --separate-stderr "$uvhooks" run "$open/program"
	refused
	[[ "$stderr" == *"setgid nogroup"* ]]
	run -0 as_user "$open/build/tools/uvhooks" run "$open/program"
}

@test "a program with file capabilities is refused for those who gain them" {
	open_folder
	cp "$(type -P true)" "$open/program"
	setcap cap_net_raw+ep "$open/program"
	run -2 --separate-stderr as_user "$open/build/tools/uvhooks" run "$open/program"
	refused
	[[ "$stderr" == *"capabilities"* ]]
	run -0 "$uvhooks" run "$open/program"
}

@test "a program with its libuv inside runs and is traced, exported or hidden" {
	for flag in -rdynamic -O1; do
		# shellcheck disable=SC2046 # flags are words
		uv_program | compile program "$flag" $(pkg-config --cflags libuv) \
			$(pkg-config --libs libuv-static)
		run -0 --separate-stderr "$uvhooks" run ./program
		[ "$output" = timer ]
		[ -z "$stderr" ]
		run -0 --separate-stderr "$uvhooks" run -p log ./program
		[ "$output" = timer ]
		[[ "$stderr" == *TIMERWRAP* ]]
	done
}

@test "a program whose libuv was stripped is refused" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program -s $(pkg-config --cflags libuv) $(pkg-config --libs libuv-static)
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "${stderr_lines[0]}" == *"libuv inside, but it is stripped"* ]]
	# The way out that the message names does work.
	[[ "${stderr_lines[1]}" == *"uvhooks run -- env ./program" ]]
	run -0 --separate-stderr "$uvhooks" run -- env ./program
	[ "$output" = timer ]
}

@test "a function that is only called uv_run is no libuv, and no obstacle" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | sed 's/main(void)/start(void)/' |
		compile libuser.so -shared -fPIC $(pkg-config --cflags --libs libuv)
	compile program -L. -luser -Wl,-rpath,"$PWD" <<-'END'
		int start(void);
		__attribute__((visibility("hidden"))) int uv_run(void *loop, int mode) { return loop == 0 && mode; }
		int main(void) { return uv_run(0, 0) + start(); }
	END
	run -0 --separate-stderr "$uvhooks" run -p log ./program
	[ "$output" = timer ]
	[[ "$stderr" == *TIMERWRAP* ]]
}

@test "a script is judged by the program that interprets it" {
	compile static -static <<<'int main(void) { return 0; }'
	printf '#!%s\n' "$PWD/static" >direct
	printf '#!/usr/bin/env static\n' >by-env
	printf '#!/usr/bin/env -S -u HOME --unset=TERM A=b static -x\n' >by-env-split
	printf '#! \t %s  word \n' "$PWD/direct" >nested
	chmod +x direct by-env by-env-split nested
	for script in direct by-env by-env-split nested; do
		PATH=$PWD:$PATH run -2 --separate-stderr "$uvhooks" run "./$script"
		refused
		[[ "$stderr" == *"'./$script'"*"/static is statically linked"* ]]
	done
	printf '#!/bin/sh\necho ran\n' >fine
	chmod +x fine
	run -0 --separate-stderr "$uvhooks" run ./fine
	[ "$output" = ran ]
}

@test "a libuvhooks.so whose path LD_PRELOAD cannot carry is said, with exit 2" {
	for folder in 'a b' a:b; do
		mkdir -p "$folder"
		cp -r "$UVHOOKS_BUILD/tools" "$UVHOOKS_BUILD/shim" "$folder/"
		run -2 --separate-stderr "$folder/tools/uvhooks" run -- touch started
		[[ "$stderr" == "uvhooks: LD_PRELOAD cannot carry"*"/$folder/shim/libuvhooks.so"* ]]
		[ ! -e started ]
	done
}

@test "a command without its libuvhooks.so says so and exits 1" {
	mkdir tools
	cp "$uvhooks" tools/
	run -1 --separate-stderr tools/uvhooks run -- touch started
	[[ "$stderr" == "uvhooks: there is no libuvhooks.so"* ]]
	[ ! -e started ]
}

@test "an installed command finds the libuvhooks.so that was installed with it" {
	DESTDIR=$PWD/root meson install -C "$UVHOOKS_BUILD" --no-rebuild --quiet
	installed=$(find root -name uvhooks -path '*/bin/*')
	run -0 --separate-stderr "$installed" run -- printenv LD_PRELOAD
	[[ "$output" == "$PWD/root/"*/libuvhooks.so ]]
	[ -f "$output" ]
}
