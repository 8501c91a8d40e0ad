#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Plugins: how one is written, compiled and loaded, what a hook may do, and that a bad one harms
# nobody.

bats_require_minimum_version 1.5.0

setup() {
	build=$(cd "${UVHOOKS_BUILD:-$BATS_TEST_DIRNAME/../build}" && pwd)
	uvhooks=$build/tools/uvhooks
	shim=$build/shim/libuvhooks.so
	plugins=$build/tests/plugins
	programs=$build/tests/programs
	habits=$plugins/habits
	unset LD_PRELOAD
	for name in $(compgen -e UVHOOKS_); do
		[ "$name" = UVHOOKS_BUILD ] || unset "$name"
	done
	cd "$BATS_TEST_TMPDIR" || return 1
}

# with PLUGIN PROGRAM...: a run with one of the test plugins, which must not change the program.
with() {
	local bare

	bare=$("${@:2}" 2>/dev/null)
	run -0 --separate-stderr timeout 60 "$uvhooks" run -p "$plugins/$1" -- "${@:2}"
	[ "$output" = "$bare" ]
}

# bare_environment PLUGINS PROGRAM...
bare_environment() {
	run -0 --separate-stderr timeout 60 env LD_PRELOAD="$shim" UVHOOKS_PLUGINS="$1" "${@:2}"
}

# stderr is one line, which holds all of these.
# shellcheck disable=SC2154 # bats sets stderr_lines
complains() {
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "uvhooks: "* ]]
	for text; do
		[[ "$stderr" == *"$text"* ]]
	done
}

# Installs the build below $installed, once for all tests of this file.
installation() {
	installed=$BATS_FILE_TMPDIR/installed
	if [ ! -d "$installed" ]; then
		meson install -C "$build" --no-rebuild --quiet --destdir "$installed"
	fi
	PKG_CONFIG_PATH=$(dirname "$(find "$installed" -name uvhooks.pc)")
	PATH=$(dirname "$(find "$installed" -name uvhooks -path '*/bin/*')"):$PATH
	export PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$installed
}

@test "the example counts resources by type and writes them where it is told" {
	with example.so:file="$PWD/summary" "$programs/h2_fs" stat
	[ -z "$stderr" ]
	[ "$(cat summary)" = "FSREQCALLBACK      uv_fs_t            1 made, 1 ended" ]
	with example.so "$programs/h2_fs" stat
	[ "$stderr" = "$(cat summary)" ]
	# Each process writes its own, the children of a fork nothing.
	rm summary
	with example.so:file="$PWD/summary" "$habits" spawns
	[ "$(grep -c '^TIMERWRAP .* 3 made, 3 ended$' summary)" -eq 2 ]
	[ "$(grep -c '^PROCESSWRAP .* 2 made, 2 ended$' summary)" -eq 1 ]
	rm summary
	with example.so:file="$PWD/summary" "$habits" forks
	[ "$(cat summary)" = "TIMERWRAP          uv_timer_t         6 made, 6 ended" ]
}

@test "a plugin is compiled, out of the tree, with what pkg-config says and nothing more" {
	installation
	cp "$BATS_TEST_DIRNAME/plugins/example.c" "$BATS_TEST_DIRNAME/plugins/throws.cc" .
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" -Wall -Werror -shared -fPIC $(pkg-config --cflags uvhooks) example.c -o mine.so
	run -0 --separate-stderr uvhooks run -p ./mine.so -- "$habits" timers
	[ "$output" = "timers ran 3 timers" ]
	[ "$stderr" = "TIMERWRAP          uv_timer_t         3 made, 3 ended" ]
	# In every C that is current, and in C++.
	for standard in c99 gnu99 c11 gnu11 c17 gnu17; do
		# shellcheck disable=SC2046 # words, on purpose
		echo '#include <uvhooks/plugin.h>' |
			"${CC:-cc}" -std=$standard -Wall -Wextra -Werror $(pkg-config --cflags uvhooks) \
				-fsyntax-only -x c -
	done
	# shellcheck disable=SC2046 # words, on purpose
	"${CXX:-c++}" -Wall -Wextra -Werror -shared -fPIC $(pkg-config --cflags uvhooks) throws.cc \
		-o throws.so
	run -0 --separate-stderr uvhooks run -p ./throws.so -- "$habits" timers
	complains "plugin throws"
}

@test "a plugin without a '/' is found in UVHOOKS_PLUGIN_PATH, then beside libuvhooks.so" {
	mkdir one two
	cp "$plugins/example.so" two/mine.so
	export UVHOOKS_PLUGIN_PATH=$PWD/one:$PWD/two
	run -0 --separate-stderr "$uvhooks" run -p mine -- "$habits" timers
	[[ "$stderr" == "TIMERWRAP "* ]]
	# The user's own `log` goes before ours.
	cp "$plugins/example.so" one/log.so
	run -0 --separate-stderr "$uvhooks" run -p log -- "$habits" timers
	[[ "$stderr" == "TIMERWRAP "* ]]
	unset UVHOOKS_PLUGIN_PATH
	run -2 --separate-stderr "$uvhooks" run -p mine -- "$habits" timers
	complains "plugin 'mine'" UVHOOKS_PLUGIN_PATH
}

@test "options are parted by commas, and a backslash guards one" {
	with "example.so:file=$PWD/a\\,b\\;c" "$programs/h2_fs" stat
	[ -s 'a,b;c' ]
	bare_environment "$plugins/example.so:file=$PWD/first;;$plugins/example.so:file=$PWD/second" \
		"$habits" timers
	# The same file is loaded once; both of its starts counted in one place.
	[ -s second ]
}

@test "a second start that fails leaves the first as it is" {
	bare_environment "log:file=$PWD/log;log:nonsense=1" "$habits" timers
	[ "$(grep -c ' init ' log)" -ge 3 ]
}

@test "what is asked for twice is done once, and two logs are refused" {
	bare_environment "log:file=$PWD/log;log:file=$PWD/log" "$habits" timers
	[ -z "$stderr" ]
	[ "$(grep -c ' init ' log)" -eq "$(sort log | uniq | grep -c ' init ')" ]
	run -2 --separate-stderr "$uvhooks" run -p "log:file=$PWD/one" -p "log:file=$PWD/two" -- touch started
	complains log once
	[ ! -e started ]
	bare_environment "log:file=$PWD/one;log:file=$PWD/two" "$habits" timers
	complains log once
	[ "$(grep -c ' init ' one)" -ge 3 ]
	[ ! -e two ]
}

@test "a plugin that throws is caught, named and disabled, and the program goes on" {
	for event in init before after destroy; do
		rm -f report
		with "throws.so:event=$event,file=$PWD/report" "$programs/h1_timer"
		complains "plugin throws" disabled
		# Once; and the plugin's other hook goes on.
		[ "$(cat report)" = $'thrown 1\ncounted on' ]
	done
	with "throws.so:file=$PWD/report-%" "$habits" threads
	[[ "${stderr_lines[0]}" == *"plugin throws"*disabled* ]]
}

@test "a plugin that throws in its init is refused" {
	run -2 --separate-stderr "$uvhooks" run -p "$plugins/throws.so:event=load" -- touch started
	complains throws.so exception
	[ ! -e started ]
	bare_environment "$plugins/throws.so:event=load" "$habits" timers
	[ "$output" = "timers ran 3 timers" ]
	complains throws.so exception
}

@test "a plugin may use libuv in its hooks and in a thread of its own, unseen" {
	# h5_work asks for it by itself; but the plugin's thread may have made the pool before.
	export UV_THREADPOOL_SIZE=1
	for program in "$programs/h1_timer" "$programs/h2_fs" "$programs/h5_work" "$habits threads" \
		"$habits spawns"; do
		rm -f report
		# shellcheck disable=SC2086 # words, on purpose
		with "uses_libuv.so:file=$PWD/report" $program
		[ -z "$stderr" ]
		[ "$(sort -u report)" = $'loops run\nown events 0' ]
	done
}

@test "another hook sees nothing of what a hook does with libuv" {
	"$uvhooks" run -p log:events=node,file="$PWD/alone" -- "$programs/h1_timer" repeat
	"$uvhooks" run -p log:events=node,file="$PWD/beside" -p "$plugins/creates.so:file=/dev/null" \
		-- "$programs/h1_timer" repeat
	"$uvhooks" run -p "$plugins/creates.so:file=/dev/null" -p log:events=node,file="$PWD/behind" \
		-- "$programs/h1_timer" repeat
	for log in alone beside behind; do
		sed -E 's/^ *[0-9.]+ *//' "$log" >"$log.shown"
	done
	[ -s alone.shown ]
	diff -u alone.shown beside.shown
	diff -u alone.shown behind.shown
}

@test "what a hook creates is traced if the hook asks for it, also for the hook itself" {
	with "creates.so:file=$PWD/report" "$programs/h1_timer" once
	run -1 grep IDLEWRAP report
	[ "$(wc -l <report)" -eq 6 ]
	rm report
	with "creates.so:nested,file=$PWD/report" "$programs/h1_timer" once
	# One for each of the six events of the timer.
	[ "$(grep -c 'TIMERWRAP' report)" -eq 6 ]
	[ "$(grep -c 'init IDLEWRAP' report)" -eq 6 ]
	[ "$(grep -c 'destroy IDLEWRAP' report)" -eq 6 ]
}

@test "hooks run in the order they were enabled, for every event" {
	with "toggle.so:case=order,file=$PWD/report" "$programs/h1_timer" once
	diff -u - report <<-'END'
		b init 2
		a init 2
		b before 2
		a before 2
		b after 2
		a after 2
		b before 2
		a before 2
		b after 2
		a after 2
		b destroy 2
		a destroy 2
	END
}

@test "a hook that is enabled in a hook is called from the next event on" {
	with "toggle.so:case=enable,file=$PWD/report" "$programs/h1_timer" once
	diff -u - report <<-'END'
		a init 2
		a before 2
		b before 2
		a after 2
		b after 2
		a before 2
		b before 2
		a after 2
		b after 2
		a destroy 2
		b destroy 2
	END
}

@test "a hook that is disabled in a hook is called once more, for the event that runs" {
	with "toggle.so:case=disable,file=$PWD/report" "$programs/h1_timer" once
	[ "$(grep ^b report)" = "b init 2" ]
	[ "$(grep -c ^a report)" -eq 6 ]
	rm report
	with "toggle.so:case=disable_self,file=$PWD/report" "$programs/h1_timer" once
	[ "$(grep ^a report)" = "a init 2" ]
	[ "$(grep -c ^b report)" -eq 6 ]
}

@test "a hook that is disabled and enabled in a hook moves to the end, from the next event on" {
	with "toggle.so:case=again,file=$PWD/report" "$programs/h1_timer" once
	[ "$(head -n 4 report)" = $'a init 2\nb init 2\nb before 2\na before 2' ]
}

@test "a hook that was made for one loop hears of that loop only" {
	cat >loops.c <<-'END'
		#include <uv.h>

		static void on_timer(uv_timer_t *timer)
		{
			uv_close((uv_handle_t *) timer, NULL);
		}

		int main(void)
		{
			uv_loop_t loops[2];
			uv_timer_t timers[4];

			for (int i = 0; i < 2; i++)
				uv_loop_init(&loops[i]);
			for (int i = 0; i < 4; i++) {
				uv_timer_init(&loops[i % 2], &timers[i]);
				uv_timer_start(&timers[i], on_timer, 0, 0);
			}
			for (int i = 0; i < 2; i++)
				uv_run(&loops[i], UV_RUN_DEFAULT);
			return uv_loop_close(&loops[0]) + uv_loop_close(&loops[1]);
		}
	END
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" loops.c -o loops $(pkg-config --cflags --libs libuv)
	with "toggle.so:case=loop,file=$PWD/report" ./loops
	[ "$(grep ^b report | awk '{ print $3 }' | sort | uniq -c | awk '{ print $2 " " $1 }')" = \
		$'1:2 4\n1:3 4\n2 4\n3 4' ]
	# It was made in the first init, and has missed that one only.
	[ "$(grep ^a report | awk '{ print $3 }' | sort | uniq -c | awk '{ print $2 " " $1 }')" = \
		$'2 3\n3 4' ]
}

@test "the functions of the API say what is wrong with their arguments" {
	with "toggle.so:case=wrong,file=$PWD/report" "$programs/h1_timer" once
	[ "$(wc -l <report)" -eq 8 ]
	run -1 grep -v ' 1$' report
}

@test "a hook that is enabled late walks the live resources, and gets partial views" {
	with "late.so:file=$PWD/report" "$programs/h2_fs" chain
	diff -u - report <<-'END'
		live 2 FSREQCALLBACK trigger=1 pointer loop callback
		walked 1
		init 3 FSREQCALLBACK
		after 2 FSREQCALLBACK
		destroy 2 FSREQCALLBACK
		before 3 FSREQCALLBACK
		after 3 FSREQCALLBACK
		destroy 3 FSREQCALLBACK
	END
	# Those that are alive, and no others.
	rm report
	with "late.so:file=$PWD/report" "$habits" timers
	[ "$(grep -c '^live [0-9]* TIMERWRAP trigger=1 pointer loop callback$' report)" -eq 3 ]
	grep -qx 'walked 3' report
}

@test "in a hook, and for the event's thread, the current ids and resource are the event's" {
	for program in h1_timer h2_fs h3_tcp h4_close_pending h5_work h6_inside h7_errors; do
		rm -f report
		with "current.so:file=$PWD/report" "$programs/$program"
		echo "$program: $(cat report)"
		[ "$(cat report)" = "agreed some" ]
	done
	rm report
	with "current.so:file=$PWD/report" "$habits" threads
	[ "$(cat report)" = "agreed some" ]
}

@test "a plugin that cannot be used: run says which and why, and starts nothing" {
	yes 'no shared object' | head -c 4096 >text.so
	mkdir folder.so
	while IFS='|' read -r plugin reason; do
		run -2 --separate-stderr "$uvhooks" run -p "$plugin" -- touch started
		[ -z "$output" ]
		complains "${plugin%%:*}" "$reason"
		[ ! -e started ]
	done <<-END
		$PWD/nowhere.so|No such file or directory
		$PWD/text.so|ELF header
		$PWD/folder.so|folder.so
		$habits|dynamically load
		$plugins/no_symbol.so|exports no symbol uvhooks_plugin
		$plugins/wrong_abi.so|ABI 999
		$plugins/failing_init.so|this plugin fails on purpose (check)
		$plugins/failing_init.so:when=silent|Operation not permitted
		$plugins/example.so:bogus=1|unknown option 'bogus'; known is file=PATH
	END
}

@test "a plugin that cannot be used: through the environment the program runs on, and one line says why" {
	while IFS='|' read -r plugin reason; do
		bare_environment "$plugin" "$habits" timers
		[ "$output" = "timers ran 3 timers" ]
		complains "${plugin%%:*}" "$reason"
	done <<-END
		$PWD/nowhere.so|No such file or directory
		nowhere|UVHOOKS_PLUGIN_PATH
		$plugins/no_symbol.so|exports no symbol uvhooks_plugin
		$plugins/wrong_abi.so|ABI 999
		$plugins/failing_init.so|this plugin fails on purpose (check)
		$plugins/failing_init.so:when=start|this plugin fails on purpose (start)
		$plugins/failing_init.so:when=silent|Operation not permitted
		$plugins/example.so:bogus=1|unknown option 'bogus'; known is file=PATH
	END
}

@test "a plugin that cannot be used does not take the others with it" {
	bare_environment "nowhere;$plugins/example.so;$plugins/wrong_abi.so" "$habits" timers
	[ "$output" = "timers ran 3 timers" ]
	[ "$(grep -c '^TIMERWRAP ' <<<"$stderr")" -eq 1 ]
	[ "$(grep -c '^uvhooks: ' <<<"$stderr")" -eq 2 ]
}

@test "a plugin whose init fails takes part in nothing, though it has enabled a hook" {
	bare_environment "$plugins/failing_init.so:when=enabled" "$habits" timers
	[ "$output" = "timers ran 3 timers" ]
	complains "this plugin fails on purpose (enabled)"
}

# A program that links the shim has it even where ld.so ignores LD_PRELOAD; and one whose group is
# another than its user's is as privileged for the kernel as one with another user.
@test "in a program that gains privileges no plugin is loaded, and no option is heard" {
	cat >privileged.c <<-'END'
		#include <stdio.h>
		#include <sys/auxv.h>
		#include <uv.h>

		static void on_timer(uv_timer_t *timer)
		{
			uv_close((uv_handle_t *) timer, NULL);
		}

		int main(void)
		{
			uv_timer_t timer;

			printf("secure %lu\n", getauxval(AT_SECURE));
			uv_timer_init(uv_default_loop(), &timer);
			uv_timer_start(&timer, on_timer, 0, 0);
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
		}
	END
	# shellcheck disable=SC2046 # words, on purpose
	"${CC:-cc}" privileged.c -o privileged -Wl,--no-as-needed "$shim" \
		-Wl,-rpath,"$(dirname "$shim")" $(pkg-config --cflags --libs libuv)
	export UVHOOKS_PLUGINS="log:file=$PWD/log" UVHOOKS_VERBOSE=1
	run -0 --separate-stderr ./privileged
	[ "$output" = "secure 0" ]
	[ -s log ]
	[ -n "$stderr" ]
	rm log
	if [ "$(id -u)" -eq 0 ]; then
		chgrp nogroup privileged
	else
		# Any group of the user's but the first.
		chgrp "$(id -G | cut -d ' ' -f 2)" privileged
	fi
	chmod g+s privileged
	run -0 --separate-stderr ./privileged
	[ "$output" = "secure 1" ]
	[ ! -e log ]
	[ -z "$stderr" ]
}

# The page that teaches must not lie: what it says is done, as it is said.
@test "README: the plugin written from nothing compiles, runs and prints what is shown" {
	readme=$BATS_TEST_DIRNAME/../README.md
	sed -n '/<!-- plugin:begin -->/,/<!-- plugin:end -->/p' "$readme" >section
	[ -s section ]
	# blocks LANGUAGE: the fenced blocks of one language.
	blocks() {
		awk -v fence="\`\`\`$1" '$0 == fence && !inside { inside = 1; wanted = 1; next }
			/^```/ { wanted = 0; inside = !inside; next }
			wanted' section
	}
	# shellcheck disable=SC2016 # backticks of Markdown
	name=$(sed -n 's/.*[Ss]ave it as `\([^`]*\)`.*/\1/p' section)
	[ -n "$name" ]
	blocks c >"$name"
	blocks sh >commands
	blocks '' >expected
	[ -s "$name" ] && [ -s commands ] && [ -s expected ]
	installation
	run -0 timeout 60 sh -eu commands
	# Ids and times are the machine's.
	without_numbers() {
		sed -E 's/[0-9]+(:[0-9]+)?/N/g'
	}
	diff -u <(without_numbers <expected) <(without_numbers <<<"$output")
}
