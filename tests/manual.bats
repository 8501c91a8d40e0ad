#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # backticks of Markdown
# The manual pages: all that there should be is there, readers of manual pages find nothing wrong with
# them, and what they say is what the command, the headers and the README say.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	TOP=$BATS_TEST_DIRNAME/..
	UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks
	MAN=$BATS_FILE_TMPDIR/man
	cd "$BATS_TEST_TMPDIR" || return 1
}

# The pages as they are installed, once for this file.
setup_file() {
	local page

	mkdir -p "$BATS_FILE_TMPDIR/man/man1" "$BATS_FILE_TMPDIR/man/man3"
	for page in "$UVHOOKS_BUILD"/packaging/*.[13]; do
		cp "$page" "$BATS_FILE_TMPDIR/man/man${page##*.}/"
	done
}

# page NAME: the text of a page, as somebody reads it who has a very wide terminal.
page() {
	local file
	file=$(ls "$MAN"/man?/"$1")
	mandoc -Tutf8 -Owidth=900 "$file" | col -bx | tr -s ' '
}

# make_manual FOLDER [COMMAND]
make_manual() {
	"$PYTHON" "$TOP/scripts/make-manual.py" --top "$TOP" --command "${2:-$UVHOOKS}" --version 1.2.3 "$1"
}

@test "there is a page for the command, each verb, each header, each public function, and an overview" {
	local expected
	expected=$(
		echo uvhooks.1
		"$UVHOOKS" --help | sed -n '/^VERBS/,/^$/s/^  \([a-z]*\) .*/uvhooks-\1.1/p'
		for header in "$TOP"/include/uvhooks/*.h; do
			[ "$(basename "$header")" = without_shim.h ] || echo "uvhooks_$(basename "$header").3"
		done
		nm -D --defined-only "$SHIM" | grep -o ' uvhooks_.*' | tr -d ' ' | sed 's/$/.3/'
		echo uvhooks.3
	)
	for name in $expected; do
		[ -s "$UVHOOKS_BUILD/packaging/$name" ] || { echo "no page $name" && false; }
	done
	# The rest are functions that are in the headers only.
	sed -n '/^static inline/,/^{/p' "$TOP"/include/uvhooks/*.h >inline
	for path in "$MAN"/man?/*; do
		name=$(basename "$path")
		grep -qx "$name" <<<"$expected" || grep -q "\b${name%.3}(" inline
	done
}

@test "mandoc and groff find nothing wrong in any page" {
	run -0 mandoc -Tlint "$MAN"/man?/*
	[ -z "$output" ]
	# As `man --warnings` calls it.
	LC_ALL=C.UTF-8 groff -Kutf8 -mandoc -Tutf8 -ww -rLL=78n "$MAN"/man?/* >/dev/null 2>warnings
	cat warnings
	[ ! -s warnings ]
}

@test "every page has a name and a summary that whatis can find" {
	run -0 lexgrog "$MAN"/man?/*
	for path in "$MAN"/man?/*; do
		name=${path##*/}
		[[ $output == *"/$name: \"${name%.?} - "[a-zA-Z\"]* ]] || { echo "$name" && false; }
	done
}

@test "the page of a verb says all that its help says" {
	local verb line text without
	for verb in $("$UVHOOKS" --help | sed -n '/^VERBS/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		text=$(page "uvhooks-$verb.1")
		text=${text//[ $'\n'\`•]/}
		# Line by line: where lines are broken is no matter.
		while read -r line; do
			without=${line#Usage: }
			without=${without#- }
			without=${without//[ \`]/}
			[[ $text == *"$without"* ]] || { echo "$verb: $line" && false; }
		done < <("$UVHOOKS" "$verb" --help)
	done
}

@test "the page of a function has its prototype, what its comment says, threads and since when" {
	page uvhooks_hook_disable.3 >text
	grep -q 'int uvhooks_hook_disable(struct uvhooks_hook \*hook);' text
	grep -q 'Hooks run in the order in which they were enabled, for every event.' text
	grep -q 'hook.enable(), hook.disable().' text
	grep -q 'Thread: any; other threads see the change with their next event.' text
	grep -q 'Since uvhooks 0.1.' text
	grep -q '#include <uvhooks/hooks.h>' text
	page uvhooks_local_storage_release_snapshot.3 >text
	grep -q 'int uvhooks_local_storage_release_snapshot(struct uvhooks_snapshot \*snapshot);' text
}

@test "the plugin in uvhooks(3) is the one that the README shows, and compiles" {
	# A wide page does not break lines of code; man takes four blanks for the indentation.
	LC_ALL=C.UTF-8 MANWIDTH=2000 man -l "$MAN/man3/uvhooks.3" | col -bx |
		sed 's/^ \{11\}//' | sed -n '/^#include <stdlib.h>/,/^};$/p' >slow.c
	diff <(sed -n '/^```c$/,/^```$/p' "$TOP/README.md" | sed -n '/stdlib/,/^};$/p' | expand) slow.c
	gcc -Wall -Werror -shared -fPIC -I"$TOP/include" slow.c -o slow.so
}

@test "uvhooks(1) explains each variable and each option of a plugin that the README has" {
	page uvhooks.1 >text
	seen=0
	for word in $(grep -oE '^\| `UVHOOKS_[A-Z_]+' "$TOP/README.md" | tr -d '|` ') \
		$(grep -oE '^\| `[a-z_]+=' "$TOP/README.md" | tr -d '|` '); do
		grep -qE "^ *$word" text || { echo "no $word" && false; }
		seen=$((seen + 1))
	done
	[ "$seen" -gt 20 ]
}

@test "a help text, a header and a comment that break the rules are refused, with the place" {
	printf '#!/bin/sh\necho Nonsense\n' >nonsense
	chmod +x nonsense
	run ! make_manual pages "$PWD/nonsense"
	[[ $output == *"uvhooks  --help: a help text begins with 'Usage: uvhooks'"* ]]
	mkdir -p top/tools
	cp -r "$TOP/include" "$TOP/README.md" top/
	cp "$TOP/tools/main.c" top/tools/
	mkdir -p top/shim/plugins
	sed -i '/^ \* Node: asyncLocalStorage.disable()/s/Thread: any. Since: 0.1./Thread: any./' \
		top/include/uvhooks/local_storage.h
	sed -i 's/^UVHOOKS_API const char \*uvhooks_version/UVHOOKS_API int uvhooks_unsaid(void);\n\n&/' \
		top/include/uvhooks/hooks.h
	run -1 "$PYTHON" "$TOP/scripts/make-manual.py" --top top --check
	[[ $output == *"local_storage.h: the comment of uvhooks_local_storage_disable does not say 'Since:'"* ]]
	run -0 "$PYTHON" "$TOP/scripts/make-manual.py" --top "$TOP" --check
	[ -z "$output" ]
}

@test "pages that are made twice at one time are the same" {
	SOURCE_DATE_EPOCH=86400 make_manual one
	SOURCE_DATE_EPOCH=86400 make_manual two
	diff -r one two
	grep -q '^.TH "UVHOOKS" 1 "1970-01-02" "uvhooks 1.2.3"' one/uvhooks.1
}
