"""Scenarios that differ from another one in what must make no difference: what `_relations` plays.

Each function takes a scenario and returns the varied one, or None where the relation says nothing
about it.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import (
    AfterWrite,
    AtTime,
    BeforeWrite,
    Call,
    Crash,
    Hangs,
    Interrupt,
    Scenario,
)
from harness.oracle._document import read_duration

Document = Mapping[str, Any]

_UNDO_TIMEOUT = 15 * 60
_RETRY = {"initial_delay": 1.0, "max_delay": 60.0}


def fields_of(document: Document) -> list[dict[str, Any]]:
    """Return the fields of all steps, those of nodes, too; changing them changes the document."""
    nodes = document.get("nodes") or ()
    return [*(document.get("steps") or ()), *(node.setdefault("config", {}) for node in nodes)]


def _parts(document: Document) -> list[dict[str, Any]]:
    return [*(document.get("steps") or ()), *(document.get("nodes") or ())]


def copy_of(document: Document) -> Any:
    """Return a copy that can be changed."""
    return json.loads(json.dumps(document))


def _changed(scenario: Scenario, **more: Any) -> Scenario:
    return attrs.evolve(scenario, **more)


def _named(document: Document) -> Any:
    """Return the document with an id for every connection: the one that it has anyway."""
    found = copy_of(document)
    seen: Counter[tuple[str, str]] = Counter()
    for edge in found.get("connections") or ():
        if edge.get("id") is None:
            pair = edge["source"], edge["target"]
            seen[pair] += 1
            edge["id"] = "->".join(pair) + (f"#{seen[pair]}" if seen[pair] > 1 else "")
    return found


def _is_own_child(scenario: Scenario) -> bool:
    documents = (scenario.workflow, *scenario.workflows.values())
    called = {
        each.get("workflow") for document in documents for each in fields_of(copy_of(document))
    }
    return scenario.workflow["id"] in called


def forks(scenario: Scenario) -> bool:
    """Whether the scenario goes on with another execution."""
    return any(getattr(act, "verb", "") == "fork" for act in scenario.actions)


def _hangs(scenario: Scenario) -> bool:
    scripts = (scenario.steps, scenario.fallbacks, scenario.compensations)
    return any(isinstance(one, Hangs) for each in scripts for row in each.values() for one in row)


# ---- the same in other words ----


def shuffled(scenario: Scenario) -> Scenario | None:
    """Steps and connections in another order, where the order of the list means nothing.

    The order of the document decides who is first of those that one instant makes ready, which
    shows only if there are not enough slots; so there are.
    """
    document = _named(scenario.workflow)
    steps = fields_of(document)
    listed = "nodes" not in document and "connections" not in document
    if listed and not any({"depends_on", "sequence_order"} & step.keys() for step in steps):
        return None
    if any(step.get("depends_on") for step in steps) and "connections" in document:
        return None
    dice = random.Random(scenario.schedule_seed)  # noqa: S311 - nothing secret about an order
    for key in ("steps", "nodes", "connections"):
        if document.get(key):
            dice.shuffle(document[key])
    return _changed(scenario, workflow=document)


def as_graph(scenario: Scenario) -> Scenario | None:
    """A list of steps as a graph of nodes, or a list whose order is written down as numbers."""
    document = copy_of(scenario.workflow)
    steps = document.get("steps")
    if steps is None:
        return None
    depends = any("depends_on" in step for step in steps)
    if "connections" not in document and not depends:
        if any("sequence_order" in step for step in steps):
            return None
        for number, step in enumerate(steps, 1):
            step["sequence_order"] = number
        return _changed(scenario, workflow=document)
    document["nodes"] = [_as_node(step) for step in document.pop("steps")]
    written = document.get("connections") or []
    for node in document["nodes"]:
        sources = node["config"].pop("depends_on", None)
        if sources is not None:
            node["config"].setdefault("join", "all")
            written += [{"source": source, "target": node["id"]} for source in sources]
    document["connections"] = written
    return _changed(scenario, workflow=document)


def _as_node(step: Mapping[str, Any]) -> dict[str, Any]:
    outside = {"id", "type", "name", "sequence_order"}
    node = {"id": step["id"], "config": {k: v for k, v in step.items() if k not in outside}}
    if "type" in step:
        node["type"] = step["type"]
    if "name" in step:
        node["title"] = step["name"]
    return node


def _forks_otherwise(scenario: Scenario) -> bool:
    """Whether it is forked with another document, whose steps are known to nobody here."""
    return any(isinstance(act, Call) and act.workflow for act in scenario.actions)


# ---- slower ----

FACTOR = 10

# How deep child executions may be nested (R28).
_DEEPEST = 33


def slower(scenario: Scenario) -> Scenario | None:
    """All times ten times as long: those of the document, of the scripts and of the acts."""
    if _forks_otherwise(scenario):
        return None
    documents = {name: copy_of(each) for name, each in scenario.workflows.items()}
    document = copy_of(scenario.workflow)
    for each in (document, *documents.values()):
        if not _slow_down(each):
            return None
    found = _changed(scenario, workflow=document, workflows=documents)
    scripts = {}
    for key, role in (("steps", ""), ("fallbacks", ":fallback"), ("compensations", ":compensate")):
        script: dict[str, Any] = {**dict(_usual(found, document, role)), **getattr(scenario, key)}
        scripts[key] = {place: [_longer(one) for one in row] for place, row in script.items()}
    acts = []
    for act in scenario.actions:
        more: dict[str, Any] = {}
        if isinstance(act.moment, AtTime):
            more["moment"] = AtTime(act.moment.at * FACTOR)
        for key in ("grace", "down"):
            if getattr(act, key, None):
                more[key] = getattr(act, key) * FACTOR
        acts.append(attrs.evolve(act, **more))
    return _changed(found, actions=acts, **scripts)


def _usual(
    scenario: Scenario, document: Document, role: str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield what the attempts of all steps do for which there is no script."""
    for part, step in zip(_parts(document), fields_of(document), strict=True):
        name = prefix + part["id"]
        yield name, (scenario.unscripted(name + role),)
        wanted = str(step.get("workflow"))
        itself = scenario.workflow if scenario.workflow["id"] == wanted else None
        child = scenario.workflows.get(wanted, itself)
        if child is None:
            continue
        # Items have children of their own, with names of their own. What starts itself comes to an
        # end by its depth; with items on each level that would be too much to write down.
        items = [f"{name}[{index}]" for index in range(9)] if step.get("for_each") else []
        if prefix.count("/") < (3 if items else _DEEPEST):
            for place in (name, *items):
                yield from _usual(scenario, child, role, f"{place}/")


def _longer(behaviour: Any) -> Any:
    if isinstance(behaviour, Hangs):
        return behaviour
    return attrs.evolve(behaviour, after=behaviour.after * FACTOR)


def _slow_down(document: dict[str, Any]) -> bool:
    _multiply(document, ("timeout",))
    _slow_retry(document)
    for part, step in zip(_parts(document), fields_of(document), strict=True):
        # An instant of the calendar, or a time that an input brings.
        if "until" in step or "$" in str(step.get("duration", "")):
            return False
        undo = step.get("compensate")
        if undo is not None:
            if isinstance(undo, str):
                undo = step["compensate"] = {"action": undo}
            undo.setdefault("timeout", step.get("timeout", _UNDO_TIMEOUT))
        if isinstance(step.get("fallback"), str):
            step["fallback"] = {"action": step["fallback"]}
        for each in (step, undo, step.get("fallback")):
            if each is not None:
                _multiply(each, ("timeout", "total_timeout", "duration"))
                _slow_retry(each)
        assert part["id"]
    return True


def _slow_retry(found: dict[str, Any]) -> None:
    retry = found.get("retry")
    if retry is not None:
        retry = {"max_attempts": retry} if isinstance(retry, int) else retry
        found["retry"] = {**_RETRY, **retry}
        _multiply(found["retry"], ("initial_delay", "max_delay", "max_elapsed"))


def _multiply(found: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        # No delay at all may be written as 0.
        if found.get(key):
            found[key] = round(read_duration(found[key]) * FACTOR, 9)


# ---- other names ----

_SUFFIX = "_2"
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|\$\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def old_name(name: str) -> str:
    """Return the name that something had before `renamed`."""
    return name.replace(_SUFFIX, "")


def renamed(scenario: Scenario) -> Scenario | None:
    """Every step of the document has another id; children have their own documents."""
    if _forks_otherwise(scenario):
        return None
    if _is_own_child(scenario) or _SUFFIX in json.dumps(scenario.to_json()):
        return None
    document = _named(scenario.workflow)
    ids = {part["id"] for part in _parts(document)}
    if any("depends_on" in step for step in fields_of(document)):
        return None  # the connections that it stands for are called by the names of steps
    for part, step in zip(_parts(document), fields_of(document), strict=True):
        if (part.get("type") or "action") == "wait":
            step.setdefault("signal", part["id"])
        part["id"] += _SUFFIX
        if "condition" in step:
            step["condition"] = _in_condition(step["condition"], ids)
        for key in ("parameters", "duration", "until", "for_each", "fallback", "compensate"):
            if key in step:
                step[key] = _in_template(step[key], ids)
    for edge in document.get("connections") or ():
        edge["source"] += _SUFFIX
        edge["target"] += _SUFFIX
        if "condition" in edge:
            edge["condition"] = _in_condition(edge["condition"], ids)
    if "output" in document:
        document["output"] = _in_template(document["output"], ids)
    scripts = {
        key: {_new(place): row for place, row in getattr(scenario, key).items()}
        for key in ("steps", "fallbacks", "compensations")
    }
    acts = [_renamed_act(act) for act in scenario.actions]
    return _changed(scenario, workflow=document, actions=acts, **scripts)


def _new(place: str) -> str:
    """Return the new name of `pay`, `pay[3]`, `pay:fallback` or `ship/pack`."""
    found = _PATH.match(place)
    return place if found is None else found[0] + _SUFFIX + place[found.end() :]


def _renamed_act(act: Any) -> Any:
    more: dict[str, Any] = {}
    if hasattr(act.moment, "step"):
        more["moment"] = attrs.evolve(act.moment, step=_new(act.moment.step))
    if getattr(act, "to", ""):
        more["to"] = _new(act.to)
    elif getattr(act, "decisions", None):
        more["decisions"] = {_new(name): each for name, each in act.decisions.items()}
    if getattr(act, "steps", None):
        more["steps"] = [_new(step) for step in act.steps]
    return attrs.evolve(act, **more)


def _in_template(value: Any, ids: set[str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{[^}]*\}", lambda found: _in_reference(found[0], ids), value)
    if isinstance(value, list):
        return [_in_template(each, ids) for each in value]
    if isinstance(value, dict):
        return {key: _in_template(each, ids) for key, each in value.items()}
    return value


def _in_reference(text: str, ids: set[str]) -> str:
    """Rename in `${pay.receipt}` or `${steps.pay.status}`: what a path begins with."""
    found = re.fullmatch(r"(\$\{\s*(?:steps\.)?)([A-Za-z_][A-Za-z0-9_-]*)(.*)", text, re.DOTALL)
    if found is None or found[2] not in ids:
        return text
    return f"{found[1]}{found[2]}{_SUFFIX}{found[3]}"


def _in_condition(text: str, ids: set[str]) -> str:
    def rename(found: re.Match[str]) -> str:
        word, before = found[0], text[: found.start()].rstrip()
        if word.startswith("${"):
            return _in_reference(word, ids)
        field = before.endswith(".") and not re.search(r"(?<![\w.])steps\s*\.$", before)
        return word + _SUFFIX if word in ids and not field else word

    return _TEXT.sub(rename, text)


# ---- more room, and a crash ----


def roomier(scenario: Scenario) -> Scenario | None:
    """More slots than before; `most_at_once` says whether they had all been in use."""
    document = copy_of(scenario.workflow)
    if document.get("max_concurrent_steps") is not None:
        document["max_concurrent_steps"] += 7
    return _changed(scenario, workflow=document, limit=scenario.limit + 7)


def crashed(scenario: Scenario, write: int) -> Scenario | None:
    """It dies after a write; where nothing depends on when, and attempts are simply made again."""
    documents = [scenario.workflow, *scenario.workflows.values()]
    steps = [step for each in documents for step in fields_of(copy_of(each))]
    timed = any({"timeout", "total_timeout", "duration", "until"} & each.keys() for each in steps)
    timed = timed or any("timeout" in each for each in documents)
    dies = any(isinstance(act, Crash | Interrupt) for act in scenario.actions)
    acts = all(act.moment is None for act in scenario.actions)
    if dies or not acts or timed or forks(scenario) or _hangs(scenario):
        return None
    if any((step.get("on_crash") or "retry") != "retry" for step in steps):
        return None
    scripts = (scenario.steps, scenario.fallbacks, scenario.compensations)
    # An attempt that is made again has the next number, and does what the next one would have done.
    if any(len(set(map(repr, row))) > 1 for each in scripts for row in each.values()):
        return None
    return _changed(scenario, actions=[Crash(AfterWrite(write), 0.3017), *scenario.actions])


def dies_at_a_write(scenario: Scenario) -> bool:
    """Whether what is seen depends on how often was written before."""
    return any(isinstance(act.moment, AfterWrite | BeforeWrite) for act in scenario.actions)


Vary = Callable[[Scenario], Scenario | None]
