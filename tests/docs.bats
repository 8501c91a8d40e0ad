#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# README and CONTRIBUTING say what is so: what they list is held against the sources, and what they
# tell to type is typed. (The README's plugin is compiled and run in plugins.bats.)
# shellcheck disable=SC2016 # backticks of Markdown

bats_require_minimum_version 1.5.0

setup() {
	TOP=$BATS_TEST_DIRNAME/..
	BUILD=$(cd "${UVHOOKS_BUILD:-$TOP/build}" && pwd)
}

# The first column of the README's table whose header begins with $1.
table() {
	awk -v header="| $1 " 'index($0, header) == 1 { on = 1; next }
		on && !/^\|/ { exit }
		on && !/^\|--/ { print }' "$TOP/README.md" | cut -d'|' -f2
}

@test "the README lists exactly the variables that the shim reads" {
	diff <(table variable | grep -o 'UVHOOKS_[A-Z_]*' | sort) \
		<(grep -o '{"UVHOOKS_[A-Z_]*"' "$TOP/shim/options.c" | grep -o 'UVHOOKS_[A-Z_]*' |
			grep -v UVHOOKS_LAUNCHED | sort)
}

@test "the README lists exactly the events that there are" {
	diff <(table event | tr -d ' ' | tr ',' '\n' | sort) \
		<(sed -n '/define UVHOOKS_EVENT_MAP/,/^$/p' "$TOP/include/uvhooks/types.h" |
			sed -n 's/.*XX([A-Z_]*, \([a-z_]*\)).*/\1/p' | sort)
}

@test "the README names the number of functions that are intercepted" {
	count=$(grep -c '^HOOK(' "$TOP/shim/hooks.def")
	grep -q "exports the $count functions" "$TOP/README.md"
}

@test "the README's options of the log plugin are those that it takes" {
	for option in $(table option | grep -o '`[a-z]*=' | tr -d '`='); do
		run -2 "$BUILD/tools/uvhooks" run -p log:nonsense=1 -- true
		[[ $output == *"$option="* ]]
	done
}

# section NAME: what stands in the README between the marks of that name.
section() {
	sed -n "/<!-- $1:begin -->/,/<!-- $1:end -->/p" "$TOP/README.md"
}

# blocks LANGUAGE [N]: of the text on stdin the fenced blocks of that language, or the Nth of them.
blocks() {
	awk -v fence="\`\`\`$1" -v chosen="${2:-0}" '
		$0 == fence && !inside { inside = 1; wanted = chosen == 0 || ++count == chosen; next }
		/^```/ { wanted = 0; inside = !inside; next }
		wanted'
}

# Puts what the build makes where the README expects it.
installation() {
	local to=$BATS_TEST_TMPDIR/installed
	meson install -C "$BUILD" --no-rebuild --quiet --destdir "$to"
	PKG_CONFIG_PATH=$(dirname "$(find "$to" -name uvhooks.pc)")
	PATH=$(dirname "$(find "$to" -name uvhooks -path '*/bin/*')"):$PATH
	export PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$to
}

@test "the README's options of the recorder are those that it takes" {
	local option seen=0
	run -2 "$BUILD/tools/uvhooks" run -p recorder:nonsense=1 -- true
	for option in $(section record | grep -oE '^\| `[a-z_]+=' | tr -d '|` ='); do
		[[ $output == *"$option="* ]]
		seen=$((seen + 1))
	done
	[ "$seen" -eq 8 ]
}

@test "the README's options of the plugin that takes stacks are those that it takes" {
	local option seen=0
	run -2 "$BUILD/tools/uvhooks" run -p stacks:nonsense=1 -- true
	for option in $(section stacks | grep -oE '^\| `[a-z_]+=' | tr -d '|` ='); do
		[[ $output == *"$option="* ]]
		seen=$((seen + 1))
	done
	[ "$seen" -eq 7 ]
}

@test "a recorded worker pool has the tree that the README shows" {
	cd "$TOP"
	section record | blocks sh | sed "s:build/:$BUILD/:; s: trace: $BATS_TEST_TMPDIR/trace:" \
		>"$BATS_TEST_TMPDIR/commands"
	PATH=$BUILD/tools:$PATH LC_ALL=C.UTF-8 timeout 60 sh -eu "$BATS_TEST_TMPDIR/commands" \
		>"$BATS_TEST_TMPDIR/printed"
	# Times, and which thread came first, are those of one run.
	shape() {
		grep -E '^(top level|.*[├└])' | sed -E 's/[0-9,.]+ (ns|us|ms|s)\b/T/g; s/[0-9]+(,\.\.\.)? / /
			s/(on_done) +[0-9]+ runs/\1  wake-ups are run together/'
	}
	[ "$(section record | blocks '' 1 | shape | wc -l)" -gt 5 ]
	diff -u <(section record | blocks '' 1 | shape) <(shape <"$BATS_TEST_TMPDIR/printed")
}

@test "every function that the README names is declared in a header" {
	local row name of seen=0
	# A name that begins with _ stands for one of the same things as the whole one before it.
	while read -r row; do
		of=$(grep -oE 'uvhooks_(async_resource|promise|local_storage)' <<<"$row" | head -1) || :
		while read -r name; do
			[[ $name == uvhooks_* ]] || name=$of$name
			grep -qE "\b$name\(" "$TOP"/include/uvhooks/*.h || { echo "no $name" && false; }
			seen=$((seen + 1))
		done < <(grep -oE '`(uvhooks)?_[a-z_]+`' <<<"$row" | tr -d '`')
	done < <(grep 'uvhooks_' "$TOP/README.md")
	[ "$seen" -gt 20 ]
}

# names MAP: the words of an X-map of the headers.
names() {
	sed -n "/define $1(/,/^$/p" "$TOP"/include/uvhooks/*.h | grep -oE '\b[a-z_]{3,}\b' | sort -u
}

# among MAP: each word on stdin, of which there is at least one.
among() {
	local words
	words=$(cat)
	[ -n "$words" ]
	comm -23 <(sort -u <<<"$words") <(names "$1") | diff /dev/null -
}

@test "every flag and every counter that the README names is one" {
	tr -s '\n ' ' ' <"$TOP/README.md" | grep -oE 'flagged `[a-z_]+`( or `[a-z_]+`)?' |
		grep -oE '`[a-z_]+`' | tr -d '`' | among UVHOOKS_FLAG_MAP
	tr -s '\n ' ' ' <"$TOP/README.md" | grep -oE 'counted in (`[a-z_]+`(, | and )?)+' |
		grep -oE '`[a-z_]+`' | tr -d '`' | among UVHOOKS_COUNTER_MAP
}

@test "the worker pool that the README shows is the one that is tested" {
	local number=1 shown program
	program=$(<"$TOP/tests/programs/worker_pool.c")
	while shown=$(section pool | blocks c "$number") && [ -n "$shown" ]; do
		[ "$(wc -l <<<"$shown")" -gt 5 ]
		[[ $program == *$'\n'"$shown"$'\n'* ]]
		number=$((number + 1))
	done
	[ "$number" -gt 2 ]
}

# Without what every run has anew: times, ids, and which of the callbacks it was.
without_numbers() {
	sed -E 's/^ +[0-9.]+ +//; s/\b[0-9]+(:[0-9]+)?\b/N/g'
}

@test "the log of a task that the README shows is what the pool's log says" {
	local line seen=0
	LD_PRELOAD=$BUILD/shim/libuvhooks.so UVHOOKS_PLUGINS=log:file=$BATS_TEST_TMPDIR/log \
		"$BUILD/tests/programs/worker_pool" >"$BATS_TEST_TMPDIR/stdout"
	without_numbers <"$BATS_TEST_TMPDIR/log" | sort -u >"$BATS_TEST_TMPDIR/lines"
	while read -r line; do
		grep -qxF -- "$line" "$BATS_TEST_TMPDIR/lines" || { echo "no '$line'" && false; }
		seen=$((seen + 1))
	done < <(section pool | blocks '' | without_numbers)
	[ "$seen" -gt 5 ]
}

@test "the context plugin shows of a connection what the README shows" {
	local command
	command=$(section context | blocks sh)
	[[ $command == "uvhooks run -p context:"* ]]
	command=${command/context:/context:file=$BATS_TEST_TMPDIR/log,}
	# The system's Python, as a version manager's has no uvloop.
	(cd "$TOP" && PATH=$BUILD/tools:/usr/bin:$PATH timeout 60 sh -c "$command")
	# Ids and times are those of one run, and in how many writes an answer goes is the kernel's.
	shape() {
		sed -E 's/^(\[c2\]) +[0-9.]+ +/\1 /; s/ callback=.*//; s/=[0-9]+//g; s/ [0-9]+ / /' | sort -u
	}
	[ "$(section context | blocks '' | wc -l)" -gt 5 ]
	diff -u <(section context | blocks '' | shape) <(shape <"$BATS_TEST_TMPDIR/log")
}

@test "the program with promises and a local storage compiles, runs and prints what the README shows" {
	local name
	cd "$BATS_TEST_TMPDIR"
	section defer >text
	name=$(sed -n 's/.*Save it as `\([^`]*\)`.*/\1/p' text)
	[ -n "$name" ]
	blocks c <text >"$name"
	blocks sh <text >commands
	blocks '' <text >expected
	[ -s "$name" ] && [ -s commands ] && [ -s expected ]
	installation
	run -0 timeout 60 sh -eu commands
	# Only times are the machine's.
	without_times() {
		sed -E 's/^ +[0-9]+\.[0-9]+ /T/'
	}
	diff -u <(without_times <expected) <(without_times <<<"$output")
}

@test "every script and file that the documents name is there" {
	sed 's:build[a-z-]*/[^ ]*::g' "$TOP/README.md" "$TOP/CONTRIBUTING.md" |
		grep -v wrap_FILE | grep -ohE '\b(scripts|shim|tests|include|tools)/[a-zA-Z0-9_./-]+[a-zA-Z0-9]' |
		sort -u >"$BATS_TEST_TMPDIR/named"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/named")" -gt 10 ]
	while read -r path; do
		[ -e "$TOP/$path" ] || { echo "$path is not there" && false; }
	done <"$BATS_TEST_TMPDIR/named"
}

@test "the map in CONTRIBUTING names every file of the shim's floors" {
	cd "$TOP/shim"
	for file in *.c; do
		name=${file%.c}
		case $name in wrap_* | patch_move_*) continue ;; esac
		grep -q "\`$name\`" ../CONTRIBUTING.md || { echo "$name is missing" && false; }
	done
}

@test "the gdb recipe of CONTRIBUTING stops in our wrapper, where it can see the record" {
	sed -n 's/^    (gdb) //p' "$TOP/CONTRIBUTING.md" |
		sed "s:build/shim:$BUILD/shim:; s:=log$:=log\\:file=$BATS_TEST_TMPDIR/log:" \
			>"$BATS_TEST_TMPDIR/recipe"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/recipe")" -eq 4 ]
	run gdb -q -nx -batch -x "$BATS_TEST_TMPDIR/recipe" \
		-ex 'print uvh_libuvs[0].real.uv_timer_start' -ex kill \
		--args "$BUILD/tests/programs/h1_timer"
	echo "$output"
	[[ $output == *"Breakpoint 1, uv_timer_start"*"wrap_watcher.c"* ]]
	[[ $output == *"<uv_timer_start>"* ]]
}
