# SPDX-License-Identifier: MIT
"""check_lines.py FIND_LINES FILE [COUNT]

Holds what find_lines says of addresses all over FILE against eu-addr2line, which is libdw's own,
and against addr2line, which is not. Each of these errs now and then: the first leaves out callers
that a function is inlined into, and knows nothing where a compiler has written no .debug_aranges;
the second takes the wrong one of two files. So each address must be as one of them says.
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
    answer = subprocess.run(command, input=text, check=False, capture_output=True, text=True).stdout
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
    ours = [list(block) for block in ask([find_lines, path], addresses)]
    elf = [list(block) for block in ask(["eu-addr2line", "-a", "-f", "-i", "-e", path], addresses)]
    gnu = [list(block) for block in ask(["addr2line", "-a", "-f", "-i", "-e", path], addresses)]
    wrong = [case for case in zip(map(hex, addresses), ours, elf, gnu)
             if not agree(case[1], case[2]) and not agree(case[1], case[3])]
    for case in wrong[:10]:
        print(*case, sep="\n    ")
    known = sum(1 for block in ours if block and block[0][2])
    with_elf, with_gnu = (sum(map(agree, ours, others)) for others in (elf, gnu))
    print(f"{len(addresses)} addresses, {known} known; as eu-addr2line {with_elf}, "
          f"as addr2line {with_gnu}, as neither {len(wrong)}")
    return 0 if not wrong and known > len(addresses) // 2 else 1


sys.exit(main())
