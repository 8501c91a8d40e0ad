#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # lines and stderr are set by run
# How the addresses of stacks become functions, files and lines: by the files that ran and their debug
# files, by what the trace has kept of them, and by what a program tells of code that it made itself.

load helpers

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	built=$UVHOOKS_BUILD/tests/stack
	sources=$BATS_TEST_DIRNAME/stack
	cd "$BATS_TEST_TMPDIR" || return 1
	unset UVHOOKS_DEBUG_PATH
}

# record DIR PROGRAM...: names are kept in the trace.
record() {
	bare "$uvhooks" record --stacks -o "$@" >out 2>&1
}

# record_bare DIR PROGRAM...: they are not, as when everything was killed.
record_bare() {
	mkdir "$1"
	with_shim UVHOOKS_PLUGINS="stacks;recorder:dir=$PWD/$1" "${@:2}" >out
}

# The whole stack that the latest resource of a type was made on.
made() {
	local id
	id=$(bare "$uvhooks" tree --json "$1" |
		jq -r --arg type "$2" '[.resources[] | select(.type == $type).id] | last')
	bare "$uvhooks" stack -v --depth 1 "$1" "$id" | sed -n '/made:/,/^[^ ]/{s/^      //p}'
}

# "chain.c:12": the line of a source with this comment.
line() {
	echo "$1:$(grep -nF "/* $2 */" "$sources/$1" | cut -d: -f1)"
}

# has TEXT <<<LINES: a line has it at its end, or before a blank.
has() {
	grep -qE "(^|/| )$1( |\$)"
}

# The build id of a file, as debug files are named.
debug_name() {
	readelf -n "$1" | sed -n 's/.*Build ID: \(..\)\(.*\)/\1\/\2.debug/p'
}

# strip_program PROGRAM COPY DEBUG: what is stripped from the copy goes into a debug file.
strip_program() {
	mkdir -p "$(dirname "$3")"
	objcopy --only-keep-debug "$1" "$3"
	objcopy --strip-all "$1" "$2"
}

# compile COMPILER OPTION...: the program chain, in another way.
compile() {
	# shellcheck disable=SC2046 # words
	"$@" -D_GNU_SOURCE -g -O2 -I"$BATS_TEST_DIRNAME/../include" "$sources/chain.c" \
		$(pkg-config --cflags --libs libuv)
}

@test "functions, files and lines all over a program are those of eu-addr2line and addr2line" {
	"$PYTHON" "$sources/check_lines.py" "$built/find_lines" "$uvhooks"
	"$PYTHON" "$sources/check_lines.py" "$built/find_lines" "$built/names"
	compile clang -gdwarf-4 -o chain-clang
	"$PYTHON" "$sources/check_lines.py" "$built/find_lines" chain-clang
}

@test "10,000 addresses are looked up in a moment" {
	nm "$uvhooks" | awk '$2 ~ /^[tT]$/ { print $1 }' | head -n 500 >functions
	for _ in {1..20}; do cat functions; done >addresses
	[ "$(wc -l <addresses)" -eq 10000 ]
	timeout 5 "$built/find_lines" "$uvhooks" <addresses >found
	[ "$(grep -c '^0x' found)" -eq 10000 ]
}

@test "damaged debug information ends nothing" {
	"$PYTHON" "$sources/damage_lines.py" "$built/find_lines" "$built/chain" . 100
}

@test "a function that is inlined is a frame, and so is the one that it is in" {
	record t "$built/chain" 1
	made t TIMERWRAP >found
	has "$(line chain.c 'the next is made') in make_next \(inlined\)" <found
	has "$(line chain.c 'one more') in on_next( \(inlined\))?" <found
	[ "$(head -n 1 found | cut -d' ' -f3)" = make_next ]
}

@test "what clang has compiled, with indexed tables and no .debug_aranges, is found as well" {
	compile clang -gdwarf-5 -o chain
	run -1 grep -q debug_aranges <(readelf -SW chain)
	record t ./chain 1
	made t TIMERWRAP >found
	has "$(line chain.c 'the next is made') in make_next \(inlined\)" <found
	has "$(line chain.c 'one more') in on_next" <found
	made t WRITEWRAP | has "$(line chain.c 'the write is made') in on_connect"
}

@test "names of C++ are those that people write" {
	record t "$built/names"
	bare "$uvhooks" stack t >sites
	has "$(line names.cc 'a method') in shop::Cart::add" <sites
	grep -qE "$(line names.cc 'a lambda') in main::\{lambda#[0-9]+\}::operator\(\) " sites
	grep -qF ' shop::on_timer ' sites
	bare "$uvhooks" stack t 2 | has "$(line names.cc 'a template') in .*shop::Cart::wait<int>"
}

@test "the frames of a debug file count, if it belongs to the program by its build id" {
	strip_program "$built/chain" chain "debug/.build-id/$(debug_name "$built/chain")"
	record_bare t ./chain
	made t WRITEWRAP | has 'chain\+0x[0-9a-f]+'
	UVHOOKS_DEBUG_PATH="$PWD/none:$PWD/debug" made t WRITEWRAP |
		has "$(line chain.c 'the write is made') in on_connect"
	# `uvhooks record` looks there, too, and keeps what it finds.
	UVHOOKS_DEBUG_PATH=$PWD/debug record kept ./chain
	made kept WRITEWRAP | has "$(line chain.c 'the write is made') in on_connect"
	# That of another program under its name is none.
	objcopy --only-keep-debug "$built/names" "debug/.build-id/$(debug_name "$built/chain")"
	UVHOOKS_DEBUG_PATH=$PWD/debug made t WRITEWRAP | has 'chain\+0x[0-9a-f]+'
}

@test "a .gnu_debuglink names the debug file, too, which must have its build id or checksum" {
	strip_program "$built/chain" chain .debug/chain.debug
	objcopy --add-gnu-debuglink=.debug/chain.debug chain
	record_bare t ./chain
	made t WRITEWRAP | has "$(line chain.c 'the write is made') in on_connect"

	compile cc -Wl,--build-id=none -o whole
	strip_program whole nameless nameless.debug
	objcopy --add-gnu-debuglink=nameless.debug nameless
	record_bare u ./nameless
	made u WRITEWRAP | has "$(line chain.c 'the write is made') in on_connect"
	echo >>nameless.debug
	made u WRITEWRAP | has 'nameless\+0x[0-9a-f]+'
}

@test "a program that was replaced gives no wrong lines, but where in the file it was" {
	cp "$built/chain" program
	record_bare t ./program
	made t WRITEWRAP | has "$(line chain.c 'the write is made') in on_connect"
	cp --remove-destination "$built/names" program
	made t WRITEWRAP >found
	run -1 grep -E 'chain\.c|names\.cc' found
	[ "$(grep -cE '^program\+0x[0-9a-f]+$' found)" -ge 2 ]
}

@test "a trace that was recorded keeps its lines when the program has gone" {
	cp "$built/chain" program
	record t ./program
	made t WRITEWRAP >before
	rm program
	made t WRITEWRAP >found
	diff before found
	has "$(line chain.c 'the write is made') in on_connect" <found
}

@test "code that a program makes is named as it tells in /tmp/perf-PID.map" {
	record js "$built/made_code" 'JS:*handle file:///srv/app.js:12:34'
	rm "/tmp/perf-$(head -n 1 out).map"
	made js TIMERWRAP | has '/srv/app.js:12 in handle'
	bare "$uvhooks" stack js | has 'app.js:12 in handle'
	# As CPython and LuaJIT write them, and in no such way.
	record py "$built/made_code" 'py::view:/srv/app.py'
	rm "/tmp/perf-$(head -n 1 out).map"
	made py TIMERWRAP | has '/srv/app.py in view'
	record lua "$built/made_code" 'TRACE_7::app.lua:12'
	rm "/tmp/perf-$(head -n 1 out).map"
	made lua TIMERWRAP | has 'app.lua:12 in TRACE_7'
	record plain "$built/made_code" 'compiled query 7'
	rm "/tmp/perf-$(head -n 1 out).map"
	made plain TIMERWRAP | grep -F 'query'
}

@test "a map that is a link, or of another time, is left alone" {
	local map
	record_bare t "$built/made_code" 'JS:*handle /srv/app.js:12:34'
	map=/tmp/perf-$(head -n 1 out).map
	cp -p "$map" copy
	made t TIMERWRAP | has '/srv/app.js:12 in handle'
	touch -d '1 hour ago' "$map"
	made t TIMERWRAP >old
	ln -sf "$PWD/copy" "$map"
	made t TIMERWRAP >linked
	rm "$map"
	run -1 grep -F app.js old linked
	grep -qE '^0x[0-9a-f]+$' old
	diff old linked
}
