"""`load_workflow` and `Workflow`: both shapes, every field, every fault with its place."""

# The tables read best with one case a line.
# ruff: noqa: E501

import copy
import json
import pickle
import re
from importlib import resources
from types import MappingProxyType

import attrs
import pytest
from jsonschema import Draft202012Validator

from trioflow.definitions import (
    ActionCall,
    Connection,
    ForEach,
    Retry,
    Step,
    Workflow,
    load_workflow,
)
from trioflow.definitions import _fields as f
from trioflow.errors import DefinitionError

STEP = {"id": "a", "action": "act"}


def problems_of(document):
    with pytest.raises(DefinitionError) as caught:
        load_workflow(document)
    return [str(problem) for problem in caught.value.problems]


def with_step(**fields):
    return {"id": "w", "steps": [{**STEP, **fields}]}


def of_type(type_, **fields):
    needed = {"workflow": {"workflow": "child"}, "action": {"action": "act"}}
    return {"id": "w", "steps": [{"id": "a", "type": type_, **needed.get(type_, {}), **fields}]}


def connected(*connections, steps=("a", "b", "c")):
    return {
        "id": "w",
        "steps": [{"id": name, "action": "act"} for name in steps],
        "connections": list(connections),
    }


# ---- what is accepted, and what it means ----

EVERYTHING = {
    "$schema": "workflow.schema.json",
    "trioflow": 1,
    "id": "order",
    "version": "2.1",
    "name": "Orders",
    "description": "From the shop to the door.",
    "labels": {"team": "shop"},
    "input_schema": {"type": "object"},
    "input": {"currency": "EUR"},
    "output": {"receipt": "${pay[0].receipt}"},
    "output_schema": {"required": ["receipt"]},
    "timeout": "1d",
    "max_concurrent_steps": 3,
    "on_failure": "finish",
    "retry": 2,
    "compensate_on": ["cancelled"],
    "x-owner": {"who": "me"},
    "steps": [
        {"id": "start", "type": "trigger", "name": "Start", "description": "Here", "x-y": 1},
        {
            "id": "pay",
            "action": "payments.charge",
            "depends_on": ["start"],
            "condition": "input.amount > 0",
            "join": "first",
            "continue_on_error": True,
            "parameters": {"card": "${input.card}", "line": "${item}"},
            "for_each": {
                "items": "${input.lines}",
                "as": "item",
                "max_concurrent": 2,
                "on_item_error": "continue",
                "x-a": 1,
            },
            "input_schema": {"required": ["card"]},
            "output_schema": {"type": "object"},
            "compensate": {
                "action": "payments.refund",
                "parameters": {"id": "${pay}"},
                "timeout": 5,
                "retry": 2,
                "x-b": 1,
            },
            "total_timeout": "1h",
            "timeout": "30s",
            "retry": {
                "max_attempts": 5,
                "initial_delay": "500ms",
                "multiplier": 3,
                "max_delay": "1m",
                "jitter": "none",
                "max_elapsed": "10m",
                "on": ["http.5*"],
                "not_on": ["http.501"],
                "on_exhausted": "pause",
                "x-c": 1,
            },
            "fallback": "payments.later",
            "on_crash": "fail",
        },
        {"id": "ask", "type": "wait", "signal": "approval", "schema": {}, "total_timeout": 60},
        {"id": "nap", "type": "sleep", "duration": "1h30m"},
        {"id": "morning", "type": "sleep", "until": "2030-12-31T08:00:00+01:00"},
        {"id": "child", "type": "workflow", "workflow": "parcel", "parameters": {"a": 1}},
    ],
    "connections": [
        {
            "source": "pay",
            "target": "ask",
            "condition": "len(pay) > 0",
            "on": "always",
            "id": "review",
            "x-d": 1,
        },
        {"source": "pay", "target": "nap", "on": "always", "default": True},
    ],
}


def test_every_field_is_read():
    workflow = load_workflow(EVERYTHING)
    start, pay, ask, nap, morning, child = workflow.steps

    assert ("order", "2.1", "Orders") == (workflow.id, workflow.version, workflow.name)
    assert "From the shop to the door." == workflow.description
    assert {"team": "shop"} == workflow.labels
    assert ({"type": "object"}, {"currency": "EUR"}) == (workflow.input_schema, workflow.input)
    assert {"receipt": "${pay[0].receipt}"} == workflow.output
    assert {"required": ["receipt"]} == workflow.output_schema
    assert (86_400.0, 3, "finish") == (
        workflow.timeout,
        workflow.max_concurrent_steps,
        workflow.on_failure,
    )
    assert Retry(max_attempts=2) == workflow.retry
    assert ("cancelled",) == workflow.compensate_on
    assert {"x-owner": {"who": "me"}} == workflow.extensions
    assert Step("start", type="trigger", name="Start", description="Here", join="any",
                extensions={"x-y": 1}) == start  # fmt: skip
    assert (
        Step(
            "pay",
            "payments.charge",
            condition="input.amount > 0",
            join="first",
            continue_on_error=True,
            parameters={"card": "${input.card}", "line": "${item}"},
            for_each=ForEach("${input.lines}", "item", 2, "continue", extensions={"x-a": 1}),
            input_schema={"required": ["card"]},
            output_schema={"type": "object"},
            compensate=ActionCall(
                "payments.refund",
                {"id": "${pay}"},
                5.0,
                Retry(max_attempts=2),
                extensions={"x-b": 1},
            ),
            total_timeout=3600.0,
            timeout=30.0,
            retry=Retry(
                max_attempts=5,
                initial_delay=0.5,
                multiplier=3.0,
                max_delay=60.0,
                jitter="none",
                max_elapsed=600.0,
                on=("http.5*",),
                not_on=("http.501",),
                on_exhausted="pause",
                extensions={"x-c": 1},
            ),
            fallback=ActionCall("payments.later"),
            on_crash="fail",
        )
        == pay
    )
    assert Step("ask", type="wait", signal="approval", schema={}, total_timeout=60.0,
                join="any") == ask  # fmt: skip
    assert Step("nap", type="sleep", duration=5400.0, join="any") == nap
    assert "2030-12-31T08:00:00+01:00" == morning.until
    assert ("parcel", {"a": 1}) == (child.workflow, child.parameters)
    assert (
        Connection("pay", "ask", "len(pay) > 0", "always", id="review", extensions={"x-d": 1}),
        Connection("pay", "nap", on="always", default=True, id="pay->nap"),
        Connection("start", "pay", id="start->pay"),
    ) == workflow.connections


def test_the_canonical_document():
    document = load_workflow(EVERYTHING).document

    assert EVERYTHING["x-owner"] == document["x-owner"]
    assert (1, 86_400) == (document["trioflow"], document["timeout"])
    assert "$schema" not in document
    assert "on_failure" in document
    assert {"id": "nap", "type": "sleep", "duration": 5400} == document["steps"][3]
    assert "depends_on" not in document["steps"][1]
    assert {"action": "payments.later"} == document["steps"][1]["fallback"]
    assert [
        {
            "source": "pay",
            "target": "ask",
            "condition": "len(pay) > 0",
            "on": "always",
            "id": "review",
            "x-d": 1,
        },
        {"source": "pay", "target": "nap", "on": "always", "default": True},
        {"source": "start", "target": "pay"},
    ] == document["connections"]


def test_defaults_are_left_out():
    document = {
        "id": "w",
        "labels": {},
        "input": {},
        "on_failure": "cancel",
        "compensate_on": ["cancelled", "failed"],
        "steps": [
            {
                **STEP,
                "type": "action",
                "join": "any",
                "continue_on_error": False,
                "condition": "",
                "on_crash": "retry",
                "sequence_order": 1,
                "retry": {"max_attempts": 3, "initial_delay": "1s", "max_delay": 60, "not_on": []},
            },
            {"id": "b", "type": "wait", "signal": "b", "sequence_order": 2},
        ],
    }

    assert {
        "trioflow": 1,
        "id": "w",
        "steps": [
            {"id": "a", "action": "act", "sequence_order": 1, "retry": {}},
            {"id": "b", "type": "wait", "sequence_order": 2},
        ],
    } == load_workflow(document).document


@pytest.mark.parametrize(
    "document",
    (
        EVERYTHING,
        with_step(),
        with_step(depends_on=[]),
        with_step(sequence_order=2.5),
        with_step(fallback={"action": "x", "parameters": {}}),
        with_step(parameters={"a": [1.0, True, None, {"b": "ä"}]}),
        {"id": "w", "steps": [STEP], "output": [1.0]},
        {"id": "w", "nodes": [{"id": "a", "title": "A", "config": {"action": "x"}}]},
        connected({"source": "a", "target": "b", "id": "a->b#2"}, {"source": "a", "target": "b"},
                  {"source": "a", "target": "b"} | {"id": "n"}),
        connected({"source": "a", "target": "b", "id": "a->b"}),
        connected({"source": "a", "target": "b", "condition": False}),
    ),
    ids=lambda document: str(document)[:50],
)  # fmt: skip
def test_the_canonical_document_means_the_same(document):
    workflow = load_workflow(document)

    again = load_workflow(workflow.document)

    assert workflow == again
    assert workflow.digest == again.digest
    assert workflow.document == again.document
    assert workflow.steps == again.steps
    assert workflow.connections == again.connections
    assert hash(workflow) == hash(again)


def test_the_digest_does_not_depend_on_the_order_of_keys():
    document = {"steps": [dict(reversed(STEP.items()))], "id": "w"}

    assert load_workflow(document).digest == load_workflow({"id": "w", "steps": [STEP]}).digest


def test_other_documents_are_other_workflows():
    assert load_workflow(with_step()) != load_workflow(with_step(timeout=1))
    assert load_workflow(with_step(parameters={"x": 1})) != load_workflow(
        with_step(parameters={"x": True})
    )
    assert load_workflow(with_step()) != "w"


def test_the_document_can_be_changed_without_harm():
    given = with_step(parameters={"x": [1]})
    workflow = load_workflow(given)

    given["steps"][0]["parameters"]["x"].append(2)
    workflow.document["steps"].clear()

    assert {"x": [1]} == workflow.steps[0].parameters
    assert 1 == len(workflow.document["steps"])


def test_both_shapes_are_one_graph():
    """Spellings of one workflow are equal."""
    nodes = {
        "id": "w",
        "nodes": [
            {"id": "a", "type": "action", "title": "A", "config": {"action": "pay.charge"}},
            {"id": "b", "config": {"service": "pay", "action": "refund", "join": "all"}, "x-i": 1},
            {"id": "c", "config": {"service": "pay", "join": "all", "x-j": 2}},
        ],
        "connections": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}],
    }
    steps = {
        "id": "w",
        "steps": [
            {"id": "a", "name": "A", "action": "pay.charge"},
            {"id": "b", "action": "pay.refund", "depends_on": ["a"], "x-i": 1},
            {"id": "c", "action": "pay.default", "depends_on": ["b"], "x-j": 2},
        ],
    }

    assert load_workflow(nodes) == load_workflow(steps)


def test_list_order_is_a_sequence():
    listed = {"id": "w", "steps": [STEP, {**STEP, "id": "b"}]}
    numbered = {
        "id": "w",
        "steps": [{**STEP, "sequence_order": 1}, {**STEP, "id": "b", "sequence_order": 2}],
    }

    assert load_workflow(listed) == load_workflow(numbered)


@pytest.mark.parametrize("condition", (None, "", "  ", True), ids=str)
def test_empty_conditions_are_true(condition):
    workflow = load_workflow(with_step(condition=condition))

    assert workflow.steps[0].condition is None
    assert workflow.plan.steps[0].condition is None


@pytest.mark.parametrize("value", (1, 3.0, {"max_attempts": 3}), ids=str)
def test_spellings_of_retry(value):
    attempts = value if isinstance(value, float | int) else 3

    assert Retry(max_attempts=int(attempts)) == load_workflow(with_step(retry=value)).steps[0].retry


def test_no_delay_is_a_delay():
    retry = load_workflow(with_step(retry={"initial_delay": 0, "max_delay": 0})).steps[0].retry

    assert (0.0, 0.0) == (retry.initial_delay, retry.max_delay)


def test_one_default_for_each_way_of_ending():
    workflow = load_workflow(
        connected(
            {"source": "a", "target": "b", "default": True},
            {"source": "a", "target": "c", "default": True, "on": "failure"},
            {"source": "b", "target": "c", "default": True},
        )
    )

    assert [True, True, True] == [each.default for each in workflow.connections]


def test_ids_that_connections_get_anyway_are_left_out():
    ends = {"source": "a", "target": "b"}
    workflow = load_workflow(connected(ends, {**ends, "id": "a->b#2"}, {**ends, "id": "x"}))

    assert [ends, ends, {**ends, "id": "x"}] == workflow.document["connections"]


# ---- Python ----


def charge():
    """An undecorated function."""


def marked():
    """A function with a name of its choice."""


@attrs.frozen
class Mark:
    name: str


marked.__trioflow_action__ = Mark("payments.marked")


def test_python_and_documents_are_equal():
    workflow = Workflow(
        "order",
        [
            Step("start", type="trigger", name="Start", description="Here", extensions={"x-y": 1}),
            Step(
                "pay",
                "payments.charge",
                depends_on=["start"],
                condition="input.amount > 0",
                join="first",
                continue_on_error=True,
                parameters={"card": "${input.card}", "line": "${item}"},
                for_each=ForEach(
                    "${input.lines}",
                    max_concurrent=2,
                    on_item_error="continue",
                    extensions={"x-a": 1},
                ),
                input_schema={"required": ["card"]},
                output_schema={"type": "object"},
                compensate=ActionCall(
                    "payments.refund", {"id": "${pay}"}, 5, 2, extensions={"x-b": 1}
                ),
                total_timeout="1h",
                timeout=30,
                retry=Retry(
                    max_attempts=5,
                    initial_delay="500ms",
                    multiplier=3,
                    max_delay="1m",
                    jitter="none",
                    max_elapsed="10m",
                    on=["http.5*"],
                    not_on=["http.501"],
                    on_exhausted="pause",
                    extensions={"x-c": 1},
                ),
                fallback="payments.later",
                on_crash="fail",
            ),
            Step("ask", type="wait", signal="approval", schema={}, total_timeout=60),
            Step("nap", type="sleep", duration="1h30m"),
            Step("morning", type="sleep", until="2030-12-31T08:00:00+01:00"),
            Step("child", type="workflow", workflow="parcel", parameters={"a": 1}),
        ],
        [
            Connection("pay", "ask", "len(pay) > 0", "always", id="review", extensions={"x-d": 1}),
            Connection("pay", "nap", on="always", default=True),
        ],
        version="2.1",
        name="Orders",
        description="From the shop to the door.",
        labels={"team": "shop"},
        input_schema={"type": "object"},
        input=MappingProxyType({"currency": "EUR"}),
        output={"receipt": "${pay[0].receipt}"},
        output_schema={"required": ["receipt"]},
        timeout="1d",
        max_concurrent_steps=3,
        on_failure="finish",
        retry=2,
        compensate_on=["cancelled"],
        extensions={"x-owner": {"who": "me"}},
    )

    loaded = load_workflow(EVERYTHING)
    assert loaded == workflow
    assert loaded.steps == workflow.steps
    assert loaded.connections == workflow.connections


def test_functions_are_actions():
    workflow = Workflow(
        "w",
        [
            Step("a", charge, fallback=marked, compensate=ActionCall(charge)),
            Step("b", marked),
            Step("c", "else.where"),
        ],
    )

    assert {"charge": charge, "payments.marked": marked} == workflow.functions
    assert ["charge", "payments.marked", "else.where"] == [step.action for step in workflow.steps]
    assert "payments.marked" == workflow.steps[0].fallback.action
    assert "charge" == workflow.steps[0].compensate.action
    assert workflow == load_workflow(workflow.document)


def test_workflows_can_be_copied_and_pickled():
    workflow = Workflow("w", [Step("a", charge)])

    again = pickle.loads(pickle.dumps(workflow))

    assert workflow == again == copy.deepcopy(workflow)
    assert {"charge": charge} == again.functions
    assert 1 == len(again.plan.steps)


def test_workflows_are_short_in_print():
    assert "<Workflow 'w' of 1 step>" == repr(Workflow("w", [Step("a", "x")]))
    assert "<Workflow 'w' of 2 steps>" == repr(Workflow("w", [Step("a", "x"), Step("b", "x")]))


def _another():
    def charge():
        pass

    return charge


@pytest.mark.parametrize(
    ("make", "expected"),
    (
        (
            lambda: Workflow("w", [Step("a", lambda: None)]),
            "$.steps[0].action: is a function without",
        ),
        (lambda: Workflow("w", [Step("a", print, timeout=True)]), "$.steps[0].timeout: a duration"),
        (
            lambda: Workflow("w", [Step("a", charge), Step("b", fallback=_another(), action="x")]),
            '$.steps[1].fallback.action: another function in this workflow is the action "charge"',
        ),
        (
            lambda: Workflow("w", [Step("a", "x", depends_on="a")]),
            "$.steps[0].depends_on: must be a list",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", continue_on_error=0)]),
            "must be true or false, not 0",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", retry=True)]),
            "$.steps[0].retry: must be a number of",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", retry=Retry(max_attempts=0))]),
            ".retry.max_attempts: ",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", for_each=ForEach(5))]),
            "$.steps[0].for_each.items: must",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", parameters={"x": {1, 2}})]),
            "is a Python set, which",
        ),
        (
            lambda: Workflow("w", [Step("a", "x", parameters={5: 1})]),
            "has a key that is a number, 5",
        ),
        (lambda: Workflow("w", [Step("a", "x", extensions={"timeout": 1})]), 'extension "timeout"'),
        (
            lambda: Workflow("w", [Step("a", "x")], extensions={"id": "v"}),
            '$: has the extension "id"',
        ),
        (lambda: Workflow("w", []), "$.steps: is empty"),
        (lambda: Workflow("w", None), '$: lacks "steps"'),
        (lambda: Workflow("w", ["a"]), '$.steps[0]: must be an object, not "a"'),
        (lambda: Workflow("", [Step("a", "x")]), "$.id: must be a name"),
        (
            lambda: Workflow("w", [Step("a", "x")], timeout=float("nan")),
            "$.timeout: is nan, which JSON",
        ),
        (lambda: Workflow("w", [Step("a")]), '$.steps[0]: lacks "action"'),
    ),
    ids=range(18),
)
def test_faults_of_python(make, expected):
    with pytest.raises(DefinitionError) as caught:
        make()

    assert 1 == len(caught.value.problems)
    assert expected in str(caught.value)


def test_mappings_are_steps_too():
    assert Workflow("w", [Step("a", "act")]) == Workflow("w", [STEP])


# ---- what is refused ----

FAULTS = (
    # the document
    ({}, '$: lacks "id"'),
    ({"id": "w"}, '$: lacks "steps"'),
    ({"id": "w", "steps": [STEP], "nodes": []}, '$.nodes: stands beside "steps"'),
    ({"id": "w", "steps": {}}, "$.steps: must be a list, not an object"),
    ({"id": "w", "steps": []}, "$.steps: is empty"),
    ({"id": "w", "nodes": []}, "$.nodes: is empty"),
    ({"id": "w", "steps": [5]}, "$.steps[0]: must be an object, not 5"),
    ({"id": "w", "steps": [STEP], "stepz": 1}, '$.stepz: unknown key "stepz" in the workflow - did you mean "steps"?'),
    ({"id": "w", "steps": [STEP], "a b": 1}, '$["a b"]: unknown key "a b" in the workflow'),
    ({"id": "w", "steps": [STEP], "edges": []}, 'did you mean "connections"?'),
    ({"id": "w", "steps": [STEP], "trioflow": 2}, "$.trioflow: the version of the format is 1, not 2"),
    ({"id": "w", "steps": [STEP], "trioflow": True}, "$.trioflow: the version of the format is 1, not true"),
    ({"id": 5, "steps": [STEP]}, '$.id: must be text, not 5; put it in quotes: "5"'),
    ({"id": " w", "steps": [STEP]}, "$.id: must be a name without blanks around it"),
    ({"id": "w", "steps": [STEP], "version": 1.5}, '$.version: must be text, not 1.5; put it in quotes: "1.5"'),
    ({"id": "w", "steps": [STEP], "name": None}, "$.name: must be text, not null"),
    ({"id": "w", "steps": [STEP], "labels": {"a b": 1}}, '$.labels["a b"]: must be text, not 1'),
    ({"id": "w", "steps": [STEP], "labels": []}, "$.labels: must be an object, not a list"),
    ({"id": "w", "steps": [STEP], "input": "x"}, '$.input: must be an object, not "x"'),
    ({"id": "w", "steps": [STEP], "output": None}, "$.output: cannot be null; leave the key out"),
    ({"id": "w", "steps": [STEP], "output": ["${b}"]}, "$.output[0]: `b` is neither a step nor"),
    ({"id": "w", "steps": [STEP], "output": "${secret.KEY}"}, "$.output: secrets can be named in `parameters` only"),
    ({"id": "w", "steps": [STEP], "output_schema": {"type": "x"}}, "$.output_schema.type: must be"),
    ({"id": "w", "steps": [STEP], "input_schema": {"$ref": "http://x"}}, '$.input_schema["$ref"]: '),
    ({"id": "w", "steps": [STEP], "timeout": "soon"}, '$.timeout: "soon" is not a duration'),
    ({"id": "w", "steps": [STEP], "max_concurrent_steps": 0}, "$.max_concurrent_steps: must be a whole number"),
    ({"id": "w", "steps": [STEP], "max_concurrent_steps": True}, "$.max_concurrent_steps: must be a whole number"),
    ({"id": "w", "steps": [STEP], "on_failure": "cancle"}, '$.on_failure: must be "cancel", "finish" or "continue", not "cancle" - did you mean "cancel"?'),
    ({"id": "w", "steps": [STEP], "compensate_on": ["failed", "x"]}, '$.compensate_on[1]: must be "failed" or "cancelled", not "x"'),
    ({"id": "w", "steps": [STEP], "compensate_on": ["failed", "failed"]}, '$.compensate_on[1]: "failed" is there already'),
    ({"id": "w", "steps": [STEP], "compensate_on": "failed"}, '$.compensate_on: must be a list of "failed" and "cancelled", not "failed"; write ["failed"]'),
    ({"id": "w", "steps": [STEP], "connections": {}}, "$.connections: must be a list, not an object"),
    # ids
    ({"id": "w", "steps": [{"action": "x"}]}, '$.steps[0]: lacks "id"'),
    (with_step(id=5), "$.steps[0].id: must be the id of a step, not 5"),
    (with_step(id="a b"), '$.steps[0].id: "a b" cannot be an id'),
    (with_step(id="1a"), '$.steps[0].id: "1a" cannot be an id'),
    (with_step(id="a\n"), "cannot be an id"),
    (with_step(id="ä"), "cannot be an id"),
    (with_step(id=""), "cannot be an id"),
    (with_step(id="a" * 129), "$.steps[0].id: an id has at most 128 characters, and this 129"),
    *(
        (with_step(id=word), f'$.steps[0].id: "{word}" is a word of the expression language')
        for word in sorted(f.RESERVED)
    ),
    ({"id": "w", "steps": [STEP, STEP]}, '$.steps[1].id: "a" is the id of $.steps[0], too'),
    # fields of a step
    (with_step(timout=1), '$.steps[0].timout: unknown key "timout" in a step - did you mean "timeout"?'),
    (with_step(service="x"), 'write both in one, "action": "service.action"'),
    (with_step(config={}), 'unknown key "config" in a step; its fields stand in the step itself'),
    (with_step(type="acton"), '$.steps[0].type: must be "action", "trigger", "wait", "sleep" or "workflow", not "acton" - did you mean "action"?'),
    (with_step(type=5), "$.steps[0].type: must be"),
    (with_step(name=5), "$.steps[0].name: must be text"),
    (with_step(continue_on_error="yes"), '$.steps[0].continue_on_error: must be true or false, not "yes"'),
    (with_step(join="both"), '$.steps[0].join: must be "all", "any" or "first"'),
    (with_step(action=""), "$.steps[0].action: must be a name"),
    (with_step(on_crash="x"), "$.steps[0].on_crash: must be"),
    (with_step(parameters=["x"]), "$.steps[0].parameters: must be an object, not a list"),
    (with_step(parameters={"x y": ["${b.c}"]}), '$.steps[0].parameters["x y"][0]: `b` is neither a step'),
    (with_step(parameters={"x": "${input.a", "y": "${}"}), "$.steps[0].parameters.y: `${}` is empty"),
    (with_step(parameters={"x": "${item}"}), "$.steps[0].parameters.x: `item` is there only inside"),
    (with_step(timeout=0), "$.steps[0].timeout: a duration is above 0, not 0"),
    (with_step(timeout=True), "$.steps[0].timeout: a duration cannot be a boolean"),
    (with_step(total_timeout="5"), '$.steps[0].total_timeout: "5" has no unit'),
    (with_step(condition=5), "$.steps[0].condition: must be a condition, as text, not 5"),
    (with_step(condition="the order is paid"), "$.steps[0].condition: this reads like text"),
    (with_step(condition="input.x == '${input.y}'"), "$.steps[0].condition: a reference inside quotes"),
    (with_step(condition="{{ input.x }}"), "$.steps[0].condition: "),
    (with_step(condition="input.x >"), "(column 10 of 'input.x >')"),
    (with_step(condition="result == 1"), "$.steps[0].condition: `result` is neither a step"),
    (with_step(condition="secret.x == 1"), "$.steps[0].condition: secrets can be named in"),
    (with_step(condition="item == 1", for_each={"items": []}), "$.steps[0].condition: `item` is there only"),
    # for_each
    (with_step(for_each="${input.x}"), '$.steps[0].for_each: must be an object, not "${input.x}"; write {"items": "${input.x}"}'),
    (with_step(for_each=5), "$.steps[0].for_each: must be an object, not 5"),
    (with_step(for_each={}), '$.steps[0].for_each: lacks "items"'),
    (with_step(for_each={"items": {}}), "$.steps[0].for_each.items: must be a list, or a reference"),
    (with_step(for_each={"items": "a ${input.x}"}), "$.steps[0].for_each.items: \"a ${input.x}\" is text, and never a list"),
    (with_step(for_each={"items": ["${item}"]}), "$.steps[0].for_each.items[0]: `item` is there only"),
    (with_step(for_each={"items": "${secret.x}"}), "$.steps[0].for_each.items: secrets can be named"),
    (with_step(for_each={"items": [], "as": "a"}), '$.steps[0].for_each.as: "a" is the id of a step'),
    (with_step(for_each={"items": [], "as": "input"}), '$.steps[0].for_each.as: "input" is a word of'),
    (with_step(for_each={"items": [], "as": "item_index"}), '$.steps[0].for_each.as: "item_index" is a word'),
    (with_step(for_each={"items": [], "as": "a b"}), '$.steps[0].for_each.as: "a b" cannot be an id'),
    (with_step(for_each={"items": [], "max_concurrent": 1.5}), "$.steps[0].for_each.max_concurrent: must"),
    (with_step(for_each={"items": [], "on_item_error": "skip"}), "$.steps[0].for_each.on_item_error: must"),
    (with_step(for_each={"items": [], "itms": 1}), 'unknown key "itms" in for_each - did you mean "items"?'),
    (with_step(for_each={"items": [], "as": "order"}, parameters={"x": "${item}"}), "there the item is called `order`"),
    # retry, fallback, compensate
    (with_step(retry=0), "$.steps[0].retry: must be a whole number of at least 1, not 0"),
    (with_step(retry=True), "$.steps[0].retry: must be a number of attempts, or an object, not true"),
    (with_step(retry="3"), '$.steps[0].retry: must be a number of attempts, or an object, not "3"'),
    (with_step(retry={"max_attempts": True}), "$.steps[0].retry.max_attempts: must be a whole number"),
    (with_step(retry={"attempts": 2}), 'unknown key "attempts" in retry - did you mean "max_attempts"?'),
    (with_step(retry={"initial_delay": -1}), "$.steps[0].retry.initial_delay: must be 0 or more, not -1"),
    (with_step(retry={"initial_delay": False}), "$.steps[0].retry.initial_delay: a duration cannot be"),
    (with_step(retry={"multiplier": 0}), "$.steps[0].retry.multiplier: must be a number above 0, not 0"),
    (with_step(retry={"multiplier": "2"}), "$.steps[0].retry.multiplier: must be a number above 0"),
    (with_step(retry={"jitter": "some"}), '$.steps[0].retry.jitter: must be "full" or "none"'),
    (with_step(retry={"max_elapsed": 0}), "$.steps[0].retry.max_elapsed: a duration is above 0"),
    (with_step(retry={"on": "http.*"}), '$.steps[0].retry.on: must be a list of patterns for error codes, not "http.*"; write ["http.*"]'),
    (with_step(retry={"not_on": [5]}), "$.steps[0].retry.not_on[0]: must be text"),
    (with_step(retry={"on_exhausted": "stop"}), '$.steps[0].retry.on_exhausted: must be "fail" or "pause"'),
    (with_step(fallback=5), "$.steps[0].fallback: must be the name of an action, or an object, not 5"),
    (with_step(fallback=""), "$.steps[0].fallback: must be a name"),
    (with_step(fallback={}), '$.steps[0].fallback: lacks "action"'),
    (with_step(fallback={"action": "x", "retry": {"on_exhausted": "fail"}}), "$.steps[0].fallback.retry.on_exhausted: goes with the retry of a step only"),
    (with_step(compensate={"action": "x", "retry": {"on_exhausted": "pause"}}), "$.steps[0].compensate.retry.on_exhausted: goes with"),
    (with_step(compensate={"action": "x", "on_crash": "fail"}), '$.steps[0].compensate.on_crash: unknown key'),
    (with_step(compensate={"action": "x", "timeout": 0}), "$.steps[0].compensate.timeout: a duration"),
    (with_step(compensate={"action": "x", "parameters": {"y": "${z}"}}), "$.steps[0].compensate.parameters.y: `z` is neither"),
    (with_step(fallback={"action": "x", "parameters": 5}), "$.steps[0].fallback.parameters: must be an object"),
    # schemas
    (with_step(input_schema=True), "$.steps[0].input_schema: must be an object, not true"),
    (with_step(output_schema={"minLength": "x"}), "$.steps[0].output_schema.minLength: is no valid JSON Schema"),
    # types
    ({"id": "w", "steps": [{"id": "a"}]}, '$.steps[0]: lacks "action"'),
    ({"id": "w", "steps": [{"id": "a", "type": "workflow"}]}, '$.steps[0]: lacks "workflow"'),
    (of_type("sleep"), '$.steps[0]: has neither "duration" and "until"; a sleep step needs one of them'),
    (of_type("sleep", duration=1, until="2030-01-01T00:00:00Z"), '$.steps[0]: has both "duration" and "until"'),
    (of_type("sleep", duration=0), "$.steps[0].duration: a duration is above 0"),
    (of_type("sleep", duration=None), "$.steps[0].duration: cannot be null"),
    (of_type("sleep", duration={}), "$.steps[0].duration: a duration cannot be an object"),
    (of_type("sleep", duration="${input.n}s"), '$.steps[0].duration: "${input.n}s" has text beside a reference'),
    (of_type("sleep", duration="${secret.N}"), "$.steps[0].duration: secrets can be named"),
    (of_type("sleep", until="2030-01-01T00:00:00"), "$.steps[0].until: \"2030-01-01T00:00:00\" has no offset"),
    (of_type("sleep", until=5), "$.steps[0].until: an instant is ISO 8601 text, not a number"),
    (of_type("sleep", until="${nowhere}"), "$.steps[0].until: `nowhere` is neither"),
    (of_type("wait", signal=""), "$.steps[0].signal: must be a name"),
    (of_type("wait", timeout=5), '$.steps[0].timeout: "timeout" belongs to action steps, and this is a wait step; a wait step has "total_timeout"'),
    (of_type("workflow", timeout=5), 'and this is a workflow step; a workflow step has "total_timeout"'),
    (of_type("action", schema={}), '"schema" belongs to wait steps, and this is an action step; an action step has "input_schema" and "output_schema"'),
    (of_type("wait", output_schema={}), 'belongs to action and workflow steps, and this is a wait step; a wait step has "schema"'),
    (of_type("trigger", total_timeout=5), "belongs to action, workflow and wait steps, and this is a trigger step"),
    (with_step(signal="x"), 'belongs to wait steps, and this is an action step; if this is one, say so: "type": "wait"'),
    *(
        (of_type(type_, **{field: value}), f'"{field}" belongs to')
        for field, value, types in (
            ("parameters", {}, ("wait", "sleep", "trigger")),
            ("for_each", {"items": []}, ("wait", "sleep", "trigger")),
            ("input_schema", {}, ("wait", "sleep", "trigger")),
            ("compensate", "x", ("wait", "sleep", "trigger")),
            ("total_timeout", 5, ("sleep", "trigger")),
            ("action", "x", ("wait", "sleep", "trigger", "workflow")),
            ("retry", 2, ("wait", "sleep", "trigger", "workflow")),
            ("fallback", "x", ("wait", "sleep", "trigger", "workflow")),
            ("on_crash", "fail", ("wait", "sleep", "trigger", "workflow")),
            ("signal", "x", ("action", "sleep", "trigger", "workflow")),
            ("duration", 5, ("action", "wait", "trigger", "workflow")),
            ("until", "2030-01-01T00:00:00Z", ("action", "wait", "trigger", "workflow")),
            ("workflow", "x", ("action", "wait", "trigger", "sleep")),
        )
        for type_ in types
    ),
    # order
    (with_step(depends_on="b"), '$.steps[0].depends_on: must be a list of ids of steps, not "b"; write ["b"]'),
    (with_step(depends_on=["b"]), '$.steps[0].depends_on[0]: there is no step "b"'),
    (with_step(depends_on=[5]), "$.steps[0].depends_on[0]: must be text"),
    ({"id": "w", "steps": [STEP, {**STEP, "id": "b", "depends_on": ["a", "a"]}]}, '$.steps[1].depends_on[1]: "a" is there already'),
    (with_step(sequence_order="1"), '$.steps[0].sequence_order: must be a number, not "1"'),
    (with_step(sequence_order=True), "$.steps[0].sequence_order: must be a number, not true"),
    ({"id": "w", "steps": [{**STEP, "sequence_order": 1}, {**STEP, "id": "b"}]}, '$.steps[1]: lacks "sequence_order", which other steps have'),
    ({"id": "w", "steps": [{**STEP, "sequence_order": 1, "depends_on": []}]}, '$.steps[0].sequence_order: cannot stand beside "depends_on"'),
    ({"id": "w", "steps": [{**STEP, "sequence_order": 1}], "connections": []}, '$.steps[0].sequence_order: cannot stand beside "connections"'),
    (
        {"id": "w", "steps": [STEP, {**STEP, "id": "b", "depends_on": ["a"]}], "connections": [{"source": "a", "target": "b"}]},
        '$.steps[1]: has "depends_on" and incoming connections; say with "join"',
    ),
    # connections
    (connected(5), "$.connections[0]: must be an object, not 5"),
    (connected({"source": "a"}), '$.connections[0]: lacks "target"'),
    (connected({"target": "a"}), '$.connections[0]: lacks "source"'),
    (connected({"source": "a", "target": "bb"}), '$.connections[0].target: there is no step "bb"'),
    (connected({"source": "alpa", "target": "b"}, steps=("alpha", "b")), '$.connections[0].source: there is no step "alpa" - did you mean "alpha"?'),
    (connected({"source": 5, "target": "b"}), "$.connections[0].source: must be text"),
    (connected({"source": "a", "target": "b", "to": 1}), '$.connections[0].to: unknown key "to" in a connection'),
    (connected({"source": "a", "target": "b", "on": "failed"}), '$.connections[0].on: must be "success", "failure" or "always", not "failed"'),
    (connected({"source": "a", "target": "b", "on": True}), "$.connections[0].on: must be"),
    (connected({"source": "a", "target": "b", "default": "x"}), "$.connections[0].default: must be true"),
    (connected({"source": "a", "target": "b", "id": ""}), "$.connections[0].id: must be a name"),
    (connected({"source": "a", "target": "b", "id": "x"}, {"source": "b", "target": "c", "id": "x"}), '$.connections[1]: has the id "x", which $.connections[0] has already'),
    (connected({"source": "a", "target": "b", "id": "a->c"}, {"source": "a", "target": "c"}), '$.connections[1]: has the id "a->c", which'),
    (connected({"source": "a", "target": "b", "condition": "x = 1"}), "$.connections[0].condition: "),
    (connected({"source": "a", "target": "b", "condition": "it was paid"}), "$.connections[0].condition: "),
    (connected({"source": "a", "target": "b", "condition": "item.x"}), "$.connections[0].condition: `item`"),
    (connected({"source": "a", "target": "b", "condition": "c.x == 1"}), '$.connections[0].condition: names the step "c"'),
    (connected({"source": "a", "target": "b", "default": True, "condition": "x"}), "$.connections[0].default: a default is taken when no other"),
    (connected({"source": "a", "target": "b", "default": True}, {"source": "a", "target": "c", "default": True}), '$.connections[1].default: $.connections[0] is the default of "a" on success already'),
    # signals
    ({"id": "w", "steps": [{"id": "a", "type": "wait", "signal": "go"}, {"id": "b", "type": "wait", "signal": "go"}]}, '$.steps[1].signal: "go" is waited for by step "a" already'),
    ({"id": "w", "steps": [{"id": "a", "type": "wait", "signal": "b"}, {"id": "b", "type": "wait"}]}, '$.steps[1]: "b" is waited for by step "a" already'),
)  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), FAULTS, ids=[fault[1][:60] for fault in FAULTS])
def test_faults(document, expected):
    assert expected in "\n".join(problems_of(document))


@pytest.mark.parametrize(
    "document", [fault[0] for fault in FAULTS], ids=[fault[1][:60] for fault in FAULTS]
)
def test_faults_are_found_in_text_as_well(document):
    assert problems_of(document) == problems_of(json.dumps(document))


NODE_FAULTS = (
    ({"config": {"action": "x", "timout": 1}}, '$.nodes[0].config.timout: unknown key "timout" in config - did you mean "timeout"?'),
    ({"config": {"action": "x", "timeout": 0}}, "$.nodes[0].config.timeout: a duration"),
    ({"config": {"action": "x", "parameters": {"p": ["${z}"]}}}, "$.nodes[0].config.parameters.p[0]: `z`"),
    ({"config": {"action": "x", "retry": {"max_attempts": 0}}}, "$.nodes[0].config.retry.max_attempts: "),
    ({"config": {"action": "x"}, "title": 5}, "$.nodes[0].title: must be text"),
    ({"config": {"action": "x", "name": "n"}, "title": "t"}, '$.nodes[0].config.name: the node has a "title"'),
    ({"config": {"action": "x", "id": "b"}}, '$.nodes[0].config.id: "id" stands in the node itself'),
    ({"config": {"action": "x", "type": "wait"}}, '$.nodes[0].config.type: "type" stands in the node itself'),
    ({"config": {"action": "x"}, "name": "n"}, '$.nodes[0].name: unknown key "name" in a node; a node has a "title"'),
    ({"action": "x"}, '$.nodes[0].action: "action" stands in the node itself; it goes into its "config"'),
    ({"config": {"action": "x"}, "service": "y"}, '$.nodes[0].service: "service" stands in the node itself'),
    ({"config": {"action": "x"}, "titel": "t"}, '$.nodes[0].titel: unknown key "titel" in a node - did you mean "title"?'),
    ({"config": 5}, "$.nodes[0].config: must be an object, not 5"),
    ({"config": {"service": 5}}, "$.nodes[0].config.service: must be text"),
    ({"config": {"service": "x", "action": 5}}, "$.nodes[0].config.action: must be text"),
    ({"config": {"service": "x", "action": ""}}, "$.nodes[0].config.action: must be a name"),
    ({"config": {"service": "x"}, "type": "wait"}, '$.nodes[0].config.service: "action" belongs to action steps'),
    ({"config": {"action": "x", "x-a": 1}, "x-a": 2}, '$.nodes[0].config["x-a"]: stands in the node itself, too'),
    ({}, '$.nodes[0]: lacks "action"'),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), NODE_FAULTS, ids=[f[1][:60] for f in NODE_FAULTS])
def test_faults_of_nodes(fields, expected):
    """They are reported where the author of a graph wrote them."""
    (problem, *_) = problems_of({"id": "w", "nodes": [{"id": "a", **fields}]})

    assert expected in problem


@pytest.mark.parametrize(
    ("document", "key", "meant"),
    (
        *(
            ({"connections": [{"source": "a", "target": "b", key: "b"}]}, key, meant)
            for key, meant in (
                ("from", "source"),
                ("to", "target"),
                ("if", "condition"),
                ("when", "condition"),
                ("name", "id"),
            )
        ),
        *(
            ({"steps": [{**STEP, key: "b"}]}, key, meant)
            for key, meant in (
                ("if", "condition"),
                ("when", "condition"),
                ("needs", "depends_on"),
                ("on", "depends_on"),
                ("uses", "action"),
                ("run", "action"),
                ("with", "parameters"),
                ("args", "parameters"),
                ("retries", "retry"),
                ("undo", "compensate"),
            )
        ),
        *(
            ({"steps": [{**STEP, field: {key: 3}}]}, key, meant)
            for field, key, meant in (
                ("retry", "retries", "max_attempts"),
                ("retry", "delay", "initial_delay"),
                ("for_each", "in", "items"),
                ("fallback", "with", "parameters"),
            )
        ),
        ({"nodes": [{"id": "a", "label": "x"}]}, "label", "title"),
        ({"nodes": [{"id": "a", "config": {"uses": "x"}}]}, "uses", "action"),
        ({"tasks": []}, "tasks", "steps"),
        ({"edges": []}, "edges", "connections"),
    ),
    ids=str,
)
def test_keys_that_are_usual_elsewhere(document, key, meant):
    said = "\n".join(problems_of({"id": "w", **document}))

    assert re.search(rf'unknown key "{key}" in .* - did you mean "{meant}"\?', said), said


def test_no_delay_in_words():
    (said,) = problems_of(with_step(retry={"max_delay": "0s"}))

    assert (
        '$.steps[0].retry.max_delay: a duration is above 0, not "0s"; for no delay write 0' == said
    )


@pytest.mark.parametrize(
    ("document", "said"),
    (
        (
            {"nodes": [{"id": "a", "uses": "x"}]},
            'unknown key "uses" in a node; its "config" has "action"',
        ),
        ({"steps": [{**STEP, "next": "b"}]}, 'the next one has "depends_on", or a connection'),
    ),
    ids=str,
)
def test_keys_whose_thing_stands_elsewhere(document, said):
    assert said in "\n".join(problems_of({"id": "w", **document}))


@pytest.mark.parametrize(
    ("condition", "column", "step", "way_out"),
    (
        ("my-step.total > 1", 1, "my-step", "my-step.total"),
        ("1 < my-step", 5, "my-step", "my-step"),
        ("len(my-step.all[-1].x) > 1", 5, "my-step", "my-step.all[-1].x"),
        ("steps.my-step.status == 'FAILED'", 1, "my-step", "steps.my-step.status"),
        ("my-step-total > 1", 1, "my-step", "my-step"),
        ("a-step.x > 1", 1, "a-step", "a-step.x"),
    ),
    ids=str,
)
def test_a_hyphen_in_a_condition_is_minus(condition, column, step, way_out):
    """Once, and with the way out, also where the first half is a step of its own."""
    steps = [{**STEP, "id": name} for name in ("my-step", "a", "a-step", "b")]
    steps[3]["condition"] = condition
    said = f"$.steps[3].condition: `-` is minus here; the step `{step}` is named `${{{way_out}}}`"

    assert [f"{said} (column {column} of {condition!r})"] == problems_of(
        {"id": "w", "steps": steps}
    )
    steps[3]["condition"] = condition.replace(way_out, f"${{{way_out}}}")
    if "total >" not in condition or "." in condition:
        assert 4 == len(load_workflow({"id": "w", "steps": steps}).plan.steps)


def hyphened(on_connection=None, on_step=None):
    """A line of four steps, of which `a` leads to `b`, the last one."""
    steps = [{**STEP, "id": name} for name in ("my-step", "a", "a-step", "b")]
    steps[3]["condition"] = on_step
    ends = (("a", "b"), ("my-step", "a-step"), ("a-step", "a"))
    connections = [{"source": source, "target": target} for source, target in ends]
    connections[0]["condition"] = on_connection
    return {"id": "w", "steps": steps, "connections": connections}


@pytest.mark.parametrize(
    ("condition", "column", "way_out"),
    (
        ("exists(my-step.x)", 8, "my-step.x"),
        ("not exists( my-step[0].x )", 13, "my-step[0].x"),
        ("exists(steps.my-step.output)", 8, "steps.my-step.output"),
        ("1 < 2 and exists(a-step)", 18, "a-step"),
        ("exists(input.my-key)", 8, "input.my-key"),
        ("exists(a.my-own-key)", 8, "a.my-own-key"),
    ),
    ids=str,
)
def test_a_hyphen_in_what_is_asked_for(condition, column, way_out):
    """The same on a step, and on a connection, where a name may be a field."""
    said = f"`-` is minus here; write `exists(${{{way_out}}})` (column {column} of {condition!r})"

    assert [f"$.steps[3].condition: {said}"] == problems_of(hyphened(on_step=condition))
    assert [f"$.connections[0].condition: {said}"] == problems_of(hyphened(condition))
    written = condition.replace(condition[column - 1 :].split(")")[0], f"${{{way_out}}}")
    assert 4 == len(load_workflow(hyphened(on_step=written)).plan.steps)


@pytest.mark.parametrize(
    ("condition", "said"),
    (
        ("exists(my-stp.x)", "`my-stp` is neither a step nor `input`"),
        ("exists(my - step)", "`exists` asks for a path"),
        ("exists(a-step.x > 1)", "`exists` asks for a path"),
        ("exists(1-2)", "`exists` asks for a path"),
    ),
    ids=str,
)
def test_what_is_asked_for_and_is_no_path_with_a_hyphen(condition, said):
    problems = problems_of(hyphened(on_step=condition))

    assert 1 == len(problems)
    assert said in problems[0]


@pytest.mark.parametrize(
    ("condition", "column", "step", "way_out"),
    (
        ("my-step.total > 1", 1, "my-step", "my-step.total"),
        ("1 < my-step", 5, "my-step", "my-step"),
        ("len(my-step.all[-1].x) > 1", 5, "my-step", "my-step.all[-1].x"),
        ("a-step.x > 1", 1, "a-step", "a-step.x"),
        ("total-my-step.x > 1", 7, "my-step", "my-step.x"),
        ("5-my-step > 1", 3, "my-step", "my-step"),
        ("my-step-total > 1", 1, "my-step", "my-step"),
    ),
    ids=str,
)
def test_a_hyphen_on_a_connection_is_minus(condition, column, step, way_out):
    """Though each part may be a field of the source."""
    said = f"$.connections[0].condition: `-` is minus here; the step `{step}` is named"
    end = "; to subtract, write blanks around the `-`"

    assert [f"{said} `${{{way_out}}}`{end} (column {column} of {condition!r})"] == problems_of(
        hyphened(condition)
    )
    assert 4 == len(load_workflow(hyphened(condition.replace("-", " - "))).plan.steps)


def test_a_hyphen_behind_steps_is_no_difference():
    condition = "steps.my-step.status == 'FAILED'"

    said = "$.connections[0].condition: `-` is minus here; the step `my-step` is named"

    assert [f'{said} `${{steps.my-step.status}}` (column 1 of "{condition}")'] == problems_of(
        hyphened(condition)
    )


@pytest.mark.parametrize(
    "condition",
    (
        "my - step.total > 1",
        "net-tax > 1",
        "input.my-step > 1",
        "a.my-step > 1",
        "my-2 > 1",
        "${my-step.total} > 1",
        "${my}-step > 1",
        "${my-step.x}-step > 1",
        "total-${my-step.x} > 1",
        "total == 'my-step'",
        "a-a > 1",
    ),
    ids=str,
)
def test_a_difference_on_a_connection(condition):
    (connection, *_) = load_workflow(hyphened(condition)).plan.connections

    assert condition == connection.condition.text


@pytest.mark.parametrize(
    ("schema", "condition"),
    (
        ({"properties": {"my": {}, "step": {}}}, "my-step > 1"),
        ({"properties": {"my": {}}, "required": ["step"]}, "my-step.total > 1"),
        ({"allOf": [{"required": ["my"]}], "anyOf": [{"required": ["step"]}]}, "my-step > 1"),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"required": ["my", "step"]}}}, "my-step > 1"),
        ({"properties": {"my": {}, "step": {}}}, "my-step-total > 1"),
        # There is a step `a`.
        ({"properties": {"step": {}}}, "a-step > 1"),
    ),
    ids=str,
)
def test_a_difference_of_fields_that_are_known(schema, condition):
    document = hyphened(condition)
    document["steps"][1]["output_schema"] = schema

    assert 4 == len(load_workflow(document).plan.steps)
    # Then it is the schema of an item.
    document["steps"][1]["for_each"] = {"items": [1]}
    (said,) = problems_of(document)
    assert "`-` is minus here" in said


def test_a_difference_of_which_only_one_field_is_known():
    document = hyphened("my-step > 1")
    document["steps"][1]["output_schema"] = {"properties": {"my": {}}}

    assert 1 == len(problems_of(document))


@pytest.mark.parametrize("condition", ("input.my-own-key > 1", "1 < a.my-own-key"), ids=str)
def test_a_field_with_a_hyphen(condition):
    path = condition.removesuffix(" > 1").removeprefix("1 < ")
    column = condition.index(path) + 1
    (said, *more) = dict.fromkeys(problems_of(hyphened(on_step=condition)))

    assert (
        f"$.steps[3].condition: `-` is minus here; a field with a hyphen is named `${{{path}}}` "
        f"(column {column} of {condition!r})"
    ) == said
    assert [] == more


def test_a_hyphen_where_no_step_has_one():
    steps = [STEP, {**STEP, "id": "b", "condition": "a-stop.x > 1"}]
    (said,) = problems_of({"id": "w", "steps": steps})

    assert "`stop` is neither a step nor `input`" in said


def test_the_reserved_words():
    words = "input steps execution workflow item secret true false null and or not in is exists len"

    assert {*words.split(), "True", "False", "None"} == f.RESERVED


def test_all_faults_come_together():
    document = {
        "id": "w",
        "timeout": "soon",
        "steps": [
            {"id": "a", "action": "x", "timout": 1, "condition": "is it so"},
            {"id": "a", "action": "x"},
            {"id": "c", "type": "sleep", "duration": -1, "depends_on": ["nobody"]},
            5,
        ],
        "output": "${nothing}",
    }

    paths = [problem.partition(": ")[0] for problem in problems_of(document)]

    assert {
        "$.timeout",
        "$.steps[0].timout",
        "$.steps[0].condition",
        "$.steps[1].id",
        "$.steps[2].duration",
        "$.steps[2].depends_on[0]",
        "$.steps[3]",
        "$.output",
    } == set(paths)


def test_a_faulty_step_can_still_be_referred_to():
    """One fault is reported once, and not again by all who depend on its step."""
    document = {
        "id": "w",
        "steps": [
            {"id": "a b", "action": "x"},
            {"id": "c", "action": "x", "depends_on": ["a b"], "parameters": {"x": "${c2.x}"}},
            {"id": "c2"},
        ],
    }

    paths = [problem.partition(": ")[0] for problem in problems_of(document)]

    assert ["$.steps[0].id", "$.steps[2]"] == paths


@pytest.mark.parametrize(
    "for_each", ("people", {"itms": [1], "as": "person"}, {"items": 5, "as": "person"}), ids=str
)
def test_a_faulty_for_each_has_items_all_the_same(for_each):
    """So it is reported alone, and not again by whatever names an item."""
    item = for_each["as"] if isinstance(for_each, dict) else "item"
    step = {**STEP, "for_each": for_each, "parameters": {"x": f"${{{item}.x}} ${{item_index}}"}}
    paths = [problem.partition(": ")[0] for problem in problems_of({"id": "w", "steps": [step]})]

    assert [path for path in paths if path.startswith("$.steps[0].for_each")] == paths


def test_an_item_elsewhere():
    """Whoever names the items of another step is told whose they are."""
    each = {"id": "each", "action": "x", "for_each": {"items": [1], "as": "person"}}
    other = {"id": "b", "action": "x", "condition": "person.a", "parameters": {"x": "${person}"}}
    said = "`person` is an item of `each`, and is there only inside of it"

    assert [
        f"$.steps[1].condition: {said} (column 1 of 'person.a')",
        f"$.steps[1].parameters.x: {said} (column 1 of '${{person}}')",
    ] == problems_of({"id": "w", "steps": [each, other]})


def test_only_in_a_condition_a_word_may_be_meant_as_text():
    other = {"id": "b", "action": "x", "condition": "input.a == ok", "parameters": {"x": "${ok}"}}
    said = "`ok` is neither a step nor `input` or another root"
    more = "; text to compare with stands in quotes"

    assert [
        f"$.steps[0].condition: {said}{more} (column 12 of 'input.a == ok')",
        f"$.steps[0].parameters.x: {said} (column 1 of '${{ok}}')",
    ] == problems_of({"id": "w", "steps": [other]})


SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    "reference",
    ("${a.y}", "${a.x.z}", "${a.output.y}", "${steps.a.output.y}", "${a[0]}", "text ${a.y}"),
)
@pytest.mark.parametrize("where", ("parameters", "compensate", "output"))
def test_references_that_a_schema_rules_out(reference, where):
    second = {"id": "b", "action": "x"}
    document = {"id": "w", "steps": [{**STEP, "output_schema": SCHEMA}, second]}
    match where:
        case "parameters":
            second["parameters"] = {"p": reference}
        case "compensate":
            second["compensate"] = {"action": "y", "parameters": {"p": reference}}
        case "output":
            document["output"] = {"p": reference}

    (problem,) = problems_of(document)

    assert f"{where if where != 'compensate' else 'parameters'}" in problem
    assert 'has no value: the output_schema of step "a" rules it out' in problem


@pytest.mark.parametrize(
    "reference",
    ("${a.x}", "${a}", "${a.output.x}", "${a.y?}", "${steps.a.status}", "${steps.a.error.code}"),
)
def test_references_that_a_schema_allows(reference):
    second = {"id": "b", "action": "x", "parameters": {"p": reference}}

    assert load_workflow({"id": "w", "steps": [{**STEP, "output_schema": SCHEMA}, second]})


def test_an_output_with_a_key_output():
    schema = {"properties": {"output": SCHEMA}, "additionalProperties": False}
    second = {"id": "b", "action": "x", "parameters": {"p": "${a.output.x}"}}

    assert load_workflow({"id": "w", "steps": [{**STEP, "output_schema": schema}, second]})


@pytest.mark.parametrize(
    ("condition", "fine"), (("y == 1", False), ("x == 'y'", True), ("exists(y)", True)), ids=str
)
def test_conditions_that_a_schema_rules_out(condition, fine):
    document = connected({"source": "a", "target": "b", "condition": condition})
    document["steps"][0]["output_schema"] = SCHEMA

    if fine:
        assert load_workflow(document)
    else:
        (problem,) = problems_of(document)
        assert problem.startswith(
            "$.connections[0].condition: ${y} has no value: the output_schema"
        )


def test_the_payload_of_a_wait_is_known_by_its_schema():
    steps = [
        {"id": "a", "type": "wait", "schema": SCHEMA},
        {"id": "b", "action": "x", "parameters": {"p": "${a.y}"}},
    ]

    (problem,) = problems_of({"id": "w", "steps": steps})

    assert 'the schema of step "a" rules it out' in problem


@pytest.mark.parametrize(
    ("reference", "expected"),
    (
        ("${a[0].x}", None),
        ("${a}", None),
        ("${a[0].y}", "rules it out"),
        ("${a.x}", "its output is a list; write an index before"),
    ),
    ids=str,
)
def test_the_output_of_a_for_each_is_a_list(reference, expected):
    steps = [
        {**STEP, "for_each": {"items": [1]}, "output_schema": SCHEMA},
        {"id": "b", "action": "x", "parameters": {"p": reference}},
    ]

    if expected is None:
        assert load_workflow({"id": "w", "steps": steps})
    else:
        (problem,) = problems_of({"id": "w", "steps": steps})
        assert expected in problem


def test_one_schema_in_many_steps_is_checked_once():
    schema = {"type": "object"}
    steps = [{**STEP, "id": f"a{i}", "input_schema": dict(schema)} for i in range(3)]

    planned = load_workflow({"id": "w", "steps": steps}).plan.steps

    assert planned[0].input_schema is planned[2].input_schema


def test_a_bad_schema_in_many_steps_is_reported_for_each():
    steps = [{**STEP, "id": f"a{i}", "input_schema": {"type": "x"}} for i in range(3)]

    assert 3 == len(problems_of({"id": "w", "steps": steps}))


# ---- the JSON Schema that editors use ----

PUBLIC = json.loads(
    resources.files("trioflow.definitions").joinpath("workflow.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(PUBLIC)

# What the JSON Schema cannot know: it sees one place at a time, and no expressions.
BEYOND = (
    "is the id of",
    "is neither",
    "is there only",
    "names the step",
    "there is no step",
    "secrets can be named",
    "which other steps have",
    "cannot stand beside",
    "with incoming",
    "incoming connections",
    "which $.connections",
    "has the id",
    "is the default of",
    "a default is taken",
    "is waited for by",
    "reads like text",
    "inside quotes",
    "column",
    "JSON Schema",
    "$ref",
    "_schema.type",
    "text beside a reference",
    "has no offset",
    "and never a list",
    "is empty; write",
    "{{",
    "`${}` is empty",
    "the item is called",
    "blanks around",
    "item_index",
    "itself, too",
    "is nowhere in",
    '$.nodes[0].config.name: the node has a "title"',
)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(PUBLIC)


def test_the_schema_knows_the_same_fields():
    definitions = PUBLIC["$defs"]

    def keys(*path):
        found = definitions
        for part in path:
            found = found[part]
        return set(found["properties"])

    assert {*f.WORKFLOW_FIELDS, *f.SHAPE_FIELDS} == set(PUBLIC["properties"])
    assert set(f.STEP_FIELDS) == keys("step")
    assert set(f.STEP_FIELDS) - {"id", "type"} | {"service"} == keys("node", "properties", "config")
    assert set(f.CONNECTION_FIELDS) == keys("connection")
    assert set(f.RETRY_FIELDS) == keys("retry", "oneOf", 1)
    assert set(f.RETRY_FIELDS) - {"on_exhausted"} == keys("callRetry", "oneOf", 1)
    assert set(f.CALL_FIELDS) == keys("call", "oneOf", 1)
    assert set(f.FOR_EACH_FIELDS) == keys("forEach")


def test_every_field_of_the_schema_is_described():
    """That is what an editor shows."""
    undescribed = []

    def walk(value, path):
        if isinstance(value, dict):
            for key, item in value.get("properties", {}).items():
                if isinstance(item, dict) and "enum" not in path:
                    target = item
                    if "$ref" in item and "description" not in item:
                        target = PUBLIC["$defs"][item["$ref"].rpartition("/")[2]]
                    if "description" not in target:
                        undescribed.append(f"{path}.{key}")
            for key, item in value.items():
                if key not in ("if", "then"):
                    walk(item, f"{path}.{key}")
        elif isinstance(value, list):
            for item in value:
                walk(item, path)

    walk(PUBLIC, "$")

    assert [] == [path for path in undescribed if ".allOf" not in path]


def test_the_schema_knows_which_fields_go_with_which_type():
    for rule in PUBLIC["$defs"]["step"]["allOf"]:
        type_ = rule["if"]["properties"]["type"]["const"]
        foreign = {key for key, field in f.STEP_FIELDS.items() if type_ not in field.types}

        assert foreign == set(rule["then"]["properties"])


@pytest.mark.parametrize(
    "document",
    (
        EVERYTHING,
        with_step(),
        {"id": "w", "nodes": [{"id": "a", "title": "A", "config": {"service": "x"}, "x-y": 1}]},
        of_type("trigger"),
        of_type("wait"),
        of_type("sleep", duration="1h"),
        of_type("sleep", duration="${input.n}"),
        of_type("sleep", until="${input.n}"),
        of_type("workflow"),
        with_step(retry=2, fallback="x", condition=None),
        with_step(retry={"initial_delay": 0}, timeout="500ms"),
    ),
    ids=lambda document: str(document)[:60],
)
def test_the_schema_accepts_what_loads(document):
    assert [] == [error.message for error in VALIDATOR.iter_errors(document)]
    assert load_workflow(document)
    assert VALIDATOR.is_valid(load_workflow(document).document)


@pytest.mark.parametrize(("document", "expected"), FAULTS, ids=[fault[1][:60] for fault in FAULTS])
def test_the_schema_refuses_what_it_can(document, expected):
    if any(words in expected or words in str(document) for words in BEYOND):
        return
    if (
        "a\\n" in str(document)
        or expected.endswith((".condition: ", "condition: `item`"))
        or "waits for itself" in expected
    ):
        return

    assert not VALIDATOR.is_valid(document)


def test_an_undo_of_an_item_names_the_output_of_that_item():
    step = {
        "id": "pack",
        "action": "pack.one",
        "for_each": {"items": [1]},
        "output_schema": {"properties": {"box": {}}, "additionalProperties": False},
        "compensate": {"action": "undo", "parameters": {"box": "${pack.box}"}},
    }
    workflow = load_workflow({"id": "w", "steps": [step]})

    assert "${pack.box}" == workflow.plan.steps[0].compensate.parameters.value["box"]

    step["compensate"] = {"action": "undo", "parameters": {"box": "${pack.bux}"}}
    with pytest.raises(DefinitionError, match="rules it out"):
        load_workflow({"id": "w", "steps": [step]})


def test_a_message_tells_of_fifty_problems_and_counts_the_others() -> None:
    steps = [{"id": f"s{number}", "action": "x", "colour": "red"} for number in range(1_000)]
    with pytest.raises(DefinitionError) as caught:
        load_workflow({"id": "w", "steps": steps})

    lines = str(caught.value).splitlines()

    assert 1_000 == len(caught.value.problems)
    assert "the workflow has 1000 problems:" == lines[0]
    assert 1 + 50 + 1 == len(lines)
    assert "- and 950 more" == lines[-1]
