#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads, and damages, what <uvhooks/control.h> says is in a process, with nothing of the tools:

    control_block.py PID state            "alive libuv broken"
    control_block.py PID counter NAME     a counter, by its name in UVHOOKS_COUNTER_MAP
    control_block.py PID damage TYPE      the record of the first resource of that type names another
                                          struct as its owner
"""
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAGIC = b"uvhooks-control\0"
BLOCK = struct.Struct("<16sII16s32s128siIQQIIQQIIQQQQIIQQIIiI")
FIELDS = """magic abi size version libuv plugins pid state begin_ns counters counter_count
    record_bytes segments record_limit segment_bits loop_count loops hook_set type_names areas
    area_count loops_unlisted request_text answer_text request answered status reserved""".split()
STATES = {1: "alive", 2: "libuv", 4: "disabled", 8: "broken"}


def names(header, macro):
    """The names in a list XX(name, ...) of a header, in order."""
    text = (ROOT / "include/uvhooks" / header).read_text()
    body = re.search(rf"#define {macro}\(XX\)(.*?[^\\])\n", text, re.DOTALL).group(1)
    return re.findall(r"XX\((\w+)", body)


class Process:
    def __init__(self, pid):
        # pylint: disable-next=consider-using-with # it is read to the end of the program
        self.memory = open(f"/proc/{pid}/mem", "r+b", buffering=0)
        self.address = self.find(pid)
        self.block = dict(zip(FIELDS, BLOCK.unpack(self.read(self.address, BLOCK.size))))
        assert self.block["size"] == BLOCK.size, "this script knows another struct"

    def read(self, address, size):
        self.memory.seek(address)
        return self.memory.read(size)

    def number(self, address, layout="<Q"):
        return struct.unpack(layout, self.read(address, struct.calcsize(layout)))[0]

    def find(self, pid):
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split()
            if "w" not in fields[1] or not line.endswith("libuvhooks.so"):
                continue
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            at = self.read(begin, end - begin).find(MAGIC)
            if at >= 0:
                return begin + at
        sys.exit(f"there is no shim in process {pid}")

    def damage(self, type_name):
        number = names("types.h", "UVHOOKS_TYPE_MAP").index(type_name)
        segment = self.number(self.block["segments"])
        for index in range(1, self.number(self.block["record_limit"], "<I")):
            record = segment + index * self.block["record_bytes"]
            if self.number(record + 16) != 0 and self.number(record + 44, "<H") == number:
                self.memory.seek(record)
                self.memory.write(struct.pack("<Q", 0x1000))
                return
        sys.exit(f"there is no {type_name}")


def main(pid, what, *words):
    process = Process(pid)
    if what == "state":
        print(*(name for bit, name in STATES.items() if process.block["state"] & bit))
    elif what == "counter":
        number = names("hooks.h", "UVHOOKS_COUNTER_MAP").index(words[0])
        print(process.number(process.block["counters"] + 8 * number))
    elif what == "damage":
        process.damage(words[0])


main(*sys.argv[1:])
