# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the verbs that name planted faults. Behind `load helpers`.
#
#	record_planted NAME...	  records each of tests/planted, with its fault and without, in $TRACES,
#				  with stacks, or by the options in the array RECORD
#	runs_as_bare NAME...	  so recorded they did and said what they do alone
#	line_of NAME		  "NAME.c:12", where its fault is
#	verb VERB NAME [OPTION..] asks about the trace of NAME; "NAME-fixed" is that without the fault

PLANTED=$UVHOOKS_BUILD/tests/planted
uvhooks=$UVHOOKS_BUILD/tools/uvhooks

# One run; what it said and how it ended go to files beside the trace.
run_planted() {
	local at=$1 status=0
	(EXEC="exec" bare "${@:2}") >"$at.stdout" 2>"$at.stderr" </dev/null || status=$?
	echo "$status" >"$at.status"
}

record_planted() {
	local name how options=("${RECORD[@]:---stacks}")
	mkdir -p "$TRACES"
	for name; do
		for how in "" fixed; do
			run_planted "$TRACES/$name${how:+-$how}.bare" "$PLANTED/$name" $how
			run_planted "$TRACES/$name${how:+-$how}.recorded" \
				"$uvhooks" record "${options[@]}" -o "$TRACES/$name${how:+-$how}" -- \
				"$PLANTED/$name" $how
		done
	done
}

runs_as_bare() {
	local name what
	for name; do
		for what in stdout status; do
			diff -u "$TRACES/$name.bare.$what" "$TRACES/$name.recorded.$what"
			diff -u "$TRACES/$name-fixed.bare.$what" "$TRACES/$name-fixed.recorded.$what"
		done
	done
}

line_of() {
	echo "$1.c:$(grep -n 'PLANTED \*/' "$BATS_TEST_DIRNAME/planted/$1.c" | cut -d: -f1)"
}

verb() {
	"$uvhooks" "$1" "$TRACES/$2" "${@:3}"
}
