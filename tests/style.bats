#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# scripts/check-style: the tree keeps the rules, and each rule finds what breaks it.

bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)

# A tree of its own for the files that break rules.
setup() {
	TREE=$BATS_TEST_TMPDIR/tree
	mkdir -p "$TREE/scripts" "$TREE/shim/plugins" "$TREE/tests"
	cp "$TOP/scripts/check-style" "$TREE/scripts/"
	cp "$TOP/.clang-format" "$TREE/"
}

# file NAME <text: a file of the tree, with the line that names the licence first.
file() {
	{
		case $1 in
		*.c) echo '/* SPDX-License-Identifier: MIT */' ;;
		*) printf '#!/usr/bin/env bash\n# SPDX-License-Identifier: MIT\n' ;;
		esac
		cat
	} >"$TREE/$1"
}

# function_file NAME STATEMENT: a file of C that does this.
function_file() {
	printf 'int f(void)\n{\n\t%s\n}\n' "$2" | file "$1"
}

# complains NAME TEXT: of this file, and with this text.
complains() {
	run -1 "$TREE/scripts/check-style"
	grep -E "^$1:[0-9]+: .*$2" <<<"$output"
}

@test "the tree keeps every rule" {
	run -0 "$TOP/scripts/check-style"
}

@test "a tree of good files is not complained of" {
	function_file shim/good.c 'return 1; /* abort() would be too much */'
	file tests/good.bash <<<'echo good'
	run -0 "$TREE/scripts/check-style"
	[[ $output == "4 files: nothing to complain of" ]]
}

@test "a file without a licence, one that is too long, and one with a name that says nothing" {
	echo 'int number;' >"$TREE/shim/free.c"
	complains shim/free.c 'no SPDX'
	rm "$TREE/shim/free.c"
	for ((i = 0; i < 800; i++)); do echo "int number$i;"; done | file shim/long.c
	complains shim/long.c '801 lines'
	rm "$TREE/shim/long.c"
	file shim/utils.c <<<'int number;'
	complains shim/utils.c 'does not say'
}

@test "what the traced process must not do, unless a comment allows it" {
	for call in 'abort()' 'exit(1)' 'printf("x")' 'malloc(3)' 'free(pointer)' 'strcpy(a, b)'; do
		function_file shim/bad.c "$call;"
		complains shim/bad.c 'is banned here'
	done
	function_file shim/bad.c 'abort(); /* allowed: it was asked for */'
	run -0 "$TREE/scripts/check-style"
}

@test "a plugin may allocate, and must not end the process" {
	function_file shim/plugins/some.c 'return malloc(3) != 0;'
	run -0 "$TREE/scripts/check-style"
	function_file shim/plugins/some.c 'exit(3);'
	complains shim/plugins/some.c 'exit is banned'
}

@test "the shim that calls libuv by name would call itself" {
	function_file shim/calls.c 'return uv_run(loop, 0);'
	complains shim/calls.c 'uv_run, which is ourselves'
	function_file shim/calls.c 'return real->uv_run(loop, 0);'
	run -0 "$TREE/scripts/check-style"
}

@test "paths of one machine and addresses of archives" {
	file tests/paths.bash <<<"cd /wor""k/main"
	complains tests/paths.bash 'names /wor'
	file tests/paths.bash <<<"echo http://deb.debia""n.org"
	complains tests/paths.bash 'names http'
}

@test "work put off, and tests switched off" {
	file tests/later.bash <<<"# TO""DO: all of it"
	complains tests/later.bash 'do it, or file'
	rm "$TREE/tests/later.bash"
	printf '# SPDX-License-Identifier: MIT\n@test "something" {\n\t%s\n}\n' 'sk''ip "later"' \
		>"$TREE/tests/off.bats"
	complains tests/off.bats 'a test that skips'
}

@test "what shellcheck and clang-format find, and blanks at the end" {
	# shellcheck disable=SC2016 # the text of a bad script
	file tests/quotes.bash <<<'rm $1/*.c'
	complains tests/quotes.bash 'SC2086'
	rm "$TREE/tests/quotes.bash"
	file shim/format.c <<<'int   number ;'
	complains shim/format.c 'clang-format'
	rm "$TREE/shim/format.c"
	printf '# SPDX-License-Identifier: MIT\necho  \n' >"$TREE/tests/blanks.bash"
	complains tests/blanks.bash 'blanks at the end'
}
