#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the JSON events of two runs of a program.

usage: same_events.py exact|threads|shapes|kinds ONE OTHER

Times, thread ids and addresses are never compared. What else must be equal:

  exact    all events, in their order
  threads  all events of each thread, in their order, and of each id: threads take turns as they
           like
  shapes   how many resources there are of each type whose life went the same way: threads, or
           what the kernel gives in one piece, decide who gets which id
  kinds    what happened to any resource of each type

Prints what differs, and exits 1 if anything does.
"""

import collections
import json
import re
import sys

MOST_LINES = 60


def bare_text(path):
    """The text of the log without what is never compared. Where two are equal so are their events, at
    every level, and need not be read as JSON, which takes ten times as long."""
    threads_met = {}

    def without_time(match):
        return f'"thread":{threads_met.setdefault(match[1], len(threads_met))}'

    with open(path, encoding="utf-8") as log:
        told = re.sub(r'"thread":(\d+),"time_ns":\d+', without_time, log.read())
    return re.sub(r'"callback":"[^"]*\+0x[0-9a-f]+"', '"callback":"somewhere"', told)


def read(path):
    with open(path, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    for event in events:
        del event["time_ns"]
        if re.search(r"\+0x[0-9a-f]+$", event.get("callback", "")):
            event["callback"] = "somewhere"
    return events


def text(event):
    return " ".join(f"{key}={value}" for key, value in event.items() if key != "thread")


def exact(events):
    return [text(event) for event in events]


def by(key, events):
    found = collections.defaultdict(list)
    for event in events:
        found[event[key]].append(event)
    return found


def threads(events):
    found = sorted([text(event) for event in told] for told in by("thread", events).values())
    lives = by("id", events)
    return [line for told in found for line in ["thread"] + told] + \
        [text(event) for key in sorted(lives) for event in lives[key]]


def with_types(events):
    """Ids become types, so that what is left does not depend on who came first."""
    types = {}
    for event in events:
        types.setdefault(event["id"], event["type"])

    def named(key):
        sequence = key.rpartition(":")[2]
        return types.get(key, "top") if int(sequence) > 1 else ("libuv", "top")[int(sequence)]

    for event in events:
        event = {key: value for key, value in event.items() if key != "loop"}
        for key in ("trigger", "execution", "sender", "other"):
            if key in event:
                event[key] = named(event[key])
        yield event


def anonymous(event):
    return text({key: value for key, value in event.items() if key != "id"})


def shapes(events):
    lives = by("id", with_types(events)).values()
    counted = collections.Counter("; ".join(map(anonymous, life)) for life in lives)
    return sorted(f"{count} x {life}" for life, count in counted.items())


def kinds(events):
    return sorted(set(map(anonymous, with_types(events))))


def main(arguments):
    levels = {"exact": exact, "threads": threads, "shapes": shapes, "kinds": kinds}
    if len(arguments) != 3 or arguments[0] not in levels:
        print(__doc__, file=sys.stderr)
        return 2
    if bare_text(arguments[1]) == bare_text(arguments[2]):
        return 0
    one, other = (levels[arguments[0]](read(path)) for path in arguments[1:])
    if one == other:
        return 0
    import difflib  # pylint: disable=import-outside-toplevel # most of the time nothing differs
    lines = list(difflib.unified_diff(one, other, arguments[1], arguments[2], lineterm="", n=1))
    print("\n".join(lines[:MOST_LINES]))
    if len(lines) > MOST_LINES:
        print(f"... and {len(lines) - MOST_LINES} lines more")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
