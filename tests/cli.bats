#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# The command line of `uvhooks` itself: verbs, help, versions, and how it refuses.

bats_require_minimum_version 1.5.0
load helpers
load control

setup() {
	uvhooks=$UVHOOKS_BUILD/tools/uvhooks
	verbs=(run record report log tree stack why leaks stalls pool export recover ps ctl top
		check hooks)
	cd "$BATS_TEST_TMPDIR" || return 1
}

# The words of a help text's OPTIONS part that are options: "-p", "--plugin", "--no-follow", ...
options_of() {
	"$uvhooks" "$1" --help | sed -n '/^OPTIONS/,/^$/p' |
		sed -nE 's/^  (-.*)/\1/p' | sed -E 's/   .*//' | grep -oE '(^|[ ,])--?[a-z-]+' | tr -d ' ,'
}

# Something that an option takes, by the word that the help has for it; nothing if it takes none.
value_of() {
	local word
	word=$("$uvhooks" "$1" --help | sed -nE "s/^  (-., )?$2 ([A-Z]+).*/\2/p; s/^  $2, --[a-z]+ ([A-Z]+).*/\1/p")
	case $2:$word in
	--id:* | --loop:* | --process:*) echo 7 ;;
	--type:*) echo TIMERWRAP ;;
	--events:*) echo init ;;
	--format:*) [ "$1" = log ] && echo json || echo dot ;;
	*:PLUGIN) echo log ;;
	*:SIZE) echo 64M ;;
	*:TIME) echo 100ms ;;
	*:KEY | *:COLUMN) echo max ;;
	*:WHEN) echo auto ;;
	*:N | *:T) echo 1 ;;
	*:?*) echo something ;;
	esac
}

# The lines of a help text's EXAMPLES part.
examples_of() {
	"$uvhooks" ${1:+"$1"} --help | sed -n '/^EXAMPLES/,$p' | tail -n +2
}

@test "--version prints the version of the project" {
	version=$(sed -nE "s/^  version: '(.*)',/\1/p" "$BATS_TEST_DIRNAME/../meson.build")
	run -0 --separate-stderr "$uvhooks" --version
	[ "$output" = "uvhooks $version" ]
	[ -z "$stderr" ]
}

@test "--help goes to stdout and lists every verb with a summary" {
	run -0 --separate-stderr "$uvhooks" --help
	[ -z "$stderr" ]
	for verb in "${verbs[@]}"; do
		grep -qE "^  $verb +[a-z].* .*" <<<"$output"
	done
	[ "$(sed -n '/^VERBS/,/^$/p' <<<"$output" | grep -c '^  [a-z]')" -eq "${#verbs[@]}" ]
}

@test "every verb has a file of its own and a help that ends with examples" {
	for verb in "${verbs[@]}"; do
		[ -f "$BATS_TEST_DIRNAME/../tools/cmd_$verb.c" ]
		run -0 --separate-stderr "$uvhooks" "$verb" --help
		[ -z "$stderr" ]
		[[ "${lines[0]}" == "Usage: uvhooks $verb "* ]]
		[ "$(examples_of "$verb" | wc -l)" -ge 3 ]
		[ "$(examples_of "$verb" | grep -vc '^  uvhooks ')" -eq 0 ]
	done
}

@test "no line of help is wider than 100 columns" {
	for verb in '' "${verbs[@]}"; do
		"$uvhooks" ${verb:+"$verb"} --help >help
		[ "$(wc -L <help)" -le 100 ]
	done
}

@test "the options that examples use are the options that the help lists" {
	for verb in "${verbs[@]}"; do
		options_of "$verb" >listed
		grep -qx -- --help listed
		# Options stand between the verb and the program.
		examples_of "$verb" | grep "^  uvhooks $verb " | sed -E "s/^  uvhooks $verb//; s/ -- .*//; s/ [|] .*//" |
			grep -oE ' --?[a-z-]+' | tr -d ' ' | sort -u >used || true
		[ "$(grep -cvxF -f listed used)" -eq 0 ]
	done
	examples_of run | grep -q -- ' -p '
	examples_of run | grep -q -- ' --no-follow '
}

@test "every option that the help lists is taken" {
	for verb in "${verbs[@]}"; do
		for option in $(options_of "$verb"); do
			value=$(value_of "$verb" "$option")
			# --help behind it, so that nothing is started.
			run -0 "$uvhooks" "$verb" "$option" ${value:+"$value"} --help
			[[ "$output" == "Usage: uvhooks $verb "* ]]
		done
	done
}

@test "every example works as it is printed" {
	printf '#!/bin/sh\nexit 0\n' >server
	mkdir build
	chmod +x server
	mv server build/server
	printf '#!/bin/sh\ncat >/dev/null; echo picture\n' >build/flamegraph.pl
	chmod +x build/flamegraph.pl
	echo 'print("served")' >server.py
	cp "$PROGRAMS/every_type" server
	cat >my-plugin.c <<-'END'
		#include <uvhooks/plugin.h>

		static int init(struct uvhooks_plugin_args *args)
		{
			return args->count != 0 ? uvhooks_plugin_error(args, "takes no options") : 0;
		}

		UVHOOKS_PLUGIN = {
			.size = sizeof(struct uvhooks_plugin),
			.abi = UVHOOKS_PLUGIN_ABI,
			.name = "my-plugin",
			.summary = "does nothing",
			.init = init,
		};
	END
	"${CC:-cc}" -shared -fPIC -I"$BATS_TEST_DIRNAME/../include" -o my-plugin.so my-plugin.c
	export PATH=$UVHOOKS_BUILD/tools:$PATH:$PWD/build HOME=$BATS_TEST_TMPDIR
	# What runs all the time, by whatever number.
	target one idle
	gcore -o core "$PID" >/dev/null 2>&1
	# Other tests run programs of that name as well, and not all of them under the shim.
	pgrep() { echo "$PID"; }
	export -f pgrep
	export PID
	count=0
	for verb in '' "${verbs[@]}"; do
		while read -r example; do
			echo "example: $example"
			example=${example//4711/$PID}
			[ "$verb" != top ] || example=${example//1234/$PID}
			# A trace is recorded anew, which `record` refuses.
			[[ $example != *"record "*" -o trace "* ]] || rm -rf trace
			timeout 120 bash -c "${example//\/tmp\//$BATS_TEST_TMPDIR/}" </dev/null >printed 2>&1 || {
				cat printed
				false
			}
			count=$((count + 1))
		done < <(examples_of "$verb")
	done
	[ "$count" -ge 12 ]
	ls log.[0-9]* # what one example writes
}

@test "an unknown option is named, with where to read on, and exits 2" {
	for verb in "${verbs[@]}"; do
		for option in --bogus --bogus=3 -x; do
			run -2 --separate-stderr "$uvhooks" "$verb" "$option" true
			[ -z "$output" ]
			[[ "$stderr" == *"'$option'"* ]]
			[[ "$stderr" == *"uvhooks $verb --help"* ]]
		done
	done
	run -2 --separate-stderr "$uvhooks" --bogus
	[[ "$stderr" == *"unknown option '--bogus'"*"uvhooks --help"* ]]
}

@test "an option without its value is named and exits 2" {
	for option in -p --plugin; do
		run -2 --separate-stderr "$uvhooks" run "$option"
		[[ "$stderr" == *"'$option' needs a value"* ]]
	done
}

@test "a value for an option that takes none is refused" {
	run -2 --separate-stderr "$uvhooks" run --no-follow=yes true
	[[ "$stderr" == *"'--no-follow=yes'"* ]]
}

@test "a missing or unknown verb is said and exits 2" {
	run -2 --separate-stderr "$uvhooks"
	[ -z "$output" ]
	[[ "$stderr" == *"a verb is missing"*"uvhooks --help"* ]]
	run -2 --separate-stderr "$uvhooks" trace true
	[ -z "$output" ]
	[[ "$stderr" == *"unknown verb 'trace'"* ]]
	run -2 --separate-stderr "$uvhooks" chec true
	[[ "$stderr" == *"unknown verb 'chec'"* ]]
}

@test "too few or too many words are refused with exit 2" {
	run -2 --separate-stderr "$uvhooks" run
	[[ "$stderr" == *"a program is missing"* ]]
	run -2 --separate-stderr "$uvhooks" run -p log --
	[[ "$stderr" == *"a program is missing"* ]]
	run -2 --separate-stderr "$uvhooks" check
	[[ "$stderr" == *"a program is missing"* ]]
	run -2 --separate-stderr "$uvhooks" check true false
	[[ "$stderr" == *"one program"* ]]
	run -2 --separate-stderr "$uvhooks" hooks true false
	[[ "$stderr" == *"one program"* ]]
}

@test "every message begins with the name of the command" {
	for words in '' bogus '--bogus' 'run' 'run nowhere' 'run /' 'check nowhere' 'hooks nowhere' \
		'hooks true' 'run -p nowhere true'; do
		# shellcheck disable=SC2086 # the words of a command line
		! "$uvhooks" $words >/dev/null 2>errors || false
		[ -s errors ]
		[ "$(grep -vc '^uvhooks: ' errors)" -eq 0 ]
	done
}

@test "output that cannot be written is a failure" {
	for words in --help --version hooks 'check sh' 'run --help'; do
		# shellcheck disable=SC2016,SC2086 # for the inner shell; the words of a command line
		run -1 bash -c '"$0" "$@" 2>&1 >/dev/full' "$uvhooks" $words
		[[ "$output" == "uvhooks: cannot write to standard output: "* ]]
	done
}
