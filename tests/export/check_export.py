#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Holds what was exported against the events of the same trace. LOG is `uvhooks log --format json`.

    check_export.py perfetto|chrome FILE LOG
    check_export.py devtools READ LOG            READ: what read_chrome.mjs printed
    check_export.py folded FILE LOG
    check_export.py speedscope READ LOG          READ: what read_speedscope.mjs printed

Prints how much there is, or what is wrong.
"""
import collections
import json
import sys

import viewers
from expectation import Expectation


def differences(what, expected, seen):
    expected, seen = collections.Counter(expected), collections.Counter(seen)
    for one in list(expected - seen)[:5]:
        yield f"{what} is missing: {one}"
    for one in list(seen - expected)[:5]:
        yield f"{what} is too much: {one}"


def check_arrows(expectation, picture):
    """Each effect with a cause has one arrow, which begins in the slice that is its cause."""
    arrows = collections.defaultdict(list)
    for begin, end in picture.arrows:
        arrows[end[:2] + (end[4],)].append(begin)
    count = 0
    for effect in expectation.effects:
        begins = arrows.pop((effect.thread, effect.begin, effect.id), [])
        if effect.cause is None:
            if begins:
                yield f"an arrow without a cause in the trace: to {effect}"
            continue
        count += 1
        if len(begins) != 1:
            yield f"{len(begins)} arrows instead of one: to {effect}"
            continue
        thread, time = begins[0]
        cause = effect.cause
        if effect.caused not in (None, time) or thread != cause.thread or \
                not cause.begin <= time <= cause.end:
            yield f"the arrow to {effect} begins at {time} in thread {thread}, not in {cause}"
        if time > effect.begin:
            yield f"the arrow to {effect} begins after it ends"
    for end in arrows:
        yield f"an arrow to nothing: {end}"
    if count != len(picture.arrows):
        yield f"there are {len(picture.arrows)} arrows, and {count} effects with a cause"


def check_lives(expectation, picture):
    # A recorder that began late tells what it found alive; the log does not show when.
    def known(lives):
        return [(identity, kind, begin if identity in expectation.made else None, end)
                for identity, kind, begin, end in lives]

    seen = [(identity, kind, begin, None if alive else end)
            for identity, kind, begin, end, alive in picture.lives]
    yield from differences("a life", known(expectation.lives), known(seen))


def check(expectation, picture):
    yield from differences(
        "a slice",
        [one.key() if one.kind != "top" else one.key()[:4] + (None,) for one in expectation.slices],
        picture.slices)
    yield from check_arrows(expectation, picture)
    yield from check_lives(expectation, picture)


def name_for_devtools(one):
    return f"{one.thread} {one.begin} {one.name}"


def check_devtools(expectation, path):
    with open(path, encoding="utf-8") as file:
        read = json.load(file)
    yield from read["complaints"]
    if not read["generic"]:
        yield "it is taken for a trace of a page"
    # Beside the slices it has the marks.
    seen = collections.Counter(read["slices"])
    expected = collections.Counter(map(name_for_devtools, expectation.slices))
    yield from differences("a slice", expected.elements(), (expected & seen).elements())
    # An arrow goes from a mark to a callback.
    yield from differences("an arrow", [name_for_devtools(one) for one in expectation.effects
                                        if one.cause is not None],
                           [arrow[-1] for arrow in read["arrows"]])


def check_weights(expectation, seen):
    expected = expectation.weights()
    if not expected:
        yield "there is nothing to be seen"
    yield from differences("a chain", expected.items(), seen.items())


def read_folded(path):
    weights = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            chain, weight = line.rstrip("\n").rsplit(" ", 1)
            viewers.need(chain not in weights, "a chain comes twice:", chain)
            weights[chain] = int(weight)
    return weights


def read_speedscope(path):
    with open(path, encoding="utf-8") as file:
        profiles = json.load(file)
    viewers.need(len(profiles) == 1, "there is more than one profile")
    weights = collections.Counter()
    for chain, weight in profiles[0]["stacks"]:
        weights[chain] += weight
    viewers.need(sum(weights.values()) == profiles[0]["weight"], "the weights do not add up")
    return dict(weights)


def wrongs_in(form, path, expectation):
    if form == "devtools":
        return list(check_devtools(expectation, path))
    if form == "folded":
        return list(check_weights(expectation, read_folded(path)))
    if form == "speedscope":
        return list(check_weights(expectation, read_speedscope(path)))
    picture = viewers.perfetto(path) if form == "perfetto" else viewers.chrome(path)
    print(f"slices={len(picture.slices)} arrows={len(picture.arrows)} lives={len(picture.lives)}")
    return list(check(expectation, picture))


def main(form, path, log):
    try:
        wrongs = wrongs_in(form, path, Expectation(log))
    except viewers.Wrong as wrong:
        sys.exit(f"{form}: {wrong}")
    if wrongs:
        sys.exit("\n".join(f"{form}: {wrong}" for wrong in wrongs[:20]))


main(*sys.argv[1:])
