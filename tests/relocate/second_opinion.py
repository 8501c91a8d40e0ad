#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Compares moved code with what it stands for, as objdump reads them: it knows nothing of the decoder
that moved them.

    tests/relocate/second_opinion.py FILE RELOCATE

RELOCATE is the program built here; it moves every function uv_... of FILE, an ELF file. Prints what
differs and a summary, and exits with 1 if anything does.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SLOT = 128
MASK = 2**64 - 1
LINE = re.compile(r"^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$")


def disassemble(path, slots):
    """For each slot, its instructions as texts in which every address is the true one."""
    listing = subprocess.run(
        ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w", str(path)],
        capture_output=True, text=True, check=True).stdout
    slots_texts = [[] for _ in slots]
    for line in listing.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        at, length, text = int(match[1], 16), len(match[2].split()), match[3]
        slot, offset = divmod(at, SLOT)
        address, count = slots[slot]
        if offset >= count:
            continue
        if offset + length > count:
            text = "(ends within an instruction)"
        moved_by = address - slot * SLOT

        def true(match, moved_by=moved_by):
            return f"{match[1]}<{(int(match[2], 16) + moved_by) & MASK:#x}>"

        text = re.sub(r"\[rip[+-]0x[0-9a-f]+\](.*?)\s*# 0x([0-9a-f]+)",
                      lambda match, true=true: f"[rip:{true([None, '', match[2]])}]{match[1]}",
                      text)
        text = re.sub(r"^((?:\w+ )*(?:j\w+|call|loop\w*|xbegin)(?:,p[nt])?\s+)0x([0-9a-f]+)$",
                      true, text)
        # Linkers put this prefix before a call to make it longer; it means nothing.
        slots_texts[slot].append(" ".join(text.removeprefix("addr32 ").split()))
    return slots_texts


def pushed(texts):
    """Takes the push of a constant from the front; returns it, or None."""
    match = re.fullmatch(r"push 0x([0-9a-f]+)", texts[0]) if texts else None
    if not match:
        return None
    texts.pop(0)
    value = int(match[1], 16)
    upper = re.fullmatch(r"mov DWORD PTR \[rsp\+0x4\],0x([0-9a-f]+)", texts[0])
    if upper:
        texts.pop(0)
        value = value & 0xffffffff | int(upper[1], 16) << 32
    return value


def differs(before, after, end):
    """What is wrong with the code `after` of a window `before` that ends at `end`; or None."""
    after = list(after)
    for text in before:
        if text.startswith("call "):
            value = pushed(after)
            if value != end:
                return f"{text}: the return address is {value}, not {end:#x}"
            text = text.replace("call", "jmp", 1)
        if not after or after[0] != text:
            return f"{text} has become {after[0] if after else 'nothing'}"
        after.pop(0)
        if re.match(r"(\w+ )?(jmp|ret)\b", text):
            # What is behind it in the window is padding.
            return f"too much: {after}" if after else None
    return None if after == [f"jmp <{end:#x}>"] else f"no jump back, but {after}"


def main(path, relocate):
    with tempfile.TemporaryDirectory() as folder:
        name = pathlib.Path(folder) / "pairs"
        subprocess.run([relocate, "pairs", path, name], check=True)
        lines = [line.split() for line in name.with_suffix(".list").read_text().splitlines()]
        before = disassemble(name.with_suffix(".before"),
                             [(int(line[1]), int(line[2])) for line in lines])
        after = disassemble(name.with_suffix(".after"),
                            [(int(line[3]), int(line[4])) for line in lines])
    wrong = 0
    for line, old, new in zip(lines, before, after):
        difference = differs(old, new, int(line[1]) + int(line[2]))
        if difference:
            wrong += 1
            print(f"{line[0]}: {difference}\n    before: {old}\n    after: {new}")
    print(f"{len(lines)} functions, {wrong} differ")
    return 1 if wrong or not lines else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
