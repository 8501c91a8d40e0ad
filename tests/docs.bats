#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# README and CONTRIBUTING say what is so: what they list is held against the sources, and what they
# tell to type is typed. (The README's plugin is compiled and run in plugins.bats.)

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
