"""Data for conditions: literal ones for what can be asked, and both evaluators as judges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness._formats import FORMATS
from harness.oracle._conditions import Scope
from harness.oracle._reading import Names, read_condition
from harness.solver import (
    ABSENT,
    FALSE,
    MISSING,
    NO_INPUT,
    TRUE,
    WRONG,
    Pair,
    Solution,
    Solver,
    Unreachable,
    World,
    edge_values,
)
from harness.solver._clauses import Condition, outcome_of, text_of
from trioflow import expressions

INPUT = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 0},
        "vip": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["limit"],
}
PAY = {
    "type": "object",
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "result": {"enum": ["ok", "warning", "bad"]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "integer"}},
                "required": ["price"],
            },
        },
    },
    "required": ["total", "result"],
}
# Of `b` nothing is known.
WORLD = World(INPUT, {"pay": PAY, "b": None})
STEPS = ("pay", "b")


def solver(condition: str, world: World = WORLD) -> Solver:
    return Solver.of(condition, world, source="pay")


def solved(condition: str, wanted: str, world: World = WORLD) -> Solution:
    found = solver(condition, world).solve(wanted)
    assert isinstance(found, Solution), found
    return found


def engines_outcome(condition: str, solution: Solution, world: World = WORLD) -> str:
    """Return what trioflow's own evaluator says."""
    scope = expressions.Scope(
        input={**world.defaults, **solution.input},
        outputs=solution.outputs,
        steps={step: {"error": None, **facts} for step, facts in solution.facts.items()},
        execution=world.execution,
        workflow=world.workflow,
    )
    try:
        holds = expressions.Condition.parse(condition, source="pay", steps=STEPS).test(scope)
    except expressions.MissingInputError as error:
        return NO_INPUT if error.inputs else MISSING
    except expressions.ExpressionError:
        return WRONG
    return TRUE if holds else FALSE


def oracles_outcome(condition: str, solution: Solution, world: World = WORLD) -> str:
    scope = Scope(
        {**world.defaults, **solution.input},
        solution.outputs,
        solution.facts,
        world.execution,
        world.workflow,
    )
    return outcome_of(read_condition(condition, Names(frozenset(STEPS), "pay")), scope)


# ---- true, false, and neither ----


@pytest.mark.parametrize(
    ("condition", "wanted", "assignment"),
    (
        ("total > 500", TRUE, {"pay.total": 501}),
        # What the smallest document has anyway is best.
        ("total > 500", FALSE, {"pay.total": 0}),
        ("total >= 0.5", TRUE, {"pay.total": 0.5}),
        ("result == 'warning'", TRUE, {"pay.result": "warning"}),
        ("result != 'ok'", TRUE, {"pay.result": "warning"}),
        ("result in ['ok', 'warning']", FALSE, {"pay.result": "bad"}),
        ("'gold' in input.tags", TRUE, {"input.tags": ["gold"]}),
        ("'gold' in input.tags", FALSE, {"input.tags": []}),
        ("'gold' in input.tags", NO_INPUT, {}),
        ("not input.vip", TRUE, {"input.vip": False}),
        ("exists(input.vip)", TRUE, {"input.vip": False}),
        ("exists(input.vip)", FALSE, {}),
        ("exists(input.vip) and input.vip", TRUE, {"input.vip": True}),
        ("${input.vip?} == null", TRUE, {}),
        ("total + 1 > input.limit * 2", FALSE, {"pay.total": 0, "input.limit": 1}),
        ("(total - 2) * 3 == 21", TRUE, {"pay.total": 9}),
        ("100 - total == 1", TRUE, {"pay.total": 99}),
        ("-total == -3", TRUE, {"pay.total": 3}),
        ("input.limit % 7 == 3", TRUE, {"input.limit": 3}),
        ("input.limit // 7 == 3 and input.limit % 7 == 6", TRUE, {"input.limit": 27}),
        ("b.name + '!' == 'x!'", TRUE, {"b.name": "x"}),
        ("b.x < b.y < b.z", TRUE, {"b.x": 0, "b.y": 1, "b.z": 2}),
        ("1 < total <= 1.5", TRUE, {"pay.total": 1.5}),
        ("b.n == input.limit and b.n > 8", TRUE, {"b.n": 9, "input.limit": 9}),
        ("b.n > 8", MISSING, {}),
        # A list does not grow, so nobody can bring it.
        ("input.tags[1] == 'z'", MISSING, {}),
        ("input.other.deep > 1", MISSING, {}),
        ("input.other.deep > 1", NO_INPUT, {}),
        ("b.n > 8", WRONG, {"b.n": None}),
        ("b[input.limit] == 3", TRUE, {"b": [3], "input.limit": 0}),
        (
            "len(lines) > 2 and lines[0].price == 7",
            TRUE,
            {
                "pay.lines": [{"price": 7}, {"price": 0}, {"price": 0}],
                "pay.lines[0].price": 7,
            },
        ),
        (
            "len(input.tags) == 3 and input.tags[-1] == 'z'",
            TRUE,
            {"input.tags": ["", "", "z"], "input.tags[-1]": "z"},
        ),
        (
            "input.tags[-2] == 'y' and input.tags[-1] == 'z'",
            TRUE,
            {"input.tags[-2]": "y", "input.tags[-1]": "z"},
        ),
        ("steps.pay.status == 'SKIPPED'", TRUE, {"steps.pay.status": "SKIPPED"}),
        ("steps.pay.error.code == 'http.503'", TRUE, {"steps.pay.error.code": "http.503"}),
        ("steps.b.output.x == 1", TRUE, {"b.x": 1}),
        ("", TRUE, {}),
    ),
    ids=str,
)
def test_solutions(condition: str, wanted: str, assignment: dict[str, Any]) -> None:
    found = solved(condition, wanted)

    assert assignment == found.assignment
    assert wanted == engines_outcome(condition, found)
    assert wanted == oracles_outcome(condition, found)


def test_a_solution_is_made_of_whole_documents() -> None:
    found = solved("total > 5 and input.vip and steps.b.status == 'FAILED'", TRUE)

    assert {"limit": 0, "vip": True} == found.input
    assert {"pay": {"total": 6, "result": "ok"}} == found.outputs
    error = {"code": "action.error", "message": "a"}
    assert {"b": {"status": "FAILED", "error": error, "attempts": 1}} == found.facts
    assert (TRUE, TRUE, TRUE) == found.clauses


def test_what_is_not_there_is_said() -> None:
    found = solved("exists(input.vip) or exists(b)", FALSE)

    assert ("input.vip", "b") == found.absent
    assert "b" not in found.outputs
    assert "COMPLETED" != found.facts["b"]["status"]


@pytest.mark.parametrize(
    ("condition", "wanted"),
    (
        ("result == 'nope'", TRUE),
        ("total < 0", TRUE),
        ("total > 5 and total < 3", TRUE),
        ("input.limit == 0.5", TRUE),
        ("exists(total)", FALSE),
        ("total > 5", MISSING),
        ("total > 5", WRONG),
        ("workflow.version == '2'", TRUE),
        ("false", TRUE),
        (None, FALSE),
    ),
    ids=str,
)
def test_what_no_data_reach(condition: str, wanted: str) -> None:
    found = solver(condition).solve(wanted)

    assert isinstance(found, Unreachable)
    assert found.complete
    assert str(found).startswith(f"no candidate of {found.tried} reached it ({wanted})")


def test_too_little_budget_is_said() -> None:
    condition = " and ".join(f"b.x{index} + b.y{index} == {index}" for index in range(6))

    found = Solver.of(condition, WORLD, source="pay", budget=30).solve(NO_INPUT)

    assert isinstance(found, Unreachable)
    assert not found.complete
    assert "there are more" in str(found)


def test_several_conditions_at_once() -> None:
    known = Names(frozenset(STEPS), "pay")
    texts = ("total > 5", "total > 10", "input.vip")
    both = Solver([read_condition(text, known) for text in texts], WORLD)

    found = both.solve(TRUE, FALSE, NO_INPUT)

    assert isinstance(found, Solution)
    assert {"pay.total": 6} == found.assignment
    assert (TRUE, FALSE, NO_INPUT) == found.clauses
    assert isinstance(both.solve(FALSE, TRUE, TRUE), Unreachable)


def test_references_can_be_fixed() -> None:
    found = solver("total > input.limit").solve(TRUE, given={"input.limit": 77})

    assert isinstance(found, Solution)
    assert {"pay.total": 100, "input.limit": 77} == found.assignment

    found = solver("exists(input.vip) or total > 3").solve(TRUE, given={"exists(input.vip)": False})

    assert isinstance(found, Solution)
    assert {"pay.total": 4} == found.assignment


def test_a_default_of_the_document_counts() -> None:
    world = World(INPUT, {"pay": PAY}, defaults={"vip": True, "limit": 5})

    found = solved("input.vip and input.limit > 7", TRUE, world)

    assert {"limit": 8} == found.input
    assert isinstance(solver("exists(input.vip)", world).solve(FALSE), Unreachable)


def test_with_the_defaults_an_input_has_to_fit() -> None:
    schema = {"type": "object", "not": {"required": ["a", "b"]}}

    assert isinstance(solver("input.b == 1", World(schema)).solve(TRUE), Solution)
    defaults = {"a": 1}
    found = solver("input.b == 1", World(schema, defaults=defaults)).solve(TRUE)

    assert isinstance(found, Unreachable)
    assert "with the defaults the input does not fit" in str(found)


def test_a_step_with_an_output_has_completed() -> None:
    world = World(INPUT, {"pay": PAY}, statuses={"pay": ["FAILED", "COMPLETED"]})

    assert {"total": 6, "result": "ok"} == solved("total > 5", TRUE, world).outputs["pay"]


def test_a_list_and_its_end_agree() -> None:
    condition = "input.tags in [['x'], ['a', 'z']] and input.tags[-1] == 'z'"

    assert {"limit": 0, "tags": ["a", "z"]} == solved(condition, TRUE).input


def test_how_a_step_may_have_ended_can_be_told() -> None:
    world = World(INPUT, {"pay": PAY}, statuses={"pay": ["FAILED"]})

    assert isinstance(solver("steps.pay.status == 'COMPLETED'", world).solve(TRUE), Unreachable)
    assert isinstance(solver("total >= 0", world).solve(TRUE), Unreachable)
    assert {} == solved("not exists(total)", TRUE, world).outputs


def test_the_same_again() -> None:
    condition = "result in ['ok', 'bad'] and (total > 5 or input.vip) and b.x != 3"

    assert solver(condition).pairs() == solver(condition).pairs()
    assert solver(condition).edges() == solver(condition).edges()


# ---- clauses ----


def sides(condition: str) -> list[Any]:
    """Return for each clause whether it decides alone, and the two assignments."""
    return [
        (pair.alone, pair.true.assignment, pair.false.assignment)
        if isinstance(pair, Pair)
        else pair.complete
        for pair in solver(condition).pairs()
    ]


def test_each_clause_decides_once() -> None:
    assert [
        (True, {"pay.total": 6, "input.vip": True}, {"pay.total": 5, "input.vip": True}),
        (True, {"pay.total": 6, "input.vip": True}, {"pay.total": 6, "input.vip": False}),
    ] == sides("total > 5 and input.vip")
    assert [
        (True, {"pay.total": 6, "input.vip": False}, {"pay.total": 5, "input.vip": False}),
        (True, {"pay.total": 0, "input.vip": True}, {"pay.total": 0, "input.vip": False}),
    ] == sides("total > 5 or input.vip")
    assert [
        (True, {"pay.total": 2}, {"pay.total": 1}),
        (True, {"pay.total": 2}, {"pay.total": 6}),
    ] == sides("1 < total <= 5")


def test_a_clause_that_others_hang_on_decides_with_them() -> None:
    assert [
        (False, {"input.vip": True}, {}),
        (True, {"input.vip": True}, {"input.vip": False}),
    ] == sides("exists(input.vip) and input.vip")


def test_a_clause_that_never_decides() -> None:
    assert [True, True] == sides("total > 5 and total < 3")
    pair = solver("total > 5 and result == 'no'").pairs()[0]
    assert str(pair).startswith("pay.total > 5 never decides: no candidate of")


def test_clauses_are_named() -> None:
    assert (
        "1 < pay.total",
        "pay.total <= 5",
        "len(pay.lines) + 1 > 2",
        'input.tags[-1] in ["a", pay.result]',
    ) == solver(
        "1 < total <= 5 or not (len(lines) + 1 > 2 && input.tags[-1] in ['a', result])"
    ).clauses


# ---- edges ----


@pytest.mark.parametrize(
    ("condition", "expected"),
    (
        ("total > 500", [("pay.total", "value", 499, 500, 501)]),
        ("0.25 <= total", [("pay.total", "value", 0.24, 0.25, 0.26)]),
        ("total + 1 > 5", [("pay.total", "value", 3, 4, 5)]),
        ("5 - total > 1", [("pay.total", "value", 3, 4, 5)]),
        ("total * 2 == 8", [("pay.total", "value", 3.5, 4, 4.5)]),
        ("len(lines) > 2", [("pay.lines", "length", 1, 2, 3)]),
        ("len(lines) > 0", []),
        ("result == 'ok'", [("pay.result", "value", "o", "ok", "oka")]),
        ("1 < total < 3", [("pay.total", "value", 0, 1, 2), ("pay.total", "value", 2, 3, 4)]),
        ("input.vip == true or exists(total)", []),
        ("not total > 1", [("pay.total", "value", 0, 1, 2)]),
    ),
    ids=str,
)
def test_edge_values(condition: str, expected: list[Any]) -> None:
    found = edge_values(read_condition(condition, Names(frozenset(STEPS), "pay")))

    assert expected == [
        (each.reference, each.kind, each.below, each.at, each.above) for each in found
    ]


def test_solutions_at_the_edges() -> None:
    found = solver("total > 1 and input.vip").edges()

    assert [
        ("below", {"pay.total": 0, "input.vip": True}, (FALSE, TRUE)),
        ("at", {"pay.total": 1, "input.vip": True}, (FALSE, TRUE)),
        ("above", {"pay.total": 2, "input.vip": True}, (TRUE, TRUE)),
    ] == [(which, each.assignment, each.clauses) for _, which, each in found]


def test_an_edge_that_the_schema_does_not_allow_is_left_out() -> None:
    assert ["at", "above"] == [which for _, which, _ in solver("total > 0").edges()]


# ---- laws ----

_REFERENCES = st.sampled_from(
    ("total", "result", "lines", "input.limit", "input.vip", "input.tags", "input.other.deep",
     "b.x", "b.y.z", "b.list[0]", "lines[0].price", "steps.pay.status", "steps.b.attempts")
)  # fmt: skip
_LITERALS = st.sampled_from(
    ("0", "1", "2.5", "'ok'", "'a'", "true", "null", "'SKIPPED'", "[1, 'a']")
)
_EXPRESSIONS = st.one_of(
    _REFERENCES,
    _LITERALS,
    st.builds("{} {} {}".format, _REFERENCES, st.sampled_from("+-*%"), st.sampled_from("123")),
    _REFERENCES.map("len({})".format),
)
_CLAUSES = st.one_of(
    st.builds(
        "{} {} {}".format,
        _EXPRESSIONS,
        st.sampled_from(("==", "!=", "<", "<=", ">", ">=", "in", "not in")),
        _EXPRESSIONS,
    ),
    _REFERENCES.map("exists({})".format),
    _REFERENCES,
)
CONDITIONS = st.recursive(
    _CLAUSES,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(("and", "or")), inner),
        inner.map("not ({})".format),
    ),
    max_leaves=4,
)
QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def assert_valid(solution: Solution) -> None:
    for schema, value in ((INPUT, solution.input), (PAY, solution.outputs.get("pay", ABSENT))):
        if value is not ABSENT:
            Draft202012Validator(schema, format_checker=FORMATS).validate(value)


@QUICK
@given(CONDITIONS, st.sampled_from((TRUE, FALSE, NO_INPUT, MISSING, WRONG)))
def test_both_evaluators_agree_with_a_solution(condition: str, wanted: str) -> None:
    found = Solver.of(condition, WORLD, source="pay", budget=800).solve(wanted)

    if isinstance(found, Solution):
        assert_valid(found)
        assert wanted == oracles_outcome(condition, found)
        assert wanted == engines_outcome(condition, found)
    else:
        assert found.reason


@QUICK
@given(CONDITIONS)
def test_pairs_differ_in_the_clause_and_in_the_result(condition: str) -> None:
    solving = Solver.of(condition, WORLD, source="pay", budget=400)

    for index, pair in enumerate(solving.pairs()):
        if isinstance(pair, Pair):
            assert solving.clauses[index] == pair.clause
            assert (TRUE, FALSE) == (pair.true.clauses[index], pair.false.clauses[index])
            results = [engines_outcome(condition, each) for each in (pair.true, pair.false)]
            assert {TRUE, FALSE} == set(results)
            assert_valid(pair.true)
            assert_valid(pair.false)


@QUICK
@given(CONDITIONS)
def test_what_is_written_down_means_the_same(condition: str) -> None:
    names = Names(frozenset(STEPS), "pay")
    node = read_condition(condition, names)
    assert node is not None

    again = read_condition(text_of(node), names)

    assert Condition.of(node).clauses == Condition.of(again).clauses


_WRITTEN = {TRUE: "1 == 1", FALSE: "1 == 2", NO_INPUT: "input.x", MISSING: "b.x", WRONG: "1 < 'a'"}


@pytest.mark.parametrize("word", ("and", "or"), ids=str)
@pytest.mark.parametrize("right", tuple(_WRITTEN), ids=str)
@pytest.mark.parametrize("left", tuple(_WRITTEN), ids=str)
def test_what_two_clauses_make_together(left: str, right: str, word: str) -> None:
    text = f"not ({_WRITTEN[left]} {word} {_WRITTEN[right]})"
    node = read_condition(text, Names(frozenset(STEPS), "pay"))
    known = [frozenset((left,)), frozenset((right,))]

    found = Condition.of(node).possible(known.__getitem__)

    assert {outcome_of(node, Scope())} == found
