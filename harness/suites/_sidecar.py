"""The file beside a document that says how to test it: `order.harness.toml`.

What it may say, and what of it is refused, stands in docs/harness-sidecar.md. It is read strictly:
what is misspelt would otherwise be left out in silence, for ever.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from referencing import Registry

from harness._formats import FORMATS
from harness._scenario import Returns
from harness.families import FAMILIES
from harness.families._cases import LEVELS, SMOKE, Case
from harness.families._plan import Plan
from harness.families._stories import Draft

ENDING = ".harness.toml"
CRASH = "crash"


class SidecarError(ValueError):
    """A sidecar cannot be followed; `problems` are its faults, a sentence each."""

    def __init__(self, problems: Sequence[str], source: str) -> None:
        super().__init__(tuple(problems), source)
        self.problems = tuple(problems)
        self.source = source

    def __str__(self) -> str:
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return f"{self.source} has {count}:" + "".join(f"\n- {each}" for each in self.problems)


@attrs.frozen
class Values:
    """Data under which all is to go well, too: the scenario ``ok-<name>``.

    `input` and `outputs` replace what is usual, key by key; `outputs` are by step.
    """

    name: str
    input: Mapping[str, Any] = attrs.field(factory=dict)
    outputs: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Sidecar:
    """What a sidecar says; None where it says nothing. `timeout` is in seconds of real time."""

    source: str = ""
    level: str | None = None
    families: tuple[str, ...] | None = None
    budget: int | None = None
    timeout: float | None = None
    # Why, by the id of a scenario or a pattern of ids.
    skip: Mapping[str, str] = attrs.field(factory=dict)
    values: tuple[Values, ...] = ()
    # What is wrong with the rest of it, which is left aside here: nobody may go on with that.
    problems: tuple[str, ...] = ()

    def refuse(self, more: Iterable[str] = ()) -> None:
        """Raise `SidecarError` if there are problems: those of the file, and more."""
        if problems := [*self.problems, *more]:
            raise SidecarError(problems, self.source)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of the sidecar means a scenario: its own id, or as file names match."""
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def sidecar_name(document: str | os.PathLike[str]) -> Path:
    """Return the path of the sidecar of a document, whether or not it is there."""
    path = Path(document)
    return path.with_name(stem_of(path) + ENDING)


def stem_of(document: Path) -> str:
    """Return the name of a document without its endings: ``order``."""
    stem = document.name
    for ending in (".json", ".yaml", ".yml", ".workflow"):
        stem = stem.removesuffix(ending)
    return stem


def read_sidecar(document: str | os.PathLike[str]) -> Sidecar:
    """Return what stands beside a document; an empty sidecar if nothing does.

    Raises `SidecarError` with all that can be told to be wrong without the document.
    """
    found = readable_sidecar(document)
    found.refuse()
    return found


def readable_sidecar(document: str | os.PathLike[str]) -> Sidecar:
    """Return what can be understood of what stands beside a document, with the problems of it.

    So whoever has the document can tell all faults at once. Raises `SidecarError` if it is no TOML.
    """
    path = sidecar_name(document)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return Sidecar()
    except UnicodeDecodeError as error:
        raise SidecarError([f"it is not UTF-8: {error}"], str(path)) from None
    except OSError as error:
        raise SidecarError([f"it cannot be read: {error.strerror}"], str(path)) from None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SidecarError([f"it is not TOML: {error}"], str(path)) from None
    except RecursionError:
        raise SidecarError(["its values are nested too deeply to be read"], str(path)) from None
    reader = _Reader()
    values = reader.read(found)
    return Sidecar(str(path), **values, problems=tuple(reader.problems))


def near(name: str, names: Iterable[str]) -> str:
    """Return in words which of the names were perhaps meant."""
    known = sorted(names)
    found = difflib.get_close_matches(name, known, 3, 0.5)
    stem = name.strip("*")
    found += [each for each in known if stem and stem in each and each not in found]
    return f"; near it: {', '.join(found[:5])}" if found else ""


@attrs.define(eq=False)
class _Reader:
    problems: list[str] = attrs.field(factory=list)

    def read(self, found: Mapping[str, Any]) -> dict[str, Any]:
        readers: dict[str, Callable[[Any], Any]] = {
            "level": self._level,
            "families": self._families,
            "budget": self._budget,
            "timeout": self._timeout,
            "skip": self._skip,
            "values": lambda value: tuple(self._values(value)),
        }
        for key in [each for each in found if each not in readers]:
            meant = difflib.get_close_matches(key, readers, 1)
            known = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(readers)}"
            self.problems.append(f"{key}: there is no such key; {known}")
        made: dict[str, Any] = {}
        for key, read in readers.items():
            before = len(self.problems)
            if key in found:
                value = read(found[key])
                # Of tables the rest can be looked at all the same.
                if before == len(self.problems) or key in ("skip", "values"):
                    made[key] = value
        return made

    def _wrong(self, key: str, value: Any, instead: str) -> None:
        self.problems.append(f"{key} = {_shown(value)}: write {instead}")

    def _level(self, value: Any) -> Any:
        if value not in tuple(LEVELS):
            self._wrong("level", value, f"one of {', '.join(map(_shown, LEVELS))}")
        return value

    def _families(self, value: Any) -> tuple[str, ...]:
        known = (*FAMILIES, CRASH)
        if not isinstance(value, list) or not value:
            self._wrong("families", value, 'a list of names, such as ["ok", "timeout"]')
            return ()
        for each in value:
            if each not in known:
                self._wrong("families", each, f"one of {', '.join(known)}")
        return tuple(map(str, value))

    def _budget(self, value: Any) -> Any:
        if type(value) is not int or value < 1:
            self._wrong("budget", value, "how many scenarios there may be, 1 or more")
        return value

    def _timeout(self, value: Any) -> Any:
        number = type(value) in (int, float) and math.isfinite(value)
        if not number or value <= 0:
            self._wrong("timeout", value, "the seconds that a scenario may take, more than 0")
        return value

    def _table(self, key: str, value: Any, instead: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._wrong(key, value, instead)
        return {}

    def _skip(self, value: Any) -> Mapping[str, str]:
        table = self._table("skip", value, 'a table: [skip] and below it "timeout-pay-*" = "why"')
        for pattern, reason in table.items():
            if not isinstance(reason, str) or not reason.strip():
                self._wrong(f"skip.{_key(pattern)}", reason, "the reason, as text")
        return table

    def _values(self, value: Any) -> Iterator[Values]:
        table = self._table("values", value, "a table for each set: [values.NAME]")
        for name, given in table.items():
            place = f"values.{_key(name)}"
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                self.problems.append(f"{place}: name it with a to z, digits, - and _")
            given = self._table(place, given, f"a table: [{place}.input] or [{place}.outputs]")
            for key in [each for each in given if each not in ("input", "outputs")]:
                self.problems.append(f"{place}.{_key(key)}: there is only input and outputs")
            rows = {
                key: self._table(f"{place}.{key}", given.get(key, {}), "a table of values")
                for key in ("input", "outputs")
            }
            if not any(rows.values()):
                self.problems.append(f"{place}: say in input or outputs what is otherwise")
            for key, row in list(rows.items()):
                for where in _not_json(row, f"{place}.{key}"):
                    self.problems.append(f"{where} has no place in JSON: write text or a number")
                    rows[key] = {}
            yield Values(name, **rows)


def _not_json(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _not_json(each, f"{place}.{_key(key)}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _not_json(each, f"{place}[{index}]")
    elif not isinstance(value, str | int | float) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        yield f"{place} = {value}"


def _key(name: str) -> str:
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalnum() else json.dumps(name, ensure_ascii=False)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# ---- against the document ----


def cases_of(sidecar: Sidecar, plan: Plan, problems: list[str]) -> list[Case]:
    """Return the cases of the extra values; what does not fit goes to the problems."""
    cases = []
    taken = {case.name for case in FAMILIES["ok"](plan)} if sidecar.values else set()
    for values in sidecar.values:
        place = f"values.{_key(values.name)}"
        if values.name in taken:
            problems.append(f"{place}: ok-{values.name} is one already; take another name")
        draft = _with_outputs(plan, _with_input(plan, values.input), values.outputs)
        problems += _misfits(plan, values, draft, place)
        cases.append(Case(values.name, f"with the values {values.name}", draft, SMOKE))
    return cases


def _with_input(plan: Plan, given: Mapping[str, Any]) -> Draft:
    draft = plan.base.draft
    input = {**draft.scenario.input, **given}
    return attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, input=input))


def _with_outputs(plan: Plan, draft: Draft, given: Mapping[str, Any]) -> Draft:
    steps, payloads = dict(draft.scenario.steps), dict(draft.payloads)
    for name, output in given.items():
        whole = _merged(plan.outputs.get(name), output)
        if name in _waits(plan):
            payloads[name] = whole
        for each in [each for each in steps if each == name or each.startswith(f"{name}[")]:
            steps[each] = tuple(
                attrs.evolve(one, output=whole) if isinstance(one, Returns) else one
                for one in steps[each]
            )
    scenario = attrs.evolve(draft.scenario, steps=steps)
    return attrs.evolve(draft, scenario=scenario, payloads=payloads)


def _merged(usual: Any, given: Any) -> Any:
    """Return the keys that are given on top of the usual ones; what is no object replaces all."""
    if isinstance(usual, Mapping) and isinstance(given, Mapping):
        return {**usual, **given}
    return given


def _waits(plan: Plan) -> Collection[str]:
    return {step.id for step in plan.steps if step.type == "wait"}


def _misfits(plan: Plan, values: Values, draft: Draft, place: str) -> Iterator[str]:
    whole = {**(plan.document.get("input") or {}), **draft.scenario.input}
    wrong = misfit(plan.document.get("input_schema"), whole)
    if wrong:
        yield f"{place}.input: {wrong}; what is to be rejected is in the family bad-input"
    known = {step.id: step for step in plan.steps if step.type in ("action", "wait")}
    for name, output in values.outputs.items():
        where = f"{place}.outputs.{_key(name)}"
        if name not in known:
            able = [each for each in known if plan.raises(each) is None]
            yield f"{where}: no action or wait step has this id{near(name, able)}"
            continue
        if plan.raises(name) is not None:
            yield f"{where}: it calls fail, which returns nothing"
            continue
        fields = known[name].fields
        schema = fields.get("schema" if known[name].type == "wait" else "output_schema")
        wrong = misfit(schema, _merged(plan.outputs.get(name), output))
        if wrong:
            yield f"{where}: {wrong}; what is to be refused is in the families bad-output and wait"


def misfit(schema: Any, value: Any) -> str:
    """Return in words where a value does not fit a schema; nothing if it does."""
    if schema is None:
        return ""
    kind = validator_for(schema, default=Draft202012Validator)
    validator = kind(schema, registry=Registry(), format_checker=FORMATS)
    error = best_match(validator.iter_errors(value))
    return "" if error is None else f"at {error.json_path}, {error.message}"


# ---- what is skipped ----


def reasons(
    sidecar: Sidecar,
    suite: Mapping[str, Collection[str]],
    everything: Callable[[], Aliases],
    problems: list[str],
) -> dict[str, str]:
    """Return by which pattern, by the ids of a suite, what is skipped is skipped.

    `suite` has all ids: those of crash points under the scenario that dies, which is skipped as a
    whole; all others without any. Patterns that mean nothing go to the problems. Only where a
    pattern means nothing in this suite is it looked for in `everything`, which is every level
    and family: ids, with the ones under which they are told.
    """
    found: dict[str, str] = {}
    idle = []
    for pattern in sidecar.skip:
        meant: list[str] = []
        for name, points in suite.items():
            some = [each for each in points if matches(pattern, each)]
            if matches(pattern, name) or (some and len(some) == len(points)):
                meant += [name, *points]
            elif some:
                problems.append(
                    f"skip.{_key(pattern)}: it means some crash points of {name} only; "
                    f'skip all of them: "{name}*"'
                )
        if not meant:
            idle.append(pattern)
        for name in meant:
            found.setdefault(name, pattern)
    problems += _meaning_nothing(idle, everything) if idle else ()
    return found


# Ids, each with the one under which it is told: the same, unless two scenarios are one.
Aliases = Mapping[str, str]


def _meaning_nothing(patterns: Sequence[str], everything: Callable[[], Aliases]) -> Iterator[str]:
    known = everything()
    for pattern in patterns:
        told = [known[name] for name in known if matches(pattern, name)]
        if not told:
            yield f"skip.{_key(pattern)}: no scenario has such an id{near(pattern, known)}"
        elif not any(matches(pattern, name) for name in told):
            yield f"skip.{_key(pattern)}: it is told as {told[0]}; skip that"
