#!/usr/bin/env zsh
# SPDX-License-Identifier: MIT
# Prints what zsh offers for each line, in a terminal: complete.zsh FOLDER LINE..., where FOLDER has the
# completion functions to try. A line of output is the LINE, a tab, and one offer.

zmodload zsh/zpty
folder=$1
shift
answers=$(mktemp)
trap 'rm -f $answers' EXIT

# In the shell that is asked: the Tab key writes what would be offered to a file.
asked='
	PS1= PS2=
	fpath=($folder $fpath)
	autoload -Uz compinit && compinit -u -D
	compadd() {
		local -a found

		# These only look what matches.
		[[ " $* " != *" -"[OAD]" "* ]] || { builtin compadd "$@"; return }
		builtin compadd -O found "$@"
		offered+=($found)
		builtin compadd "$@"
	}
	offer() {
		offered=()
		_main_complete
		print -rl -- $offered >$answers
		print "<offered>"
	}
	zle -C offer list-choices offer
	bindkey "^I" offer
	print "<ready>"
'

# Reads what the terminal shows, up to a mark.
wait_for() {
	local shown line

	while zpty -r shell line; do
		shown+=$line
		[[ $shown != *"<$1>"* ]] || return 0
	done
	print -r -- "zsh ended: $shown" >&2
	exit 1
}

export folder answers asked
zpty shell zsh -f -i
zpty -w shell 'eval "$asked"'
wait_for ready
for line; do
	: >$answers
	zpty -wn shell "$line"$'\t'
	wait_for offered
	while read -r offer; do
		[[ -z $offer ]] || print -r -- "$line"$'\t'"$offer"
	done <$answers
	zpty -wn shell $'\x15'
done
zpty -d shell
