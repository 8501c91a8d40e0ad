# SPDX-License-Identifier: MIT
"""The rows of scripts/bench about stacks: what it costs to take one where a resource is made, and
what recording with stacks costs a server."""
import math
import pathlib
import shutil
import statistics
import tempfile

from bench_common import (BUILD, EMPTY_HOOK, ROOT, Failed, attempt, fastest, interleaved, margin,
                          run, say, table, with_margin)
from bench_recorder import uvloop_server, within

ROWS = ["stacks", "stacks_throughput"]

STACKS = BUILD / "shim/plugins/stacks.so"
PRINT_STACKS = BUILD / "tests/stacks/print_stacks.so"
SOURCES = ROOT / "tests/benchmarks"

# The ends.
MOST_NS_KNOWN = 400  # a stack of ADDRESSES that was taken before, from the unwind tables
ADDRESSES = 20
MOST_LOSS = 0.05  # of a server's throughput

BUILDS = {f"{compiler}{suffix}": (compiler, flags) for compiler in ("gcc", "clang")
          for suffix, flags in (("", ["-fomit-frame-pointer"]),
                                ("-fp", ["-fno-omit-frame-pointer"]))}
# The shim with a hook that does nothing is what all else stands beside. How the stack is walked, and
# by frame pointers where there are some:
WAYS = {"hook": None, "dwarf": "max=1000000", "frames": "max=1000000,unwind=frames"}
THROUGHPUT_MODES = ["bare", "record", "record_stacks", "again"]

NEW_STACKS = 1 << 14  # as many as the program has


def build(folder, name, kind):
    compiler, flags = BUILDS[name]
    program = pathlib.Path(folder, f"{kind}-{name}")
    libuv, _ = run(["pkg-config", "--cflags", "--libs", "libuv"])
    run([compiler, "-O2", "-g", *flags, *(["-DNEW"] if kind == "new" else []), "-o", program,
         SOURCES / "stacks.c", SOURCES / "benchmark.c", *libuv.split()])
    return program


def ways_of(name):
    return [how for how in WAYS if how != "frames" or name.endswith("-fp")]


def plugins_of(way):
    options = WAYS[way]
    return str(EMPTY_HOOK) if options is None else f"stacks:{options};{EMPTY_HOOK}"


def addresses_of(program):
    """How many there are on the stack of an operation."""
    with tempfile.NamedTemporaryFile() as file:
        run([program, 1, 1], "hook", UVHOOKS_PLUGINS=f"stacks;{PRINT_STACKS}:file={file.name}")
        lines = pathlib.Path(file.name).read_text().splitlines()
    if not lines:
        raise Failed(f"{program.name} has no stacks")
    return len(lines[0].split()) - 3


def costs(options):
    """What a stack costs more than the empty hook alone, in each build and way."""
    names = [name for name, (compiler, _) in BUILDS.items() if shutil.which(compiler)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("known", "new"):
            programs = {name: build(folder, name, kind) for name in names}
            # A slice of new ones is one batch, and each stack comes once in a run.
            slices = options.slices if kind == "known" else NEW_STACKS // 16 - 1
            say(f"stacks, {kind}")

            def measure_way(way):
                name, how = way
                return fastest(programs[name], "hook", slices,
                               UVHOOKS_PLUGINS=plugins_of(how))

            ways = [(name, how) for name in names for how in ways_of(name)]
            times = interleaved(2 if options.quick else options.rounds, measure_way, ways)
            for name in names:
                row = {"name": f"{kind}, {name}", "kind": kind, "build": name,
                       "addresses": addresses_of(programs[name]),
                       "hook": statistics.median(times[name, "hook"])}
                for how in ways_of(name)[1:]:
                    more = [time - base for time, base in
                            zip(times[name, how], times[name, "hook"])]
                    row[how] = {"ns": statistics.median(more), "margin": margin(more)}
                rows.append(row)
    return rows


# What scripts/bench asks for.


def measure(options, network):
    wanted = [name for name in ROWS if name in options.only]
    for file in (STACKS, PRINT_STACKS):
        if wanted and not file.exists():
            raise Failed(f"no {file}; scripts/build makes it")
    return {"stacks": [row for found in attempt(options, costs, options) for row in found]
            if "stacks" in wanted else [],
            "stacks_throughput": attempt(options, uvloop_server, options, network, THROUGHPUT_MODES)
            if "stacks_throughput" in wanted else []}


def show(results):
    if results["stacks"]:
        lines = [["a stack where a timer is made", "addresses", "hook", "unwind=dwarf",
                  "unwind=frames"], ["", "", "ns/op", "more ns/op", "more ns/op"]]
        for row in results["stacks"]:
            lines.append([row["name"], str(row["addresses"]), f"{row['hook']:.1f}",
                          *(with_margin(row[how]["ns"], row[how]["margin"]) if how in row else "-"
                            for how in list(WAYS)[1:])])
        table(lines)
    if results["stacks_throughput"]:
        modes = THROUGHPUT_MODES[1:]
        lines = [["recording with stacks", "of a", "bare", *modes, *modes],
                 ["", "", "ns", *["ratio"] * 3, *["cpu ratio"] * 3]]
        for row in results["stacks_throughput"]:
            lines.append([row["name"], row["unit"], f"{row['ns']['bare']:.1f}",
                          *(with_margin(row[mode][kind], row[mode][plus_minus], 3)
                            for kind, plus_minus in (("ratio", "margin"),
                                                     ("cpu_ratio", "cpu_margin"))
                            for mode in modes)])
        table(lines)


def judge(results):
    ends = []
    for row in results["stacks"]:
        if row["kind"] != "known":
            continue
        found = row["dwarf"]
        noise = 0 if math.isinf(found["margin"]) else found["margin"]
        ends.append((f"stacks: {row['name']}, at most {MOST_NS_KNOWN} ns for a known one of "
                     f"{ADDRESSES} frames", with_margin(found["ns"], found["margin"]),
                     found["ns"] - noise <= MOST_NS_KNOWN and row["addresses"] >= ADDRESSES,
                     f"stacks: {row['name']}, unwind tables"))
    for row in results["stacks_throughput"]:
        loss = 1 - 1 / row["record_stacks"]["ratio"]
        noise = max(abs(row["again"]["ratio"] - 1),
                    *(row[mode]["margin"] for mode in ("again", "record_stacks")))
        if not math.isinf(noise):
            ends.append((f"recording with stacks: {row['name']}, at most {MOST_LOSS:.0%} of the "
                         "throughput", f"{loss:+.1%}, noise {noise:.1%}",
                         within(loss, noise, MOST_LOSS),
                         f"recording with stacks: {row['name']}"))
    return ends
