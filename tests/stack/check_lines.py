# SPDX-License-Identifier: MIT
"""check_lines.py FIND_LINES FILE [COUNT]

Holds what find_lines says of addresses all over FILE against eu-addr2line, which is libdw's own,
and against addr2line, which is not. Prints in how many they agree; fails where they do not.
"""
import os.path
import random
import re
import subprocess
import sys


def functions_of(path):
    """Where the functions of the file lie."""
    listing = subprocess.run(["nm", "-S", "--defined-only", path], check=True, capture_output=True, text=True)
    for line in listing.stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tTwW" and int(words[1], 16) != 0:
            yield int(words[0], 16), int(words[1], 16)


def choose(path, count):
    chance = random.Random(6)
    functions = sorted(set(functions_of(path)))
    chance.shuffle(functions)
    return [begin + chance.randrange(size) for begin, size in functions[:count]]


def ask(command, addresses):
    text = "".join(f"{address:#x}\n" for address in addresses)
    answer = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"^0x[0-9a-f]{16}\n", answer, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(addresses), command
    return [frames(block.splitlines()) for block in blocks]


def frames(lines):
    """Pairs of function and place; the place without what only one of them tells."""
    for function, place in zip(lines[::2], lines[1::2]):
        function = function.split(" inlined at ")[0]
        place = re.sub(r" \(discriminator \d+\)$", "", place)
        path, line = re.fullmatch(r"(.*?):(\?|\d+)(?::\d+)?", place).groups()
        yield function, os.path.normpath(path), int(line) if line != "?" else 0


def agree(ours, theirs):
    """What we have not found, others may know from the table of symbols."""
    if not ours:
        return True
    return len(ours) == len(theirs) and all(
        one == other or (one[0] == "?" and one[1:] == other[1:]) or not one[2]
        for one, other in zip(ours, theirs))


def main():
    find_lines, path = sys.argv[1:3]
    addresses = choose(path, int(sys.argv[3]) if len(sys.argv) > 3 else 2000)
    found = [list(block) for block in ask([find_lines, path], addresses)]
    known = sum(1 for block in found if block and block[0][2])
    for command in (["eu-addr2line", "-a", "-f", "-i"], ["addr2line", "-a", "-f", "-i"]):
        others = [list(block) for block in ask([*command, "-e", path], addresses)]
        differ = [(hex(address), ours, theirs) for address, ours, theirs
                  in zip(addresses, found, others) if not agree(ours, theirs)]
        print(f"{command[0]}: {len(addresses) - len(differ)} of {len(addresses)}, {known} known")
        for case in differ[:10]:
            print(*case, sep="\n    ")
        # binutils takes the wrong one of two files with one line, now and then.
        if len(differ) > (0 if command[0] == "eu-addr2line" else len(addresses) // 10):
            return 1
    return 0 if known > len(addresses) * 9 // 10 else 1


sys.exit(main())
