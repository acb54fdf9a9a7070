"""References to what no schema names: they are told of, and what a suite invents for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.suites._naming import invented, unnamed
from tests.harness.test_generate import run
from tests.harness.trips import HOTEL, INPUT, asking, plan, send, trip

CHILD: dict[str, Any] = {
    "id": "parcel",
    "steps": [{"id": "pack", "action": "parcel.pack"}],
    "output": {"receipt": "${pack.receipt}", "by": {"name": "${pack.name}"}},
}


def not_named(document: dict[str, Any], *children: dict[str, Any]) -> list[str]:
    return [f"{each.where}: {each}" for each in unnamed(plan(document, *children))]


@pytest.mark.parametrize(
    ("text", "said"),
    (
        ("${hotel.bookin}", 'the output schema of hotel has no "bookin" (did you mean "booking"?)'),
        ("${hotel.zzz}", 'the output schema of hotel has no "zzz"'),
        ("${steps.hotel.output.zzz}", 'the output schema of hotel has no "zzz"'),
        (
            "${hotel.bookin?}",
            'the output schema of hotel has no "bookin" (did you mean "booking"?)',
        ),
        ("${input.persn}", 'the input schema has no "persn" (did you mean "person"?)'),
        (
            "${input.home.stret}",
            'the input schema has no "stret" in "home" (did you mean "street"?)',
        ),
        (
            "${input.bags[0].kilo}",
            'the input schema has no "kilo" in "bags[0]" (did you mean "kilos"?)',
        ),
        (
            "${hotel.rooms[-1].dor}",
            'the output schema of hotel has no "dor" in "rooms" (did you mean "door"?)',
        ),
    ),
)
def test_a_reference_to_what_no_schema_names(text: str, said: str) -> None:
    assert [f"send: {text}: {said}"] == not_named(asking(text))


@pytest.mark.parametrize(
    "text",
    (
        *("${hotel}", "${hotel.booking}", "${hotel.output.booking}", "${steps.hotel.status}"),
        *("${steps.hotel.output.price}", "${steps.hotel.error.code?}", "${execution.id}"),
        *("${input}", "${input.home.street}", "${input.anything.at.all}", "${input.bags[0].kilos}"),
        *("${input.bags}", "${hotel.rooms[0].door}", r"\${hotel.bookin}"),
    ),
)
def test_nothing_is_said_of_what_is_named(text: str) -> None:
    assert [] == not_named(asking(text))


@pytest.mark.parametrize(
    "more",
    (
        {"additionalProperties": True},
        {"additionalProperties": {"type": "string"}},
        {"patternProperties": {"^b": {}}},
        {"allOf": [{"properties": {"bookin": {}}}]},
        {"anyOf": [{"required": ["booking"]}, {"required": ["bookin"]}]},
        {"oneOf": [{}]},
        {"if": {"required": ["price"]}, "then": {"required": ["bookin"]}},
        {"dependentRequired": {"booking": ["bookin"]}},
        {"dependentSchemas": {"booking": {"properties": {"bookin": {}}}}},
        {"$ref": "#/$defs/more", "$defs": {"more": {"properties": {"bookin": {}}}}},
        {"unevaluatedProperties": {}},
        {"required": ["bookin"]},
        {"examples": [{"bookin": "b-1"}]},
        {"default": {"bookin": "b-1"}},
        {"properties": {}},
    ),
    ids=json.dumps,
)
def test_nothing_is_said_where_something_else_may_bring_it(more: dict[str, Any]) -> None:
    document = asking("${hotel.bookin}")
    document["steps"][0]["output_schema"] = {**HOTEL, **more}

    assert [] == not_named(document)


@pytest.mark.parametrize(
    ("path", "schema"),
    (
        ("rooms[0].window", {"prefixItems": [{"properties": {"window": {}}}]}),
        ("rooms.door", {"$ref": "#anchor"}),
    ),
)
def test_nothing_is_said_below_what_is_not_followed(path: str, schema: dict[str, Any]) -> None:
    document = asking(f"${{hotel.{path}}}")
    rooms = {**schema, **({} if "$ref" in schema else HOTEL["properties"]["rooms"])}
    anchor = {"$anchor": "anchor", "properties": {"door": {}}}
    document["steps"][0]["output_schema"] = {
        "properties": {"rooms": rooms},
        "$defs": {"a": anchor},
    }

    assert [] == not_named(document)


def test_what_may_be_beside_the_properties_and_brings_nothing() -> None:
    document = asking("${hotel.bookin?}")
    document["steps"][0]["output_schema"] = {**HOTEL, "additionalProperties": False}

    assert 1 == len(not_named(document))


def test_a_step_without_a_schema_and_one_that_points_to_it() -> None:
    document = asking("${hotel.bookin}")
    document["steps"][0]["output_schema"] = {
        "$ref": "#/$defs/found",
        "title": "What was booked",
        "$defs": {"found": HOTEL},
    }
    # With its own definitions beside it, it is not the pointer alone.
    assert [] == not_named(document)

    document["steps"][0]["output_schema"] = {"properties": {"a": {"$ref": "#/$defs/b"}}} | {
        "$defs": {"b": HOTEL}
    }
    document["steps"][1]["parameters"] = {"it": "${hotel.a.bookin}"}
    assert [
        (
            'send: ${hotel.a.bookin}: the output schema of hotel has no "bookin" in "a"'
            ' (did you mean "booking"?)'
        )
    ] == not_named(document)

    del document["steps"][0]["output_schema"]
    assert [] == not_named(document)


def test_references_anywhere_in_a_document() -> None:
    wait = {"id": "ok", "type": "wait", "schema": {"properties": {"yes": {"type": "boolean"}}}}
    steps: list[dict[str, Any]] = [
        wait,
        {"id": "nap", "type": "sleep", "duration": "${input.pause}"},
        send(
            condition="exists(input.seat) or hotel.pric == 3 or ok.no",
            fallback={"action": "mail.post", "parameters": {"a": ["${hotel.bookng}"]}},
            compensate={"action": "mail.sorry", "parameters": {"a": {"b": "${ok.ye}"}}},
        ),
        {
            "id": "bags",
            "action": "bags.send",
            "for_each": {"items": "${input.bags}", "as": "bag"},
            "parameters": {"kilos": "${bag.kilo}", "number": "${item_index}"},
            "output_schema": {"properties": {"code": {"type": "string"}}},
        },
        {
            "id": "tell",
            "action": "bags.tell",
            "for_each": {"items": "${bags}"},
            "parameters": {"code": "${item.cod}", "first": "${bags[0].kode}", "all": "${bags}"},
        },
    ]
    output = {"booking": "${hotel.booked}"}

    assert [
        ("nap", "${input.pause}", "pause"),
        ("send", "input.seat", "seat"),
        ("send", "hotel.pric", "pric"),
        ("send", "ok.no", "no"),
        ("send", "${hotel.bookng}", "bookng"),
        ("send", "${ok.ye}", "ye"),
        ("bags", "${bag.kilo}", "kilo"),
        ("tell", "${item.cod}", "cod"),
        ("tell", "${bags[0].kode}", "kode"),
        ("output", "${hotel.booked}", "booked"),
    ] == [
        (each.where, each.reference.text, each.path[-1])
        for each in unnamed(plan(trip(*steps, output=output)))
    ]


def test_a_bare_name_in_a_connection() -> None:
    document = trip(send(), connections=[{"source": "hotel", "target": "send"}])
    document["connections"][0]["condition"] = "pric == 3 and booking != 'x'"

    assert [
        'hotel->send: hotel.pric: the output schema of hotel has no "pric" (did you mean "price"?)'
    ] == not_named(document)


def test_a_trigger_has_the_input() -> None:
    document = trip({"id": "go", "type": "trigger"}, send(parameters={"a": "${go.persn}"}))
    document["steps"][2]["parameters"]["b"] = "${go.person}"

    assert [
        'send: ${go.persn}: the input schema has no "persn" (did you mean "person"?)'
    ] == not_named(document)


def test_what_a_child_returns() -> None:
    child = {"id": "pack", "type": "workflow", "workflow": "parcel"}
    good = {"a": "${pack.receipt}", "b": "${pack.by.name}", "c": "${pack.receipt.number}"}
    bad = {"d": "${pack.reciept}", "e": "${pack.by.nam}"}
    document = trip(child, send(parameters={**good, **bad}))

    assert [
        (
            'send: ${pack.reciept}: the output of workflow parcel has no "reciept"'
            ' (did you mean "receipt"?)'
        ),
        (
            'send: ${pack.by.nam}: the output of workflow parcel has no "nam" in "by"'
            ' (did you mean "name"?)'
        ),
    ] == not_named(document, CHILD)

    schema = {"properties": {"number": {"type": "integer"}}}
    document["steps"][2]["parameters"] = {"a": "${pack.numer}", "b": "${pack.number}"}
    without = {**CHILD, "output": "${pack}", "output_schema": schema}
    assert [
        (
            'send: ${pack.numer}: the output schema of workflow parcel has no "numer"'
            ' (did you mean "number"?)'
        )
    ] == not_named(document, without)
    # Either of two schemas may name what the other does not.
    document["steps"][1]["output_schema"] = {"properties": {"numer": {}}}
    assert [] == not_named(document, without)
    del without["output_schema"]
    assert [
        'send: ${pack.number}: the output schema of pack has no "number" (did you mean "numer"?)'
    ] == not_named(document, without)


def test_what_the_document_gives_its_input_itself_is_named() -> None:
    document = trip(send(parameters={"a": "${input.currency}", "b": "${input.home.city}"}))
    assert 2 == len(not_named(document))

    document["input"] = {"currency": "EUR", "home": {"city": "Ulm"}}
    assert [] == not_named(document)


def test_what_is_invented_for_such_references() -> None:
    parameters = {
        "a": "${hotel.bookin}",
        "b": "${input.town}",
        "c": "${input.home.stret?}",
        "d": "${hotel.booking}",
        "e": "${input.anything.at.all}",
    }
    document = trip(send(parameters=parameters))

    assert ("hotel.bookin", "input.town", "input.home.stret") == invented(plan(document))
    # What its schema forbids is not invented, either.
    document["input_schema"] = {**INPUT, "additionalProperties": False}
    assert ("hotel.bookin", "input.home.stret") == invented(plan(document))


# ---- where one reads it ----


@pytest.fixture
def misspelt(tmp_path: Path) -> Path:
    path = tmp_path / "trip.workflow.json"
    path.write_text(json.dumps(asking("${hotel.bookin}")), "utf-8")
    return path


INVENTED = "invented: hotel.bookin, which no schema names"


def test_generate_says_what_it_has_invented(
    misspelt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run("generate", misspelt, "-o", tmp_path / "tests", "--families", "ok")
    module = tmp_path / "tests/test_trip.py"
    overview = module.read_text("utf-8").split('"""')[1]

    assert f"{module}: 1 scenario; {INVENTED}\n" == capsys.readouterr().out
    assert INVENTED in overview.splitlines()
    # And so it goes well, for want of anything better.
    assert '"bookin": "bookin-1"' in module.read_text("utf-8")

    misspelt.write_text(json.dumps(asking("${hotel.booking}")), "utf-8")
    assert 0 == run("generate", misspelt, "-o", tmp_path / "tests", "--families", "ok")
    assert f"{module}: 1 scenario\n" == capsys.readouterr().out
    assert "invented" not in module.read_text("utf-8")


def test_report_says_what_was_invented(
    misspelt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run("report", misspelt, "--families", "ok")
    assert INVENTED in capsys.readouterr().out.splitlines()
    assert 0 == run("report", misspelt, "--families", "ok", "-o", tmp_path)
    capsys.readouterr()
    (page,) = tmp_path.glob("*.html")
    assert "Invented, because no schema names it: hotel.bookin." in page.read_text("utf-8")
    (found,) = (each for each in tmp_path.glob("*.json") if each != misspelt)
    assert ["hotel.bookin"] == json.loads(found.read_text("utf-8"))["invented"]

    misspelt.write_text(json.dumps(asking("${hotel.booking}")), "utf-8")
    assert 0 == run("report", misspelt, "--families", "ok")
    assert "invented" not in capsys.readouterr().out
