#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2046 # words, on purpose
# Completion for bash and zsh, in the shells themselves: what is offered is what the command takes.

bats_require_minimum_version 1.5.0
load helpers
load control

setup() {
	UVHOOKS=$UVHOOKS_BUILD/tools/uvhooks
	COMPLETION=$UVHOOKS_BUILD/packaging
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir plugins trace
	touch plugins/mine.so trace.txt
	export PATH=$UVHOOKS_BUILD/tools:$PATH UVHOOKS_PLUGIN_PATH=$UVHOOKS_BUILD/shim/plugins:$PWD/plugins
}

teardown() {
	end_targets
}

# in_bash LINE: what bash would offer where the cursor stands behind LINE, parted into words as
# readline does.
in_bash() {
	bash -c '
		source "$0"
		COMP_LINE=$1 COMP_POINT=${#1}
		mapfile -t COMP_WORDS < <(printf %s "$1" | grep -oE "[=:]+|[^ =:]+" || :)
		[[ $1 != *[\ =:] ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_uvhooks uvhooks "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
		[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"
	' "$COMPLETION/uvhooks" "$1" | sort -u
}

# in_zsh LINE...: what zsh offers there, in a terminal; left in `offers`.
in_zsh() {
	# "-" is one of the words that zsh knows in front of a command.
	timeout 100 zsh -f "$BATS_TEST_DIRNAME/complete.zsh" "$COMPLETION" "$@" |
		grep -v "	-\$" | sort -u >offers
}

# zsh_offers LINE WHAT...
zsh_offers() {
	diff <(printf "$1\t%s\n" "${@:2}" | sort -u) <(grep "^$1	" offers)
}

verbs() {
	"$UVHOOKS" --help | sed -n '/^VERBS/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# The words of a help text's OPTIONS part that are options.
options_of() {
	"$UVHOOKS" "$1" --help | sed -n '/^OPTIONS/,/^$/s/^  \(-.*\)/\1/p' | sed 's/   .*//' |
		grep -oE '(^|, )--?[a-z-]+' | tr -d ' ,' | sort -u
}

# offers WHAT...: these, one a line on stdin, and no others.
offers() {
	diff <(printf '%s\n' "$@" | sort -u) -
}

@test "bash: verbs, and what begins as a verb does" {
	in_bash 'uvhooks ' | offers $(verbs) --help --version
	in_bash 'uvhooks re' | offers $(verbs | grep ^re)
	in_bash 'uvhooks --v' | offers --version
	in_bash 'uvhooks nonsense' | diff /dev/null -
	in_bash 'uvhooks nonsense -' | diff /dev/null -
}

@test "bash: each verb's options are those that its help lists" {
	for verb in $(verbs); do
		in_bash "uvhooks $verb -" | offers $(options_of "$verb")
	done
}

@test "bash: values that there is a choice of, behind a blank and behind '='" {
	in_bash 'uvhooks report --sort ' | offers total self mean p99 max runs
	in_bash 'uvhooks report --color a' | offers always auto
	in_bash 'uvhooks log --format=' | offers text json
	in_bash 'uvhooks export --format f' | offers folded
	in_bash 'uvhooks log --events init,be' | offers init,before
	in_bash 'uvhooks log --type uv_timer_t,TCPS' | offers uv_timer_t,TCPSERVERWRAP
	in_bash 'uvhooks report --top ' | diff /dev/null -
}

@test "bash: plugins behind -p, folders, files and programs where these belong" {
	in_bash 'uvhooks run -p ' | offers mine $(cd "$UVHOOKS_BUILD/shim/plugins" && basename -s .so -- *.so)
	in_bash 'uvhooks record --plugin mi' | offers mine
	in_bash 'uvhooks run -p plugins/' | offers plugins/mine.so
	in_bash 'uvhooks report ' | offers plugins trace
	in_bash 'uvhooks report --json tr' | offers trace
	in_bash 'uvhooks record -o ' | offers plugins trace
	in_bash 'uvhooks export -o trace' | offers trace trace.txt
	in_bash 'uvhooks check bash-no-such' | diff /dev/null -
	in_bash 'uvhooks run -p log -- uvhook' | offers uvhooks
	in_bash 'uvhooks run -p log:file=x uvhook' | offers uvhooks
	# What stands behind the program is the program's.
	in_bash 'uvhooks run -p log -- cat trace' | offers trace trace.txt
	in_bash 'uvhooks run cat --no' | diff /dev/null -
}

@test "bash with bash-completion: a program's arguments are completed as that program's" {
	# It is loaded as bash-completion finds it: by the name of the command, in XDG_DATA_DIRS.
	mkdir -p data/bash-completion/completions
	cp "$COMPLETION/uvhooks" data/bash-completion/completions/
	cat >session <<-'END'
		source /usr/share/bash-completion/bash_completion
		_thing() { COMPREPLY=($(compgen -W "apple banana" -- "$2")); }
		complete -F _thing thing
		_completion_loader uvhooks
		complete -p uvhooks
		COMP_LINE="uvhooks run -p log:file=x -- thing ba"
		COMP_POINT=${#COMP_LINE}
		COMP_WORDS=(uvhooks run -p log : file = x -- thing ba) COMP_CWORD=10
		_uvhooks uvhooks ba thing
		echo "${COMPREPLY[@]}"
	END
	XDG_DATA_DIRS=$PWD/data run -0 bash session
	[ "$output" = $'complete -F _uvhooks uvhooks\nbanana' ]
}

@test "zsh: verbs, options, values, plugins, folders and files" {
	in_zsh 'uvhooks re' 'uvhooks log --f' 'uvhooks log --format ' 'uvhooks report --sort m' \
		'uvhooks run -p mi' 'uvhooks report tr' 'uvhooks log --events be' 'uvhooks export -o tr' \
		'uvhooks run -p log cat tr' 'uvhooks export --format=f'
	zsh_offers 'uvhooks re' $(verbs | grep ^re)
	zsh_offers 'uvhooks log --f' --format --from
	zsh_offers 'uvhooks log --format ' text json
	zsh_offers 'uvhooks report --sort m' max mean
	zsh_offers 'uvhooks run -p mi' mine
	zsh_offers 'uvhooks report tr' trace
	zsh_offers 'uvhooks log --events be' before
	zsh_offers 'uvhooks export -o tr' trace trace.txt
	zsh_offers 'uvhooks run -p log cat tr' trace trace.txt
	zsh_offers 'uvhooks export --format=f' folded
}

@test "zsh: each verb's options are those that its help lists" {
	local lines=()
	for verb in $(verbs); do
		lines+=("uvhooks $verb -")
	done
	in_zsh "${lines[@]}"
	for verb in $(verbs); do
		zsh_offers "uvhooks $verb -" $(options_of "$verb")
	done
}

@test "processes that are under the shim are offered to the verbs that ask for one" {
	target one idle
	for line in 'uvhooks top ' "uvhooks ctl ${PID:0:1}" 'uvhooks why '; do
		in_bash "$line" | grep -qx "$PID"
	done
	in_bash 'uvhooks why ' | grep -qx trace
	in_zsh 'uvhooks top ' 'uvhooks ctl ' 'uvhooks why '
	[ "$(grep -c "	$PID\$" offers)" -eq 3 ]
	grep -qx 'uvhooks why 	trace' offers
	# What may be asked of it, and what stands behind that.
	in_bash "uvhooks ctl $PID re" | offers record
	in_bash "uvhooks ctl $PID record " | offers start stop dump
	in_bash "uvhooks ctl $PID load mi" | offers mine
	in_bash "uvhooks ctl $PID record start -o tr" | offers trace
	end_target one
}
