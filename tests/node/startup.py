#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what the shim adds to the start of node: `node -e 0`, bare and under the shim, by turns.

usage: startup.py [--rounds N] [--most MS] [--json] BUILD NODE...

BUILD is the build folder. Each round runs all ways once, in an order that turns; the first rounds are
not counted. Told are, for each way, the median of its times and the median of its differences to the
bare run of the same round, with the bounds between which that median lies with 95 % certainty; and
the same difference in processors' time. With --most the exit status is 1 if the shim is certain to
add more than MS: if the lower bound is above.

  shim  LD_PRELOAD alone: what every process pays
  run   `uvhooks run`, which looks into the program first
  log   with the log plugin, writing to a file
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time

WARM_UP = 3


def once(command, environment):
    """The milliseconds from the start of a process to its end, and those of processors' time."""
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment)
    _, status, usage = os.wait4(pid, 0)
    end = time.perf_counter()
    status = os.waitstatus_to_exitcode(status)
    if status != 0:
        sys.exit(f"startup.py: {' '.join(command)} ended with {status}")
    return (end - begin) * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def bounds(values):
    """Between which two of the sorted values their median lies with 95 % certainty."""
    ordered = sorted(values)
    count = len(ordered)
    reach = 0.98 * math.sqrt(count)
    low = max(0, math.floor(count / 2 - reach) - 1)
    high = min(count - 1, math.ceil(count / 2 + reach))
    return ordered[low], ordered[high]


def measure(build, node, rounds, folder):
    clean = {name: value for name, value in os.environ.items()
             if name != "LD_PRELOAD" and not name.startswith("UVHOOKS_")}
    preload = {**clean, "LD_PRELOAD": os.path.join(build, "shim", "libuvhooks.so")}
    logged = {**preload, "UVHOOKS_PLUGINS": f"log:file={folder}/%p.json,format=json"}
    command = [node, "-e", "0"]
    ways = {
        "bare": (command, clean),
        "shim": (command, preload),
        "run": ([os.path.join(build, "tools", "uvhooks"), "run", "--", *command], clean),
        "log": (command, logged),
    }
    times = {way: [] for way in ways}
    names = list(ways)
    for number in range(rounds + WARM_UP):
        turn = number % len(names)
        for way in names[turn:] + names[:turn]:
            took = once(*ways[way])
            if number >= WARM_UP:
                times[way].append(took)
    result = {}
    for way, values in times.items():
        differences = [value[0] - bare[0] for value, bare in zip(values, times["bare"])]
        low, high = bounds(differences)
        result[way] = {
            "median_ms": statistics.median(value[0] for value in values),
            "added_ms": statistics.median(differences), "added_low_ms": low, "added_high_ms": high,
            "added_cpu_ms": statistics.median(value[1] - bare[1]
                                              for value, bare in zip(values, times["bare"])),
        }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--most", type=float, metavar="MS")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("build")
    parser.add_argument("nodes", nargs="+", metavar="node")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    worst = 0
    results = {}
    for node in options.nodes:
        with tempfile.TemporaryDirectory(prefix="startup-") as folder:
            results[node] = measure(build, node, options.rounds, folder)
            if not os.listdir(folder):
                sys.exit(f"startup.py: the shim has seen nothing of {node}")
        worst = max(worst, results[node]["shim"]["added_low_ms"])
        if not options.json:
            print(node)
            for way, found in results[node].items():
                print("  {:5}{median_ms:8.1f} ms   added {added_ms:6.2f} ms  "
                      "({added_low_ms:.2f} to {added_high_ms:.2f}), {added_cpu_ms:.2f} of processors' time"
                      .format(way, **found))
    if options.json:
        json.dump(results, sys.stdout, indent=1)
        print()
    if options.most is not None and worst > options.most:
        print(f"the shim adds more than {options.most} ms to the start", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
