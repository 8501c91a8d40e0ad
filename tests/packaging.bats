#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=slow
# shellcheck disable=SC2154 # of bats
# What users get: an installation that is complete and may be moved, Debian packages that work where
# nothing else is, and an ABI that only grows.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	cd "$BATS_TEST_TMPDIR" || return 1
}

# The packages of what was built, once for this file.
packages() {
	PACKAGES=$BATS_FILE_TMPDIR/packages
	[ -d "$PACKAGES" ] ||
		DEB_BUILD_OPTIONS=noautodbgsym "$TOP/scripts/build-deb" --from "$UVHOOKS_BUILD" --to "$PACKAGES"
}

# Runs a command as root, if need be one of a namespace of its own.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		bare timeout 60 unshare "$@"
	else
		bare timeout 60 unshare --map-root-user "$@"
	fi
}

# in_root COMMAND...: in ./root, which has nothing but a /proc of its own.
in_root() {
	as_root --mount --pid --fork --kill-child --mount-proc=root/proc chroot root "$@"
}

dpkg_root() {
	as_root dpkg --root="$PWD/root" --log="$PWD/dpkg.log" "$@"
}

# change HEADER SED-SCRIPT: a copy of the headers, which it must change.
change() {
	[ -d headers ] || cp -r "$TOP/include" headers
	cp "headers/uvhooks/$1" before
	sed -i "$2" "headers/uvhooks/$1"
	! cmp -s before "headers/uvhooks/$1" || { echo "nothing changed by: $2" && false; }
}

@test "meson install installs all that there is, and each file where it belongs" {
	meson install -C "$UVHOOKS_BUILD" --no-rebuild --quiet --destdir "$PWD/to"
	# Whatever prefix and folder of libraries the build was made for.
	(cd "$(dirname "$(find to -name bin -type d)")" && find . -type f | sort) >installed
	libraries=$(sed -n 's,^./\(.*\)/libuvhooks.so$,\1,p' installed)
	{
		echo ./bin/uvhooks
		for file in uvhooks uvhooks-patch; do
			echo "./$libraries/lib$file.so"
		done
		(cd "$UVHOOKS_BUILD/shim/plugins" && printf "./$libraries/uvhooks/plugins/%s\n" *.so)
		(cd "$TOP/include/uvhooks" && printf './include/uvhooks/%s\n' *.h)
		echo "./$libraries/pkgconfig/uvhooks.pc"
		(cd "$UVHOOKS_BUILD/packaging" &&
			printf './share/man/man1/%s\n' *.1 && printf './share/man/man3/%s\n' *.3)
		echo ./share/bash-completion/completions/uvhooks
		echo ./share/zsh/site-functions/_uvhooks
		printf './share/doc/uvhooks/%s\n' CHANGELOG.md LICENSE README.md examples/example.c
		(cd "$TOP" && find docs -type f -printf './share/doc/uvhooks/%p\n')
	} | sort | diff - installed
}

@test "an installation works wherever it is moved to" {
	meson install -C "$UVHOOKS_BUILD" --no-rebuild --quiet --destdir "$PWD/to"
	mv "$(dirname "$(find to -name bin -type d)")" moved
	run -0 --separate-stderr bare moved/bin/uvhooks run -p log -- "$PROGRAMS/h1_timer"
	[ "$output" = "$("$PROGRAMS/h1_timer")" ]
	[[ $stderr == *" init 2 TIMERWRAP (uv_timer_t) "* ]]
	PKG_CONFIG_PATH=$(dirname "$(find moved -name uvhooks.pc)")
	export PKG_CONFIG_PATH
	[ "$(ls "$(pkg-config --variable=plugindir uvhooks)")" = "$(cd "$UVHOOKS_BUILD/shim/plugins" && ls -- *.so)" ]
	# shellcheck disable=SC2046 # words, on purpose
	cc -Wall -Werror -shared -fPIC $(pkg-config --cflags uvhooks) moved/share/doc/uvhooks/examples/example.c \
		-o example.so
	run -0 --separate-stderr bare moved/bin/uvhooks run -p ./example.so -- "$PROGRAMS/h1_timer"
	[[ $stderr == "TIMERWRAP "*" made, "* ]]
}

@test "the changelog begins with the version of the project" {
	version=$(sed -nE "s/^  version: '(.*)',/\1/p" "$TOP/meson.build")
	heading=$(grep -m 1 '^## ' "$TOP/CHANGELOG.md")
	[[ $heading == "## [$version] - "@(unreleased|20[0-9][0-9]-[01][0-9]-[0-3][0-9]) ]]
	# Every verb is told of somewhere.
	for verb in $("$UVHOOKS_BUILD/tools/uvhooks" --help | sed -n '/^VERBS/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		grep -qE "\`(uvhooks )?$verb( PID)?\`" "$TOP/CHANGELOG.md" || { echo "no $verb" && false; }
	done
}

@test "the Debian packages hold all that is installed, and lintian has nothing against them" {
	packages
	for package in "$PACKAGES"/*.deb; do
		dpkg-deb -c "$package" | awk '!/^d/ { sub(/\.gz$/, "", $6); print $6 }'
	done | sed 's,^\./usr,.,; s,zsh/vendor-completions,zsh/site-functions,' |
		sed 's,/libuvhooks-dev/examples/,/uvhooks/examples/,' |
		grep -vE '/doc/.*/(copyright|changelog)$|/lintian/' | sort >packaged
	meson install -C "$UVHOOKS_BUILD" --no-rebuild --quiet --destdir "$PWD/to"
	(cd "$(dirname "$(find to -name bin -type d)")" && find . -type f) | grep -v LICENSE | sort | diff - packaged
	for package in uvhooks libuvhooks-dev; do
		dpkg-deb --fsys-tarfile "$PACKAGES"/${package}_*.deb | tar -xO "./usr/share/doc/$package/copyright" |
			grep -qx 'Copyright: 2026 the uvhooks authors'
	done
	run -0 lintian --allow-root --fail-on error,warning "$PACKAGES"/*.deb
	[ -z "$output" ]
}

@test "where nothing is but what the packages depend on, they install, trace, and go without a trace" {
	packages
	"$TOP/scripts/clean-root" root luajit lua-luv -- "$PACKAGES"/*.deb
	files() {
		(cd root && find . -path ./var/lib/dpkg -prune -o -print | sort)
	}
	files >before
	dpkg_root --install "$PACKAGES"/*.deb
	[ "$(dpkg-query --admindir=root/var/lib/dpkg -W -f '${db:Status-Status} ' uvhooks libuvhooks-dev)" = \
		'installed installed ' ]
	cat >root/tmp/timer.lua <<-'END'
		local uv = require('luv')
		local timer = uv.new_timer()
		timer:start(1, 0, function() print('fired') timer:close() end)
		uv.run()
	END
	run -0 in_root luajit /tmp/timer.lua
	[ "$output" = fired ]
	run -0 --separate-stderr in_root uvhooks run -p log -- luajit /tmp/timer.lua
	[ "$output" = fired ]
	[[ $stderr == *" init 2 TIMERWRAP (uv_timer_t) trigger=1 "*" destroy 2 TIMERWRAP "* ]]
	run -0 --separate-stderr in_root uvhooks record --stacks -o /tmp/trace -- luajit /tmp/timer.lua
	run -0 in_root uvhooks stack /tmp/trace 2
	[[ $output == *"timer.lua:2"* ]]
	run -0 in_root uvhooks report --json /tmp/trace
	rm -rf root/tmp/*
	dpkg_root --purge uvhooks libuvhooks-dev
	files | diff before -
}

@test "a package whose dependencies are missing is not configured" {
	packages
	mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates
	: >root/var/lib/dpkg/status
	run -1 dpkg_root --install "$PACKAGES"/uvhooks_*.deb
	[[ $output == *"uvhooks depends on libunwind8"* ]]
}

@test "the ABI is at least that of the last release" {
	"$TOP/scripts/check-abi"
}

@test "what is added to the ABI passes" {
	change hooks.h 's/^\tuint64_t duration_ns;/&\n\tuint64_t more;/'
	change hooks.h 's/^\tUVHOOKS_COUNTER_MAP(XX)$/&\n\tXX(more)/'
	change types.h 's/^\tXX(STALL, stall)$/& XX(MORE, more)/'
	change hooks.h 's/^UVHOOKS_API int uvhooks_get_counters/UVHOOKS_API int uvhooks_more(void);\n&/'
	change hooks.h 's/^struct uvhooks_hook;/&\nstruct uvhooks_more {\n\tint more;\n};/'
	change plugin.h 's/^\tvoid (\*status).*/&\n\tint (*more)(void);/'
	"$TOP/scripts/check-abi" --headers headers --library ""
}

@test "what is removed from the ABI, or changed in it, is refused, each with what it is" {
	change hooks.h 's/^\tuint32_t thread_id;/\tuint32_t more;\n&/'
	change hooks.h 's/XX(plugins_failed)/XX(plugins_broken)/'
	change hooks.h 's/^UVHOOKS_API int uvhooks_get_counters(/&int more, /'
	change hooks.h '/^\tuint32_t start_stack;/d'
	change hooks.h 's/^\tuint64_t bytes;/\tuint32_t bytes;/'
	change async_resource.h 's/^\tuint8_t state;/\tuint64_t more;\n&/'
	change types.h 's/XX(LINK, link)/XX(MORE, more) XX(LINK, link)/'
	change stacks.h '/^UVHOOKS_API uint64_t uvhooks_stacks_lost/d'
	change promise.h 's/^static inline int uvhooks_promise_create(/&int more, /'
	run -1 "$TOP/scripts/check-abi" --headers headers --library ""
	for said in "'uint32_t thread_id' offset changed" "changed to 'uvhooks_counters::plugins_broken'" \
		"'function int uvhooks_get_counters(uvhooks_counters*)'" "'uint32_t start_stack', at offset" \
		"'uvhooks_state::bytes' changed" "'struct uvhooks_async_resource' changed" \
		"'uvhooks_event_type::UVHOOKS_EVENT_LINK' from value" \
		"'function uint64_t uvhooks_stacks_lost()'" "abi_uvhooks_promise_create' was changed" \
		"would break" "Put new fields behind the last one" "scripts/check-abi --update"; do
		[[ $output == *"$said"* ]] || { echo "not said: $said" && false; }
	done
}

@test "a field behind the last one is refused in a struct that does not say its size" {
	change async_resource.h 's/^\tuint8_t reserved;/&\n\tuint64_t more;/'
	run -1 "$TOP/scripts/check-abi" --headers headers --library ""
	[[ $output == *"'struct uvhooks_async_resource' changed"* ]]
}

@test "a library that lacks a function of the last release is refused" {
	sed -n 's/^UVHOOKS_API const char \*uvhooks_version.*/&/p' "$TOP/include/uvhooks/hooks.h" >declared
	[ -s declared ]
	echo 'const char *uvhooks_version(void) { return ""; }' | cc -g -shared -fPIC -x c - -o lib.so
	run -1 "$TOP/scripts/check-abi" --library lib.so
	[[ $output == *"'function int uvhooks_get_counters(uvhooks_counters*)'"* ]]
	[[ $output != *"uvhooks_version()"* ]]
	run -2 "$TOP/scripts/check-abi" --library none.so
	[[ $output == *"there is no none.so"* ]]
}
