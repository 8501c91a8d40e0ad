# SPDX-License-Identifier: MIT
"""The rows of scripts/bench about the recorder: what an event costs, beside the floor and LTTng-UST,
what recording costs a server, and how fast a trace is read."""
import json
import math
import os
import pathlib
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

from bench_common import (BUILD, PROGRAMS, ROOT, TROUBLES, Failed, attempt,
                          events_per_operation, fastest, insist, interleaved, margin, run,
                          say, table, with_margin)
from bench_own import NO_LOSS, throughput
from bench_slices import in_slices, run_in

ROWS = ["recorder", "recording_throughput", "report_speed"]

RECORDER = BUILD / "shim/plugins/recorder.so"
COUNT_EVENTS = BUILD / "tests/plugins/count_events.so"
UVHOOKS = BUILD / "tools/uvhooks"
LTTNG_SESSION = ROOT / "tests/benchmarks/lttng_session.sh"
SERVER = ROOT / "tests/benchmarks/uvloop_server.py"

# The ends.
MOST_FLOORS = 1.6  # an event, in times of the floor
LEAST_CHEAPER = 3  # than a tracepoint of LTTng-UST
MOST_BYTES_PER_EVENT = 16
MOST_LOSS = 0.02  # of the throughput of libuv's own
MOST_LOSS_SERVER = 0.05
LEAST_READ = 10_000_000  # events per second of a processor
MOST_REPORT_MB = 200

PROGRAMS_RECORDED = ["timers", "idlers", "handles", "wakeups", "fs_requests", "lifecycles"]
# A packet is some thousands of events. So of many short slices the fastest holds no write, as the
# floor and LTTng's snapshot do none; long ones hold some packets each, and tell what writing costs.
EVENTS_PER_SLICE = {"short": 1_000, "long": 50_000}
RECORDED_MODES = ["bare", "shim", "hook", "record"]
WRITTEN_MODES = ["shim", "record"]
THROUGHPUT_MODES = ["bare", "shim", "record", "again"]
# In libuv's own, beside a library that passes on and stores what a recorder cannot do without.
OWN_MODES = ["bare", "floor", *THROUGHPUT_MODES[1:]]
READ = ["timers", "lifecycles"]
CONNECTIONS = 50
OTHER_READS = 200_000  # events: babeltrace2 is slower

# In front of every packet: see struct uvhooks_trace_packet.
PACKET = struct.Struct("<I16sI10Q")


# What an event costs.


def floor_program():
    """The floor takes the time from where the recorder does."""
    with tempfile.TemporaryDirectory() as folder:
        run([PROGRAMS / "timers", 1, 1], "record", UVHOOKS_PLUGINS=f"recorder:dir={folder}")
        texts = [file.read_text(errors="replace")
                 for file in pathlib.Path(folder).glob("*/metadata")]
    if len(texts) != 1:
        raise Failed(f"one process recorded {len(texts)} traces")
    return "floor_tsc" if "clock_is_tsc = 1;" in texts[0] else "floor_clock"


def own_namespaces():
    """What starts a command as root of namespaces of its own; [] where that is not allowed."""
    for command in (["unshare"], ["unshare", "--user", "--map-root-user"]):
        command += ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        try:
            run(command + ["true"])
            return command
        except (Failed, OSError):
            continue
    return []


def lttng(namespaces, slices):
    """Nanoseconds of a tracepoint, in the fastest slice."""
    program = PROGRAMS / "lttng_tracepoint"
    with tempfile.TemporaryDirectory() as folder:
        output, _ = run([*namespaces, LTTNG_SESSION, folder, program, slices])
        if int(pathlib.Path(folder, "events").read_text()) == 0:
            raise Failed("LTTng-UST has recorded nothing")
    result = json.loads(output)
    return min(result["ns"]) / result["operations"]


def why_no_lttng(namespaces):
    """None where LTTng-UST runs here."""
    if not (PROGRAMS / "lttng_tracepoint").exists():
        return "built without liblttng-ust-dev"
    for name in ("lttng", "lttng-sessiond", "babeltrace2"):
        if shutil.which(name) is None:
            return f"no {name} here"
    if not namespaces:
        return "its daemon can have no namespaces of its own"
    try:
        insist(lttng, namespaces, 1)
    except TROUBLES as failure:
        return str(failure)
    return None


def packets(folder):
    """The headers of all packets with events: (events_discarded, ...) is what matters here."""
    for path in pathlib.Path(folder).glob("*/thread-*"):
        # Not read as a whole: what this process ever held counts as memory of those it starts.
        with open(path, "rb") as file:
            offset = 0
            while data := file.read(PACKET.size):
                header = PACKET.unpack(data)
                if header[0] != 0xc1fc1fc1 or header[7] < 8 * PACKET.size:
                    raise Failed(f"{path.name} has no packet at {offset}")
                yield header
                offset += header[7] // 8
                file.seek(offset)


def record(name, folder, *counts):
    """Records a program, and returns (events, bytes): of what it did, and of all that was written."""
    trace, counted = pathlib.Path(folder, "trace"), pathlib.Path(folder, "events")
    shutil.rmtree(trace, ignore_errors=True)
    counted.unlink(missing_ok=True)
    run([PROGRAMS / name, *counts], "record",
        UVHOOKS_PLUGINS=f"recorder:dir={trace},max_size=16G;{COUNT_EVENTS}:file={counted}")
    if any(header[9] != 0 for header in packets(trace)):
        raise Failed(f"the recorder has discarded events of {name}")
    size = sum(file.stat().st_size for file in trace.glob("*/*") if file.is_file())
    return int.from_bytes(counted.read_bytes()[:8], sys.byteorder), size


def batches(name, length, events):
    """How many of a program's batches fill a slice."""
    operations = json.loads(run([PROGRAMS / name, 1, 1])[0])["operations"]
    return math.ceil(EVENTS_PER_SLICE[length] / (operations * events))


def recorder(options):
    say("recorder")
    floor = floor_program()
    namespaces = own_namespaces()
    no_lttng = why_no_lttng(namespaces)
    slices = {"short": 100 if options.quick else 400, "long": 5 if options.quick else 20}
    events = {name: insist(events_per_operation, name)[0] for name in PROGRAMS_RECORDED}
    counts = {(name, length): (slices[length], batches(name, length, events[name]))
              for name in PROGRAMS_RECORDED for length in slices}

    def measure_way(way):
        name, length, mode = way
        if mode == "lttng":
            return lttng(namespaces, options.slices)
        return fastest(name, mode, *counts.get((name, length), (options.slices,)))

    floor_way, lttng_way = (floor, None, "bare"), ("lttng_tracepoint", None, "lttng")
    ways = [(name, length, mode) for name in PROGRAMS_RECORDED
            for length, modes in (("short", RECORDED_MODES), ("long", WRITTEN_MODES))
            for mode in modes]
    ways += [floor_way] + ([] if no_lttng else [lttng_way])
    times = interleaved(options.rounds, measure_way, ways)
    found = {"floor": floor, "floor_ns": statistics.median(times[floor_way]), "programs": [],
             "no_lttng": no_lttng,
             "lttng_ns": None if no_lttng else statistics.median(times[lttng_way])}
    for name in PROGRAMS_RECORDED:
        def more(one, other, per):
            """Of an event, in each round; `per` is what to divide by."""
            values = [(time - before) / events[name] / unit for time, before, unit in
                      zip(times[name, *one], times[name, *other], per)]
            return {"ns": statistics.median(values), "margin": margin(values)}

        ones = [1] * options.rounds
        row = {"name": name, "events": events[name],
               "ns": {mode: statistics.median(times[name, "short", mode])
                      for mode in RECORDED_MODES}}
        for base in ("bare", "shim", "hook"):
            row["over_" + base] = more(("short", "record"), ("short", base), ones)
        row["floors"] = more(("short", "record"), ("short", "shim"), times[floor_way])
        row["written"] = more(("long", "record"), ("long", "shim"), ones)
        # The shim is counted in here, and that all of it is written.
        row["cost"] = row["over_bare"]["ns"] - row["over_shim"]["ns"] + row["written"]["ns"]
        with tempfile.TemporaryDirectory() as folder:
            row["recorded"], row["bytes"] = insist(record, name, folder, *counts[name, "long"])
        row["bytes_per_event"] = row["bytes"] / row["recorded"]
        found["programs"].append(row)
    found["bytes_per_event"] = (sum(row["bytes"] for row in found["programs"]) /
                                sum(row["recorded"] for row in found["programs"]))
    return found


# What recording costs a server.


def processors():
    """One for the server and one for its load, where there are two."""
    found = sorted(os.sched_getaffinity(0))
    return str(found[0]), str(found[-1])


# The server says its port.
SERVE = """cpu=$1 load=$2 connections=$3
shift 3
"$@" | { read -r port && exec taskset --cpu-list "$cpu" "$load" "$port" "$connections"; }
"""


def uvloop_server(options, network, modes=tuple(THROUGHPUT_MODES)):
    """The first of the modes is "bare", the last "again"."""
    say(f"uvloop_server, {', '.join(modes)}")
    one, other = processors()
    # The system's, rather than a version manager's: uvloop is a package of the system's.
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

    def command(mode, text):
        return ["sh", "-ec", SERVE, "sh", other, PROGRAMS / "echo_load", CONNECTIONS,
                *run_in(one, mode, text, [python, SERVER])]

    return {"name": "uvloop_server", "unit": "request",
            **in_slices(options, modes, network, command, lambda group: group.messages() / 2)}


# How fast a trace is read.


def report(trace):
    """(seconds of a processor, the most megabytes at one time)"""
    command = [str(UVHOOKS), "report", "--json", str(trace)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {child.returncode}")
    json.loads(output)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def seconds_of_babeltrace2(trace):
    """What it takes of a processor to decode a trace and do nothing with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(["babeltrace2", "convert", "--component", "sink.utils.dummy", *pathlib.Path(trace).iterdir()])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read(name, least, rounds, purpose):
    """A trace of at least so many events, and what it takes to read it: of time, or of memory."""
    say(f"report of {least} events of {name}")
    # It is large; what stands in for /tmp may be memory.
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        result = json.loads(run([PROGRAMS / name, 1])[0])
        each = insist(events_per_operation, name)[0]
        slices = math.ceil(least / (result["operations"] * each))
        events, size = insist(record, name, folder, slices)
        found = [insist(report, pathlib.Path(folder, "trace")) for _ in range(rounds)]
    other = None
    if purpose == "time":
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            fewer, _ = insist(record, name, folder, max(slices * OTHER_READS // least, 1))
            other = fewer / min(insist(seconds_of_babeltrace2, pathlib.Path(folder, "trace"))
                                for _ in range(rounds))
    return {"name": name, "purpose": purpose, "recorded": events, "bytes": size,
            "other_per_second": other, "events_per_second": max(events / seconds for seconds, _ in found),
            "megabytes": max(megabytes for _, megabytes in found)}


def report_speed(options):
    few, many = (1_000_000, 2_000_000) if options.quick else (10_000_000, 100_000_000)
    return [(name, few, 1 if options.quick else 3, "time") for name in READ] + \
        [(READ[-1], many, 1, "memory")]


# What scripts/bench asks for.


def measure(options, programs, network):
    """`programs`: libuv's benchmarks, if they could be built."""
    wanted = [name for name in ROWS if name in options.only]
    for file in (RECORDER, COUNT_EVENTS, *([UVHOOKS] if "report_speed" in wanted else [])):
        if wanted and not file.exists():
            raise Failed(f"no {file}; scripts/build makes it")
    results = {"recorder": {}, "recording": [], "report": []}
    if "recorder" in wanted:
        results["recorder"] = dict(*attempt(options, recorder, options))
    if "recording_throughput" in wanted:
        for program in programs:
            for name in NO_LOSS:
                results["recording"] += attempt(options, throughput, name, options, program,
                                                network, OWN_MODES)
        results["recording"] += attempt(options, uvloop_server, options, network)
    if "report_speed" in wanted:
        for words in report_speed(options):
            results["report"] += attempt(options, read, *words)
    return results


def show_recorder(found):
    lines = [["recording", "events", *RECORDED_MODES, "over bare", "over shim", "over hook",
              "floors", "written", "instr", "bytes"],
             ["", "per op", *["ns/op"] * 4, *["ns/event"] * 3, "over shim", "over shim",
              "per event", "per event"]]
    for row in found["programs"]:
        lines.append([row["name"], f"{row['events']:.2f}",
                      *(f"{row['ns'][mode]:.1f}" for mode in RECORDED_MODES),
                      *(with_margin(row[kind]["ns"], row[kind]["margin"])
                        for kind in ("over_bare", "over_shim", "over_hook")),
                      with_margin(row["floors"]["ns"], row["floors"]["margin"], 2),
                      with_margin(row["written"]["ns"], row["written"]["margin"]),
                      f"{row['instructions_per_event']:.1f}"
                      if "instructions_per_event" in row else "-",
                      f"{row['bytes_per_event']:.1f}"])
    table(lines)
    print(f"the floor ({found['floor']}): {found['floor_ns']:.1f} ns")
    if found["no_lttng"]:
        print(f"a tracepoint of LTTng-UST: not measured, as {found['no_lttng']}\n")
    else:
        print("a tracepoint of LTTng-UST with three integers, written nowhere: "
              f"{found['lttng_ns']:.1f} ns\n")


def show(results):
    if results["recorder"]:
        show_recorder(results["recorder"])
    if results["recording"]:
        modes = OWN_MODES[1:]
        lines = [["while recording", "of a", "bare", *modes, *modes],
                 ["", "", "ns", *["ratio"] * len(modes), *["cpu ratio"] * len(modes)]]
        for row in results["recording"]:
            lines.append([row["name"], row["unit"], f"{row['ns']['bare']:.1f}",
                          *(with_margin(row[mode][kind], row[mode][plus_minus], 3)
                            if mode in row else "-"
                            for kind, plus_minus in (("ratio", "margin"),
                                                     ("cpu_ratio", "cpu_margin"))
                            for mode in modes)])
        table(lines)
    if results["report"]:
        lines = [["uvhooks report", "events", "MB on disk", "M events/s", "MB of memory"]]
        for row in results["report"]:
            lines.append([row["name"], str(row["recorded"]), f"{row['bytes'] / 1e6:.0f}",
                          f"{row['events_per_second'] / 1e6:.1f}", f"{row['megabytes']:.0f}"])
        table(lines)


def within(found, noise, most):
    """None: the noise of this run is too large to tell."""
    if found + noise <= most:
        return True
    return False if found - noise > most else None


def judge_recorder(found):
    ends = []
    for row in found["programs"]:
        floors = row["floors"]
        # As everywhere: what the noise of this run cannot tell from the limit is not held against it.
        noise = 0 if math.isinf(floors["margin"]) else floors["margin"]
        ends.append((f"recorder: {row['name']}, at most {MOST_FLOORS} times the floor",
                     with_margin(floors["ns"], floors["margin"], 2),
                     floors["ns"] - noise <= MOST_FLOORS, f"recorder: {row['name']}"))
    if not found["no_lttng"]:
        for row in found["programs"]:
            ends.append((f"recorder: {row['name']}, at least {LEAST_CHEAPER} times cheaper than "
                         "LTTng-UST", f"{found['lttng_ns'] / row['cost']:.1f}",
                         row["cost"] * LEAST_CHEAPER <= found["lttng_ns"],
                         f"recorder: {row['name']}, beside LTTng-UST"))
    ends.append((f"recorder: at most {MOST_BYTES_PER_EVENT} bytes per event",
                 f"{found['bytes_per_event']:.1f}",
                 found["bytes_per_event"] <= MOST_BYTES_PER_EVENT, "recorder: bytes of an event"))
    return ends


def judge(results):
    ends = judge_recorder(results["recorder"]) if results["recorder"] else []
    for row in results["recording"]:
        most = MOST_LOSS_SERVER if row["name"] == "uvloop_server" else MOST_LOSS
        loss = 1 - 1 / row["record"]["ratio"]
        noise = max(abs(row["again"]["ratio"] - 1),
                    *(row[mode]["margin"] for mode in ("again", "record")))
        # One round does not tell its own noise: nothing can be said then.
        if not math.isinf(noise):
            ends.append((f"recording: {row['name']}, at most {most:.0%} of the throughput",
                         f"{loss:+.1%}, noise {noise:.1%}", within(loss, noise, most),
                         f"recording: {row['name']}"))
    for row in results["report"]:
        if row["purpose"] == "time":
            speed = row["events_per_second"]
            ends.append((f"report: {row['name']}, at least {LEAST_READ // 1_000_000} million events "
                         "per second of a processor", f"{speed / 1e6:.1f}", speed >= LEAST_READ,
                         f"report: {row['name']}"))
        else:
            ends.append((f"report: at most {MOST_REPORT_MB} MB for {row['recorded']} events",
                         f"{row['megabytes']:.0f}", row["megabytes"] <= MOST_REPORT_MB,
                         "report: memory"))
    return ends
