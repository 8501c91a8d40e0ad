#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The public headers by themselves: in C and in C++, by both compilers, without a library and without
# the shim. What is built from tests/headers/ says and returns the same in both ways.

load helpers

INCLUDE=$(cd "$BATS_TEST_DIRNAME/../include" && pwd)
SOURCES=$BATS_TEST_DIRNAME/headers

C=(
	"gcc -xc -std=gnu99" "gcc -xc -std=c99" "gcc -xc -std=c11" "gcc -xc -std=gnu17"
	"clang -xc -std=gnu99" "clang -xc -std=c11" "clang -xc -std=c17"
)
CXX=(
	"g++ -xc++ -std=c++11" "g++ -xc++ -std=c++17" "g++ -xc++ -std=c++20 -fno-exceptions -fno-rtti"
	"clang++ -xc++ -std=c++11" "clang++ -xc++ -std=c++17"
	"clang++ -xc++ -std=c++20 -fno-exceptions -fno-rtti"
)

STRICT=(
	-Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
	-Wcast-align -Wundef -Wmissing-declarations -Wformat=2 -Wnull-dereference -Wredundant-decls
	-Wswitch-enum -Wdouble-promotion -Wvla
)
STRICT_C=(-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wbad-function-cast)

# compile COMPILER FLAG...: the compiler is one or more words.
compile() {
	local -a compiler
	read -ra compiler <<<"$1"
	shift
	if [[ ${compiler[*]} == *-xc++* ]]; then
		"${compiler[@]}" "${STRICT[@]}" -I"$INCLUDE" "$@"
	else
		"${compiler[@]}" "${STRICT[@]}" "${STRICT_C[@]}" -I"$INCLUDE" "$@"
	fi
}

# In all languages, and optimised in one of each compiler's: calls FUNCTION COMPILER FLAG.
in_each() {
	local compiler level levels
	for compiler in "${C[@]}" "${CXX[@]}"; do
		levels=(-O0)
		[[ $compiler != *17 ]] || levels=(-O0 -O2)
		for level in "${levels[@]}"; do
			echo "$compiler $level"
			"$1" "$compiler" "$level"
		done
	done
}

header_alone() {
	# What is not compiled is not optimised either.
	[ "$2" = -O0 ] || return 0
	compile "$@" -fsyntax-only "$BATS_TEST_TMPDIR"/alone-*.c
}

# program SOURCE COMPILER FLAG...: leaves it in $PROGRAM.
program() {
	local source=$1
	shift
	PROGRAM=$BATS_TEST_TMPDIR/program
	compile "$@" "$SOURCES/$source" -o "$PROGRAM"
}

# Is the shim where it looks for it?
reaches() {
	bare "$PROGRAM" bare
	with_shim "$PROGRAM" shim
}

# Runs, in all ways, but knows nothing of the shim.
reaches_nothing() {
	runs_the_same "$PROGRAM"
	with_shim "$PROGRAM" bare
}

all_calls() {
	program all_calls.c "$@"
	runs_the_same "$PROGRAM"
	cmp "$LOGS/bare.stdout" "$BATS_TEST_TMPDIR/expected"
	reaches
}

expect_all_calls() {
	cat >"$BATS_TEST_TMPDIR/expected" <<-EOF
		in a run: first
		in a run: second
		in an exit: none
		in a run: second
		released: 3
		in a run: none
		in a snapshot: none
		in a bound function: none
		in a scope: none
		in a scope: none
		in a bound function: none
		in a trigger scope: none
		in a reaction: none
		in a reaction: none
		all said what they should
	EOF
}

@test "each header compiles alone, first in its file, in every C and C++" {
	local header
	for header in "$INCLUDE"/uvhooks/*.h; do
		header=${header##*/}
		# Twice: what guards it must hold too.
		printf '#include <uvhooks/%s>\n#include <uvhooks/%s>\nint main(void);\nint main(void) { return 0; }\n' \
			"$header" "$header" >"$BATS_TEST_TMPDIR/alone-$header.c"
	done
	in_each header_alone
}

@test "every call says the same with the shim and without, in every C and C++" {
	expect_all_calls
	in_each all_calls
}

@test "a program that uses all of it is linked to nothing but libc" {
	program all_calls.c "gcc -xc"
	[ "$(readelf -d "$PROGRAM" | grep -c NEEDED)" = 1 ]
	readelf -d "$PROGRAM" | grep 'NEEDED.*libc\.so'
	# All that it asks for of ours is weak.
	[ "$(readelf --dyn-syms -W "$PROGRAM" | grep -cE 'WEAK .* UND +uvhooks_')" -ge 20 ]
	readelf --dyn-syms -W "$PROGRAM" >"$BATS_TEST_TMPDIR/symbols"
	run -1 grep -E 'GLOBAL .* UND +uvhooks_' "$BATS_TEST_TMPDIR/symbols"
}

@test "it reaches the shim however it is linked" {
	local flags
	expect_all_calls
	for flags in -fno-plt "-no-pie -fno-pie" "-no-pie -fno-pie -fno-plt" -flto \
		"-no-pie -fno-pie -flto" -fvisibility=hidden "-Wl,-z,now -Wl,-z,defs" -fuse-ld=gold \
		"-fuse-ld=gold -no-pie -fno-pie" "-fstack-protector-all -fcf-protection=full"; do
		[[ $(uname -m) == x86_64 || $flags != *-fcf-protection* ]] || continue
		all_calls "gcc -xc $flags" -O2
	done
	for flags in -fno-plt "-no-pie -fno-pie -fno-plt" -fvisibility=hidden "-Wl,-z,now -Wl,-z,defs"; do
		all_calls "clang -xc $flags" -O2
	done
}

@test "where it cannot reach the shim it runs as without it" {
	program all_calls.c "clang -xc -no-pie -fno-pie" -O2
	reaches_nothing
	for compiler in gcc clang; do
		program all_calls.c "$compiler -xc -static" -O2
		run -0 readelf -lW "$PROGRAM"
		[[ $output != *INTERP* ]]
		reaches_nothing
	done
}

in_two_files() {
	PROGRAM=$BATS_TEST_TMPDIR/program
	compile "$@" "$SOURCES/unit_a.c" "$SOURCES/unit_b.c" -o "$PROGRAM"
	runs_the_same "$PROGRAM"
	[ "$(cat "$LOGS/bare.stdout")" = "two files, 4 stores released" ]
}

@test "two files of a program share their stores without the shim" {
	in_each in_two_files
	# One of them in C, the other in C++.
	compile "gcc -xc" -O2 -c "$SOURCES/unit_a.c" -o "$BATS_TEST_TMPDIR/a.o"
	compile "clang++ -xc++" -O2 -c "$SOURCES/unit_b.c" -o "$BATS_TEST_TMPDIR/b.o"
	g++ "$BATS_TEST_TMPDIR/a.o" "$BATS_TEST_TMPDIR/b.o" -o "$PROGRAM"
	runs_the_same "$PROGRAM"
	[ "$(cat "$LOGS/bare.stdout")" = "two files, 4 stores released" ]
}

in_library() {
	compile "$@" -shared -fPIC -Wl,-z,defs "$SOURCES/library.c" -o "$BATS_TEST_TMPDIR/library.so"
	[ "$(bare "$PROGRAM" "$BATS_TEST_TMPDIR/library.so" bare)" = "the library is content" ]
	[ "$(with_shim "$PROGRAM" "$BATS_TEST_TMPDIR/library.so" shim)" = "the library is content" ]
}

@test "a library that is loaded later reaches the shim, in a program that knows nothing of it" {
	program loader.c "gcc -xc" -ldl
	in_each in_library
}

arguments() {
	program arguments.c "$@"
	runs_the_same "$PROGRAM"
	[ "$(cat "$LOGS/bare.stdout")" = "arguments of all kinds" ]
}

@test "calls take any argument and evaluate it once; the functions have addresses" {
	in_each arguments
}

@test "an exception leaves a scope without the shim as with it" {
	local compiler
	for compiler in "g++ -xc++ -std=c++11" "clang++ -xc++ -std=c++17"; do
		for level in -O0 -O2; do
			program leaving.cc "$compiler" "$level"
			runs_the_same "$PROGRAM"
			diff -u - "$LOGS/bare.stdout" <<-EOF
				caught in outer: run
				caught in outer: exit
				caught in outer: entered
				caught in outer: scope
				caught in outer: trigger scope
				caught in outer: reaction
				caught in none: out of all
				released: 3
			EOF
		done
	done
}
