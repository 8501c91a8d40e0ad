#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is what the recorder has written what the log plugin has, as others read it?

usage: recorded.py compare LOGS TRACE     the logs of all processes, LOGS/PID.json, and their trace
       recorded.py events TRACE           "PID THREAD EVENT ID", a line for each event of babeltrace2
       recorded.py run PLUGIN_PATH PROGRAM...
              runs each program bare, and under the shim (in the environment) with both plugins; says
              what it printed otherwise, what babeltrace2 complains of, and what is not in both

The order must be the same in each thread; between threads, the log is in the order of writing.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

UVHOOKS = os.environ.get("UVHOOKS", "uvhooks")
FIELD = re.compile(r'(\w+) = (?:\( ("?\w*"?)[^)]*container = (-?\d+) \)|(-?\w+))')
EVENT = re.compile(r"\[\d+\] .*?(\w+): \{ id_base = (\d+), execution = \d+, thread_id = (\d+) \}, "
                   r"(\{ (?:id = (\d+))?.*)")
DEFINITIONS = {"library", "callback", "symbol", "type", "thread", "clock", "counter", "end", "libuv",
               "stack_address", "stack_frame", "line"}
ADDITIONS = {"resource", "stack", "state"}
RARE = {"ref", "unref", "pool_end", "fs_call", "loop_busy", "stall"}  # a log leaves them out
NAMED = 1024  # from here on types have the names that the program gives


class Different(Exception):
    """The text says in what."""


def number_of(text):
    """Of an id as the log writes it."""
    space, _, sequence = text.rpartition(":")
    return (int(space or 0) << 48) + int(sequence)


def metadata(folder, name):
    text = (folder / "metadata").read_text(errors="replace")
    return int(re.search(rf"^\t{name} = (\d+);$", text, re.MULTILINE)[1])


def babeltrace(path):
    done = subprocess.run(["babeltrace2", "--clock-cycles", "--no-delta", str(path)],
                          capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or done.stderr:
        raise Different(f"babeltrace2 {path} ended with {done.returncode}: {done.stderr[:2000]}")
    return done.stdout


def fields_of(text):
    """{name: number}, and for what has a name (number, name)."""
    found = {}
    for name, label, number, plain in FIELD.findall(text):
        found[name] = (int(number), label.strip('"')) if number else int(plain, 0)
    return found


def recorded(folder):
    """(thread, event, id, whatever else it says) in the order of babeltrace2, in one process."""
    for line in babeltrace(folder).splitlines():
        found = EVENT.match(line)
        if not found:
            raise Different(f"babeltrace2 prints: {line}")
        event, base, thread, body, number = found.groups()
        if event in DEFINITIONS | ADDITIONS | RARE:
            continue
        wide = "other = " in body and "fs_type = " in body
        base, number, fields = 0 if wide else int(base), int(number), {}
        if wide or event == "init":
            fields = fields_of(body)
            fields["trigger"] += base
            fields["execution"] += base
        yield int(thread), event, number + base, fields


def folders(trace):
    """Those of the processes, in the order in which they began."""
    found = [path.parent for path in pathlib.Path(trace).glob("*/metadata")]
    return sorted(found, key=lambda folder: (folder / "metadata").stat().st_ino)


def compare_event(mine, event, number, fields):
    """Is that the event of the log?"""
    same = (mine["event"], number_of(mine["id"])) == (event, number)
    if same and fields:
        same = (number_of(mine["trigger"]), number_of(mine["execution"])) == \
            (fields["trigger"], fields["execution"])
    if same and event in ("init", "type_change") and fields["type"][0] < NAMED:
        same = mine["type"] == fields["type"][1]
    if not same:
        raise Different(f"the log says {mine}, the trace {event} {number} {fields}")


def compare_process(pid, log, folders_of_pid):
    logged = collections.defaultdict(list)
    seen = collections.Counter()
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        logged[int(event["thread"])].append(event)
    for folder in folders_of_pid:
        for thread, event, number, fields in recorded(folder):
            if seen[thread] == len(logged[thread]):
                raise Different(f"process {pid}, thread {thread}: the log has "
                                f"{len(logged[thread])} events, the trace then {event} {number}")
            compare_event(logged[thread][seen[thread]], event, number, fields)
            seen[thread] += 1
    for thread, events in logged.items():
        # The plugins get an event one after the other: a thread that lives when another one ends the
        # process may have come to the log with its latest, and not to the recorder.
        ended_between = thread != int(pid) and events[-1]["event"] != "loop_exit"
        if seen[thread] != len(events) - ended_between and seen[thread] != len(events):
            raise Different(f"process {pid}, thread {thread}: the trace has {seen[thread]} events, "
                            f"the log then {events[seen[thread]]}")
    return sum(seen.values())


def compare(logs, trace):
    """Returns how many events there are, in all processes."""
    by_pid = collections.defaultdict(list)
    for folder in folders(trace):
        by_pid[metadata(folder, "pid")].append(folder)
    missing = {path.stem for path in pathlib.Path(logs).glob("*.json")} - {str(p) for p in by_pid}
    if missing:
        raise Different(f"processes {', '.join(missing)} have a log, but no folder in the trace")
    count = sum(compare_process(pid, pathlib.Path(logs, f"{pid}.json"), found)
                for pid, found in by_pid.items())
    if len(by_pid) > 1:
        babeltrace(trace)
    return count


def run(command, folder, name, environment):
    """(status, stdout, stderr), by way of files: a child may outlive the program."""
    with open(folder / f"{name}.stdout", "w+b") as out, open(folder / f"{name}.stderr", "w+b") as err:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                env=environment, check=False).returncode
        out.seek(0)
        err.seek(0)
        return status, out.read(), err.read()


def check(program, plugin_path):
    """Returns how many events it had."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "logs").mkdir()
        environment = {key: value for key, value in os.environ.items()
                       if key != "LD_PRELOAD" and not key.startswith("UVHOOKS_")}
        environment["TMPDIR"] = name
        bare = run([program], folder, "bare", environment)
        environment |= {
            "LD_PRELOAD": os.environ["UVHOOKS_SHIM"], "UVHOOKS_PLUGIN_PATH": plugin_path,
            "UVHOOKS_PLUGINS": f"log:file={name}/logs/%p.json,format=json;recorder:dir={name}/trace"}
        traced = run([program], folder, "traced", environment)
        if traced != bare:
            raise Different(f"bare {bare}, recorded {traced}")
        # It puts what was not written, since a process did not come to its end, into the files.
        done = subprocess.run([UVHOOKS, "log", "--format", "json", f"{name}/trace"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stderr:
            raise Different(f"uvhooks log ended with {done.returncode}: {done.stderr[:2000]}")
        count = compare(folder / "logs", folder / "trace")
        if len(done.stdout.splitlines()) != count:
            raise Different(f"uvhooks log prints {len(done.stdout.splitlines())} events, "
                            f"babeltrace2 {count}")
        return count


def main():
    what, *words = sys.argv[1:]
    if what == "compare":
        print(compare(*words), "events")
    elif what == "events":
        for folder in folders(words[0]):
            for thread, event, number, _ in recorded(folder):
                print(metadata(folder, "pid"), thread, event, number)
    elif what == "run":
        failed = 0
        for program in words[1:]:
            try:
                print(pathlib.Path(program).name, check(program, words[0]))
            except Different as difference:
                failed += 1
                print(f"{pathlib.Path(program).name}: {difference}")
        return 1 if failed else 0
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
