#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# uvhooks check: what a program is, which libuv it has, whether it can be traced.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	unset LD_PRELOAD LD_LIBRARY_PATH
	version=$(pkg-config --modversion libuv)
	cd "$BATS_TEST_TMPDIR" || return 1
}

# compile NAME FLAG... <source
compile() {
	"${CC:-cc}" -Wall -x c -o "$1" - "${@:2}"
}

# A program that calls libuv, and leaves a file behind if any of its code is run.
uv_program() {
	cat <<-'END'
		#include <fcntl.h>
		#include <unistd.h>
		#include <uv.h>

		__attribute__((constructor)) static void load(void)
		{
			close(open("was-run", O_CREAT | O_WRONLY, 0600));
		}

		int main(void)
		{
			return uv_run(uv_default_loop(), UV_RUN_DEFAULT) + (uv_version() == 0);
		}
	END
}

linked_program() {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile "$1" $(pkg-config --cflags libuv) "${@:2}" $(pkg-config --libs libuv)
}

# The value of one row of the output.
row() {
	sed -nE "s/^$1: +//p" <<<"$output"
}

system_libuv() {
	ldconfig -p | sed -nE 's/^\tlibuv\.so\.1 \(libc6,x86-64.*\) => (.*)/\1/p' | head -1
}

@test "a program that links libuv can be traced; its libuv and version are named" {
	linked_program program
	run -0 --separate-stderr "$uvhooks" check ./program
	[ -z "$stderr" ]
	[ "$(row program)" = ./program ]
	[ "$(row kind)" = 'ELF program' ]
	[ "$(row traceable)" = yes ]
	[ "$(row how)" = linked ]
	[ "$(row version)" = "$version" ]
	[ "$(realpath "$(row libuv)")" = "$(realpath "$(system_libuv)")" ]
	[ -z "$(row why)" ]
}

@test "Neovim, which nobody here wrote, can be traced" {
	run -0 --separate-stderr "$uvhooks" check nvim
	[ "$(row program)" = "$(type -P nvim)" ]
	[ "$(row how)" = linked ]
	[ "$(row version)" = "$version" ]
}

@test "no code of the program is run" {
	linked_program program
	"$uvhooks" check ./program
	[ ! -e was-run ]
	# shellcheck disable=SC2046 # flags are words
	uv_program | sed 's/main/not_main/' |
		compile libuser.so -shared -fPIC $(pkg-config --cflags --libs libuv)
	compile user -L. -Wl,--no-as-needed -luser -Wl,-rpath,"$PWD" <<<'int main(void) { return 0; }'
	"$uvhooks" check ./user
	LD_WARN=1 LD_BIND_NOW=1 "$uvhooks" check ./user
	[ ! -e was-run ]
	./user || true
	[ -e was-run ]
}

@test "a program without libuv can be traced: one may come by dlopen" {
	compile program <<<'int main(void) { return 0; }'
	run -0 --separate-stderr "$uvhooks" check ./program
	[ "$(row libuv)" = none ]
	[ "$(row how)" = 'not linked' ]
	[[ "$(row later)" == *"dlopen"*"is seen when it comes" ]]
	[ "$(row traceable)" = yes ]
}

@test "a libuv that only a library links is found" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | sed 's/main/use/' |
		compile libuser.so -shared -fPIC $(pkg-config --cflags --libs libuv)
	compile program -L. -luser -Wl,-rpath,"$PWD" <<<'int use(void); int main(void) { return use(); }'
	run -0 --separate-stderr "$uvhooks" check ./program
	[ "$(row how)" = linked ]
	[ "$(row version)" = "$version" ]
}

@test "the libuv found is the loader's choice: RUNPATH, \$ORIGIN, LD_LIBRARY_PATH" {
	mkdir mine theirs bin
	cp "$(system_libuv)" mine/libuv.so.1
	cp "$(system_libuv)" theirs/libuv.so.1
	# shellcheck disable=SC2016 # for the loader
	linked_program bin/program -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN/../mine'
	run -0 "$uvhooks" check bin/program
	[ "$(realpath "$(row libuv)")" = "$PWD/mine/libuv.so.1" ]
	run -0 env -C bin "$uvhooks" check ./program
	[ "$(realpath "$(row libuv)")" = "$PWD/mine/libuv.so.1" ]
	LD_LIBRARY_PATH=$PWD/theirs run -0 "$uvhooks" check bin/program
	[ "$(row libuv)" = "$PWD/theirs/libuv.so.1" ]
	ln -s bin/program link
	run -0 "$uvhooks" check ./link
	[ "$(realpath "$(row libuv)")" = "$PWD/mine/libuv.so.1" ]
}

@test "a library of another name that holds libuv is named" {
	compile libengine.so -shared -fPIC <<-'END'
		const char *uv_version_string(void) { return "1.40.0"; }
		unsigned int uv_version(void) { return 0x12800; }
		void *uv_default_loop(void) { return 0; }
		int uv_loop_init(void) { return 0; }
		int uv_run(void) { return 0; }
	END
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program $(pkg-config --cflags libuv) -L. -lengine -Wl,-rpath,"$PWD"
	run -0 "$uvhooks" check ./program
	[ "$(row libuv)" = "$PWD/libengine.so" ]
	[ "$(row version)" = 1.40.0 ]
}

@test "a missing library is said: such a program cannot start" {
	compile libgone.so -shared -fPIC <<<'int gone(void) { return 0; }'
	compile program -L. -lgone <<<'int gone(void); int main(void) { return gone(); }'
	rm libgone.so
	run -1 --separate-stderr "$uvhooks" check ./program
	[ "$(row traceable)" = no ]
	[[ "$(row why)" == *libgone.so* ]]
	[[ "$(row next)" == *LD_LIBRARY_PATH* ]]
}

@test "a loader that is not the system's is not asked" {
	loader=$(readelf -p .interp "$(type -P env)" | grep -o '/.*')
	cp "$loader" ld.so
	linked_program program -Wl,--dynamic-linker="$PWD/ld.so"
	chmod 755 ld.so
	run -0 "$uvhooks" check ./program
	[ "$(row how)" = linked ]
	# Another user may have put it there.
	chmod 777 ld.so
	run -0 "$uvhooks" check ./program
	[ "$(row libuv)" = 'not known' ]
	[[ "$(row how)" == *"$PWD/ld.so"* ]]
}

@test "a libuv older than the oldest supported one gets a note" {
	mkdir old
	compile old/libuv.so.1 -shared -fPIC -Wl,-soname,libuv.so.1 <<-'END'
		const char *uv_version_string(void) { return "1.33.1"; }
		int uv_loop_init(void) { return 0; }
		int uv_run(void) { return 0; }
	END
	linked_program program
	LD_LIBRARY_PATH=$PWD/old run -0 "$uvhooks" check ./program
	[ "$(row version)" = 1.33.1 ]
	[[ "$(row note)" == *"libuv 1.34"* ]]
	run -0 "$uvhooks" check ./program
	[ -z "$(row note)" ]
}

@test "a libuv that crashes when it is asked leaves its version unknown" {
	mkdir bad
	compile bad/libuv.so.1 -shared -fPIC -Wl,-soname,libuv.so.1 <<-'END'
		const char *uv_version_string(void) { __builtin_trap(); }
		int uv_loop_init(void) { return 0; }
		int uv_run(void) { return 0; }
	END
	linked_program program
	LD_LIBRARY_PATH=$PWD/bad run -0 "$uvhooks" check ./program
	[[ "$(row version)" == "not known: it crashed"* ]]
}

@test "a libuv inside the program can be traced where its functions are found" {
	for flag in -rdynamic -O1; do
		# shellcheck disable=SC2046 # flags are words
		uv_program | compile program "$flag" $(pkg-config --cflags libuv) \
			$(pkg-config --libs libuv-static)
		run -0 --separate-stderr "$uvhooks" check ./program
		[ -z "$stderr" ]
		[ "$(row libuv)" = ./program ]
		[ "$(row how)" = 'inside the program' ]
		[[ "$(row 'way in')" == patching:* ]]
		[[ "$(row functions)" =~ ^[0-9]+\ of\ the\ [0-9]+\ that\ are\ intercepted:\ [0-9]+\ patched,\ 0\ left\ alone$ ]]
		[ "$(row version)" = "$version" ]
		[ "$(row traceable)" = yes ]
		[ -z "$(row why)" ]
	done
}

@test "a libuv inside the program whose functions were stripped cannot be traced" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile program -s $(pkg-config --cflags libuv) $(pkg-config --libs libuv-static)
	run -1 --separate-stderr "$uvhooks" check ./program
	[ -z "$stderr" ]
	[ "$(row libuv)" = ./program ]
	[ "$(row how)" = 'inside the program' ]
	[[ "$(row 'way in')" == none:* ]]
	[ -z "$(row functions)" ]
	[ "$(row version)" = 'not known' ]
	[ "$(row traceable)" = no ]
	[[ "$(row why)" == *"seems to have a libuv inside"* ]]
	[[ "$(row next)" == *"not stripped"* ]]
}

@test "a statically linked program says which libuv it has, and no way in" {
	for flag in -static -static-pie; do
		# shellcheck disable=SC2046 # flags are words
		uv_program | compile program "$flag" $(pkg-config --cflags libuv) \
			$(pkg-config --libs libuv-static) 2>/dev/null
		run -1 --separate-stderr "$uvhooks" check ./program
		[ "$(row libuv)" = ./program ]
		[ "$(row version)" = "$version" ]
		[ -z "$(row 'way in')$(row functions)$(row later)" ]
		[[ "$(row why)" == *"statically linked"* ]]
	done
}

@test "how many of the intercepted functions a libuv has is what \`uvhooks hooks\` counts" {
	linked_program program
	run -0 "$uvhooks" check ./program
	functions=$(row functions)
	run -0 "$uvhooks" hooks ./program
	all=$(grep -cE '^uv_[a-z0-9_]+ .* (yes|no)$' <<<"$output")
	has=$(grep -cE '^uv_[a-z0-9_]+ .* yes$' <<<"$output")
	[ "$functions" = "$has of the $all that are intercepted" ]
}

@test "a program that waits for events and sets the size of the thread pool has no libuv inside" {
	compile program -s <<-'END'
		#include <stdlib.h>
		#include <sys/epoll.h>

		int main(void)
		{
			return epoll_ctl(-1, 0, 0, 0) + setenv("UV_THREADPOOL_SIZE", "8", 1) != -1;
		}
	END
	run -0 "$uvhooks" check ./program
	[ "$(row libuv)" = none ]
}

@test "a stripped program that only sets the size of the thread pool has no libuv inside" {
	compile program -s <<-'END'
		#include <stdlib.h>

		int main(void)
		{
			return setenv("UV_THREADPOOL_SIZE", "8", 1);
		}
	END
	run -0 "$uvhooks" check ./program
	[ "$(row libuv)" = none ]
}

@test "statically linked programs cannot be traced" {
	for flag in -static -static-pie; do
		compile program "$flag" <<<'int main(void) { return 0; }'
		run -1 --separate-stderr "$uvhooks" check ./program
		[ "$(row loader)" = none ]
		[[ "$(row why)" == *"statically linked"* ]]
		[ -n "$(row next)" ]
	done
}

@test "a program for another machine cannot be traced" {
	compile program <<<'int main(void) { return 0; }'
	printf '\xf3\x00' | dd of=program bs=1 seek=18 conv=notrunc status=none # e_machine: EM_RISCV
	run -1 --separate-stderr "$uvhooks" check ./program
	[ "$(row machine)" = 'risc-v (64 bit)' ]
	[[ "$(row why)" == *risc-v* ]]
}

@test "the version of a libuv is read from its code, for aarch64 too" {
	[ "$(uname -m)" = x86_64 ] || return 0 # there it is what all other tests read
	for landing in '' '.long 0xd503245f'; do
		cat >version.s <<-END
				.globl uv_run, uv_loop_init, uv_version
				.type uv_run, %function
				.type uv_loop_init, %function
				.type uv_version, %function
			uv_run:
			uv_loop_init:
				.long 0xd65f03c0
			uv_version:
				$landing
				.long 0x52858040 # mov w0, 0x2c02
				.long 0x72a00020 # movk w0, 1, lsl 16
				.long 0xd65f03c0 # ret
				.section .note.GNU-stack,"",%progbits
		END
		compile program -rdynamic -x assembler version.s <<<'int main(void) { return 0; }'
		printf '\xb7\x00' | dd of=program bs=1 seek=18 conv=notrunc status=none # e_machine
		run -1 --separate-stderr "$uvhooks" check ./program
		[ "$(row machine)" = 'aarch64 (64 bit)' ]
		[ "$(row version)" = 1.44.2 ]
		[ -z "$(row 'way in')" ]
	done
}

@test "a setuid program of another user cannot be traced" {
	cp "$(type -P true)" program
	chown nobody program
	chmod 4755 program
	run -1 --separate-stderr "$uvhooks" check ./program
	[[ "$(row why)" == *"setuid nobody"* ]]
	chown root program
	chmod 4755 program
	run -0 --separate-stderr "$uvhooks" check ./program
}

@test "what is said about rights is what the kernel does: AT_SECURE, over owners, modes, users" {
	compile secure <<-'END'
		#include <stdio.h>
		#include <sys/auxv.h>

		int main(void)
		{
			return (int) getauxval(AT_SECURE);
		}
	END
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_TEST_TMPDIR"
	cp "$uvhooks" command
	chmod 755 command
	# setpriv itself keeps root's rights to execute; env has lost them.
	as_nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups env)
	as_mixed=(setpriv --ruid=nobody --euid=root --clear-groups env)
	count=0
	for owner in root:root nobody:root root:nogroup nobody:nogroup; do
		for mode in 755 4755 2755 2745 6755; do
			for rights in '' cap_net_raw+ep cap_net_raw+p cap_net_raw+i; do
				rm -f program
				cp secure program
				chown "$owner" program
				chmod "$mode" program
				[ -z "$rights" ] || setcap "$rights" program
				for user in env as_nobody as_mixed; do
					case $user in
					env) start=(env) ;;
					as_nobody) start=("${as_nobody[@]}") ;;
					as_mixed) start=("${as_mixed[@]}") ;;
					esac
					kernel=0
					"${start[@]}" ./program 2>/dev/null || kernel=$?
					ours=0
					"${start[@]}" ./command check ./program >said 2>&1 || ours=$?
					echo "$owner $mode '$rights' $user: kernel $kernel, ours $ours"
					[ "$kernel" -ne 126 ] || kernel=2 # may not be executed
					# Kernels differ where the two users of a process already do.
					[ "$ours" -eq "$kernel" ] || [ "$user$ours" = as_mixed1 ]
					count=$((count + (kernel == 1)))
				done
			done
		done
	done
	# Both answers were there.
	[ "$count" -ge 50 ]
	[ "$count" -le 190 ]
}

@test "a program with an ASan runtime gets a note" {
	compile program -fsanitize=address <<<'int main(void) { return 0; }'
	run -0 --separate-stderr "$uvhooks" check ./program
	[[ "$(row note)" == *ASan* ]]
}

@test "a script is checked by its interpreter, which is named" {
	linked_program program
	printf '#!%s\n' "$PWD/program" >direct
	printf '#!/usr/bin/env program\n' >by-env
	printf '#!/usr/bin/env -S A=b program -x\n' >by-env-split
	printf '#! %s\n' "$PWD/direct" >nested
	chmod +x direct by-env by-env-split nested
	for script in direct by-env by-env-split nested; do
		PATH=$PWD:$PATH run -0 --separate-stderr "$uvhooks" check "./$script"
		[ "$(row program)" = "./$script" ]
		[ "$(row kind)" = script ]
		[ "$(row interpreter)" = "$PWD/program" ]
		[ "$(row how)" = linked ]
	done
	printf 'echo no first line\n' >plain
	: >empty
	chmod +x plain empty
	for script in plain empty; do
		run -0 --separate-stderr "$uvhooks" check "./$script"
		[ "$(row interpreter)" = /bin/sh ]
	done
	# shellcheck disable=SC2016 # for env
	printf '#!/usr/bin/env -S ${NAMED} word\n' >by-env-unknown
	chmod +x by-env-unknown
	run -0 --separate-stderr "$uvhooks" check ./by-env-unknown
	[ "$(row interpreter)" = /usr/bin/env ]
	[[ "$(row note)" == "what that env starts is not known"* ]]
}

@test "scripts that go round in a circle are an error, not a hang" {
	printf '#!%s\n' "$PWD/two" >one
	printf '#!%s\n' "$PWD/one" >two
	chmod +x one two
	run -2 --separate-stderr "$uvhooks" check ./one
	[[ "$stderr" == "uvhooks: cannot check './one'"* ]]
}

@test "bad input exits 2 and says what is wrong with it" {
	echo text >data
	printf '\0\1\2' >binary
	printf '#!/no/such/interpreter\n' >orphan
	printf '#!/usr/bin/env no-such-program\n' >lost
	chmod +x binary orphan lost
	mkdir folder
	for program in ./nothing nothing-at-all ./data ./binary ./orphan ./lost ./folder ''; do
		run -2 --separate-stderr "$uvhooks" check "$program"
		echo "$program: $stderr"
		[ -z "$output" ]
		[[ "$stderr" == "uvhooks: cannot check '$program'"* ]]
	done
	run -2 --separate-stderr "$uvhooks" check ./orphan
	[[ "$stderr" == *"/no/such/interpreter"* ]]
	run -2 --separate-stderr "$uvhooks" check ./lost
	[[ "$stderr" == *"no-such-program"* ]]
	run -2 --separate-stderr "$uvhooks" check "$(system_libuv)"
	[[ "$stderr" == *"is a library"*"uvhooks hooks "* ]]
}

# damage FILE AT...: each time with nonsense at one of these places, FILE is looked at
damage() {
	local at ended
	for at in "${@:2}"; do
		cp "$1" part
		printf '\xff\xff\xff\x7f' | dd of=part bs=1 seek="$at" conv=notrunc status=none
		ended=0
		"$uvhooks" check ./part >said 2>&1 || ended=$?
		[ "$ended" -le 2 ] || {
			echo "with $1 damaged at $at it ends with $ended:"
			cat said
			return 1
		}
	done
}

# The offset in a file, and the size, of a section.
place_of() {
	readelf -SW "$1" | sed -nE "s/.* \\$2 +[A-Z_]+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) .*/0x\\1 0x\\2/p"
}

@test "a damaged ELF file harms nobody" {
	linked_program whole
	size=$(stat -c %s whole)
	for bytes in 17 64 100 700 3000 $((size / 2)) $((size - 100)); do
		head -c "$bytes" whole >part
		chmod +x part
		run "$uvhooks" check ./part
		[ "$status" -le 2 ]
	done
	# Every field of the header and of the segments, one after another.
	# shellcheck disable=SC2046 # numbers
	damage whole $(seq 16 4 508)
}

@test "nor do damaged tables of a file with a libuv inside" {
	# shellcheck disable=SC2046 # flags are words
	uv_program | compile whole -rdynamic -Wl,--build-id $(pkg-config --cflags libuv) \
		$(pkg-config --libs libuv-static)
	for section in .dynamic .gnu.hash .dynsym .rela.plt .note.gnu.build-id .symtab; do
		read -r at bytes < <(place_of whole "$section")
		echo "$section at $at"
		[ $((at)) -gt 0 ]
		[ $((bytes)) -le 400 ] || bytes=400
		# shellcheck disable=SC2046 # numbers
		damage whole $(seq $((at)) 8 $((at + bytes - 4)))
	done
	# The headers of the sections.
	at=$(readelf -h whole | sed -nE 's/.*Start of section headers: +([0-9]+) .*/\1/p')
	# shellcheck disable=SC2046 # numbers
	damage whole $(seq "$at" 8 $((at + 64 * 30)))
}
