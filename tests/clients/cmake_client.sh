#!/bin/sh
# SPDX-License-Identifier: MIT
# Configures, builds, tests and installs the small project beside this, in the folder named by the
# first argument. What depends on time or on the order of parallel tests is left out of the output.

set -eu
project=$(dirname -- "$0")/cmake_project
folder=$1/cmake
rm -rf "$folder"

cmake -Wno-dev -G Ninja -S "$project" -B "$folder"
cmake --build "$folder"
ctest --test-dir "$folder" -j 3 >"$folder/ctest.out"
sed -nE 's/^.*Test +#([0-9]+): .*  ([A-Z][a-z]+) .*$/test \1 \2/p' "$folder/ctest.out" | sort
ctest --test-dir "$folder" --no-tests=error -R no_such_test >/dev/null 2>&1 || echo "no tests: $?"
cmake --install "$folder"
cmake -P "$folder/no_such_script.cmake" 2>/dev/null || echo "no script: $?"
