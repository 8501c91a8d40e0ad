#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills a program with SIGKILL at random moments while it is recorded, and reads the trace.

usage: kill_recorded.py [--times N] [--seed N] [--threads N] [--record] [--start] [--ring SIZE] BUILD

A plugin behind the recorder's counts the events of the program in a shared file: each that it has
counted must be in the trace, which must be read without a word of complaint, and none of the
recorder's memory may be left behind.

--threads N  the program has so many busy threads beside the first
--record     under `uvhooks record`, which completes the trace
--start      within the first milliseconds, when there may be no trace yet
--ring SIZE  a flight recorder, which has the newest events only
"""
import argparse
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

EVENT = re.compile(r" (?:init|before|after|destroy|promise_resolve|start|stop|wakeup|work_begin|"
                   r"work_end|link|type_change|loop_enter|loop_exit): \{")
# Some packets.
MOST_EVENTS = 10_000
MOST_SECONDS = 30


class Lost(Exception):
    """The text says what."""


def counted(path):
    data = path.read_bytes()[:8] if path.exists() else b""
    return int.from_bytes(data, sys.byteorder) if len(data) == 8 else 0


def wait_until(condition, what):
    limit = time.monotonic() + MOST_SECONDS
    while not condition():
        if time.monotonic() > limit:
            raise Lost(f"in {MOST_SECONDS} seconds there was no {what}")


def child_of(pid):
    """The one child of a process."""
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())


def start(options, trace, count):
    counter = f"{options.build}/tests/plugins/count_events.so:file={count}"
    program = [f"{options.build}/tests/programs/busy", f"threads={options.threads}", "forever"]
    environment = {key: value for key, value in os.environ.items()
                   if key != "LD_PRELOAD" and not key.startswith("UVHOOKS_")}
    if options.record:
        command = [f"{options.build}/tools/uvhooks", "record", "-o", trace, "-p", counter]
        command += (["--ring", options.ring] if options.ring else []) + ["--", *program]
    else:
        ring = f",ring={options.ring}" if options.ring else ""
        environment |= {"LD_PRELOAD": f"{options.build}/shim/libuvhooks.so",
                        "UVHOOKS_PLUGINS": f"recorder:dir={trace}{ring};{counter}"}
        command = program
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def segments(trace):
    """The ids of the shared memory of all processes."""
    return [line.split()[0] for file in trace.glob("*/.buffers")
            for line in file.read_text().splitlines()[1:]]


def memory_left(ids):
    there = {line.split()[1] for line in
             pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    return [number for number in ids if number in there]


def read(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def kill(process, options, count):
    if options.start:
        until = time.monotonic() + random.random() * 0.012
        while time.monotonic() < until:
            pass
    else:
        target = random.randrange(1, MOST_EVENTS)
        wait_until(lambda: counted(count) >= target or process.poll() is not None, "such count")
    os.kill(child_of(process.pid) if options.record else process.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=MOST_SECONDS)
    if not options.record and (process.returncode != -signal.SIGKILL or errors):
        raise Lost(f"the program ended with {process.returncode}: {errors}")
    if options.record and process.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise Lost(f"uvhooks record ended with {process.returncode}: {errors}")


def check(options, trace, count):
    number, ids = counted(count), segments(trace)
    status, output, errors = read([f"{options.build}/tools/uvhooks", "log", trace])
    if number == 0 and options.start and status in (0, 1, 2):
        return 0  # whatever there is of a trace
    if status != 0 or (errors and "kept by a flight recorder" not in errors):
        raise Lost(f"uvhooks log ended with {status}: {errors}")
    logged = len(output.splitlines())
    status, output, errors = read(["babeltrace2", trace])
    if status != 0 or errors:
        raise Lost(f"babeltrace2 ended with {status}: {errors}")
    events = sum(1 for line in output.splitlines() if EVENT.search(line))
    # Each thread may have been killed between the recorder and the counter, which comes first under
    # `uvhooks record`. Those of the pool are four.
    between = options.threads + 5
    least, most = (number - between, number) if options.record else (number, number + between)
    if not options.ring and not least <= events <= most:
        raise Lost(f"{number} events were counted, {events} are in the trace")
    if logged != events:
        raise Lost(f"babeltrace2 finds {events} events, uvhooks log {logged}")
    left = memory_left(ids)
    if left or segments(trace):
        raise Lost(f"shared memory is left behind: {left}, {segments(trace)}")
    return events


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--ring")
    parser.add_argument("build", type=pathlib.Path)
    options = parser.parse_args()
    random.seed(options.seed)
    failed = events = 0
    for turn in range(options.times):
        with tempfile.TemporaryDirectory() as folder:
            trace, count = pathlib.Path(folder, "trace"), pathlib.Path(folder, "count")
            process = start(options, trace, count)
            try:
                kill(process, options, count)
                events += check(options, trace, count)
            except Lost as lost:
                failed += 1
                print(f"time {turn + 1}: {lost}")
                if os.environ.get("KILL_KEEP"):
                    subprocess.run(["cp", "-r", folder, os.environ["KILL_KEEP"]], check=False)
            finally:
                process.kill()
                process.wait()
    print(f"killed {options.times} times, {failed} failed; {events} events read")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
