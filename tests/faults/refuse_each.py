#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Lets every call fail in turn by which the shim or a plugin asks for memory, files or threads: with
refuse_ours.so, the first, the second, and so on, until a run makes no more calls than that.

    refuse_each.py BUILD FOLDER WAY WORD...

WAY is dormant, log, recorder or flight; the words are those of tests/faults/faults.c. Each run must
print and return what the program does without the shim, but for lines of uvhooks on stderr; and where
callbacks are not in the trace it is told, by a counter or in such a line.

Prints "N refused, N told, N lost something" and exits with 1 if any of them was wrong.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1]).absolute()
FOLDER = pathlib.Path(sys.argv[2]).absolute()
WAY, WORDS = sys.argv[3], sys.argv[4:]
PLUGINS = {
    "dormant": "",
    "log": "log:file={0}/trace/%p.json,format=json",
    "recorder": "recorder:dir={0}/trace",
    "flight": "recorder:dir={0}/trace,ring=64M;stacks:watchdog_ms=1000",
}
PROCESSES = 1 + WORDS.count("fork")


def run(name, nth, shim=True):
    folder = FOLDER / name
    (folder / "trace").mkdir(parents=True)
    for file, length in (("count", 24), ("calls", 8)):
        (folder / file).write_bytes(bytes(length))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UVHOOKS")}
    environment.update(FAULTS_COUNT=str(folder / "count"), FAULTS_LOG=str(folder / "trace"))
    if shim:
        environment.update(
            LD_PRELOAD=f"{BUILD}/shim/libuvhooks.so:{BUILD}/tests/faults/refuse_ours.so",
            REFUSE_COUNT=str(folder / "calls"), REFUSE_NTH=str(nth),
            UVHOOKS_PLUGINS=PLUGINS[WAY].format(folder))
    process = subprocess.run([BUILD / "tests/faults/faults", *WORDS], env=environment, timeout=60,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    calls, = struct.unpack("<Q", (folder / "calls").read_bytes())
    return folder, process, calls


def uvhooks(*arguments):
    return subprocess.run([BUILD / "tools/uvhooks", *arguments], capture_output=True, text=True,
                          check=False).stdout


def seen_and_told(folder):
    """How many callbacks are in the trace, and how much it says that it lacks."""
    trace = folder / "trace"
    if WAY == "log":
        text = "".join(file.read_text(encoding="utf-8") for file in trace.glob("*.json"))
        return (text.count('"event":"before"') + text.count('"event":"work_begin"'),
                text.count('"event":"dropped"'))
    if WAY == "dormant" or not any(trace.iterdir()):
        return 0, 0
    report = json.loads(uvhooks("report", "--json", trace) or '{"processes": []}')
    told = sum(process["events_discarded"] + sum(process.get("counters", {}).values())
               for process in report["processes"])
    # A child that could not begin a folder with metadata has no place to tell anything.
    told += PROCESSES - len(report["processes"])
    return uvhooks("log", "--events", "before,work_begin", trace).count("\n"), told


def without_threads(text):
    """The watchdog is one that was asked for."""
    return re.sub(r", \d+ threads", "", text)


def check(nth, bare):
    """What is wrong with the run in which that call fails; how it went."""
    folder, process, calls = run(f"{WAY}-{nth}", nth)
    faults = []
    own = [line for line in process.stderr.splitlines() if line.startswith("uvhooks: ")]
    if process.returncode != bare.returncode:
        faults.append(f"it ended with {process.returncode}")
    if without_threads(process.stdout) != without_threads(bare.stdout):
        faults.append(f"it printed {process.stdout!r}")
    if len(own) != len(process.stderr.splitlines()):
        faults.append(f"it said {process.stderr!r}")
    callbacks, untraced, counted = struct.unpack("<QQQ", (folder / "count").read_bytes())
    seen, told = seen_and_told(folder)
    if WAY != "dormant" and seen < callbacks and not (own or told or counted):
        faults.append(f"of {callbacks} callbacks {seen} were recorded, and nothing is told")
    if untraced and not counted:
        faults.append(f"{untraced} callbacks had no record, and nothing was counted")
    shutil.rmtree(folder)
    lost = seen < callbacks if WAY != "dormant" else untraced > 0
    return nth, faults, calls, bool(own or told or counted), lost


def main():
    _, bare, _ = run("bare", 0, shim=False)
    _, _, calls = run("none", 0)
    told = lost = failed = 0
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        # Threads run in any order: one run may make a few calls more than another.
        last = calls + 3
        for nth, faults, _, was_told, was_lost in pool.map(lambda n: check(n, bare),
                                                           range(1, last + 1)):
            told += was_told
            lost += was_lost
            failed += bool(faults)
            for fault in faults:
                print(f"{WAY}, call {nth} of {calls}: {fault}; with REFUSE_TELL=1 it says which")
    print(f"{calls} refused, {told} told, {lost} lost something")
    return 1 if failed or calls < 3 else 0


if __name__ == "__main__":
    sys.exit(main())
