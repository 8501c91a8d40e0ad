#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# uvhooks hooks: the list in shim/hooks.def, held against a libuv.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	list=$BATS_TEST_DIRNAME/../shim/hooks.def
	unset LD_PRELOAD LD_LIBRARY_PATH
	version=$(pkg-config --modversion libuv)
	libuv=$(ldconfig -p | sed -nE 's/^\tlibuv\.so\.1 \(libc6,x86-64.*\) => (.*)/\1/p' | head -1)
	cd "$BATS_TEST_TMPDIR" || return 1
}

# compile NAME FLAG... <source
compile() {
	"${CC:-cc}" -Wall -x c -o "$1" - "${@:2}"
}

# "FUNCTION FILE SINCE" of each hook, as the list has it.
listed() {
	sed -nE 's/^HOOK\((uv_[a-z0-9_]+), ([a-z]+), "([0-9.]+)"\)$/\1 \2 \3/p' "$list"
}

# "FUNCTION FILE SINCE HERE" of each hook, as it is printed.
printed() {
	sed -nE 's/^(uv_[a-z0-9_]+) +([a-z]+) +([0-9]+\.[0-9]+) +(yes|no|-)$/\1 \2 \3 \4/p' <<<"$output"
}

# A libuv of three functions and one that is newer than the list.
small_libuv() {
	compile "$1" -shared -fPIC -Wl,-soname,libuv.so.1 <<-'END'
		const char *uv_version_string(void) { return "1.99.0"; }
		int uv_loop_init(void) { return 0; }
		int uv_run(void) { return 0; }
		int uv_close(void) { return 0; }
		int uv_brand_new(void) { return 0; }
		int uv__inner(void) { return 0; }
	END
}

@test "every function of the list is printed, in its order, with its file and age" {
	run -0 --separate-stderr "$uvhooks" hooks
	[ -z "$stderr" ]
	listed >wanted
	[ "$(wc -l <wanted)" -ge 95 ]
	[ "$(wc -l <wanted)" -eq "$(grep -c '^HOOK(' "$list")" ]
	printed | cut -d' ' -f1-3 | diff wanted -
}

@test "each function is held against the system's libuv" {
	run -0 --separate-stderr "$uvhooks" hooks
	[ "${lines[0]}" = "libuv $version, $libuv" ]
	nm -D --defined-only "$libuv" | awk '{ print $3 }' | sort >defined
	has=0
	while read -r function _ _ here; do
		if grep -qx "$function" defined; then
			[ "$here" = yes ]
			has=$((has + 1))
		else
			[ "$here" = no ]
		fi
	done < <(printed)
	count=$(listed | wc -l)
	[[ "$output" == *"$count functions are intercepted; this libuv has $has of them and lacks $((count - has))."* ]]
}

@test "a libuv is taken by path and by name" {
	small_libuv libsmall.so
	run -0 --separate-stderr "$uvhooks" hooks ./libsmall.so
	[ "${lines[0]}" = "libuv 1.99.0, ./libsmall.so" ]
	[ "$(printed | awk '$4 == "yes" { print $1 }' | sort | paste -sd' ')" = "uv_close uv_loop_init uv_run" ]
	run -0 --separate-stderr "$uvhooks" hooks libuv.so.1
	[ "${lines[0]}" = "libuv $version, $libuv" ]
}

@test "a function that the list does not know is named, libuv's inner ones are not" {
	small_libuv libsmall.so
	run -0 --separate-stderr "$uvhooks" hooks ./libsmall.so
	[[ "${lines[-1]}" == "Not known to this uvhooks"*" uv_brand_new" ]]
	[[ "$output" != *uv__inner* ]]
	run -0 --separate-stderr "$uvhooks" hooks
	[[ "$output" != *"Not known"* ]]
}

@test "the libuv of a program is the one that it loads" {
	mkdir mine
	small_libuv mine/libuv.so.1
	# shellcheck disable=SC2046 # flags are words
	compile program $(pkg-config --cflags --libs libuv) <<-'END'
		#include <uv.h>
		int main(void) { return uv_run(uv_default_loop(), UV_RUN_DEFAULT); }
	END
	run -0 --separate-stderr "$uvhooks" hooks ./program
	[ "${lines[0]}" = "libuv $version, $libuv" ]
	LD_LIBRARY_PATH=$PWD/mine run -0 --separate-stderr "$uvhooks" hooks ./program
	[ "${lines[0]}" = "libuv 1.99.0, $PWD/mine/libuv.so.1" ]
	printf '#!%s\n' "$PWD/program" >script
	chmod +x script
	run -0 --separate-stderr "$uvhooks" hooks ./script
	[ "${lines[0]}" = "libuv $version, $libuv" ]
}

@test "a libuv inside the program is shown, exported or not" {
	for flag in -rdynamic -O1; do
		# shellcheck disable=SC2046 # flags are words
		compile program "$flag" $(pkg-config --cflags libuv) -Wl,--whole-archive -luv_a \
			-Wl,--no-whole-archive $(pkg-config --libs libuv-static) <<-'END'
			#include <uv.h>
			int main(void) { return uv_run(uv_default_loop(), UV_RUN_DEFAULT); }
		END
		run -0 --separate-stderr "$uvhooks" hooks ./program
		[ "${lines[0]}" = "libuv $version, ./program" ]
		"$uvhooks" hooks | tail -n +2 >system
		tail -n +2 <<<"$output" | diff system -
	done
}

@test "--all adds every function left alone, with its reason" {
	run -0 --separate-stderr "$uvhooks" hooks --all
	sed -nE 's/^(CALL|LEFT)\((uv_[a-z0-9_]+), "(.*)"\)$/\2 \3/p' "$list" >wanted
	[ "$(wc -l <wanted)" -eq "$(grep -cE '^(CALL|LEFT)\(' "$list")" ]
	sed -n '/^LEFT ALONE/,$p' <<<"$output" |
		sed -nE 's/^(uv_[a-z0-9_]+) +(yes|no) +(.*)$/\1 \3/p' | diff wanted -
	[[ "$output" == *"$(wc -l <wanted) functions are left alone."* ]]
	run -0 --separate-stderr "$uvhooks" hooks
	[[ "$output" != *"LEFT ALONE"* ]]
}

@test "a program that links no libuv exits 1 and says what to name instead" {
	run -1 --separate-stderr "$uvhooks" hooks true
	[ -z "$output" ]
	[[ "$stderr" == "uvhooks: 'true' links no libuv"*"uvhooks hooks "* ]]
}

@test "where no libuv is found, the list is printed all the same, with exit 1" {
	mkdir bad
	echo 'no library' >bad/libuv.so.1
	LD_LIBRARY_PATH=$PWD/bad run -1 --separate-stderr "$uvhooks" hooks
	[[ "$stderr" == "uvhooks: cannot find a libuv: "* ]]
	[ "$(printed | awk '$4 == "-"' | wc -l)" -eq "$(listed | wc -l)" ]
}

@test "what is neither a program nor a libuv exits 2" {
	echo text >data
	compile libother.so -shared -fPIC <<<'int other;'
	for name in ./nothing nothing-at-all ./data ./libother.so .; do
		run -2 --separate-stderr "$uvhooks" hooks "$name"
		echo "$name: $stderr"
		[ -z "$output" ]
		[[ "$stderr" == "uvhooks: "*"'$name'"* ]]
	done
	run -1 --separate-stderr "$uvhooks" hooks libnothing.so.9
	[[ "$stderr" == *libnothing.so.9* ]]
}
