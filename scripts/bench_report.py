# SPDX-License-Identifier: MIT
"""The page of scripts/bench --report: every figure beside its baseline, what it was measured on, and
how each end came out. Made from the numbers alone, so that it can be made again."""
import datetime
import json
import math
import os
import pathlib
import platform
import re
import shutil

import bench_plot
from bench_common import BUILD, ROOT, Failed, run, say

PAGE = ROOT / "docs/numbers.md"
LIMIT = re.compile(r"^.*?(?=(at (most|least)|less than|no (loss|call))\b)")  # what stands before it
VERDICTS = {True: "met", False: "**missed**", None: "the noise does not tell"}

HEAD = """# What it costs

Made by `{command}`.

Every row was measured beside its baseline, in turns, in the same run; `scripts/bench --help` says how.
All numbers are in [{stem}.json]({stem}.json), of which `scripts/bench --report-from` makes this page
again.

{machine}

"±" is two standard errors of the median over the rounds. An end counts as met where the figure less its
margin meets it; of throughput nothing is said where the noise is larger than the limit. "again" is the
baseline measured a second time: how far it lies from 1 is what the machine does by itself.

![{title}]({stem}.svg)
"""
TITLE = "Costs of an event, of recording, of a stack, and throughput, beside their ends"

# What the sections of the page say of themselves, in the order in which they come.
SECTIONS = {
    "Dormant: the shim alone, per event":
        "The program is preloaded with the shim and nothing else. The baseline is an operation of the "
        "same program without it.",
    "With a hook that does nothing, per event": "The baseline is again the program without the shim.",
    "libuv's own benchmarks, under the shim":
        "The ratio is of the processors' time for an operation; baseline and measured are by the clock.",
    "libuv inside the program": "Calls of patched functions, and the start of the official node.",
    "The embedder API, per call":
        "The baseline is the same call without the shim; more is what it takes beyond the loop around "
        "it.",
    "Storages, per operation":
        "Before a store is entered, the baseline is a shim that is built without storages; then it is "
        "the shim before a store is entered.",
    "Recording, per event":
        "The baseline is the floor, which is a time taken and 32 bytes stored; then a tracepoint of "
        "LTTng-UST with three integers.",
    "Throughput of servers that are recorded":
        "The ratio is of the time of an operation by the clock. The floor is a library that passes "
        "everything on, takes the time and stores 32 bytes of each event, and keeps no ids, checks "
        "nothing, and writes nothing.",
    "Reading a trace": "The baseline is babeltrace2, which decodes such a trace and does nothing with it.",
    "Stacks where a resource is made, per operation": "The baseline is a hook that does nothing.",
    "Memory, and calls that allocate": "The baseline is the program without the shim.",
}


# What it is measured on.


def first_line(command):
    try:
        return run(command)[0].splitlines()[0]
    except (Failed, OSError, IndexError):
        return "unknown"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def compiler():
    """The one that the build was made with."""
    try:
        known = json.loads((BUILD / "meson-info/intro-compilers.json").read_text())
        return known["host"]["c"]["full_version"]
    except (OSError, ValueError, KeyError):
        return first_line(["cc", "--version"])


def machine(options):
    return {
        "command": options.command,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "processors": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": compiler(),
        "libuv": first_line(["pkg-config", "--modversion", "libuv"]),
        "uvhooks": first_line([BUILD / "tools/uvhooks", "--version"]),
        "load": round(os.getloadavg()[0], 1),
        "quick": options.quick,
        "rounds": options.rounds,
    }


def machine_table(found):
    rows = [("processor", f"{found['processor']}, {found['processors']} of them"),
            ("kernel", found["kernel"]), ("compiler", found["compiler"]),
            ("libuv", found["libuv"]), ("uvhooks", found["uvhooks"]), ("measured", found["date"]),
            ("rounds", f"{found['rounds']}{', quick: these numbers say little' if found['quick'] else ''}"),
            ("load before", f"{found['load']}: what else ran")]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])


# The figures. Each is (section, name, baseline, measured, ratio, more); the name is what ends call it.


def plus_minus(found, more, digits):
    return f"{found:.{digits}f}" + ("" if math.isinf(more) else f" ± {more:.{digits}f}")


def ns(found, digits=1):
    return f"{found:.{digits}f} ns"


def of_events(results):
    titles = list(SECTIONS)
    for title, mode in zip(titles, ("shim", "hook")):
        for row in results["per_event"]:
            found = row[mode]
            count = f", {found['instructions_per_event']:.0f} instructions" \
                if "instructions_per_event" in found else ""
            yield (title, f"{mode}: {row['name']}", ns(row["ns"]["bare"]), ns(row["ns"][mode]),
                   f"{found['ratio']:.3f}, again {row['again']['ratio']:.3f}",
                   f"{plus_minus(found['ns_per_event'], found['margin'], 1)} ns/event{count}")
    for row in results["per_event"]:
        if "forward" in row:
            found = row["forward"]
            yield (titles[0], f"{row['name']}, a library that only passes everything on",
                   ns(row["ns"]["bare"]), ns(row["ns"]["forward"]), f"{found['ratio']:.3f}",
                   f"{plus_minus(found['ns_per_event'], found['margin'], 1)} ns/event")


def of_throughput(title, prefix, rows, mode, kind):
    """`kind`: by the clock, or "cpu_"."""
    for row in rows:
        if mode not in row:
            continue
        found, again = row[mode], row["again"]
        ratio = found[f"{kind}ratio"]
        yield (title, f"{prefix}: {row['name']}", f"{ns(row['ns']['bare'])} per {row['unit']}",
               ns(row["ns"][mode]),
               f"{plus_minus(ratio, found[f'{kind}margin'], 3)}, again {again[f'{kind}ratio']:.3f}",
               f"{(ratio - 1):+.1%}")


def of_inside(results):
    title = "libuv inside the program"
    if results["calls"]:
        found = results["calls"]
        by_symbol, inside = found["ns"]["calls"], found["ns"]["calls_inside"]
        yield (title, "a call by symbol", ns(by_symbol["bare"]), ns(by_symbol["shim"]),
               f"{by_symbol['shim'] / by_symbol['bare']:.2f}",
               ns(by_symbol["shim"] - by_symbol["bare"]))
        yield (title, "a patched call, beside one by symbol", ns(by_symbol["shim"]),
               ns(inside["shim"]), f"{inside['shim'] / by_symbol['shim']:.2f}",
               f"{plus_minus(found['more'], found['margin'], 1)} ns")
    if results["node_startup"]:
        found = results["node_startup"]
        bare = found["bare"]["median_ms"]
        for way, what in (("shim", "preloaded"), ("run", "uvhooks run"), ("log", "with the log")):
            yield (title, f"the start of node, {what}", f"{bare:.1f} ms",
                   f"{found[way]['median_ms']:.1f} ms", f"{found[way]['median_ms'] / bare:.3f}",
                   f"{found[way]['added_ms']:.1f} ms ({found[way]['added_low_ms']:.1f} to "
                   f"{found[way]['added_high_ms']:.1f}), of processors' time "
                   f"{found[way]['added_cpu_ms']:.1f} ms")


def of_embedder(results):
    title = "The embedder API, per call"
    for row in results["embedder"][1:]:
        for mode in ("shim", "hook"):
            found = row[mode]
            count = f", {found['instructions']:.0f} instructions" if "instructions" in found else ""
            yield (title, f"{mode}: {row['name']}", ns(row["bare"]["ns"], 2), ns(found["ns"], 2),
                   f"{found['ns'] / row['bare']['ns']:.2f}",
                   f"{plus_minus(found['call_ns'], found['margin'], 1)} ns{count}")
    for kind, mode, words in (("no_storage", "shim", "no storage"), ("store", "store", "a store")):
        for row in results[kind]:
            found = row[mode]
            count = f", {found['instructions']:.0f} instructions" if "instructions" in found else ""
            yield ("Storages, per operation", f"{words}: {row['name']}", ns(row["ns"]),
                   ns(row["ns"] + found["more"]),
                   f"{plus_minus(found['ratio'], found['ratio_margin'], 3)}, "
                   f"again {row['again']['ratio']:.3f}",
                   f"{plus_minus(found['more'], found['margin'], 1)} ns{count}")


def of_recorder(results):
    title, found = "Recording, per event", results["recorder"]
    for row in found.get("programs", []):
        count = f", {row['instructions_per_event']:.0f} instructions" \
            if "instructions_per_event" in row else ""
        yield (title, f"recorder: {row['name']}", ns(found["floor_ns"]), ns(row["over_shim"]["ns"]),
               f"{plus_minus(row['floors']['ns'], row['floors']['margin'], 2)} floors",
               f"{plus_minus(row['written']['ns'], row['written']['margin'], 1)} ns "
               f"with all of it written{count}")
    if found and found["lttng_ns"]:
        for row in found["programs"]:
            yield (title, f"recorder: {row['name']}, beside LTTng-UST", ns(found["lttng_ns"]),
                   ns(row["cost"]), f"{row['cost'] / found['lttng_ns']:.2f}",
                   f"{found['lttng_ns'] / row['cost']:.1f} times cheaper")
    if found:
        each = found["bytes_per_event"]
        yield (title, "recorder: bytes of an event", "32, of the floor", f"{each:.1f}",
               f"{each / 32:.2f}", f"{each - 32:+.1f}")


def of_reading(results):
    title = "Reading a trace"
    for row in results["report"]:
        if row["purpose"] == "memory":
            yield (title, "report: memory", f"{row['bytes'] / 1e6:.0f} MB of trace",
                   f"{row['megabytes']:.0f} MB", f"{row['megabytes'] * 1e6 / row['bytes']:.3f}",
                   f"{row['recorded']} events")
        else:
            speed, other = row["events_per_second"] / 1e6, row["other_per_second"] / 1e6
            yield (title, f"report: {row['name']}", f"{other:.2f} M events/s",
                   f"{speed:.1f} M events/s", f"{speed / other:.1f}",
                   f"of {row['recorded']} events, a processor's time")


def of_stacks(results):
    title = "Stacks where a resource is made, per operation"
    for row in results["stacks"]:
        for how, words in (("dwarf", "unwind tables"), ("frames", "frame pointers")):
            if how in row:
                found = row[how]
                yield (title, f"stacks: {row['name']}, {words}", ns(row["hook"]),
                       ns(row["hook"] + found["ns"]),
                       f"{(row['hook'] + found['ns']) / row['hook']:.2f}",
                       f"{plus_minus(found['ns'], found['margin'], 0)} ns for "
                       f"{row['addresses']} frames")


def of_memory(results):
    title = "Memory, and calls that allocate"
    found = results["memory"]
    for mode in ("shim", "hook"):
        if found:
            more, bare = found[mode]["bytes"] + max(found[mode]["growth"], 0), found["bare"]["bytes"]
            yield (title, f"{mode}: memory of a live resource", f"{bare:.1f} bytes",
                   f"{bare + more:.1f} bytes", f"{(bare + more) / bare:.2f}", f"{more:.1f} bytes")
    for row in results["allocations"]:
        calls = row["calls"]
        worst = max(calls[mode] for mode in ("shim", "hook", "store"))
        yield (title, f"allocations: {row['name']}", f"{calls['bare']} calls", f"{worst} calls",
               f"{worst / calls['bare']:.2f}" if calls["bare"] else "1.00" if worst == 0 else "∞",
               f"{worst - calls['bare']} in {row['operations']} operations")


def figures(results):
    yield from of_events(results)
    yield from of_throughput("libuv's own benchmarks, under the shim", "shim", results["own"], "shim",
                             "cpu_")
    yield from of_inside(results)
    yield from of_embedder(results)
    yield from of_recorder(results)
    title = "Throughput of servers that are recorded"
    yield from of_throughput(title, "the floor", results["recording"], "floor", "")
    yield from of_throughput(title, "recording", results["recording"], "record", "")
    yield from of_throughput(title, "recording with stacks", results["stacks_throughput"],
                             "record_stacks", "")
    yield from of_reading(results)
    yield from of_stacks(results)
    yield from of_memory(results)


# The page.


def figure_table(rows, ends):
    lines = ["| figure | baseline | measured | ratio | more | end | |", "|---|--:|--:|--:|--:|---|---|"]
    for _, name, *cells in rows:
        found = ends.get(name, [])
        what = "<br>".join(LIMIT.sub("", end["end"]) for end in found)
        verdict = "<br>".join(VERDICTS[end["met"]] for end in found)
        lines.append(f"| {' | '.join([name, *cells, what, verdict])} |")
    return "\n".join(lines)


def page(results, path):
    rows = list(figures(results))
    ends = {}
    for end in results["ends"]:
        ends.setdefault(end["figure"], []).append(end)
    homeless = set(ends) - {name for _, name, *_ in rows}
    if homeless:
        raise Failed(f"the report has no figure for the ends of {', '.join(sorted(homeless))}")
    parts = [HEAD.format(command=results["machine"]["command"], title=TITLE,
                         stem=path.stem, machine=machine_table(results["machine"]))]
    counts = [sum(end["met"] is met for end in results["ends"]) for met in VERDICTS]
    parts.append(f"Of {len(results['ends'])} ends {counts[0]} are met, {counts[1]} are missed, and of "
                 f"{counts[2]} the noise does not tell.\n")
    for title, words in SECTIONS.items():
        here = [row for row in rows if row[0] == title]
        if here:
            parts.append(f"## {title}\n\n{words}\n\n{figure_table(here, ends)}\n")
    if results["recorder"].get("no_lttng"):
        parts.append(f"LTTng-UST was not measured: {results['recorder']['no_lttng']}.\n")
    if results["lost"]:
        parts.append("## Not measured\n\n" + "\n".join(f"- {text}" for text in results["lost"]) + "\n")
    return "\n".join(parts)


def check_plotter():
    if shutil.which("gnuplot") is None:
        raise Failed("there is no gnuplot to draw with; scripts/setup installs it")


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise Failed(f"{path}: {failure}") from failure


def write_json(path, results):
    """A line for each row."""
    parts = []
    for key, found in results.items():
        text = json.dumps(found)
        if isinstance(found, list) and found:
            text = "[\n" + ",\n".join(json.dumps(row) for row in found) + "\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def write(path, results):
    path = path.resolve()
    path.parent.mkdir(exist_ok=True)
    try:
        path.write_text(page(results, path))
        bench_plot.write(path.with_suffix(".svg"), results)
    except (KeyError, TypeError) as failure:
        raise Failed(f"these are not the numbers of this version's scripts/bench: {failure!r}") \
            from failure
    write_json(path.with_suffix(".json"), results)
    say(f"written: {path.name}, {path.stem}.svg, {path.stem}.json")
