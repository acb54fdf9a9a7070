"""Templates, references and secrets."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioflow.definitions._lexer import join_path
from trioflow.expressions import (
    MISSING,
    ExpressionError,
    MissingInputError,
    Scope,
    SecretReference,
    SecretText,
    Template,
    resolve,
    reveal,
)

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))


def outcome(row: dict[str, Any]) -> dict[str, Any]:
    """Run one row of the table; return what the row should say about it."""
    known = {"steps": row.get("steps", ()), "item_name": row.get("item_name")}
    problems = Template.problems(row["template"], **known)
    if problems:
        ((place, error),) = problems
        return {"expected": "error", "place": place, "column": error.column}
    try:
        found = Template.parse(row["template"], **known).resolve(Scope(**row.get("scope", {})))
    except MissingInputError as error:
        return {
            "expected": "missing",
            "inputs": list(error.inputs),
            "others": list(error.others),
        }
    return {"expected": "value", "value": found}


def described(row: dict[str, Any]) -> str:
    return f"{row['why']}: {row['template']}"[:80]


@pytest.mark.parametrize("row", VECTORS["templates"], ids=described)
def test_vector(row: dict[str, Any]) -> None:
    keys = ("expected", "value", "place", "column", "inputs", "others")
    expected = {key: row[key] for key in keys if key in row}

    # As JSON, because to Python 1 is 1.0 and true.
    assert json.dumps(expected) == json.dumps(outcome(row))


def template(value: Any, **known: Any) -> Template:
    return Template.parse(value, **{"steps": ("pay",), **known})


def fault(value: Any, **known: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        template(value, **known)
    return caught.value.message


# Faults


def test_all_faults_with_their_places() -> None:
    value = {
        "fine": "${input.x}",
        "lines": [{"price": "${nope.x} and ${also.y}"}, "${}"],
        "any key": "x ${pay.x",
        "": "${steps.pay.z}",
    }
    problems = Template.problems(value, steps=("pay",))

    assert [
        (".lines[0].price", 1),
        (".lines[0].price", 15),
        (".lines[1]", 1),
        ('["any key"]', 3),
        ('[""]', 1),
    ] == [(place, problem.column) for place, problem in problems]
    assert "${}" == problems[2][1].text


def test_first_fault_is_raised() -> None:
    assert "`nope` is neither" in fault(["${input.x}", "${nope}", "${}"])


def test_no_fault() -> None:
    assert [] == Template.problems({"a": ["${input.x} ${pay.y?}"]}, steps=("pay",))


@pytest.mark.parametrize(
    ("value", "message"),
    (
        ("${}", "as in `${input.name}`"),
        ("${input.x", r"write `\${`"),
        ("${input.x > 5}", "it cannot go on with `> 5`"),
        ("${1 + 2}", "it cannot go on with `+ 2`"),
        ("${ (input.x)}", "it cannot go on with ` (input.x)`"),
        ("${payy.x}", "did you mean `pay`?"),
        ("${steps.pay.bogus}", "`steps.pay.attempts`"),
        ("${secret}", "as in `${secret.TOKEN}`"),
        ("${input." + "x" * 4_096 + "}", "at most 4,096 characters"),
        ("${input[" + "9" * 19 + "]}", "the index is too large"),
        ("${input.a.?}", "a name must stand before `?`"),
        ("${input['${x}']}", "without the quotes"),
        ("${input['{{x}}']}", "write `${x}`"),
    ),
    ids=lambda value: str(value)[:20],
)
def test_fault_says_what_to_write(value: str, message: str) -> None:
    assert message in fault(value)


def test_secrets_can_be_ruled_out() -> None:
    assert "in `parameters` only" in fault("${secret.TOKEN}", secrets=False)
    assert 1 == len(Template.problems("${secret.TOKEN}", steps=(), secrets=False))


def test_renamed_item() -> None:
    assert "called `line`" in fault("${item_index} ${item}", item_name="line")


# What a template tells about itself


def test_references_in_order_with_their_places() -> None:
    value = {"a": "x ${pay.output.r?} ${input.x}", "b": [1, {"c": "${steps.pay.status}"}]}
    found = template(value)

    assert value is found.value
    assert not found.constant
    assert [
        ("pay.output.r?", "pay.output.r", 3, ".a", "pay", True),
        ("input.x", "input.x", 20, ".a", None, False),
        ("steps.pay.status", "steps.pay.status", 1, ".b[1].c", "pay", False),
    ] == [(r.text, r.absolute, r.column, r.place, r.step, r.optional) for r in found.references]
    assert ("pay", "output", "r") == found.references[0].path
    assert "${pay.output.r?}" == str(found.references[0])


def test_secret_names() -> None:
    found = template(["${secret.B}", {"a": "${secret.A} ${secret.B}"}])

    assert ("B", "A") == found.secrets


@pytest.mark.parametrize(
    "written",
    (
        "input",
        "input.a.b[0][-1]",
        'input["any key"]["0"]["a?"].x-y',
        "pay",
        "pay.receipt",
        "pay.output.receipt",
        "steps.pay.output.output",
        "steps.pay.output.output.x",
        "steps.pay.error.code",
        "line.price",
        "item_index",
        "execution.id",
    ),
)
def test_absolute_path_can_be_read_again(written: str) -> None:
    (found,) = template(f"${{{written}}}", item_name="line").references
    (again,) = template(str(found), item_name="line").references

    assert written == found.absolute
    assert found == again


def test_path_of_a_plain_output_is_short() -> None:
    (found,) = template("${steps.pay.output.x}").references

    assert "pay.x" == found.absolute


# Resolving


def test_constant_is_given_as_it_is() -> None:
    value = {"a": [1, {"b": "text $5"}]}
    found = template(value)

    assert found.constant
    assert value is found.resolve(Scope())


def test_escapes_leave_the_value_alone() -> None:
    value = {"a": ["\\${x}", {}], "b": ({"c": 1},)}
    found = template(value)

    assert found.constant
    assert {"a": ["${x}", {}], "b": ({"c": 1},)} == found.resolve(Scope())
    assert {"a": ["\\${x}", {}], "b": ({"c": 1},)} == value


def test_escape_and_reference_in_one_container() -> None:
    value = ["\\${x}", "${input.x}", ["\\${y}"]]

    assert ["${x}", 1, ["${y}"]] == template(value).resolve(Scope(input={"x": 1}))


def test_each_resolve_gives_fresh_containers() -> None:
    found = template({"a": ["${input.x}"]})
    first, second = (found.resolve(Scope(input={"x": x})) for x in (1, 2))

    assert ({"a": [1]}, {"a": [2]}) == (first, second)


def test_order_of_keys_is_kept() -> None:
    found = template({"b": "${input.x}", "a": 1, "c": "${input.x}"}).resolve(Scope(input={"x": 1}))

    assert ["b", "a", "c"] == list(found)


def test_mappings_and_tuples_from_python() -> None:
    value = MappingProxyType({"a": ("${input.x}", MappingProxyType({"b": "${pay}"}))})

    assert {"a": [1, {"b": 2}]} == template(value).resolve(
        Scope(input=MappingProxyType({"x": 1}), outputs=MappingProxyType({"pay": 2}))
    )


def test_any_depth() -> None:
    value: Any = "${input.x}"
    for _ in range(5_000):
        value = [value]
    found = template(value).resolve(Scope(input={"x": 5}))
    for _ in range(5_000):
        (found,) = found

    assert 5 == found


def test_first_missing_is_named() -> None:
    with pytest.raises(MissingInputError) as caught:
        template(["<${pay.a} ${input.x}>", "${input.y}"]).resolve(Scope())

    assert ("pay.a", ("input.x", "input.y"), ("pay.a",)) == caught.value.args


def test_text_is_compact_json_only_once() -> None:
    scope = Scope(input={"a": {"k": "ä${input.b}"}, "b": "x"})

    assert '{"k":"ä${input.b}"} x' == template("${input.a} ${input.b}").resolve(scope)


def test_resolve_of_a_plain_value_takes_names_for_steps() -> None:
    assert 1 == resolve("${pay.x}", Scope(outputs={"pay": {"x": 1}}))
    assert "2 0" == resolve("${item.n} ${item_index}", Scope(item={"n": 2}, item_index=0))
    assert 1 == resolve(template("${pay}"), Scope(outputs={"pay": 1}))
    with pytest.raises(MissingInputError) as caught:
        resolve("${nope.x} ${item} ${item_index} ${steps.nope.status}", Scope())

    assert ("nope.x", "item", "item_index", "steps.nope.status") == caught.value.others


def test_missing_says_its_name() -> None:
    assert "MISSING" == repr(MISSING)


def test_a_constant_is_not_made_anew() -> None:
    found = template({"a": [{"b": "c"}] * 1_000})

    assert found.value is found.resolve(Scope())


# Secrets

SECRETS = {"TOKEN": "s3cr3t", "OTHER": "${secret.TOKEN}", "NUMBER": 5}


def test_marker_is_a_string() -> None:
    found = template("${secret.TOKEN}").resolve(Scope())

    assert isinstance(found, SecretReference)
    assert ("${secret.TOKEN}", "TOKEN") == (found, found.name)


def test_text_with_secrets() -> None:
    found = template("Bearer ${secret.TOKEN} for ${input.who}").resolve(Scope(input={"who": "bob"}))

    assert isinstance(found, SecretText)
    assert "Bearer ${secret.TOKEN} for bob" == found
    assert "Bearer s3cr3t for bob" == reveal(found, SECRETS)


def test_data_never_becomes_a_secret() -> None:
    """What somebody writes into an input stays text, also beside a real secret."""
    scope = Scope(input={"x": "${secret.TOKEN}"})
    found = template(["${input.x}", "${secret.OTHER} ${input.x}"]).resolve(scope)

    assert ["${secret.TOKEN}", "${secret.TOKEN} ${secret.TOKEN}"] == reveal(found, SECRETS)
    assert "s3cr3t" not in str(reveal(found, SECRETS))


def test_reveal_goes_to_any_depth_and_copies() -> None:
    value: Any = SecretReference("NUMBER")
    for _ in range(5_000):
        value = {"a": [value, 1]}
    found = reveal(value, SECRETS.__getitem__)
    for _ in range(5_000):
        (found, _), value = found["a"], value["a"][0]

    assert 5 == found
    assert "${secret.NUMBER}" == value


def test_reveal_leaves_the_rest() -> None:
    value = {"a": [1, None, "${secret.TOKEN}", {"b": 2.5}]}

    assert value == reveal(value, {})
    assert value is not reveal(value, {})


@pytest.mark.parametrize("secrets", ({}, {}.__getitem__, lambda name: None), ids=range(3))
def test_unknown_secrets_are_missing_all_together(secrets: Any) -> None:
    value = [SecretReference("A"), {"b": SecretText((SecretReference("B"), "!"))}]
    with pytest.raises(MissingInputError) as caught:
        reveal(value, secrets)

    assert ("secret.A", (), ("secret.A", "secret.B")) == caught.value.args
    with pytest.raises(MissingInputError) as caught:
        template(["${secret.A}", "${secret.B}!"]).resolve(Scope(secrets=secrets))

    assert ("secret.A", (), ("secret.A", "secret.B")) == caught.value.args


def test_secrets_of_the_scope_are_filled_in_at_once() -> None:
    found = template(["${secret.NUMBER}", "${secret.TOKEN}!", "${secret.NONE?}"])

    assert [5, "s3cr3t!", None] == found.resolve(Scope(secrets=SECRETS))
    assert [5, "s3cr3t!", None] == found.resolve(Scope(secrets=SECRETS.get))


def test_messages_never_hold_a_secret() -> None:
    found = template("${secret.TOKEN} ${input.x}")
    with pytest.raises(MissingInputError) as caught:
        found.resolve(Scope(secrets=SECRETS))

    assert "s3cr3t" not in str(caught.value) + repr(caught.value.args)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "marker", (SecretReference("A"), SecretText(("a", SecretReference("A")))), ids=repr
)
def test_markers_survive_copying(marker: Any) -> None:
    for again in (pickle.loads(pickle.dumps(marker)), copy.deepcopy(marker), copy.copy(marker)):
        assert (type(marker), marker) == (type(again), again)
        assert "A" == getattr(again, "name", "A")
        assert reveal(marker, {"A": "x"}) == reveal(again, {"A": "x"})


def test_marker_is_plain_text_in_json() -> None:
    assert '["${secret.A}"]' == json.dumps([SecretReference("A")])


# Properties

keys = st.text(max_size=4) | st.sampled_from(["any key", "0", "01", "a?", "${", "{{x}}", "\\"])
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["${x}", "\\${", "$"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
)
garbage = st.lists(
    st.sampled_from(
        ["${", "}", "input", ".", "[", "]", '"', "'", "\\", "$", "{", "?", "0", "-", " ", "x"]
    ),
    max_size=12,
).map("".join)


@given(values)
def test_what_is_inserted_stays_as_it_is(value: Any) -> None:
    scope = Scope(input={"x": value})

    assert [value, {"a": value}] == template(["${input.x}", {"a": "${input.x}"}]).resolve(scope)


@given(values)
def test_escaped_text_is_given_back(value: Any) -> None:
    def escaped(part: Any) -> Any:
        if isinstance(part, str):
            return part.replace("${", "\\${")
        if isinstance(part, dict):
            return {key: escaped(inner) for key, inner in part.items()}
        return [escaped(inner) for inner in part] if isinstance(part, list) else part

    assert value == template(escaped(value)).resolve(Scope())


@given(st.lists(keys | st.integers(-99, 99), max_size=4).map(tuple))
def test_paths_are_written_and_read(path: Any) -> None:
    (found,) = template(f"${{{join_path('input', path)}}}").references

    assert path == found.path


@given(garbage)
def test_garbage_is_refused_politely(text: str) -> None:
    problems = Template.problems({"a": text}, steps=())
    for place, problem in problems:
        assert ".a" == place
        assert 1 <= problem.column <= len(text) + 1
    if not problems:
        with contextlib.suppress(MissingInputError):
            template(text).resolve(Scope(input={"input": 1, "x": [0]}))


@pytest.mark.parametrize(
    "text", ("${" * 40_000, "${a" * 40_000, "${a.b" + "[0]" * 20_000, "\\${" * 40_000)
)
def test_large_texts_are_quick(text: str) -> None:
    problems = Template.problems(text, steps=())

    assert 2 > len(problems)
