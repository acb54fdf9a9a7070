"""Big documents and odd ones: nothing hangs, nothing grows faster than it must."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.__main__ import main
from harness.data import smallest, violations
from harness.data._costs import is_dear
from harness.families._plan import Plan
from harness.families._stories import MOST_ATTEMPTS, OFTEN
from harness.families._undo import undone_by
from harness.oracle._document import Document
from harness.reports._certain import surely_unreached
from harness.reports._linting import NEVER, NOTE, lint
from harness.reports._skipping import _may_be_skipped
from harness.solver import World
from harness.solver._proofs import proved
from harness.suites import _library

ROOT = Path(__file__).parent.parent.parent
FIXTURES = sorted((ROOT / "tests/fixtures").glob("*.workflow.json"))


def chain(count: int, **more: Any) -> Document:
    """Return so many steps in a row, each of which can be undone."""
    steps = [{"id": f"s{index}", "action": "do", "compensate": "undo"} for index in range(count)]
    return {"id": "chain", "steps": [{**each, **more} for each in steps]}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the stories that are told to their ends."""
    found: list[int] = []
    usual = Plan._tell

    def counting(self: Plan, draft: Any) -> Any:
        found.append(1)
        return usual(self, draft)

    monkeypatch.setattr(Plan, "_tell", counting)
    return found


def written(folder: Path, document: Document) -> Path:
    path = folder / "it.workflow.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def slow(pattern: str) -> Any:
    return pytest.param(pattern, marks=pytest.mark.slow)


# ---- nothing hangs ----


@pytest.mark.parametrize("field", ("retry", "compensate", "fallback"))
@pytest.mark.parametrize("on_exhausted", ("fail", "pause"))
def test_a_thousand_million_attempts(field: str, on_exhausted: str) -> None:
    retry: dict[str, Any] = {"max_attempts": 1_000_000_000, "initial_delay": "1ms"}
    more: dict[str, Any] = {field: {"action": "other", "retry": retry}}
    if field == "retry":
        more = {"retry": {**retry, "on_exhausted": on_exhausted}}
    made = harness.suite(chain(2, **more), "smoke")

    assert made.scenarios
    assert field != "retry" or OFTEN in made.doubts.values()


def test_as_many_attempts_as_are_looked_at() -> None:
    at_most, more = (
        harness.suite(
            chain(1, retry={"max_attempts": most, "initial_delay": "1ms"}), "smoke", ["fail"]
        )
        for most in (MOST_ATTEMPTS, MOST_ATTEMPTS + 1)
    )

    assert (["fail-s0"], {}) == ([each.id for each in at_most.scenarios], at_most.doubts)
    assert ([], {"fail-s0": OFTEN}) == ([each.id for each in more.scenarios], more.doubts)


@pytest.mark.parametrize(
    "pattern",
    ("^(a+)+b$", "^([a-z]+-)*[a-z]+$", slow("^(a?){30}a{30}$"), slow("a?" * 25 + "a" * 25)),
)
def test_a_pattern_that_takes_for_ever(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    found = smallest(schema)
    misfits = [each.value for each in violations(schema) if isinstance(each.value, str)]

    assert not any(is_dear(pattern, each) for each in (found, *misfits))
    assert not [each.label for each in violations(schema) if each.value == found]


@pytest.mark.parametrize(
    ("pattern", "text", "dear"),
    (
        ("^(a?){30}a{30}$", "a" * 30, True),
        ("^(a?){30}a{30}$", "a" * 60, False),
        ("^(a|b|ab)*c", "ab" * 30, True),
        ("^(a+)+b$", "a" * 40, True),
        ("^[a-z]+(-[a-z]+)*$", "abc-def-ghi", False),
        ("^a{2,5}$", "a" * 1000, False),
        ("(", "a", False),
    ),
)
def test_what_a_pattern_costs(pattern: str, text: str, dear: bool) -> None:
    assert dear is is_dear(pattern, text)


def test_many_items_take_no_longer_each() -> None:
    step = {"id": "each", "action": "do", "for_each": {"items": list(range(300))}}
    made = harness.suite({"id": "many", "steps": [step]}, "smoke", ["ok"])

    assert [300] == [len(each.expected.last.outputs["each"]) for each in made.scenarios]


# ---- nothing is made that nobody needs ----


def test_lint_plays_no_suite_where_nothing_is_doubtful(tmp_path: Path, told: list[int]) -> None:
    document = chain(40)
    document["steps"][-1]["parameters"] = {"x": "${s0.x}"}

    assert all(each.kind == NOTE for each in lint(written(tmp_path, document)))
    assert len(told) < 5


def test_who_undoes_is_asked_once_for_each_step_that_fails(told: list[int]) -> None:
    plan = Plan(chain(30))
    for step in plan.steps:
        undone_by(plan, step)
    one = len(told)
    for step in plan.steps:
        undone_by(plan, step)

    assert one <= 35
    assert one == len(told)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_only_what_may_be_skipped_by_its_shape_is_skipped(path: Path) -> None:
    plan, scenarios = _library.one_by_one(path)
    able = _may_be_skipped(plan.graph)
    seen = {
        step
        for each in scenarios
        if each.expected is not None
        for phase in each.expected.phases
        for step, status in phase.steps.items()
        if status == "SKIPPED"
    }

    assert set() == seen - able


# ---- what was not found, and what cannot be ----

WORLD = World(
    input={
        "properties": {
            "n": {"type": "integer", "maximum": 5},
            "s": {"type": "string"},
            "e": {"enum": ["a", "b"]},
            "b": {"type": "boolean"},
        }
    },
    outputs={"read": {}},
)


@pytest.mark.parametrize(
    ("condition", "sure"),
    (
        ("input.n > 5", True),
        ("input.n >= 5", False),
        ("6 <= input.n", True),
        ("input.n == 6", True),
        ("not (input.n <= 7)", True),
        ("read.count > 5 and read.count < 3", True),
        ("5 < read.count < 3", True),
        ("read.count > 3 and read.count < 5", False),
        ("read.count >= 3 and read.count <= 3", False),
        ("read.count > 3 and read.count <= 3", True),
        ("read.count > 3 and read.count < 'x'", True),
        ("input.s > 5", True),
        ("input.s == 4", True),
        ("input.s == 'x' and input.s == 'y'", True),
        ("input.s == 'x' or input.s == 'y'", False),
        ("input.e == 'c'", True),
        ("input.e != 'c'", False),
        ("input.e == 'c' or input.n > 9", True),
        ("input.e == 'a' or input.n > 9", False),
        ("not (input.e == 'a' or input.n > 3)", False),
        ("input.b and not input.b", True),
        ("input.b or not input.b", False),
        ("read.x and not read.x", False),
        ("1 == 2", True),
        ("read.x > null", True),
        ("input.n * input.n == 1522756", False),
        ("input.s + input.s == 'abab'", False),
        ("len(input.s) == 77 and 'q' in input.s", False),
        ("${input.e?} == null", False),
    ),
)
def test_what_is_proved(condition: str, sure: bool) -> None:
    assert sure is proved(condition, WORLD)


def asking(condition: str, on: str = "success") -> Document:
    return {
        "id": "asking",
        "input_schema": {"type": "object", "properties": {"size": {"type": "integer"}}},
        "steps": [
            {"id": "a", "action": "x"},
            {"id": "b", "action": "x"},
            {"id": "c", "action": "x"},
        ],
        "connections": [
            {"source": "a", "target": "b", "condition": condition},
            {"source": "b", "target": "c", "on": on},
        ],
    }


def test_what_was_not_found_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, asking("input.size * input.size == 1522756"))

    assert 0 == main(["lint", str(path)])
    out = capsys.readouterr().out
    assert (
        "a->b: note: it was never taken: nothing was found that makes "
        "input.size * input.size == 1522756 true; if there is such data, "
        "give it in it.harness.toml under [values.NAME]"
    ) in out
    assert "b: note: it was never reached: a->b was never taken" in out

    (tmp_path / "it.harness.toml").write_text("[values.big]\ninput = {size = 1234}\n", "utf-8")

    assert 0 == main(["lint", str(path)])
    assert "was never" not in capsys.readouterr().out
    assert () == _library.suite(path).unreachable


def test_what_cannot_be_is_a_fault(tmp_path: Path) -> None:
    found = lint(written(tmp_path, asking("input.size > 3 and input.size < 2")))

    assert [
        ("b", "this step is never reached: a->b can never be taken"),
        ("c", "this step is never reached: b->c can never be taken"),
        (
            "a->b",
            "this branch can never be taken: nothing makes input.size > 3 and input.size < 2 true",
        ),
        ("b->c", "this branch can never be taken: b never runs"),
    ] == [(each.where, each.text) for each in found if each.kind == NEVER]


def test_always_is_taken_behind_what_never_runs() -> None:
    document = asking("input.size > 3 and input.size < 2", on="always")

    assert {"step b", "connection a->b"} == surely_unreached(Plan(document))


# ---- whoever sits there ----


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", ("list", "lint", "generate", "report"))
def test_a_terminal_sees_how_far_it_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    path = written(tmp_path, chain(6))
    more = ["--level", "smoke"] if command != "lint" else []
    more += ["-o", str(tmp_path)] if command == "generate" else []

    assert 0 == main([command, str(path), *more])
    assert f"{path}: looked at 0 cases" in terminal.getvalue()
    assert command == "lint" or "looked at 10 of " in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_what_is_no_terminal_gets_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["list", str(written(tmp_path, chain(6))), "--level", "smoke"])
    assert "" == capsys.readouterr().err
