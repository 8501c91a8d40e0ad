# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the bats files that ask how the shim does under another libuv than the installed one.
# Load it after `helpers`.

TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)

# under VERSION COMMAND...: runs it so that the programs of the tests find this libuv.
under() {
	local folder
	folder=$("$TOP/scripts/libuv-source" "$1") || return
	shift
	LD_LIBRARY_PATH=$folder/build "$@"
}

# Runs bats in a bats test: it must not take the outer one's variables for its own.
inner_bats() {
	local variable options=()
	for variable in $(compgen -e BATS_); do
		options+=(-u "$variable")
	done
	env "${options[@]}" TMPDIR="$BATS_TEST_TMPDIR" bats "$@"
}

# golden_under VERSION FILTER: the canonical traces with this libuv, those whose names match. It cannot
# know which compiler made a program: golden.bats alone has the builds by clang as well.
golden_under() {
	local libuv build=$BATS_TEST_TMPDIR/build program
	libuv=$("$TOP/scripts/libuv-source" "$1") || return
	mkdir -p "$build/tests/programs"
	ln -s "$UVHOOKS_BUILD/shim" "$UVHOOKS_BUILD/tools" "$build"
	for program in "$PROGRAMS"/h[1-9]_*; do
		[[ $program == *-clang || -d $program ]] || ln -s "$program" "$build/tests/programs/"
	done
	LD_LIBRARY_PATH=$libuv/build UVHOOKS_BUILD=$build inner_bats -f "$2" "$TOP/tests/golden.bats"
}

# libuv_under VERSION: the libuv that a program of the tests then has, as the shim says.
libuv_under() {
	under "$1" with_shim UVHOOKS_VERBOSE=1 "$PROGRAMS/h1_timer" once 2>&1 >/dev/null |
		grep -oE 'libuv [0-9.]+' | sort -u
}

# suite_agrees VERSION ALL PASSING: libuv's own suite has the same results with and without the
# shim, and it is at least so many tests, so many of which pass.
suite_agrees() {
	run -0 "$TOP/scripts/libuv-suite" "$1"
	# shellcheck disable=SC2154 # run sets it
	[[ $output =~ ([0-9]+)' tests, '([0-9]+)' pass both ways, '.*' 0 different' ]] || return 1
	[ "${BASH_REMATCH[1]}" -ge "$2" ] && [ "${BASH_REMATCH[2]}" -ge "$3" ]
}

# Compiles a program that asks at run time for uv_pipe_connect2, which is newer than our uv.h.
pipe_connect2() {
	cc -Wall -Werror -I "$TOP/shim" -o "$BATS_TEST_TMPDIR/pipe_connect2" -x c - -luv -ldl <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>
		#include "uv_compat.h"

		static uv_pipe_t server, peer, client;
		static uv_connect_t request;

		static void on_connect(uv_connect_t *connect, int status)
		{
			printf("connect %d\n", status);
			uv_close((uv_handle_t *) &client, NULL);
		}

		static void on_connection(uv_stream_t *stream, int status)
		{
			uv_pipe_init(stream->loop, &peer, 0);
			printf("connection %d, accept %d\n", status, uv_accept(stream, (uv_stream_t *) &peer));
			uv_close((uv_handle_t *) &peer, NULL);
			uv_close((uv_handle_t *) stream, NULL);
		}

		int main(int argc, char **argv)
		{
			__typeof__(uv_pipe_connect2) *connect2 = dlsym(RTLD_DEFAULT, "uv_pipe_connect2");
			int result = UV_ENOSYS;

			uv_pipe_init(uv_default_loop(), &server, 0);
			uv_pipe_init(uv_default_loop(), &client, 0);
			uv_pipe_bind(&server, argv[1]);
			uv_listen((uv_stream_t *) &server, 8, on_connection);
			if (connect2)
				result = connect2(&request, &client, argv[1], strlen(argv[1]), 0, on_connect);
			printf("connect2 %s\n", result == 0 ? "begun" : uv_err_name(result));
			if (result != 0) {
				uv_close((uv_handle_t *) &client, NULL);
				uv_close((uv_handle_t *) &server, NULL);
			}
			uv_run(uv_default_loop(), UV_RUN_DEFAULT);
			unlink(argv[1]);
			return argc != 2;
		}
	END
}
