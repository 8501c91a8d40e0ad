# SPDX-License-Identifier: MIT
"""damage_lines.py FIND_LINES FILE FOLDER COUNT

Damages the debug information of FILE in COUNT ways, and asks find_lines for lines all the same. It
may find nothing, or nonsense, but it must end, and by itself, unless libdw's own tool does not
either. FOLDER is for the damaged file.
"""
import pathlib
import random
import re
import subprocess
import sys

PATIENCE = 20  # seconds


def debug_sections(path):
    """Where they lie in the file: (offset, bytes)."""
    listing = subprocess.run(["readelf", "-SW", path], check=True, capture_output=True, text=True).stdout
    for name, offset, size in re.findall(
            r"\] (\.debug_\w+)\s+PROGBITS\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", listing):
        if name != ".debug_str":
            yield int(offset, 16), int(size, 16)


def functions_of(path):
    listing = subprocess.run(["nm", "-S", "--defined-only", path], check=True, capture_output=True, text=True)
    return [int(line.split()[0], 16) + 5 for line in listing.stdout.splitlines() if len(line.split()) == 4]


def damage(data, sections, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 3, 30])):
        offset, size = chance.choice(sections)
        at = offset + chance.randrange(size)
        data[at] = chance.choice([0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1 << chance.randrange(8)])
    return data


def ends(command, addresses):
    try:
        done = subprocess.run(command, input=addresses, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode >= 0


def main():
    find_lines, path, folder, count = sys.argv[1:]
    data = pathlib.Path(path).read_bytes()
    sections = list(debug_sections(path))
    addresses = "".join(f"{address:#x}\n" for address in functions_of(path)).encode()
    damaged = pathlib.Path(folder) / "damaged"
    assert sections and addresses
    for seed in range(int(count)):
        damaged.write_bytes(damage(data, sections, random.Random(seed)))
        if not ends([find_lines, damaged], addresses) and \
           ends(["eu-addr2line", "-a", "-f", "-i", "-e", damaged], addresses):
            print(f"damage {seed} ends find_lines, but not eu-addr2line")
            return 1
    return 0


sys.exit(main())
