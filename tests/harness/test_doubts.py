"""Doubts about valid documents: each is told of, and what only looks like it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.families import FAMILIES
from harness.families._plan import Plan
from harness.reports._comparing import impossible
from harness.reports._linting import lint
from harness.reports._misspelt import braces, unknown_keywords
from harness.reports._skipping import skipped_references
from harness.suites._library import read, suite
from harness.suites._naming import invented, unnamed
from tests.harness.test_generate import DOCUMENTS, name_of, run
from tests.harness.trips import ASK, WHY, WRITE, approval, asking, hotel, plan, send, trip

# ---- comparisons that never hold ----


def compared(condition: str, **more: Any) -> list[str]:
    return [text for _, text in impossible(plan(trip(send(condition=condition), **more)))]


@pytest.mark.parametrize(
    ("condition", "said"),
    (
        ("hotel.booking > 300", "compares text with a number, which is always an error"),
        ('"9" <= input.seats', "compares text with a number, which is always an error"),
        ("hotel.booking == 300", "compares text with a number: it is never true"),
        ("hotel.booking is true", "compares text with a boolean: it is never true"),
        (
            "hotel.price < true",
            "compares a number or null with a boolean, which is always an error",
        ),
        ('hotel.price == "3"', "compares a number or null with text: it is never true"),
        ("hotel.stars == hotel.booking", "compares a number with text: it is never true"),
        ('len(hotel.rooms) > "3"', "compares a number with text, which is always an error"),
        ('input.bags[0].kilos > "3"', "compares a number with text, which is always an error"),
        ('hotel.stars * 2 == "6"', "compares a number with text: it is never true"),
        ('input.nothing - input.none == "6"', "compares a number with text: it is never true"),
        ("steps.hotel.status == 3", "compares text with a number: it is never true"),
        ('hotel.rooms[0].door > "3"', "compares a number with text, which is always an error"),
        ("hotel.booking in [1, 2]", "looks for text among a number: it is never true"),
        ("hotel.booking == null", "compares text with null: it is never true"),
        ("null > null", "compares null with null, which is always an error"),
    ),
)
def test_a_comparison_that_never_holds(condition: str, said: str) -> None:
    assert [f"{condition} {said}"] == compared(condition)


@pytest.mark.parametrize(
    "condition",
    (
        *("hotel.booking > '300'", "hotel.price > 300", "hotel.price == null", "hotel.stars < 5"),
        *("input.nothing > 3", "input.anything.at.all > 'x'", "hotel.rooms == input.bags"),
        *("hotel.booking in [1, 'x']", "hotel.booking in [1, input.x]", "'x' in hotel.booking"),
        *("hotel.booking in []", "${hotel.booking?} == null", "hotel.booking != 3"),
        *("execution.started_at > 3", "hotel.zzz > 3", "input.seats + 1 > 3", "exists(input.x)"),
        *("hotel.booking + 'x' > 'a'", "steps.hotel.error == null", "hotel.booking or 3"),
    ),
)
def test_a_comparison_that_may_hold(condition: str) -> None:
    assert [] == compared(condition)


def test_only_what_compares_in_a_chain_is_told_of() -> None:
    said = "hotel.booking < 5 compares text with a number, which is always an error"

    assert [said] == compared("'a' < hotel.booking < 5 and (hotel.stars == 3 or input.seats > 2)")


def test_a_comparison_in_a_connection() -> None:
    connection = {"source": "hotel", "target": "send", "condition": "booking > 300"}

    assert [
        (
            "hotel->send",
            "hotel.booking > 300 compares text with a number, which is always an error",
        )
    ] == list(impossible(plan(trip(send(), connections=[connection]))))


def test_the_null_of_an_item_that_has_failed() -> None:
    each = {"items": "${input.bags}", "on_item_error": "continue"}
    schema = {"type": "object"}
    items = {"id": "bags", "action": "bags.send", "for_each": each, "output_schema": schema}
    document = trip(items, send(condition="bags[0] == null"))
    assert [] == list(impossible(plan(document)))

    items["for_each"] = {**each, "on_item_error": "fail"}
    said = "bags[0] == null compares an object with null: it is never true"
    assert [("send", said)] == list(impossible(plan(document)))


# ---- steps that may be skipped ----


def skipped(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    document = trip(*steps, **more)
    made = suite(document, "standard", ["ok", "reach", "branch", "clause", "fail"])
    return list(skipped_references(plan(document), made.scenarios))


@pytest.mark.parametrize(
    ("step", "said"),
    (
        (send(parameters={"ok": "${approval.ok}"}), WRITE),
        (send(parameters={"ok": ["so: ${approval.ok}", "${input.person}"]}), WRITE),
        (send(condition="approval.ok"), ASK),
        (send(condition="approval.ok or input.person == 'x'"), ASK),
        (
            {"id": "send", "type": "sleep", "duration": "${approval.ok}"},
            f"{WHY}give send the condition exists(approval.ok), or one that implies it",
        ),
        (
            send(for_each={"items": "${approval.ok}"}),
            f"{WHY}give send the condition exists(approval.ok), or one that implies it",
        ),
        (send(fallback={"action": "a.b", "parameters": {"ok": "${approval.ok}"}}), WRITE),
        (send(compensate={"action": "a.b", "parameters": {"ok": "${approval.ok}"}}), WRITE),
    ),
    ids=lambda each: json.dumps(each) if isinstance(each, dict) else "",
)
def test_a_step_that_goes_on_without_one_that_was_skipped(step: dict[str, Any], said: str) -> None:
    assert [("send", said)] == skipped(approval(), step)


@pytest.mark.parametrize(
    "step",
    (
        send(parameters={"ok": "${approval.ok?}", "how": "${steps.approval.status}"}),
        send(condition="exists(approval.ok) and approval.ok"),
        send(condition="steps.approval.status == 'COMPLETED' and approval.ok"),
        send(condition="exists(approval.ok)", parameters={"ok": "${approval.ok}"}),
        send(condition="input.seats > 3", parameters={"ok": "${approval.ok}"}),
        send(condition="input.seats > 5 and approval.ok"),
        send(parameters={"ok": "${hotel.booking}"}),
    ),
    ids=json.dumps,
)
def test_a_step_that_allows_for_one_that_was_skipped(step: dict[str, Any]) -> None:
    assert [] == skipped(approval(), step)


def test_a_step_that_is_never_skipped() -> None:
    assert [] == skipped(approval(condition=None), send(parameters={"ok": "${approval.ok}"}))


def test_an_output_without_a_step_that_was_skipped() -> None:
    assert [("output", WRITE)] == skipped(approval(), output={"ok": "${approval.ok}"})
    assert [] == skipped(approval(), output={"ok": "${approval.ok?}"})


def test_ways_that_lead_around_a_step() -> None:
    """In a graph it depends on the ways: here one leads past it, there it is the only one."""
    steps = approval(condition=None), send(parameters={"ok": "${approval.ok}"})
    big = {"source": "hotel", "target": "approval", "condition": "stars > 3"}
    on = {"source": "approval", "target": "send"}
    past = {"source": "hotel", "target": "send", "default": True}

    assert [("send", WRITE)] == skipped(*steps, connections=[big, on, past])
    assert [] == skipped(*steps, connections=[big, on])


def test_a_connection_from_a_step_that_was_skipped() -> None:
    on = {"source": "approval", "target": "send", "on": "always"}

    assert [("approval->send", ASK)] == skipped(
        approval(), send(), connections=[{**on, "condition": "ok"}]
    )
    guarded = {**on, "condition": "exists(approval.ok) and ok"}
    assert [] == skipped(approval(), send(), connections=[guarded])


def test_a_step_that_has_failed_is_not_told_of_as_skipped() -> None:
    failing = hotel(id="second", continue_on_error=True)
    asked = approval(condition="steps.second.status == 'COMPLETED'")
    parameters = {"one": "${approval.ok}", "other": "${second.booking}"}

    assert [("send", WRITE)] == skipped(failing, asked, send(parameters=parameters))


def test_each_of_two_steps_that_may_be_skipped() -> None:
    two = approval(id="second", condition="input.seats <= 3")
    parameters = {"one": "${approval.ok}", "other": "${second.ok}"}

    assert [("send", WRITE), ("send", WRITE.replace("approval", "second"))] == sorted(
        skipped(approval(), two, send(parameters=parameters))
    )


# ---- braces, and keywords that JSON Schema does not know ----


@pytest.mark.parametrize(
    ("text", "path"),
    (
        ("{{ input.person }}", "input.person"),
        ("Dear {{input.person}},", "input.person"),
        ("{{ hotel.rooms[0].door }}", "hotel.rooms[0].door"),
        ("{{ item.name }}", "item.name"),
    ),
)
def test_braces_of_another_language(text: str, path: str) -> None:
    (written,) = ("{{" + each.partition("}}")[0] + "}}" for each in text.split("{{")[1:])
    said = f"{written} is no reference, and stays as it is: ${{{path}}} is one"
    called = {"action": "a.b", "parameters": {"a": text}}

    assert [("send", said)] == list(braces(plan(trip(send(parameters={"a": [text]})))))
    assert [("send", said)] == list(braces(plan(trip(send(fallback=called)))))
    assert [("send", said)] == list(braces(plan(trip(send(compensate=called)))))
    assert [("output", said)] == list(braces(plan(trip(send(), output={"a": text}))))


def test_braces_around_the_name_of_an_item() -> None:
    each = {"items": "${input.bags}", "as": "bag"}
    document = trip(send(for_each=each, parameters={"a": "{{ bag.kilos }}"}))

    assert [
        ("send", "{{ bag.kilos }} is no reference, and stays as it is: ${bag.kilos} is one")
    ] == list(braces(plan(document)))


@pytest.mark.parametrize(
    "text",
    (
        *("{{ name }}", "{{ user.input }}", "{{ input.person | upper }}", "{% if input %}"),
        *("{ input.person }", "{{}}", "{{ inputs.person }}", "${input.person}", "{{ hotel() }}"),
    ),
)
def test_braces_that_may_be_meant(text: str) -> None:
    """An action may well have a language of its own for its texts."""
    assert [] == list(braces(plan(asking(text))))


def keywords(schema: dict[str, Any]) -> Iterator[str]:
    document = trip(send(output_schema=schema))
    yield from (f"{where}: {text}" for where, text in unknown_keywords(plan(document)))


@pytest.mark.parametrize(
    ("schema", "said"),
    (
        ({"minItem": 1}, 'output_schema: JSON Schema has no "minItem", and ignores it'),
        (
            {"properties": {"a": {"maxLenght": 1}}},
            'output_schema.properties.a: JSON Schema has no "maxLenght", and ignores it',
        ),
        (
            {"anyOf": [{"items": {"requird": ["a"]}}]},
            'output_schema.anyOf[0].items: JSON Schema has no "requird", and ignores it',
        ),
    ),
)
def test_a_keyword_that_is_misspelt(schema: dict[str, Any], said: str) -> None:
    near = {"minItem": "minItems", "maxLenght": "maxLength", "requird": "required"}
    (meant,) = (near[each] for each in near if f'"{each}"' in said)

    assert [f'send: {said} (did you mean "{meant}"?)'] == list(keywords(schema))


@pytest.mark.parametrize(
    "schema",
    (
        {"properties": {"minItem": {"type": "integer"}, "requird": {}, "typ": {}}},
        {"$defs": {"propertys": {}}, "patternProperties": {"minItem": {}}},
        {"example": 3, "nullable": True, "x-minItem": 1, "discriminator": {}, "unit": "kg"},
        {"enum": [{"minItem": 1}], "const": {"minItem": 1}, "default": {"minItem": 1}},
        {"examples": [{"minItem": 1}], "dependentRequired": {"minItem": ["a"]}},
        {"additionalProperties": False, "items": True, "if": {}, "then": {}, "else": {}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {}, "items": [{}]},
    ),
    ids=json.dumps,
)
def test_keywords_that_are_none_or_are_known(schema: dict[str, Any]) -> None:
    assert [] == list(keywords(schema))


def test_all_schemas_of_a_document_are_read() -> None:
    wrong = {"minItem": 1}
    wait = {"id": "ok", "type": "wait", "schema": wrong}
    document = trip(wait, send(input_schema=wrong), output_schema=wrong, input_schema=wrong)

    assert [
        ("", "input_schema"),
        ("", "output_schema"),
        ("ok", "schema"),
        ("send", "input_schema"),
    ] == [(where, text.partition(":")[0]) for where, text in unknown_keywords(plan(document))]


# ---- no false alarms ----


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_nothing_is_said_of_good_documents(path: Path) -> None:
    document, _, children = read(path)
    made = Plan(document, children)

    assert [] == [str(each) for each in unnamed(made)]
    assert () == invented(made)
    assert [] == [*impossible(made), *braces(made), *unknown_keywords(made)]


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_nothing_is_said_of_steps_that_are_skipped_in_good_documents(path: Path) -> None:
    """But for one: its first step may fail, what follows is skipped, and its output is none."""
    document, _, children = read(path)
    made = suite(path, "standard", FAMILIES)

    assert (["output"] if "reviews" == name_of(path) else []) == [
        where for where, _ in skipped_references(Plan(document, children), made.scenarios)
    ]


# ---- where one reads it ----


def test_lint_notes_doubts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = asking("${hotel.bookin}")
    document["steps"].insert(1, approval(condition="hotel.booking > 300"))
    document["steps"][2]["parameters"]["dear"] = "{{ input.person }}"
    document["input_schema"] = {**document["input_schema"], "requird": []}
    path = tmp_path / "trip.workflow.json"
    path.write_text(json.dumps(document), "utf-8")

    run("lint", path)
    out = capsys.readouterr().out.splitlines()
    for line in (
        (
            'send: note: ${hotel.bookin}: the output schema of hotel has no "bookin"'
            ' (did you mean "booking"?)'
        ),
        "approval: note: hotel.booking > 300 compares text with a number, which is always an error",
        (
            "send: note: {{ input.person }} is no reference, and stays as it is:"
            " ${input.person} is one"
        ),
        (
            'note: input_schema: JSON Schema has no "requird", and ignores it'
            ' (did you mean "required"?)'
        ),
    ):
        assert f"{path}: {line}" in out


def test_lint_notes_what_goes_on_without_a_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = approval(), send(parameters={"ok": "${approval.ok}"})
    path = tmp_path / "trip.workflow.json"
    path.write_text(json.dumps(trip(*steps)), "utf-8")

    assert 0 == run("lint", path)
    assert f"{path}: send: note: {WRITE}" in capsys.readouterr().out.splitlines()


# ---- children that nothing undoes ----


@pytest.mark.parametrize(
    ("more", "document", "said"),
    (
        ({}, {}, True),
        ({"compensate": "shop.recall"}, {}, False),
        ({}, {"compensate_on": []}, False),
    ),
    ids=("nothing undoes it", "its step does", "nothing is ever undone"),
)
def test_a_completed_child_is_undone_by_its_step_alone(
    more: dict[str, Any], document: dict[str, Any], said: bool, tmp_path: Path
) -> None:
    pack = {"id": "pack", "action": "shop.pack", "compensate": "shop.unpack"}
    child = {"id": "parcel", "steps": [pack]}
    starts = {"id": "ship", "type": "workflow", "workflow": "parcel", **more}
    parent = {"id": "shop", "steps": [starts], **document}
    (tmp_path / "parcel.workflow.json").write_text(json.dumps(child), "utf-8")
    path = tmp_path / "shop.workflow.json"
    path.write_text(json.dumps(parent), "utf-8")

    found = [each.text for each in lint(path) if each.where == "ship"]

    assert said == any(
        text == "it has no compensate, so nothing undoes its child once that is COMPLETED; the "
        "compensate of pack in parcel is for a child that fails"
        for text in found
    )
