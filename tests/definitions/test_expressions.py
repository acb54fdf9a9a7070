"""Conditions: the table of vectors, and what cannot be said in a table."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioflow.expressions import (
    Arithmetic,
    Comparison,
    Condition,
    Constant,
    Exists,
    ExpressionError,
    Length,
    Link,
    ListOf,
    Logic,
    Lookup,
    MissingInputError,
    Node,
    Reference,
    Scope,
    Unary,
    unparse,
)

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
STEPS = ("pay", "take-out")


def outcome(row: dict[str, Any]) -> dict[str, Any]:
    """Run one row of the table; return what the row should say about it."""
    try:
        condition = Condition.parse(
            row["condition"],
            source=row.get("source"),
            steps=row.get("steps", ()),
            item_name=row.get("item_name"),
        )
    except ExpressionError as error:
        return {"expected": "error", "when": "load", "column": error.column}
    try:
        return {"expected": condition.test(Scope(**row.get("scope", {})))}
    except ExpressionError as error:
        return {"expected": "error", "when": "test", "column": error.column}
    except MissingInputError as error:
        found = {"inputs": list(error.inputs), "others": list(error.others)}
        return {"expected": "missing", **found}


def described(row: dict[str, Any]) -> str:
    return f"{row['why']}: {row['condition']}"[:80]


@pytest.mark.parametrize("row", VECTORS["conditions"], ids=described)
def test_vector(row: dict[str, Any]) -> None:
    keys = ("expected", "when", "column", "inputs", "others")
    expected = {key: row[key] for key in keys if key in row}

    assert expected == outcome(row)


def parsed(text: str, **known: Any) -> Node:
    return Condition.parse(text, **{"source": "pay", "steps": STEPS, **known}).tree


def fault(text: Any, **known: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        Condition.parse(text, **known)
    return caught.value


# What a condition tells about itself


def test_references_are_absolute() -> None:
    condition = Condition.parse("x.y == input.n and ${pay.z} or a[input.i]", source="pay")

    assert ["pay.x.y", "input.n", "pay.pay.z", "pay.a", "input.i"] == [
        reference.absolute for reference in condition.references
    ]


def test_reference_has_what_a_message_needs() -> None:
    (reference,) = Condition.parse("1 == lines[0].price", source="pay").references

    assert ("lines[0].price", 6, "pay") == (reference.text, reference.column, reference.step)
    assert ("steps", ("pay", "output", "lines", 0, "price")) == (reference.root, reference.path)


def test_only_a_step_is_a_step() -> None:
    (reference,) = Condition.parse("input.x").references

    assert None is reference.step


def test_spellings_of_one_path_are_equal() -> None:
    spellings = "${pay.x} == pay.x == steps.pay.output.x == x == pay['x'] == ${ pay[\"x\"] }"
    found = Condition.parse(spellings, source="pay", steps=STEPS).references

    assert 6 == len(found)
    assert 1 == len(set(found))


def test_literals_in_reading_order() -> None:
    condition = Condition.parse("input['k'] in ['a', -5] and (1.5 < input.n or not null)")

    assert ("a", -5, 1.5, None) == condition.literals


def test_comparisons_have_pairs() -> None:
    condition = Condition.parse("1 < input.n <= 5 and not input.x is 'a'")
    first, second = condition.comparisons

    assert [("1", "<", "${input.n}"), ("${input.n}", "<=", "5")] == [
        (unparse(left), operator, unparse(right)) for left, operator, right in first.pairs
    ]
    assert ["=="] == [operator for _, operator, _ in second.pairs]


@pytest.mark.parametrize(
    ("given", "text", "expected"), ((None, "", True), (True, "true", True), (False, "false", False))
)
def test_no_text(given: bool | None, text: str, expected: bool) -> None:
    condition = Condition.parse(given)

    assert text == condition.text
    assert expected is condition.test(Scope())
    assert [] == Condition.problems(given)


def test_only_text_is_a_condition() -> None:
    assert "a condition is text, true, false or null" == fault(5).message


def test_steps_may_be_any_collection() -> None:
    for steps in (["pay"], ("pay",), {"pay"}, frozenset({"pay"}), {"pay": 0}, {"pay": 0}.keys()):
        assert "pay" == Condition.parse("pay.x", steps=steps).references[0].step


# Faults


def test_all_unknown_names_at_once() -> None:
    problems = Condition.problems("nope.x == 1 and input.y or exists(gone)", steps=STEPS)

    assert [1, 35] == [problem.column for problem in problems]


def test_a_text_that_breaks_off_is_one_problem() -> None:
    problems = Condition.problems("nope.x == == 2", steps=STEPS)

    assert [11] == [problem.column for problem in problems]


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("{{ pay.x }} == 1", "write `${pay.x}`"),
        ("{{", "write `${input.name}`"),
        ("'${pay.x}' == 1", "write `${pay.x}` without the quotes"),
        ("'${pay > 1}' == 1", "write `${...}` without the quotes"),
        ("input is complete now", "reads like text"),
        ("input.a AND true", "write `and` in small letters"),
        ("NOT input.a", "write `not` in small letters"),
        ("input.a = 5", "write `==`"),
        ("exists(5)", "as in `exists(input.name)`"),
        ("1.5.2", "`1.5.2` is not a number"),
        ("2fa", "`${step.2fa}`"),
        ("payy.x == 1", "(did you mean `pay`?)"),
        ("steps.payy.status == 1", "(did you mean `pay`?)"),
        ("input.x?", "`${input.name?}`"),
        ("item == 1", "only inside `for_each`"),
        ("execution == 1", "`execution.id` or `execution.started_at`"),
        ("f(1)", "neither a step nor"),
        ("input.f(1)", "no functions but `exists` and `len`"),
        ("input.a ** 2", "there are no powers"),
        ("${}", "is empty"),
        ("${input.a", "`${` is not closed by `}`"),
        (r"'\x'", r"`\x` is no escape"),
    ),
)
def test_fault_says_what_to_write(text: str, message: str) -> None:
    found = Condition.problems(text, steps=STEPS)[0] if text != "f(1)" else fault("f == 1")

    assert message in found.message
    assert text == found.text or text == "f(1)"


def test_item_on_a_connection_hints_at_the_field() -> None:
    assert "`pay.item`" in fault("item == 1", source="pay").message
    assert "called `line`" in fault("item == 1", item_name="line").message


def test_no_suggestion_among_very_many_names() -> None:
    steps = [f"step{number}" for number in range(301)]

    assert "did you mean" not in fault("step3000 == 1", steps=steps).message


def test_long_names_are_shortened_in_messages() -> None:
    assert 200 > len(fault("x" * 4000).message)


def test_message_shows_no_value() -> None:
    with pytest.raises(ExpressionError) as caught:
        Condition.parse("input.a < input.b").test(Scope(input={"a": "tell-tale", "b": [1]}))

    assert "`<` cannot order a string and a list" == caught.value.message


@pytest.mark.parametrize(
    ("value", "kind"),
    (
        (None, "null"),
        (True, "a boolean"),
        (1.5, "a number"),
        ("", "a string"),
        ((), "a list"),
        ({}, "an object"),
        (Scope(), "a value that is not JSON"),
        (type(sys.implementation.__dict__)(), "an object"),
    ),
)
def test_kinds(value: Any, kind: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Condition.parse("input.a - 1 + (1 < input.a)").test(Scope(input={"a": value, "b": 1}))
    found = caught.value.message

    assert kind in found or (kind == "a number" and "a boolean" in found)


# Hostile texts


@pytest.mark.parametrize(
    "text",
    (
        "(" * 10_000,
        "(" * 4_096,
        "x" * 65_536,
        "!" * 4_096,
        "-" * 4_096,
        "not " * 1_024,
        "[" * 4_096,
        "${" * 2_048,
        "len(" * 1_024,
        "a[" * 2_048,
        "a " * 2_048,
        '["' * 2_048,
        '${a["' * 800,
        "{{" * 2_048,
        "'" + "\\u" * 2_000,
        "a." * 2_048,
        "1." * 2_048,
    ),
    ids=lambda text: text[:8],
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    """At once: with so many calls of functions as the text is long, and not with its square."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        fault(text, source="pay")
    finally:
        sys.setprofile(None)

    assert 60 * min(len(text), 4_096) + 2_000 > calls


@pytest.mark.parametrize(
    "text",
    (
        " or ".join(["a"] * 819),
        " and ".join(["1"] * 683),
        "+".join(["a"] * 2_048),
        "*".join(["a"] * 2_048),
        "<=".join(["a"] * 1_365),
        "a" + ".b" * 2_047,
        "a" + "[b]" * 1_365,
        "'" + "x" * 4_094 + "'",
        "9" * 4_096,
        "[" + ",".join("1" * 2_047) + "]",
    ),
    ids=lambda text: text[:8],
)
def test_long_chains_are_fine(text: str) -> None:
    condition = Condition.parse(text, source="pay")
    evaluate(condition, Scope(outputs={"pay": {"a": 0, "b": 0}}))

    assert str(condition)


def test_everything_missing_in_a_long_chain() -> None:
    with pytest.raises(MissingInputError) as caught:
        Condition.parse("a" + " or a" * 818, source="pay").test(Scope())

    assert ("pay.a",) == caught.value.others


@pytest.mark.parametrize(
    ("opening", "closing"),
    (
        ("0 or 1 and 1 < 1 + 1 * (", ")"),
        ("0 or 1 and 1 < 1 + 1 * len(", ")"),
        ("[0 or 1 and 1 < 1 + 1 * ", "]"),
        ("${0 or 1 and 1 < 1 + 1 * ", "}"),
        ("0 or 1 and 1 < 1 + 1 * a[", "]"),
        ("not ", ""),
        ("!", ""),
    ),
    ids=str,
)
def test_deepest_tree_needs_little_stack(opening: str, closing: str) -> None:
    """Fifty levels of nesting with every level of operators between them."""
    text = opening * 50 + "1" + closing * 50
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 500)
    try:
        condition = Condition.parse(text, source="pay")
        evaluate(condition, Scope())
        written = str(condition)
    finally:
        sys.setrecursionlimit(limit)

    assert written == unparse(parsed(written))
    with pytest.raises(ExpressionError, match="nested more than 50 deep"):
        Condition.parse(opening * 51 + "1" + closing * 51, source="pay")


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def test_exactly_the_longest() -> None:
    assert Condition.parse("true".ljust(4_096)).test(Scope())
    assert 4_097 == fault("true".ljust(4_097)).column
    assert Condition.parse(" " * 5_000).test(Scope())


def test_results_do_not_run_away() -> None:
    scope = Scope(input={"s": "x" * 600_000, "n": 10**4_000})
    with pytest.raises(ExpressionError, match="over 1,048,576 characters"):
        Condition.parse("input.s + input.s").test(scope)
    with pytest.raises(ExpressionError, match="too large"):
        Condition.parse("input.n * input.n").test(scope)
    with pytest.raises(ExpressionError, match="too large"):
        Condition.parse("input.n * 1.5").test(scope)

    assert Condition.parse("input.s + 'x' and input.n + 1").test(scope)


def test_limit_of_digits_is_no_crash() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        problem = fault("1" * 641)
    finally:
        sys.set_int_max_str_digits(limit)

    assert "the number is too large" == problem.message


def test_deep_values_are_compared_without_the_stack() -> None:
    def deep() -> Any:
        value: Any = 1
        for _ in range(10_000):
            value = [value, {"a": 1}]
        return value

    assert Condition.parse("input.a == input.b").test(Scope(input={"a": deep(), "b": deep()}))


# Properties

PIECES = (
    *"abx.$ {}[]()<>=!&|+-*/%,\"'\\?0159eE",
    *("${", "input.", "pay", " and ", " or ", " not ", " in ", " is ", "exists(", "len(", "true"),
    *("null", "{{", "}}", "==", "${input.x?}", "u00e4", "\\u", "\N{NO-BREAK SPACE}", "\0"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=30))
def test_garbage_is_refused_politely(text: str) -> None:
    problems = Condition.problems(text, source="pay", steps=STEPS)
    for problem in problems:
        assert 1 <= problem.column <= len(text) + 1
        assert str(problem)
    if problems:
        return
    condition = Condition.parse(text, source="pay", steps=STEPS)
    again = Condition.parse(str(condition), source="pay", steps=STEPS)

    assert condition.tree == again.tree
    evaluate(condition, Scope(input={"x": 1, "b": [1]}, outputs={"pay": {"a": "s", "b": {}}}))


def evaluate(condition: Condition, scope: Scope) -> None:
    """Test a condition; what it may raise is what it says, and is as it should be."""
    found: object
    try:
        found = condition.test(scope)
    except (ExpressionError, MissingInputError) as error:
        found = error
    if isinstance(found, ExpressionError):
        assert condition.text == found.text
    elif isinstance(found, MissingInputError):
        assert bool(found.inputs) is not bool(found.others)
        assert found.missing_var == (*found.inputs, *found.others)[0]
        assert all(path.startswith("input") for path in found.inputs)
    else:
        assert isinstance(found, bool)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "${x}", "{{{}}", "\\${", "\n\"'\\", "\ud800", "ä"])
    | st.text(max_size=3)
)
names = st.sampled_from(["a", "b", "output", "x-y", "any key", "0", "a?", "is", "", "${", "01"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
paths = st.lists(names | st.integers(-2, 2), max_size=3).map(tuple)


def reference(text: str) -> Reference:
    (found,) = Condition.parse(text, source="pay", steps=STEPS, item_name="line").references
    return found


roots = st.sampled_from(
    [
        "input",
        "pay",
        "pay.output",
        "steps.pay.output",
        "take-out",
        "steps.pay.error.code",
        "execution.id",
        "line",
        "item_index",
        "field",
    ]
)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    keys = "".join(
        f"[{key}]" if isinstance(key, int) else f"[{unparse(Constant(key))}]" for key in draw(paths)
    )
    return reference(f"${{{draw(roots)}{keys}{draw(st.sampled_from(['', '', '?']))}}}")


def links(operators: list[str], nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.builds(Link, st.sampled_from(operators), nodes), min_size=1, max_size=3).map(
        tuple
    )


def several(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(nodes, min_size=2, max_size=3).map(tuple)


def is_number(node: Node) -> bool:
    return isinstance(node, Constant) and type(node.value) in (int, float)


def no_index(node: Node) -> bool:
    """A literal in brackets is no node but a segment."""
    return not isinstance(node, Constant)


def lookups(bases: st.SearchStrategy[Any], nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    segments = st.lists(names | st.integers(-2, 2) | nodes.filter(no_index), min_size=1, max_size=3)
    return st.builds(
        Lookup, bases.filter(lambda node: not isinstance(node, Lookup)), segments.map(tuple)
    )


def asked() -> st.SearchStrategy[Any]:
    return references().filter(lambda found: not found.optional)


trees: st.SearchStrategy[Node] = st.recursive(
    scalars.map(Constant) | references(),
    lambda nodes: st.one_of(
        st.builds(ListOf, st.lists(nodes, max_size=3).map(tuple)),
        lookups(nodes, nodes),
        st.builds(Exists, asked() | lookups(asked(), nodes)),
        st.builds(Length, nodes),
        st.builds(Unary, st.just("not"), nodes),
        st.builds(Unary, st.sampled_from("+-"), nodes.filter(lambda node: not is_number(node))),
        st.builds(Arithmetic, nodes, links(["+", "-"], nodes)),
        st.builds(Arithmetic, nodes, links(["*", "/", "//", "%"], nodes)),
        st.builds(
            Comparison,
            nodes,
            links(["==", "!=", "<", "<=", ">", ">=", "in", "not in"], nodes),
        ),
        st.builds(Logic, st.sampled_from(["and", "or"]), several(nodes)),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "text",
    (
        "(${input}).x",
        "(${input}).output[0]",
        "${input.x?}.y",
        "${input.l}[${input.n}].x",
        "(-5)[0]",
        '"a"["b c"]',
        "(not ${input.a}) == ${input.b}",
        "not ${input.a} == ${input.b}",
        "1 - (2 - 3) - -4",
        "(1 < 2) < 3",
        "(true and false) and true or false",
        "-(-${input.x} + 1) * 2",
        'exists(${input.a}[${input.b}]["a?"])',
        "1 not in [1, 1e+300, -0.0]",
    ),
)
def test_written_as_it_would_be_by_hand(text: str) -> None:
    assert text == unparse(parsed(text))


def test_five_thousand_pieces_of_garbage() -> None:
    dice = random.Random(20)
    for _ in range(5_000):
        text = "".join(dice.choices(PIECES, k=dice.randrange(16)))
        for problem in Condition.problems(text, source="pay", steps=STEPS):
            assert 1 <= problem.column <= len(text) + 1


@given(trees)
def test_printing_and_parsing_gives_the_same_tree(tree: Node) -> None:
    assert tree == parsed(unparse(tree), item_name="line")


@given(
    trees,
    st.dictionaries(names, values, max_size=4),
    st.dictionaries(st.sampled_from(STEPS), values),
    values,
)
def test_evaluating_raises_only_what_it_says(
    tree: Node, given_input: dict[str, Any], outputs: dict[str, Any], item: Any
) -> None:
    condition = Condition.parse(unparse(tree), source="pay", steps=STEPS, item_name="line")
    evaluate(condition, Scope(input=given_input, outputs=outputs, item=item))


@given(values, values)
def test_equality_is_symmetric_and_json(left: Any, right: Any) -> None:
    scope = Scope(input={"a": left, "b": right})
    found = Condition.parse("input.a == input.b").test(scope)

    assert found is Condition.parse("input.b == input.a").test(scope)
    assert found is not Condition.parse("input.a != input.b").test(scope)
    assert Condition.parse("input.a == input.a").test(scope)
