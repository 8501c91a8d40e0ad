#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the linker's version script from shim/hooks.def: make-exports.py HOOKS.DEF OUTPUT"""
import re
import sys

source, target = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    names = re.findall(r"^HOOK\((\w+),", file.read(), re.MULTILINE)
with open(target, "w", encoding="utf-8") as file:
    file.write("{\n\tglobal:\n\t\tuvhooks_*;\n")
    file.writelines(f"\t\t{name};\n" for name in names)
    file.write("\tlocal:\n\t\t*;\n};\n")
