#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# scripts/check-static: what can be known of the shim without running it, and the list of functions
# against the headers of three libuvs. Each check is shown to find what it looks for.

load helpers

TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)

check() {
	run -0 "$TOP/scripts/check-static" "$@"
}

# A tree with the same list and headers, and a library made of the text on stdin.
# other_library FLAG...
other_library() {
	OTHER=$BATS_TEST_TMPDIR/other
	mkdir -p "$OTHER/scripts" "$OTHER/shim" "$OTHER/build/shim/plugins"
	cp "$TOP/scripts/check-static" "$OTHER/scripts/"
	cp "$TOP/shim/hooks.def" "$OTHER/shim/"
	cp -r "$TOP/include" "$OTHER/"
	cc -w -shared -o "$OTHER/build/shim/libuvhooks.so" -x c - "$@"
}

finds() {
	local text=$1
	shift
	UVHOOKS_BUILD=$OTHER/build run -1 "$OTHER/scripts/check-static" "$@"
	grep -F -- "$text" <<<"$output"
}

@test "libuvhooks.so needs libc alone, exports what hooks.def and the headers say, and no more" {
	check library
}

@test "so does each plugin, which exports its one symbol" {
	check plugins
}

@test "what every call and callback reads is in one cache line" {
	local address size align
	read -r address size align < <(readelf -SW "$UVHOOKS_BUILD/shim/libuvhooks.so" |
		sed 's/^ *\[ *[0-9]*\] *//' | awk '$1 == "uvh_hot" { print $3, $5, $NF }')
	[ $((0x$address % 64)) = 0 ]
	[ $((0x$size)) -le 64 ]
	[ "$align" -ge 64 ]
}

@test "every function of the installed uv.h is in hooks.def once" {
	check hooks "$(pkg-config --variable=includedir libuv)/uv.h"
}

@test "so is every function of an older libuv, and of a newer one" {
	for version in 1.40 1.50; do
		folder=$("$TOP/scripts/libuv-source" --fetch "$version")
		check hooks "$folder/source/include/uv.h"
	done
}

@test "a library that needs more, wants an unwinder, or exports too much or too little, is told" {
	other_library -fPIC -lm -Wl,--no-as-needed -lpthread -lgcc_s <<-'END'
		extern void _Unwind_Resume(void *);
		int uv_run(void) { return 0; }
		int uv_loop_alive(void) { return 0; }
		int inner(void) { _Unwind_Resume(0); return 0; }
	END
	finds 'needs libgcc_s.so.1' library
	finds 'wants _Unwind_Resume of the program' library
	finds 'exports uv_loop_alive, which is no HOOK' library
	finds 'exports inner, which is no HOOK' library
	finds 'does not export uv_close, a HOOK' library
	finds 'does not export uvhooks_create_hook' library
	finds 'could be unloaded' library
}

@test "an executable stack and a plugin that exports more than a plugin are told" {
	other_library -fPIC -z execstack -Wl,-z,norelro <<<'int uv_run(void) { return 0; }'
	finds 'executable stack' library
	finds 'without relro' library
	cp "$OTHER/build/shim/libuvhooks.so" "$OTHER/build/shim/plugins/bad.so"
	finds "bad.so exports ['uv_run']" plugins
	rm "$OTHER/build/shim/plugins/bad.so"
	finds 'there is no plugin' plugins
}

@test "a function that is missing in hooks.def, there twice, unknown, or of another age, is told" {
	local header
	header=$(pkg-config --variable=includedir libuv)/uv.h
	other_library -fPIC <<<'int number;'
	sed -i -e '/^LEFT(uv_hrtime,/d' -e 's/^HOOK(uv_idle_init,.*/&\n&/' \
		-e 's/^HOOK(uv_timer_init, handle, "1.0")/HOOK(uv_timer_init, handle, "1.99")/' \
		-e 's/^LEFT(uv_sleep,/LEFT(uv_slep,/' "$OTHER/shim/hooks.def"
	finds "uv_hrtime of $header is not in hooks.def" hooks "$header"
	finds 'uv_idle_init is in hooks.def 2 times' hooks "$header"
	finds 'uv_timer_init is said to be of 1.99' hooks "$header"
	folder=$("$TOP/scripts/libuv-source" --fetch 1.50)
	finds 'uv_slep of hooks.def is in no libuv' hooks "$folder/source/include/uv.h"
}

@test "a header that leans on another one is told" {
	other_library -fPIC <<<'int number;'
	# The others are not asked here.
	rm "$OTHER"/include/uvhooks/*.h
	echo 'static inline uint64_t lean(size_t size) { return size; }' \
		>"$OTHER/include/uvhooks/leaning.h"
	finds 'leaning.h, gcc -std=c99' headers
}

@test "clang too compiles the shim without a warning, and its frames are small" {
	local frames
	for file in "$BATS_TEST_DIRNAME"/../shim/*.c; do
		frames=(-Wframe-larger-than=640)
		# The engine moves code once, before main or in dlopen.
		[[ $file != */patch_move* ]] || frames=()
		[[ $file != *_aarch64.c ]] || continue
		clang -std=gnu11 -O3 -fPIC -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
			"${frames[@]}" -D_GNU_SOURCE -DUVHOOKS_SHIM -ftls-model=initial-exec -fexceptions \
			-fvisibility=hidden -fno-strict-aliasing -I"$BATS_TEST_DIRNAME/../include" -c "$file" \
			-o "$BATS_TEST_TMPDIR/object"
	done
}
