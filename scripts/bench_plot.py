# SPDX-License-Identifier: MIT
"""The plot of scripts/bench --report, drawn by gnuplot: four charts of what the numbers say first."""
import math
import pathlib
import subprocess
import tempfile
import textwrap

from bench_common import Failed

WIDTH, HEIGHT = 1080, 820
COLOURS = ["#2f6fab", "#e08a1e", "#5b9f5b", "#b0b0b0"]

SETUP = """
set terminal svg size {width},{height} font "sans-serif,13" background "#ffffff"
set output "{output}"
set multiplot layout 2,2 margins 0.06,0.985,0.11,0.93 spacing 0.07,0.19
set style data histograms
set style histogram errorbars gap 1 lw 1
set style fill solid 0.85 noborder
set boxwidth 0.9
set grid ytics lc rgb "#dddddd"
set border 3 lc rgb "#777777"
set tics nomirror scale 0.5
set xtics rotate by 25 right noenhanced
set key top center horizontal samplen 1.5 font ",11" noenhanced
do for [i=1:8] {{ set linetype i lc rgb "#333333" }}
"""

CHART = """
set title {title} noenhanced
{log} logscale y
set yrange [{low}:{high:g}]
plot {parts}
"""


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


class Chart:
    """Bars in groups, with margins, and lines that are their ends."""

    def __init__(self, title, series, log=False):
        self.title, self.series, self.log = title, series, log
        self.groups, self.lines = [], []

    def group(self, name, *bars):
        """Each bar is (value, margin), or None."""
        self.groups.append((name, bars))

    def line(self, value, name):
        self.lines.append((value, name))

    def data(self):
        text = []
        for name, bars in self.groups:
            cells = [quoted(name)]
            for bar in bars:
                if bar is None:
                    cells += ["NaN", "0"]
                else:
                    value, margin = bar
                    cells += [f"{value:.6g}", f"{0 if math.isinf(margin) else margin:.6g}"]
            text.append(" ".join(cells))
        return "\n".join(text) + "\n"

    def commands(self, file):
        parts = [f"{quoted(str(file))} using {2 * i + 2}:{2 * i + 3}"
                 f"{':xtic(1)' if i == 0 else ''} title {quoted(name)} lc rgb {quoted(COLOURS[i])}"
                 for i, name in enumerate(self.series)]
        parts += [f"{value} with lines dashtype {i + 2} lc rgb '#bb2222' title {quoted(name)}"
                  for i, (value, name) in enumerate(self.lines)]
        # Above the highest there is room for what the colours mean.
        highest = max([value + (0 if math.isinf(margin) else margin) for _, bars in self.groups
                       for value, margin in filter(None, bars)] + [value for value, _ in self.lines])
        return CHART.format(title=quoted(self.title), log="set" if self.log else "unset",
                            low=1 if self.log else 0, high=highest * (8 if self.log else 1.35),
                            parts=", ".join(parts))


def per_event(results):
    chart = Chart("Nanoseconds of an event, more than bare", ["shim alone", "with an empty hook"])
    for row in results["per_event"]:
        chart.group(row["name"], *((row[mode]["ns_per_event"], row[mode]["margin"])
                                   for mode in ("shim", "hook")))
    chart.line(5, "end, shim")
    chart.line(12, "end, hook")
    return chart


def recorder(results):
    chart = Chart("Nanoseconds of a recorded event", ["recorder", "floor", "LTTng-UST"], True)
    found = results["recorder"]
    for row in found.get("programs", []):
        chart.group(row["name"], (row["over_shim"]["ns"], row["over_shim"]["margin"]),
                    (found["floor_ns"], 0), (found["lttng_ns"], 0) if found["lttng_ns"] else None)
    if found:
        chart.line(1.6 * found["floor_ns"], "end")
    return chart


def throughput(results):
    chart = Chart("Time of an operation, in times of the bare one",
                  ["shim alone", "recorded", "recorded with stacks", "bare again"])
    stacks = {row["name"]: row for row in results["stacks_throughput"]}
    for row in results["recording"]:
        with_stacks = stacks.get(row["name"], {}).get("record_stacks")
        chart.group(row["name"], *((found["ratio"], found["margin"]) if found else None
                                   for found in (row["shim"], row["record"], with_stacks,
                                                 row["again"])))
    chart.line(1, "bare")
    return chart


def stacks(results):
    chart = Chart("Nanoseconds of a stack of 20 frames", ["unwind tables", "frame pointers"], True)
    for row in results["stacks"]:
        chart.group(row["name"], *((row[how]["ns"], row[how]["margin"]) if how in row else None
                                   for how in ("dwarf", "frames")))
    chart.line(400, "end, known")
    return chart


def write(path, results):
    with tempfile.TemporaryDirectory() as folder:
        text = SETUP.format(width=WIDTH, height=HEIGHT, output=path)
        charts = [make(results) for make in (per_event, recorder, throughput, stacks)]
        for number, chart in enumerate(chart for chart in charts if chart.groups):
            file = pathlib.Path(folder, f"{number}")
            file.write_text(chart.data())
            text += chart.commands(file)
        done = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, check=False,
                              timeout=60)
    if done.returncode != 0:
        raise Failed(f"gnuplot could not draw {path.name}: {done.stderr.strip()}")
    # It writes many short lines, some of them with blanks at their end.
    path.write_text("\n".join(textwrap.wrap(path.read_text(), 200, break_long_words=False,
                                            break_on_hyphens=False)) + "\n")
