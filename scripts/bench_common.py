# SPDX-License-Identifier: MIT
"""What the rows of scripts/bench share: how a program is run, timed, counted and shown."""
import contextlib
import json
import math
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("UVHOOKS_BUILD", ROOT / "build")).resolve()
PROGRAMS = BUILD / "tests/benchmarks"
SHIM = BUILD / "shim/libuvhooks.so"
SHIM_WITHOUT_STORAGE = BUILD / "shim/libuvhooks_without_storage.so"
EMPTY_HOOK = BUILD / "tests/plugins/empty_hook.so"

# What is preloaded in each way to run a program.
PRELOADS = {
    "bare": [],
    "shim": [SHIM],
    "hook": [SHIM],  # a plugin comes to it, and to these:
    "record": [SHIM],
    "record_stacks": [SHIM],
    "log": [SHIM],
    "forward": [PROGRAMS / "forward.so"],
    "floor": [PROGRAMS / "forward_floor.so"],
    "without": [SHIM_WITHOUT_STORAGE],
    "store": [SHIM, PROGRAMS / "enter_store.so"],
}

MODES = ["bare", "shim", "hook", "again"]

TRIES = 3  # of what failed: on a busy machine a program may be too late for another
MOST_SECONDS = 300  # of a program


class Failed(Exception):
    """Something could not be run; the text says what."""


# What may happen to a program that is run, or to what it prints.
TROUBLES = (Failed, OSError, ValueError, subprocess.SubprocessError)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def plugins(mode):
    """What UVHOOKS_PLUGINS is in a mode; None: nothing. What was recorded is gone afterwards."""
    if mode in ("record", "record_stacks"):
        with tempfile.TemporaryDirectory() as folder:
            yield (f"recorder:dir={folder}" if mode == "record" else
                   f"stacks;python;lua;recorder:dir={folder},details=1")
    else:
        yield str(EMPTY_HOOK) if mode == "hook" else None


def clean_environment():
    """Ours, without what changes how libuv, the loader or the shim behave."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("UVHOOKS_", "UV_", "LD_"))}


def run(command, mode="bare", preload=(), cwd=None, **environment):
    """Runs a command, under the shim if the mode says so, and returns stdout and stderr."""
    env = clean_environment()
    preload = [str(path) for path in [*preload, *PRELOADS[mode]]]
    if preload:
        env["LD_PRELOAD"] = ":".join(preload)
    command = [str(word) for word in command]
    with plugins(mode) as text:
        if text:
            env["UVHOOKS_PLUGINS"] = text
        env.update(environment)
        # A session of its own: what it has started ends with it.
        with subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True) as child:
            try:
                output, errors = child.communicate(timeout=MOST_SECONDS)
            except BaseException as reason:
                os.killpg(child.pid, signal.SIGKILL)
                if isinstance(reason, subprocess.TimeoutExpired):
                    raise Failed(f"{' '.join(command)} ({mode}) has not ended in "
                                 f"{MOST_SECONDS} s") from None
                raise
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)} ({mode}) ended with {child.returncode}: "
                     f"{(errors or output).strip()}")
    return output, errors


def insist(measure, *words):
    """What it returns; what fails is asked again, a few times."""
    for left in reversed(range(TRIES)):
        try:
            return measure(*words)
        except TROUBLES as failure:
            if left == 0:
                raise
            say(f"{failure}; it is run again")
    return None


def attempt(options, measure, *words):
    """A list of what it returns. What cannot be measured is missing there, and told at the end: the
    rest is measured all the same."""
    try:
        return [measure(*words)]
    except TROUBLES as failure:
        say(failure)
        # As it is told on pages, too: where it lies on this machine says nothing.
        options.lost.append(str(failure).replace(f"{BUILD}/", "").replace(f"{ROOT}/", ""))
        return []


def margin(values):
    """Two standard errors of the median, from how far the values lie from it."""
    if len(values) < 2:
        return math.inf
    middle = statistics.median(values)
    deviation = 1.4826 * statistics.median(abs(value - middle) for value in values)
    return 2 * 1.2533 * deviation / math.sqrt(len(values))


def interleaved(rounds, measure, modes=tuple(MODES)):
    """{mode: [a number for each round]}: each mode is the first of a round as often as others.
    The first one is the baseline, and "again" the same as it."""
    results = {mode: [] for mode in modes}
    for i in range(rounds):
        turn = i % len(modes)
        for mode in modes[turn:] + modes[:turn]:
            results[mode].append(insist(measure, modes[0] if mode == "again" else mode))
    return results


def fastest(name, mode, *counts, **environment):
    """Nanoseconds of an operation, in the fastest slice; `counts` are slices, and batches in one."""
    result = json.loads(run([PROGRAMS / name, *counts], mode, **environment)[0])
    return min(result["ns"]) / result["operations"]


def events_per_operation(name):
    """How many events an operation is, and which: what more operations add to the log."""
    counts = []
    operations = 0
    with tempfile.TemporaryDirectory() as folder:
        for slices in (1, 11):
            file = pathlib.Path(folder, f"{slices}")
            result, _ = run([PROGRAMS / name, slices, 1], "log",
                            UVHOOKS_PLUGINS=f"log:file={file},format=json")
            operations = json.loads(result)["operations"]
            names = re.findall(r'"event": ?"(\w+)"', file.read_text())
            counts.append({event: names.count(event) for event in set(names)})
    added = {event: (count - counts[0].get(event, 0)) / (10 * operations)
             for event, count in counts[1].items()}
    added = {event: count for event, count in added.items() if count > 0}
    if not added:
        raise Failed(f"{name} under the log plugin shows no events")
    return sum(added.values()), added


def instructions(name, mode):
    """Instructions of an operation, in all threads and outside the kernel."""
    counts = []
    operations = 0
    for slices in (1, 11):
        result, words = insist(run, ["valgrind", "--tool=cachegrind", "--cache-sim=no",
                             "--cachegrind-out-file=/dev/null", PROGRAMS / name, slices, 2], mode)
        operations = json.loads(result)["operations"]
        found = re.search(r"I +refs: +([\d,]+)", words)
        if not found:
            raise Failed(f"valgrind counted no instructions: {words}")
        counts.append(int(found[1].replace(",", "")))
    return (counts[1] - counts[0]) / (10 * operations)


def table(rows):
    """The first row is the head; the first column is text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    print()


def with_margin(value, plus_minus, digits=1):
    if math.isinf(plus_minus):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} +-{plus_minus:.{digits}f}"
