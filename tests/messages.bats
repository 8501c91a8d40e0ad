#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the shim says on stderr does no harm to a program, whatever that stderr is.

load helpers

# says WHERE: how a program ends whose stderr is "pipe" (nobody reads it), "full" (nobody reads on) or
# "limit" (a file as large as files may be), when the shim has something to say.
says() {
	bare "$PYTHON" - "$1" "$SHIM" "$PROGRAMS/h1_timer" <<-'END'
		import fcntl, os, resource, signal, subprocess, sys
		where, shim, program = sys.argv[1:]
		reader, writer = os.pipe()
		if where == "pipe":
		    os.close(reader)
		elif where == "full":
		    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
		    try:
		        while True:
		            os.write(writer, b"x" * 4096)
		    except BlockingIOError:
		        fcntl.fcntl(writer, fcntl.F_SETFL, 0)
		else:
		    writer = os.open(os.environ["TMPDIR"] + "/file", os.O_CREAT | os.O_RDWR)
		    os.write(writer, b"x" * 4096)
		def limit():
		    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
		    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
		    if where == "limit":
		        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
		done = subprocess.run([program, "once"], stderr=writer, stdout=subprocess.DEVNULL, timeout=20,
		                      preexec_fn=limit, env={"LD_PRELOAD": shim, "UVHOOKS_PLUGINS": "none_such",
		                                             "UVHOOKS_PATCH": "perhaps"})
		print(done.returncode)
	END
}

@test "a pipe that nobody reads does not end it" {
	[ "$(says pipe)" = 0 ]
}

@test "a full pipe does not keep it waiting" {
	[ "$(says full)" = 0 ]
}

@test "a file that may not grow does not end it" {
	[ "$(says limit)" = 0 ]
}

@test "a file that has got the number of stderr gets no message" {
	cat >"$BATS_TEST_TMPDIR/program.c" <<-'END'
		#include <fcntl.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			if (argc > 1) {
				close(2);
				open(argv[1], O_CREAT | O_WRONLY, 0600);
			}
			return 0;
		}
	END
	cc -o "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/program.c"
	run -0 bare "$UVHOOKS_BUILD/tools/uvhooks" run -- "$BATS_TEST_TMPDIR/program"
	[[ $output == *"loaded no libuv"* ]]
	run -0 bare "$UVHOOKS_BUILD/tools/uvhooks" run -- "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/file"
	[ "$output" = "" ]
	[ -e "$BATS_TEST_TMPDIR/file" ]
	[ ! -s "$BATS_TEST_TMPDIR/file" ]
}
