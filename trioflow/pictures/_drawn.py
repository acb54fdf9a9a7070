"""What stands in a picture of a workflow, whatever it is drawn with."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from trioflow.definitions import Plan, PlannedConnection, PlannedStep
from trioflow.pictures._times import duration
from trioflow.pictures._words import plain, shorten

LONGEST_LABEL = 60


def what_it_does(step: PlannedStep) -> str:
    """Return the action that a step calls, or what it does instead."""
    if step.call is not None:
        return plain(step.call.action)
    if step.type == "wait":
        return f"waits for {plain(step.signal)}"
    if step.type == "sleep":
        length = step.step.duration
        if length is None:
            return plain(f"sleeps until {step.step.until}")
        words = duration(length) if isinstance(length, float | int) else length
        return plain(f"sleeps {words}")
    if step.type == "workflow":
        return f"workflow {plain(step.workflow)}"
    return step.type


def step_lines(step: PlannedStep) -> Sequence[str]:
    """Return the lines in the box of a step: its id, its name, and what it does."""
    names = [shorten(plain(step.step.name), LONGEST_LABEL)] if step.step.name else []
    return [step.id, *names, what_it_does(step)]


def connection_label(connection: PlannedConnection, longest: int = LONGEST_LABEL) -> str:
    """Return when a connection is taken, or nothing if that is after success, always."""
    words: list[str] = [] if connection.on == "success" else [connection.on]
    if connection.condition is not None:
        words.append(shorten(plain(connection.condition.text), longest))
    if connection.default:
        words.append("default")
    return ": ".join(words)


@attrs.frozen
class Waits:
    """What only makes steps wait: pairs of names, and the junctions among these.

    Steps are ``s0``, ``s1`` …, by index, and junctions ``g0`` …. Levels of many steps before many
    others meet in a junction: 100 lines instead of 2,500.
    """

    edges: Sequence[tuple[str, str]]
    junctions: Sequence[str]


def waits(plan: Plan) -> Waits:
    """Return the gates of a plan, but for what connections say already."""
    connected = {(connection.source, connection.target) for connection in plan.connections}
    edges: dict[tuple[str, str], None] = {}
    junctions = []
    for index, gate in enumerate(plan.gates):
        if len(gate.members) > 2 and len(gate.waiters) > 2:
            junctions.append(name := f"g{index}")
            edges |= dict.fromkeys((f"s{member}", name) for member in gate.members)
            edges |= dict.fromkeys((name, f"s{waiter}") for waiter in gate.waiters)
            continue
        edges |= {
            (f"s{member}", f"s{waiter}"): None
            for member in gate.members
            for waiter in gate.waiters
            if (member, waiter) not in connected
        }
    return Waits(list(edges), junctions)


def needed(plan: Plan, found: Waits) -> Waits:
    """Leave out what a step waits for anyway, because something between the two does."""
    size = len(plan.steps)
    places = {f"s{i}": i for i in range(size)}
    places |= {name: size + i for i, name in enumerate(found.junctions)}
    before: list[list[int]] = [[] for _ in places]
    after: list[list[int]] = [[] for _ in places]
    pairs = [(places[a], places[b]) for a, b in found.edges]
    # A step with `join: first` does not wait for the sources of all its connections.
    sure = [(c.source, c.target) for c in plan.connections if plan.steps[c.target].join != "first"]
    loose = [(c.source, c.target) for c in plan.connections]
    for a, b in dict.fromkeys([*pairs, *loose]):
        before[b].append(a)
        after[a].append(b)
    certain = {*pairs, *sure}
    waiting = [len(each) for each in before]
    ready = [place for place in range(len(places)) if waiting[place] == 0]
    # A bit for each that has surely ended before.
    ended = [0] * len(places)
    for place in ready:
        for other in before[place]:
            if (other, place) in certain:
                ended[place] |= ended[other] | 1 << other
        for other in after[place]:
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    kept = [
        names
        for names, (a, b) in zip(found.edges, pairs, strict=True)
        if not any(
            ended[other] >> a & 1 for other in before[b] if other != a and (other, b) in certain
        )
    ]
    return Waits(kept, found.junctions)
