"""Events as text, and back (every history that the other tests play makes the round trip, too)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from trioflow.errors import StoreCorrupt, StoreUnusable
from trioflow.kernel import _codec
from trioflow.kernel import _events as e
from trioflow.kernel._codec import decode, encode, encode_json, to_json

CAUSE = e.Failure("inner", "within", type="ValueError", retryable=False)
FAILURE = e.Failure("boom", "it broke", step="a", attempt=2, causes=(CAUSE, CAUSE))


def values(field: attrs.Attribute[Any]) -> Any:
    """Return something that is not the default for a field."""
    name = field.name
    if name in ("failure", "failures"):
        return FAILURE if name == "failure" else (FAILURE, CAUSE)
    if name in ("inputs", "unseen", "taken", "dead", "killed_by"):
        return ("one", "two")
    if name in ("input", "document", "decisions", "labels"):
        return {"key": {"deep": [1, 2.5, None, "ü"]}}
    if name in ("attempt", "item", "seq"):
        return 3
    if name in ("at", "grace", "deadline", "wake", "retry_at"):
        return 12.25
    if name in ("late", "condition_met"):
        return True
    if name in ("output", "payload"):
        return {"n": [1, "x", None]}
    return f"some {name}"


@pytest.mark.parametrize("event_type", e.EVENT_TYPES, ids=lambda each: each.__name__)
def test_every_field_of_every_event_survives(event_type: type[e.Event]) -> None:
    full = event_type(**{field.name: values(field) for field in attrs.fields(event_type)})
    bare = event_type(
        **{
            field.name: values(field)
            for field in attrs.fields(event_type)
            if field.default is attrs.NOTHING
        }
    )
    for event in (full, bare):
        document = getattr(event, "document", None)

        assert event == decode(event.seq, encode(event), document)

    for field in attrs.fields(event_type):
        if field.default is not attrs.NOTHING:
            assert field.name not in json.loads(encode(bare))


@pytest.mark.parametrize("output", (None, 0, 0.0, False, "", [], {}, "ü\u2028"), ids=repr)
def test_an_empty_output_is_not_taken_for_none(output: Any) -> None:
    found = decode(1, encode(e.StepCompleted(1, 0.0, "a", output)))

    assert isinstance(found, e.StepCompleted)
    assert (output, type(output)) == (found.output, type(found.output))


@pytest.mark.parametrize("grace", (None, 0.0, 5.0), ids=str)
def test_a_grace_without_end_is_not_taken_for_none_at_all(grace: float | None) -> None:
    event = e.CancelRequested(1, 0.0, "", grace)

    assert event == decode(1, encode(event))


def test_the_text_of_an_event() -> None:
    event = e.AttemptFailed(7, 1.5, "a", 1, e.Failure("boom", "ü"), role="fallback")

    assert (
        '{"v":1,"type":"AttemptFailed","at":1.5,"step":"a","attempt":1,'
        '"failure":{"code":"boom","message":"ü"},"role":"fallback"}'
    ) == encode(event)
    assert {
        "seq": 7,
        "type": "AttemptFailed",
        "at": 1.5,
        "step": "a",
        "attempt": 1,
        "failure": {"code": "boom", "message": "ü"},
        "role": "fallback",
    } == to_json(event)


def test_the_text_of_an_instant_is_its_own() -> None:
    """Whatever equal instant was written before."""
    texts = [encode(e.ExecutionPaused(1, at)) for at in (1.0, 1, 1.0, 1795000000.1234567)]

    assert ["1.0", "1", "1.0", "1795000000.1234567"] == [
        text.removesuffix("}").rpartition(":")[2] for text in texts
    ]


def test_a_start_is_stored_without_its_document() -> None:
    event = e.ExecutionStarted(1, 0.0, "x", "w", "digest", {"large": 1}, {})

    assert "large" not in encode(event)
    assert {} == decode(1, encode(event)).document  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    (
        "",
        "[]",
        "{}",
        '{"v":1}',
        '{"v":1,"type":"Nothing","at":1}',
        '{"v":1,"type":"PauseRequested"}',
        '{"v":1,"type":"PauseRequested","at":1,"more":2}',
        '{"v":"one","type":"PauseRequested","at":1}',
        '{"v":1,"type":"StepFailed","at":1,"step":"a","failure":{"code":"x"}}',
        '{"v":1,"type":"StepFailed","at":1,"step":"a","failure":7}',
    ),
    ids=str,
)
def test_what_is_no_event_is_corrupt(text: str) -> None:
    with pytest.raises(StoreCorrupt, match="event 4 cannot be read"):
        decode(4, text)


def test_a_newer_version_is_not_guessed_at() -> None:
    with pytest.raises(StoreUnusable, match="written by a newer version"):
        decode(1, '{"v":2,"type":"PauseRequested","at":1}')


def test_an_older_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast(found: dict[str, Any]) -> dict[str, Any]:
        return {"type": found.pop("kind"), **found}

    monkeypatch.setitem(_codec.UPCASTERS, 0, upcast)

    assert e.PauseRequested(1, 2.0) == decode(1, '{"v":0,"kind":"PauseRequested","at":2.0}')


@pytest.mark.parametrize("value", (float("nan"), float("inf")), ids=str)
def test_what_is_not_json_is_not_encoded(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json(value)


def test_a_failure_reads_well() -> None:
    assert "step 'a': it broke (boom)" == str(FAILURE)
    assert "within (inner)" == str(CAUSE)
    assert FAILURE == e.Failure.from_json(FAILURE.to_json())
