#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# valgrind finds no fault under the shim that it does not find without it: reads of reserved words
# that nobody wrote are meant, and it is told so.

load helpers

# faults COMMAND...: how many lines valgrind has to say.
faults() {
	"$@" valgrind -q "$PROGRAMS/$program" 2>&1 >/dev/null | grep -c '^==' || true
}

@test "valgrind finds as little under the shim as without it" {
	export LOGS=$BATS_TEST_TMPDIR
	for program in h1_timer h2_fs h3_tcp h4_close_pending h5_work address_reuse null_callbacks \
		static_program static_modules_two; do
		echo "$program"
		[ "$(faults with_log)" -eq "$(faults bare)" ]
	done
}

@test "valgrind would notice a read of memory that nobody wrote" {
	cat >"$BATS_TEST_TMPDIR/fault.c" <<-EOF
		#include <stdio.h>
		#include <stdlib.h>
		#include <uv.h>
		int main(void)
		{
			uv_timer_t *timer = malloc(sizeof *timer);
			if (timer->u.reserved[1] != NULL)
				puts("not NULL");
			return 0;
		}
	EOF
	cc -w "$BATS_TEST_TMPDIR/fault.c" -o "$BATS_TEST_TMPDIR/fault"
	PROGRAMS=$BATS_TEST_TMPDIR program=fault
	[ "$(faults bare)" -gt 0 ]
}
