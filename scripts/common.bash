# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What every script here starts with: the top of the tree and two ways to speak.
# Source it from a script in this folder.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# The build folder that the scripts share. Another one is for those who try something out.
# shellcheck disable=SC2034 # used by those who source this
build=${UVHOOKS_BUILD:-$root/build}

# What runs the script says is for people, so it goes to stderr; stdout is for results.
say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$@"
	exit 1
}
