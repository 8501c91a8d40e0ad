# SPDX-License-Identifier: MIT
"""How scripts/bench measures throughput: the same server in each way of running it lives at the same
time, and one after the other runs for some milliseconds while the rest is stopped. So whatever else
the machine does meets all of them. What came through is told by the kernel, which counts it in each
network."""
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import time

from bench_common import PRELOADS, Failed, clean_environment, insist, margin, plugins

SLICE_S = 0.02
WARM_UP_S = 0.3
FIRST_COUNT = 100
MOST_START_S = 20


def run_in(cpu, mode, text, command):
    """A command's words, on one processor, under the shim if the mode says so."""
    preload = ":".join(map(str, PRELOADS[mode]))
    return ["taskset", "--cpu-list", str(cpu), "env",
            *([f"LD_PRELOAD={preload}"] if preload else []),
            *([f"UVHOOKS_PLUGINS={text}"] if text else []), *map(str, command)]


class Group:
    """The processes of one session, and the network in which they are alone."""

    def __init__(self, network, command, cwd):
        """`network`: what starts a command in a network of its own."""
        self.leader = subprocess.Popen([str(word) for word in [*network, *command]], cwd=cwd,
                                       env=clean_environment(), start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.process = pathlib.Path("/proc", str(self.leader.pid))

    def signal(self, number):
        if self.leader.poll() is not None:
            raise Failed(f"{' '.join(self.leader.args)} ended with {self.leader.returncode}")
        os.killpg(self.leader.pid, number)

    def end(self):
        # It may be stopped: nothing else would end it at once. None of it is left, even so.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait()

    def is_apart(self):
        """Has it a network of its own by now?"""
        return (self.process / "ns/net").readlink() != pathlib.Path("/proc/self/ns/net").readlink()

    def messages(self):
        """How many segments with data were sent; no acknowledgements, and none twice."""
        lines = [line.split() for line in (self.process / "net/netstat").read_text().splitlines()]
        for names, values in zip(lines[::2], lines[1::2]):
            if names[0] == "TcpExt:":
                return int(dict(zip(names, values))["TCPOrigDataSent"])
        raise Failed("the kernel does not count what TCP sends")

    def bytes(self):
        for line in (self.process / "net/dev").read_text().splitlines():
            name, _, values = line.partition(":")
            if name.strip() == "lo":
                return int(values.split()[0])
        raise Failed("there is no loopback")

    def processors_ns(self):
        """What its processes have taken of processors: of the session, whoever started them."""
        spent = 0
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(folder.name)) == self.leader.pid:
                    spent += sum(int(task.read_text().split()[0])
                                 for task in folder.glob("task/*/schedstat"))
        return spent


def warm_up(group, count):
    """Returns when it has run for a while after the first that came through."""
    deadline = time.monotonic() + MOST_START_S
    first = None
    while first is None or count(group) < first + FIRST_COUNT:
        if group.leader.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{' '.join(group.leader.args)} does not begin")
        if first is None and group.is_apart():
            first = count(group)
        time.sleep(0.01)
    time.sleep(WARM_UP_S)
    group.signal(signal.SIGSTOP)


def run_slice(group, count):
    """Nanoseconds for what counts as one."""
    before = count(group)
    begin = time.monotonic_ns()
    group.signal(signal.SIGCONT)
    time.sleep(SLICE_S)
    group.signal(signal.SIGSTOP)
    taken = time.monotonic_ns() - begin
    time.sleep(0.001)  # until the last of them has stopped
    done = count(group) - before
    if done == 0:
        raise Failed(f"{' '.join(group.leader.args)} did nothing in {SLICE_S} s")
    return taken / done


def one_round(modes, slices, start, count):
    """{mode: (ratio by the clock, ratio of processors' time, ns)}: beside "bare", the first."""
    with contextlib.ExitStack() as stack:
        groups = {}
        for mode in modes:
            real = modes[0] if mode == "again" else mode
            text = stack.enter_context(plugins(real))
            groups[mode] = start(real, text)
            stack.callback(groups[mode].end)
            warm_up(groups[mode], count)
        first = {mode: (count(group), group.processors_ns()) for mode, group in groups.items()}
        times = {mode: [] for mode in modes}
        for i in range(slices):
            turn = i % len(modes)
            for mode in (*modes[turn:], *modes[:turn]):
                times[mode].append(run_slice(groups[mode], count))
        cpu = {mode: (group.processors_ns() - first[mode][1]) / (count(group) - first[mode][0])
               for mode, group in groups.items()}
    bare = modes[0]
    return {mode: (statistics.median(one / other for one, other in zip(times[mode], times[bare])),
                   cpu[mode] / cpu[bare], statistics.median(times[mode])) for mode in modes}


def in_slices(options, modes, network, command, count, cwd=None):
    """`command(mode, text)` are the words that start a mode, where UVHOOKS_PLUGINS is the text;
    `count(group)` is what came through. The first of the modes is "bare", the last "again". Each
    round has processes of its own, as where memory lies makes them faster or slower for good."""
    if not network:
        raise Failed("servers that are compared can have no networks of their own here")

    def start(mode, text):
        return Group(network, command(mode, text), cwd)

    slices = len(modes) * (1 if options.quick else 8)
    found = [insist(one_round, modes, slices, start, count) for _ in range(options.own_rounds)]
    row = {"ns": {mode: statistics.median(one[mode][2] for one in found) for mode in modes}}
    for mode in modes[1:]:
        clock, cpu = ([one[mode][i] for one in found] for i in (0, 1))
        row[mode] = {"ratio": statistics.median(clock), "margin": margin(clock),
                     "cpu_ratio": statistics.median(cpu), "cpu_margin": margin(cpu)}
    return row
