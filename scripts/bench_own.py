# SPDX-License-Identifier: MIT
"""The rows of scripts/bench that are libuv's own benchmarks, in Debian's source package."""
import os
import pathlib
import re
import resource
import shutil
import statistics

from bench_common import (BUILD, MODES, ROOT, SHIM, Failed, interleaved, margin, plugins, run,
                          say)
from bench_slices import in_slices, run_in

# Constants of theirs, and what stands there instead: in a full run and in a quick one. More rounds
# tell more than longer ones. The rest is for more digits; and the time of million_async does not
# begin before its million handles are there, which takes longer than all of it on a busy machine.
CONSTANTS = [
    ("million-timers", "(10 * 1000 * 1000)", "(1000 * 1000)", "(50 * 1000)"),
    ("million-timers", "%.2f seconds", "%.6f seconds", "%.6f seconds"),
    ("million-async", "1024 * 1024", "1024 * 1024", "64 * 1024"),
    ("million-async", "timeout = 5000", "timeout = 1000 * longer", "timeout = 100 * longer"),
    ("million-async", "uv_timer_init(loop, &timer_handle)",
     *["(uv_update_time(loop), uv_timer_init(loop, &timer_handle))"] * 2),
    ("queue-work", "timeout = 5000", "timeout = 500 * longer", "timeout = 50 * longer"),
    ("loop-count", "(2 * 1000 * 1000)", "(1000 * 1000)", "(100 * 1000)"),
    ("fs-stat", "(1 * (int) 1e5)", "((int) 3e3)", "((int) 2e2)"),
    ("fs-stat", "(10 * 1e5)", "((int) 1e5)", "((int) 2e3)"),
    ("fs-stat", "%.2fs", "%.6fs", "%.6fs"),
    ("ping-pongs", "TIME 5000", "TIME (500 * longer)", "TIME (200 * longer)"),
    ("pump", "STATS_INTERVAL              1000", *["STATS_INTERVAL (100 * longer)",
                                                   "STATS_INTERVAL (50 * longer)"]),
]

# What is in front of each of their files: who found nothing in its time is given more.
LONGER = """#include <stdlib.h>
static int longer = 1;
__attribute__((constructor)) static void set_longer(void)
{
	if (getenv("BENCH_LONGER"))
		longer = atoi(getenv("BENCH_LONGER"));
}
"""

# Where each of them prints what it found, and how that becomes nanoseconds of an operation.
OWN = {
    "million_timers": ("timer", r"([\d.]+) seconds total", lambda s, n: s * 1e9 / n),
    "million_async": ("wake-up", r"\(([\d,.]+)/s", lambda rate, _: 1e9 / rate),
    "loop_count": ("iteration", r"\((\d+)/s\)", lambda rate, _: 1e9 / rate),
    "fs_stat": ("request", r"concurrent\): ([\d.]+)s", lambda s, n: s * 1e9 / n),
    "queue_work": ("job", r"\(([\d,.]+)/s\)", lambda rate, _: 1e9 / rate),
}
# These do so many operations; million_async and those below run for so long.
COUNTS = {"million_timers": (1_000_000, 50_000), "fs_stat": (32 * 3_000, 32 * 200),
          "loop_count": (1_000_000, 100_000)}
LONGER_TRIES = (1, 2, 4, 8)
# These run on and on, and are measured in slices: by what goes through their network.
NO_LOSS = {"ping_pongs": ("round trip", lambda group: group.messages() / 2),
           "tcp_pump1_client": ("KiB", lambda group: group.bytes() / 1024),
           "tcp_pump100_client": ("KiB", lambda group: group.bytes() / 1024)}
FOR_EVER = 10_000  # times what CONSTANTS say


def build_own(quick):
    """Builds libuv's benchmarks, linked to the shared libuv; returns the program."""
    fetched, _ = run([ROOT / "scripts/libuv-source", "--fetch", "debian"],
                     UVHOOKS_BUILD=str(BUILD))
    source = pathlib.Path(fetched.strip(), "source/test")
    folder = BUILD / "libuv-benchmarks" / ("quick" if quick else "full")
    program = folder / "uv_run_benchmarks"
    stamp = folder / "stamp"
    wanted = repr((str(source), CONSTANTS, LONGER))
    if program.exists() and stamp.exists() and stamp.read_text() == wanted:
        return program

    say("building libuv's benchmarks")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [path.name for path in source.glob("benchmark-*.c")]
    names += ["blackhole-server.c", "echo-server.c", "run-benchmarks.c", "runner.c",
              "runner-unix.c"]
    for path in [source / name for name in names] + list(source.glob("*.h")):
        text = path.read_text()
        for file, old, full, short in CONSTANTS:
            if path.name == f"benchmark-{file}.c":
                if old not in text:
                    raise Failed(f"{path} has no {old!r} any more")
                text = text.replace(old, short if quick else full)
        (folder / path.name).write_text(text)
    (folder / "longer.h").write_text(LONGER)
    flags, _ = run(["pkg-config", "--cflags", "--libs", "libuv"])
    run(["cc", "-O2", "-w", "-D_GNU_SOURCE", "-include", "longer.h", "-o", program, *names, *flags.split(), "-lpthread"],
        cwd=folder)
    stamp.write_text(wanted)
    return program


# A congestion control that paces what it sends would wait there rather than work. Buffers that grow
# have two sizes in the long run, for the life of a connection: where the reader keeps up they stay in
# the cache, where it does not a kilobyte costs a quarter more. What decides is chance, and a
# microsecond more or less; so they are of one size.
OWN_NETWORK = """ip link set lo up
cd /proc/sys/net/ipv4
{ echo reno >tcp_congestion_control; } 2>/dev/null || :
{ echo 4096 262144 262144 | tee tcp_rmem >tcp_wmem; } 2>/dev/null || :
cd - >/dev/null
exec "$@"
"""


def own_network():
    """They use fixed ports, so they get a network of their own where that is allowed. What is killed
    while it records leaves shared memory behind: that goes with them, too."""
    for command in (["unshare"], ["unshare", "--user", "--map-root-user"]):
        command += ["--net", "--ipc", "sh", "-ec", OWN_NETWORK, "sh"]
        try:
            run(command + ["true"])
            return command
        except (Failed, OSError):
            continue
    return []


def throughput(name, options, program, network, modes=tuple(MODES)):
    """The first of the modes is "bare", the last "again". Client and server share a processor: the
    wake-ups between two would be most of what is measured."""
    say(f"{name}, {', '.join(modes)}")
    unit, count = NO_LOSS[name]
    cpu = max(os.sched_getaffinity(0))

    def command(mode, text):
        return run_in(cpu, mode, text, [f"BENCH_LONGER={FOR_EVER}", program, name])

    return {"name": name, "unit": unit,
            **in_slices(options, modes, network, command, count, program.parent)}


def own(name, options, program, network, modes=tuple(MODES)):
    """The first of the modes is "bare", the last "again"."""
    say(f"{name}, {', '.join(modes)}")
    unit, pattern, to_ns = OWN[name]
    count = COUNTS.get(name, (0, 0))[options.quick]

    def measure(mode):
        # Only the benchmark is started under the shim, not what stands around it.
        shim = [f"LD_PRELOAD={SHIM}"] if mode != "bare" else []
        # In a short run on a busy machine one of its threads may never have its turn: then it has
        # measured nothing, and is asked again, for longer.
        for longer in LONGER_TRIES:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            with plugins(mode) as text:
                loaded = [f"UVHOOKS_PLUGINS={text}"] if text else []
                output = "".join(run([*network, "env", f"BENCH_LONGER={longer}",
                                      *shim, *loaded, program, name], cwd=program.parent))
            found = [float(number.replace(",", "")) for number in re.findall(pattern, output)]
            if sum(found) > 0:
                break
            say(f"{name} ({mode}) has found nothing; it is run again, for longer")
        else:
            raise Failed(f"{name} ({mode}) printed no result: {output.strip()}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        ns = to_ns(sum(found), count)
        # Of an operation, but for a factor that all modes share.
        return ns, cpu if count else cpu * ns / longer

    if not options.quick:
        measure("bare")
    times = interleaved(options.own_rounds, measure, modes)
    ns = {mode: [time for time, _ in times[mode]] for mode in modes}
    row = {"name": name, "unit": unit, "ns": {m: statistics.median(ns[m]) for m in modes},
           "min": {m: min(ns[m]) for m in modes}}
    for mode in modes[1:]:
        clock = [time / bare for time, bare in zip(ns[mode], ns["bare"])]
        cpu = [time / bare for (_, time), (_, bare) in zip(times[mode], times["bare"])]
        row[mode] = {"ratio": statistics.median(clock), "margin": margin(clock),
                     "cpu_ratio": statistics.median(cpu), "cpu_margin": margin(cpu)}
    return row
