#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that lives for long: connections come and go under the shim, which is dormant, then records
with stacks, then has its hooks switched on and off all the time, and is dormant again.

usage: soak.py [OPTION]... BUILD

    --connections N   that many in each phase
    --seconds S       or: as many as come in so long, of all phases together
    --dormant         the first phase only
    --leak WHAT       the server leaks: "handle", "descriptor", "memory"; see server.py

Nothing may grow. Each phase has some times when the load rests. Then what lives by the shim's account is
what lives by the program's own, to the one; and descriptors and threads are as many as before. So one
handle or descriptor that is left of 1,000 connections shows within 1,000. Over a phase it is flat:

    records   one more in 2,000 connections at most, beside the 32 that the shim takes at a time
    memory    16 bytes a connection at most, by the slope, beside 128 KiB

And each id is larger than all before it, so that none came twice.

Exit status: 0 if that is so, 1 if not: then each thing that grew is told. 2 if it could not be run.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
HELD, AT_ONCE = 37, 20
RESTS = 10  # of the load, in each phase
MOST_SECONDS = 120  # to answer
RECORDS_PER, RECORDS_MORE = 2000, 32
BYTES_PER_CONNECTION, BYTES_MORE = 16, 128 << 10
STACKS_PIPE = 2  # descriptors that the stacks plugin has once it is loaded
RING = "1M"


class Failed(Exception):
    """It could not be run; the text says what."""


class Peer:
    """A process that is told lines and answers with lines."""

    def __init__(self, command, env=None):
        self.name = pathlib.Path(command[0]).name
        self.process = subprocess.Popen([str(word) for word in command], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def hear(self):
        if not select.select([self.process.stdout], [], [], MOST_SECONDS)[0]:
            raise Failed(f"{self.name} says nothing for {MOST_SECONDS} s")
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} has ended with {self.process.wait()}")
        return line

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.hear()

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(MOST_SECONDS)
        if status != 0:
            raise Failed(f"{self.name} has ended with {status}")


@contextlib.contextmanager
def peer(*words, **more):
    found = Peer(*words, **more)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait()


class Soak:
    def __init__(self, options, server, load, folder):
        self.options, self.server, self.load, self.folder = options, server, load, folder
        self.pid = server.process.pid
        self.problems, self.switches, self.traces = [], 0, 0

    # How it is.

    def ctl(self, *words):
        done = subprocess.run([self.options.build / "tools/uvhooks", "ctl",
                               str(self.pid), *map(str, words), "--timeout", "60s"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failed(f"uvhooks ctl {' '.join(map(str, words))} ended with {done.returncode}: "
                         f"{done.stderr.strip()}")
        return done.stdout

    def memory(self):
        """What is its own, exactly: pages of files come and go as the kernel likes."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * int(re.search(r"^Anonymous: +(\d+)", text, re.M)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def ids(self):
        return dict(zip(("inits", "destroys", "again"),
                        struct.unpack("3Q", (self.folder / "ids").read_bytes())))

    def complain(self, phase, what, text):
        """Once of each: what has grown goes on to."""
        if (phase, what) not in self.problems:
            self.problems.append((phase, what))
            print(f"soak: {phase}: {text}", flush=True)

    def rest(self, phase):
        """The load rests, and with it the server: how it is now."""
        own = json.loads(self.server.ask(HELD))
        status = json.loads(self.ctl("status", "--json"))
        types = status["live_by_type"]
        live = {"connections": types.get("TCPWRAP", 0), "timers": types.get("TIMERWRAP", 0)}
        for what, count in live.items():
            if count != own[what]:
                self.complain(phase, what, f"{count} {what} live by the shim's account, {own[what]} by the "
                              f"program's, of {own['served']}")
        for name, count in status["losses"].items():
            if count:
                self.complain(phase, name, f"{name} is {count}")
        return {"served": own["served"], "live": status["live"], "made": status["resources_made"],
                "records": status["record_bytes"] // 64, "memory": self.memory(),
                "descriptors": self.descriptors(), "threads": self.threads()}

    # What happens.

    def switch_until_answered(self):
        """Switches all that can be switched, while connections come and go."""
        names = ["recorder", "ids"]
        while not select.select([self.load.process.stdout], [], [], 0)[0]:
            turn = self.switches % 6
            if turn in (0, 1):
                self.ctl("disable", names[turn])
            elif turn in (2, 3):
                self.ctl("enable", names[turn - 2])
            elif turn == 4:
                self.ctl("record", "stop")
            else:
                self.record()
            self.switches += 1
        return self.load.hear()

    def record(self):
        self.traces += 1
        folder = self.folder / f"trace-{self.traces}"
        self.ctl("record", "start", "-o", folder, "--ring", RING, "--stacks")
        # The one before is not needed any more.
        subprocess.run(["rm", "-rf", self.folder / f"trace-{self.traces - 1}"], check=True)

    def run(self, phase, switching=False):
        """A phase: the load comes, and rests, some times."""
        seconds = self.options.seconds / 4 if self.options.seconds else None
        begin, rests = time.monotonic(), []
        each = self.options.connections // RESTS
        while (len(rests) < RESTS + 1 if seconds is None
               else len(rests) < 3 or time.monotonic() - begin < seconds):
            if switching:
                self.load.process.stdin.write(f"{each}\n")
                self.load.process.stdin.flush()
                self.switch_until_answered()
            else:
                self.load.ask(each)
            rests.append(self.rest(phase))
        self.judge(phase, rests, switching)
        took = time.monotonic() - begin
        served = rests[-1]["served"] - rests[0]["served"]
        print(f"{phase}: {served} connections in {took:.1f} s, {rests[-1]['live']} live, "
              f"{rests[-1]['made'] - rests[0]['made']} made, "
              f"{rests[-1]['records']} records, {rests[-1]['memory'] >> 10} KiB of memory "
              f"({slope(rests):+.2f} bytes a connection), {rests[-1]['descriptors']} descriptors, "
              f"{rests[-1]['threads']} threads", flush=True)
        return rests

    def judge(self, phase, rests, switching):
        """The first one is what the phase begins with: by then all is warm."""
        first, last = rests[0], rests[-1]
        served = last["served"] - first["served"]
        for rest in rests[1:]:
            for what in ("live", "threads") if switching else ("live", "threads", "descriptors"):
                if rest[what] != first[what]:
                    self.complain(phase, f"more {what}", f"{rest[what]} {what} after {rest['served']} connections, "
                                  f"{first[what]} after {first['served']}")
        more = last["records"] - first["records"]
        if more > served / RECORDS_PER + RECORDS_MORE:
            self.complain(phase, "records", f"{more} records more after {served} connections")
        grown = slope(rests) * served
        if grown > BYTES_PER_CONNECTION * served + BYTES_MORE:
            self.complain(phase, "memory", f"memory grows by {slope(rests):.1f} bytes a connection")
        # Each connection is a handle and a timer at least.
        if last["made"] - first["made"] < 2 * served:
            self.complain(phase, "made", f"{last['made'] - first['made']} resources made for "
                          f"{served} connections")

    def check_ids(self, phase, before, after, rests):
        """What the plugin has seen between two rests is what the shim has counted."""
        made = rests[-1]["made"] - rests[0]["made"]
        if after["inits"] - before["inits"] != made:
            self.complain(phase, "inits", f"{after['inits'] - before['inits']} inits of {made} "
                          "resources")
        if after["destroys"] - before["destroys"] != made:
            self.complain(phase, "destroys", f"{after['destroys'] - before['destroys']} destroys of "
                          f"{made} resources")

    def all_phases(self):
        # Warm: what is made once is made.
        self.load.ask(self.options.connections // RESTS)
        start = self.rest("warm-up")
        dormant = self.run("dormant")
        if self.options.dormant:
            return
        self.ctl("load", f"{self.options.build / 'tests/soak/ids.so'}:file={self.folder / 'ids'}")
        self.record()
        self.load.ask(self.options.connections // RESTS)
        first, before = self.rest("recording"), self.ids()
        rests = self.run("recording")
        self.check_ids("recording", before, self.ids(), [first, rests[-1]])
        self.run("switching", switching=True)
        # As it was, but for what stays loaded.
        for name in ("recorder", "ids"):
            self.ctl("enable", name)
            self.ctl("disable", name)
        if self.switches % 6 != 5:
            self.ctl("record", "stop")
        last = self.run("dormant again")[-1]
        most = dormant[-1]["descriptors"] + STACKS_PIPE
        if last["descriptors"] > most:
            self.complain("dormant again", "descriptors", f"{last['descriptors']} descriptors, at most "
                          f"{most} of which are the program's and of the stacks plugin")
        for what in ("live", "threads"):
            if last[what] != start[what]:
                self.complain("dormant again", what, f"{last[what]} {what}, {start[what]} at the start")
        ids = self.ids()
        print(f"{ids['inits']} inits seen by a hook, {ids['again']} of them with an id that was there "
              f"before; {self.switches} switches")
        if ids["again"]:
            self.complain("ids", "again", f"{ids['again']} came again")
        if self.switches < 6:
            self.complain("switching", "switches", f"only {self.switches} switches")


def slope(rests):
    """Bytes of memory for a connection: the median of all slopes between two rests."""
    found = [(b["memory"] - a["memory"]) / (b["served"] - a["served"])
             for i, a in enumerate(rests) for b in rests[i + 1:]]
    return statistics.median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--dormant", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--leak", choices=["handle", "descriptor", "memory"])
    parser.add_argument("build", type=pathlib.Path)
    options = parser.parse_args()
    options.build = options.build.resolve()
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UVHOOKS_", "LD_"))}
    env["LD_PRELOAD"] = str(options.build / "shim/libuvhooks.so")
    with tempfile.TemporaryDirectory(prefix="soak-") as name, \
            peer([python, HERE / "server.py", *([options.leak] if options.leak else [])],
                 env=env) as server:
        port = server.hear().strip()
        with peer([options.build / "tests/soak/load", port, HELD, AT_ONCE]) as load:
            load.hear()
            soak = Soak(options, server, load, pathlib.Path(name))
            soak.all_phases()
            load.end()
        server.end()
    print("flat" if not soak.problems else f"{len(soak.problems)} things are not as they should be")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as failure:
        print(f"soak: {failure}", file=sys.stderr)
        sys.exit(2)
