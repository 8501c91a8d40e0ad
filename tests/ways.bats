#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2119 # functions that may be given flags
# The way in that each libuv gets: what `uvhooks check` tells from the files is what the shim does in
# the process, and `uvhooks run` refuses where that is nothing.

bats_require_minimum_version 1.5.0
load helpers
load node

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	unset LD_PRELOAD LD_LIBRARY_PATH
	for name in $(compgen -e UVHOOKS_); do
		[ "$name" = UVHOOKS_BUILD ] || unset "$name"
	done
	cd "$BATS_TEST_TMPDIR" || return 1
}

# compile NAME FLAG... <source
compile() {
	"${CC:-cc}" -Wall -x c -o "$1" - "${@:2}"
}

# flags of a libuv that is linked, and of one that is put in
linked=(-luv)
inside=(-luv_a -lpthread -ldl)

# A program or, with another name for main, a library whose timer prints "timer". It knows libuv's
# version, so that its file does.
uv_source() {
	cat <<-END
		#include <stdio.h>
		#include <uv.h>

		static void on_timer(uv_timer_t *timer)
		{
			puts("timer");
			uv_close((uv_handle_t *) timer, NULL);
		}

		int ${1:-main}(void)
		{
			uv_timer_t timer;

			uv_timer_init(uv_default_loop(), &timer);
			uv_timer_start(&timer, on_timer, 1, 0);
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT) + (uv_version() == 0);
		}
	END
}

program_inside() {
	uv_source | compile program -Wl,--build-id "$@" "${inside[@]}"
}

# library_inside NAME FUNCTION FLAG...: lib$NAME.so has a libuv inside, and this function
library_inside() {
	uv_source "$2" | compile "lib$1.so" -shared -fPIC "${@:3}" -x c \
		"$BATS_TEST_DIRNAME/programs/module_data.c" -x none "${inside[@]}"
}

# program_with NAME FUNCTION FLAG...: links lib$NAME.so, and calls its function
program_with() {
	compile program -L. -Wl,--no-as-needed -Wl,-rpath,"$PWD" -l"$1" "${@:3}" \
		<<<"int $2(void); int main(void) { return $2(); }"
}

# The values of the rows of this key in the output.
row() {
	sed -nE "s/^$1: +//p" <<<"$output"
}

# What `uvhooks check` says: a line for each libuv with a way in, and for each function left alone.
said() {
	"$uvhooks" check "$1" >check.txt || return 1
	awk '
		function value() { return substr($0, 14) }
		/^libuv:/ { path = value() }
		/^how:/ && value() == "inside the program" { path = "the program" }
		/^way in:/ {
			way = "no"
			if (value() ~ /^patching/) way = "patched"
			if (value() ~ /^symbols/) way = "called through symbols"
		}
		/^functions:/ {
			done = "0 patched, 0 left alone"
			if (match(value(), /[0-9]+ patched, [0-9]+ left alone/))
				done = substr(value(), RSTART, RLENGTH)
		}
		/^left alone:/ { print value() }
		/^version:/ && way != "no" {
			version = value() == "not known" ? "of a version that it does not tell" : value()
			print "libuv " version " in " path ": " done "; " way
		}
	' check.txt
}

# What the shim says that it did, in the same form.
did() {
	bare env UVHOOKS_VERBOSE=1 LD_PRELOAD="$SHIM" "$@" >did.txt 2>&1 </dev/null || return 1
	sed -nE -e 's/^uvhooks: (libuv .*): [0-9]+ functions found, (.*); (patched|called through symbols).*/\1: \2; \3/p' \
		-e 's/^uvhooks: (uv_[a-z0-9_]+) is left alone: (.*)/\1: \2/p' did.txt
}

# agree COUNT PROGRAM ARGUMENT...: both say the same, of this many libuvs. Leaves it in of-files.
agree() {
	said "$2" | sort >of-files
	did "${@:2}" | sort >of-process
	cat check.txt did.txt
	diff -u of-files of-process
	[ "$(grep -c '^libuv' of-files)" -eq "$1" ]
}

# How many timers the log of a run has; the program's own output is in `printed`.
timers_seen() {
	rm -f log
	"$uvhooks" run -p log:file="$PWD/log",format=json -- "$@" >printed 2>errors || return 1
	[ ! -s errors ] || return 1
	grep -c '"event":"init".*"TIMERWRAP"' log || true
}

# with_debug DEBUG_FILE OF COMMAND...: in a mount namespace of its own, where the debug files are
# this one alone, with the build id of the program OF.
with_debug() {
	local id user=()
	id=$(readelf -n "$2" | sed -nE 's/.*Build ID: ([0-9a-f]+)$/\1/p')
	[ "$(id -u)" -eq 0 ] || user=(--map-root-user)
	# shellcheck disable=SC2016 # for the inner shell
	unshare "${user[@]}" --mount bash -eu -c '
		mount -t tmpfs tmpfs /usr/lib/debug
		mkdir -p "$(dirname "$1")"
		cp "$0" "$1"
		shift
		exec "$@"
	' "$1" "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" "${@:3}"
}

# shellcheck disable=SC2154 # bats sets stderr_lines
refused() {
	[ -z "$output" ]
	[[ "${stderr_lines[0]}" == "uvhooks: cannot trace '"* ]]
	[ "${#stderr_lines[@]}" -eq 2 ]
}

# A build of one's own, to break.
copy_build() {
	mkdir -p build
	cp -r "$UVHOOKS_BUILD/tools" "$UVHOOKS_BUILD/shim" build/
	uvhooks=$PWD/build/tools/uvhooks
	SHIM=$PWD/build/shim/libuvhooks.so
}

@test "a libuv that is linked: its symbols are enough" {
	uv_source | compile program "${linked[@]}"
	agree 1 ./program
	grep -q 'called through symbols' of-files
	[ "$(timers_seen ./program)" = 1 ]
	agree 1 "$PROGRAMS/h1_timer"
}

@test "a libuv inside a program, exported, hidden, or without a version: it is patched" {
	for flag in -rdynamic -O1 -no-pie; do
		program_inside "$flag"
		agree 1 ./program
		grep -q '; patched$' of-files
		case $flag in
		-rdynamic) grep -q '^found: .*(\.dynsym)' check.txt ;;
		*) grep -q '^found: .*(\.symtab)' check.txt ;;
		esac
		[ "$(timers_seen ./program)" = 1 ]
		[ "$(cat printed)" = timer ]
	done
	uv_source | sed 's/uv_version()/1/' | compile program "${inside[@]}"
	agree 1 ./program
	grep -q '^libuv of a version that it does not tell in the program' of-files
	agree 1 "$PROGRAMS/static_program"
}

@test "the official node: each that is here" {
	node_setup
	while read -r node; do
		agree 1 "$node" -e 0
		grep -qE '^libuv 1\.[0-9.]+ in the program: 1[0-9][0-9] patched, 0 left alone; patched$' of-files
		run -0 --separate-stderr "$uvhooks" run -- "$node" -e 'console.log("ran")'
		[ "$output" = ran ]
		[ -z "$stderr" ]
	done < <(node_paths)
}

@test "a program that is stripped is refused, and traced once its debug file is there" {
	program_inside
	objcopy --only-keep-debug program program.debug
	strip --strip-all program
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "${stderr_lines[0]}" == *"libuv inside, but it is stripped"* ]]
	# It says where the debug file would be looked for.
	place=$(grep -oE '/usr/lib/debug/\.build-id/[^ ;]+\.debug' <<<"$stderr")
	run -1 "$uvhooks" check ./program
	[[ "$(row next)" == *"$place"* ]]
	with_debug program.debug ./program [ -e "$place" ]
	export uvhooks SHIM UVHOOKS_BUILD
	export -f agree said did bare timers_seen
	# shellcheck disable=SC2016 # for the inner shell
	with_debug program.debug ./program bash -euc 'agree 1 ./program && [ "$(timers_seen ./program)" = 1 ]'
	grep -q '; patched$' of-files
	grep -q "^found: .*$place" check.txt
}

@test "the debug file of another program is not believed, nor one that is damaged" {
	program_inside
	objcopy --only-keep-debug program program.debug
	strip --strip-all program
	uv_source | sed 's/"timer"/"other"/' | compile other -Wl,--build-id "${inside[@]}"
	objcopy --only-keep-debug other other.debug
	head -c 5000 program.debug >damaged.debug
	for debug in other damaged; do
		run -1 with_debug "$debug.debug" ./program "$uvhooks" check ./program
		[[ "$(row why)" == *"it is stripped"* ]]
	done
}

@test "names that are taken out of the symbol table are as lost as the whole table" {
	program_inside
	objcopy --wildcard --strip-symbol='uv_*' program
	nm program | grep -q ' main$'
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	# What is exported is not lost.
	program_inside -rdynamic
	strip --strip-all program
	agree 1 ./program
	[ "$(timers_seen ./program)" = 1 ]
}

@test "a libuv of which other libraries need a few functions: the rest is hidden" {
	# The linker exports what a library that is linked leaves to the program.
	for wanted in uv_loop_alive uv_timer_stop 'uv_run uv_loop_init'; do
		for function in $wanted; do
			printf 'int %s(void); int use_%s(void) { return %s(); }\n' \
				"$function" "$function" "$function"
		done | compile libuser.so -shared -fPIC
		program_inside -L. -Wl,--no-as-needed -luser -Wl,-rpath,"$PWD"
		nm -D --defined-only program | grep -q " ${wanted% *}\$"
		! nm -D --defined-only program | grep -q ' uv_close$' || false
		agree 1 ./program
		grep -qE '[0-9]{2} patched, 0 left alone; patched$' of-files
		[ "$(timers_seen ./program)" = 1 ]
	done
}

@test "a program without section headers: the loader needs none, and so do we" {
	program_inside -rdynamic
	# e_shoff; e_shnum and e_shstrndx
	printf '\0\0\0\0\0\0\0\0' | dd of=program bs=1 seek=40 conv=notrunc status=none
	printf '\0\0\0\0' | dd of=program bs=1 seek=60 conv=notrunc status=none
	! readelf -S program 2>&1 | grep -q dynsym || false
	agree 1 ./program
	grep -q '; patched$' of-files
}

@test "a library with a libuv beside other code, which may call it directly, is patched" {
	for flag in -Wl,-Bsymbolic -O1; do
		library_inside engine start "$flag"
		program_with engine start
		agree 1 ./program
		grep -q "in $PWD/libengine.so: .*; patched\$" of-files
		[ "$(timers_seen ./program)" = 1 ]
	done
	# All by itself it is called through symbols, however it was linked.
	compile libplain.so -shared -fPIC -Wl,-Bsymbolic -Wl,--whole-archive -luv_a \
		-Wl,--no-whole-archive -lpthread -ldl <"$BATS_TEST_DIRNAME/programs/module_data.c"
	uv_source | compile program -L. -lplain -Wl,-rpath,"$PWD"
	agree 1 ./program
	grep -q "in $PWD/libplain.so: 0 patched, .*; called through symbols\$" of-files
	[ "$(timers_seen ./program)" = 1 ]
}

@test "a library that hides its libuv is patched, and refused where it is stripped" {
	library_inside engine start -Wl,--exclude-libs,ALL -Wl,--build-id
	! nm -D --defined-only libengine.so | grep -q ' uv_' || false
	program_with engine start
	agree 1 ./program
	grep -q '^how: .*inside a library' check.txt
	grep -q '; patched$' of-files
	[ "$(timers_seen ./program)" = 1 ]
	strip --strip-all libengine.so
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "$stderr" == *"$PWD/libengine.so seems to have a libuv inside"* ]]
	# A libuv beside it that can be seen is reason enough to run.
	uv_source other | compile libother.so -shared -fPIC "${linked[@]}"
	program_with other other -Wl,-rpath,"$PWD" -lengine
	agree 1 ./program
	grep -q '^way in: *none: its functions have no names' check.txt
	[ "$(timers_seen ./program)" = 1 ]
}

@test "two libuvs, one of them hidden: both get in" {
	uv_source second | compile libsecond.so -shared -fPIC "${linked[@]}"
	uv_source first >first.c
	compile program first.c -Wl,--exclude-libs,ALL -luv_a -L. -Wl,--no-as-needed -lsecond \
		-Wl,-rpath,"$PWD" -lpthread -ldl <<-'END'
			int first(void);
			int second(void);
			int main(void) { return first() + second(); }
		END
	agree 2 ./program
	[ "$(timers_seen ./program)" = 2 ]
}

@test "a library's libuv whose calls are for another one needs no way in" {
	library_inside engine start
	uv_source other | compile libother.so -shared -fPIC "${linked[@]}"
	compile program -L. -Wl,--no-as-needed -luv -lother -lengine -Wl,-rpath,"$PWD" \
		<<<'int start(void); int main(void) { return start(); }'
	agree 1 ./program
	grep -q '^way in: *none is needed: calls are for the libuv in .*/libuv\.so\.1$' check.txt
	[ "$(timers_seen ./program)" = 1 ]
}

# An object that defines uv_idle_stop as a lone `ret`, with another function right behind it.
short_function() {
	cat <<-'END'
			.text
			.globl uv_idle_stop, neighbour
			.type uv_idle_stop, %function
			.type neighbour, %function
		uv_idle_stop:
			ret
			.size uv_idle_stop, .-uv_idle_stop
		neighbour:
			ret
			.size neighbour, .-neighbour
			.section .note.GNU-stack,"",%progbits
	END
}

@test "a function that is too short is left alone, by name and with the reason" {
	[ "$(uname -m)" = x86_64 ] || return 0 # elsewhere none is: the jump is as long as one instruction
	short_function >short.s
	for flag in -rdynamic -O1; do
		program_inside "$flag" -x assembler short.s -Wl,--allow-multiple-definition
		agree 1 ./program
		grep -qx 'uv_idle_stop: it is too short for a jump' of-files
		grep -q ', 1 left alone; patched$' of-files
		[ "$(timers_seen ./program)" = 1 ]
	done
}

@test "functions at one address are left alone, be the other one libuv's or not" {
	for flag in -rdynamic -O1; do
		program_inside "$flag" -Wl,--defsym=somebody_else=uv_timer_again
		agree 1 ./program
		grep -qx 'uv_timer_again: another function has the same address' of-files
		grep -q ', 1 left alone; patched$' of-files
	done
	program_inside -Wl,--allow-multiple-definition -Wl,--defsym=uv_prepare_stop=uv_check_stop
	agree 1 ./program
	grep -qx 'uv_prepare_stop: another function has the same address' of-files
	grep -qx 'uv_check_stop: another function has the same address' of-files
	# One that is not intercepted would not have been patched.
	program_inside -rdynamic -Wl,--defsym=somebody_else=uv_version_string
	agree 1 ./program
	grep -q ', 0 left alone; patched$' of-files
}

@test "so are functions at one address that is far from the rest of libuv" {
	cat >far.s <<-'END'
			.section .text.zfar, "ax", %progbits
			.skip 200000
			.globl uv_idle_stop, neighbour
			.type uv_idle_stop, %function
			.type neighbour, %function
		uv_idle_stop:
		neighbour:
			.rept 8
			nop
			.endr
			ret
			.size uv_idle_stop, .-uv_idle_stop
			.size neighbour, .-neighbour
			.skip 200000
			.section .note.GNU-stack,"",%progbits
	END
	program_inside -x assembler far.s -Wl,--allow-multiple-definition
	agree 1 ./program
	grep -qx 'uv_idle_stop: another function has the same address' of-files
	[ "$(timers_seen ./program)" = 1 ]
}

@test "UVHOOKS_PATCH=0 forbids to patch: a program that needs it is refused" {
	program_inside
	for value in 0 ''; do
		UVHOOKS_PATCH=$value run -2 --separate-stderr "$uvhooks" run ./program
		refused
		[[ "${stderr_lines[0]}" == *"UVHOOKS_PATCH=0 forbids it" ]]
		[[ "${stderr_lines[1]}" == *"UVHOOKS_PATCH"* ]]
	done
	UVHOOKS_PATCH=0 run -1 "$uvhooks" check ./program
	[ "$(row 'way in')" = 'none: it cannot be patched: UVHOOKS_PATCH=0 forbids it' ]
	run -0 "$uvhooks" run ./program
	[ "$output" = timer ]
}

@test "where nothing is patched, a library is seen as far as its symbols reach" {
	export UVHOOKS_PATCH=0
	library_inside engine start
	program_with engine start
	agree 1 ./program
	grep -q "in $PWD/libengine.so: 0 patched, 0 left alone; called through symbols\$" of-files
	grep -q '^way in: .*calls past the loader are not seen.*UVHOOKS_PATCH=0' check.txt
	[ "$(timers_seen ./program)" = 1 ]
	uv_source | compile program "${linked[@]}"
	agree 1 ./program
	[ "$(timers_seen ./program)" = 1 ]
}

@test "without the patch engine a program that needs it is refused, and the others run" {
	copy_build
	program_inside
	uv_source | compile other "${linked[@]}"
	run -0 "$uvhooks" run ./program
	rm build/shim/libuvhooks-patch.so
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "${stderr_lines[0]}" == *"build/shim/libuvhooks-patch.so: "* ]]
	[[ "${stderr_lines[1]}" == *"install uvhooks again"* ]]
	run -1 "$uvhooks" check ./program
	[[ "$(row 'way in')" == "none: it cannot be patched: "*libuvhooks-patch.so* ]]
	for program in ./other true; do
		run -0 "$uvhooks" run "$program"
	done
	echo text >build/shim/libuvhooks-patch.so
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	# One that belongs to another version of the shim.
	compile build/shim/libuvhooks-patch.so -shared -fPIC \
		<<<'const struct { unsigned long size; void *rest[2]; } uvhooks_patch_engine = {24, {0}};'
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "${stderr_lines[0]}" == *"is of another version" ]]
}

@test "without the decoder that the patch engine needs, the package to install is named" {
	copy_build
	program_inside
	decoder=$(readelf -d build/shim/libuvhooks-patch.so | grep -oE 'libZydis\.so\.[0-9.]+' || true)
	[ "$(uname -m)" != x86_64 ] || [ -n "$decoder" ]
	[ -n "$decoder" ] || return 0 # no other machine needs one
	missing=${decoder//[0-9]/9}
	sed -i "s/${decoder//./\\.}/$missing/" build/shim/libuvhooks-patch.so
	run -2 --separate-stderr "$uvhooks" run ./program
	refused
	[[ "${stderr_lines[0]}" == *"$missing: cannot open shared object file"* ]]
	[[ "${stderr_lines[1]}" == "uvhooks: install it: apt-get install libzydis${missing#libZydis.so.}" ]]
	# For the decoder that there is, such a package exists.
	dpkg -s "libzydis${decoder#libZydis.so.}" | grep -q '^Status: install ok'
}

@test "a program of which nothing is known yet runs: what comes later is seen" {
	run -0 "$uvhooks" check "$PROGRAMS/late_module"
	[ "$(row libuv)" = none ]
	[[ "$(row later)" == *dlopen* ]]
	[ "$(timers_seen "$PROGRAMS/late_module")" -ge 1 ]
	# Under a shim, too, that of the outer command is no libuv.
	run -0 "$uvhooks" run -- "$uvhooks" check "$PROGRAMS/late_module"
	[ "$(row libuv)" = none ]
}
