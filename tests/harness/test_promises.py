"""Real actions in `check`: what they break is a failure, what they lack or refuse a warning."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

import harness
import trioflow
from harness import ActionsWarning, Mismatch, Scenario

DOCUMENT: dict[str, Any] = {
    "id": "trip",
    "steps": [
        {
            "id": "book",
            "action": "hotel.book",
            "output_schema": {"type": "object", "required": ["ticket"]},
            "compensate": {"action": "hotel.cancel"},
        },
        {
            "id": "mail",
            "action": "mail.send",
            "for_each": {"items": "${input.to}"},
            "parameters": {"to": "${item}"},
            "output_schema": {"type": "integer"},
            "fallback": "mail.print",
        },
    ],
}


def scenario(**more: Any) -> Scenario:
    (ok,) = harness.scenarios(DOCUMENT, families=["ok"])
    return attrs.evolve(ok, **more)


@trioflow.action("hotel.book")
def book() -> dict[str, int]:
    return {"ticket": 1}


@trioflow.action("hotel.cancel")
def cancel(output: Any) -> None:
    pass


@trioflow.action("mail.send")
def send(to: str) -> int:
    return 1


@trioflow.action("mail.print")
def print_(to: str) -> int:
    return 1


ALL = (book, cancel, send, print_)


def instead(function: Any, name: str) -> list[Any]:
    own = trioflow.action(name)(function)
    return [own, *(each for each in ALL if each.__name__ != function.__name__)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_actions_that_do_what_they_should_say_nothing() -> None:
    harness.check(scenario(), actions=ALL)


def broken_by(scenario: Scenario, actions: Any) -> str:
    with pytest.raises(Mismatch) as caught:
        harness.check(scenario, actions=actions)
    return str(caught.value)


def test_an_output_that_breaks_the_schema_fails() -> None:
    """The engine refuses it, as the rules say, so nothing else would show it."""

    def book() -> dict[str, int]:
        return {"tickt": 1}

    text = broken_by(scenario(), instead(book, "hotel.book"))

    assert "a real action did something else than the document says" in text
    said = "action hotel.book, attempt 1 of step book, returned what does not fit the "
    assert f"{said}output_schema: at $, 'ticket' is a required property" in text
    # Only this test has the real actions.
    test = "tests/harness/test_promises.py::test_an_output_that_breaks_the_schema_fails"
    assert re.search(rf"^play it again:  .*pytest {test}$", text, re.MULTILINE)
    # The picture, too.
    assert re.search(r"^book +\|", text, re.MULTILINE)


def test_an_item_and_a_fallback_are_asked_as_well() -> None:
    def send(to: str) -> str:
        return "sent"

    def print_(to: str) -> str:
        return "printed"

    actions = [
        *instead(send, "mail.send")[:1],
        *instead(print_, "mail.print")[:1],
        book,
        cancel,
    ]
    text = broken_by(scenario(input={"to": ["x"]}), actions)

    assert "action mail.send, attempt 1 of step mail[0], returned what does not fit" in text
    assert "action mail.print, attempt 1 of step mail[0]:fallback, returned what does" in text


def test_what_is_no_json_fails() -> None:
    def book() -> Any:
        return {"ticket": {1, 2}}

    assert "hotel.book, attempt 1 of step book, returned no JSON" in broken_by(
        scenario(), instead(book, "hotel.book")
    )


def test_a_step_of_a_child_is_asked_by_its_own_schema() -> None:
    parent = {
        "id": "parent",
        "steps": [
            {"id": "book", "type": "workflow", "workflow": "trip", "parameters": {"to": ["x"]}}
        ],
    }

    def book() -> dict[str, int]:
        return {"tickt": 1}

    story = Scenario(parent, id="s", workflows={"trip": DOCUMENT})
    text = broken_by(story, instead(book, "hotel.book"))

    assert "hotel.book, attempt 1 of step book/book, returned what does not fit" in text


def test_what_is_scripted_may_break_what_it_likes() -> None:
    (bad, *_) = harness.scenarios(DOCUMENT, families=["bad-output"])

    harness.check(bad, actions=ALL)


def test_an_action_that_is_missing_is_named() -> None:
    with pytest.warns(ActionsWarning) as caught:
        harness.check(scenario(), actions=[book, send])

    assert ["no real action was given for hotel.cancel, mail.print: a script plays for it"] == [
        str(each.message) for each in caught
    ]


@pytest.mark.parametrize("actions", ((), []), ids=str)
def test_no_actions_are_not_missed(actions: Any) -> None:
    harness.check(scenario(), actions=actions)


def test_what_the_engine_was_not_given_is_not_missed() -> None:
    lacking = Scenario(DOCUMENT, id="s", input={"to": []}, lacks=("mail.send", "mail.print"))

    harness.check(lacking, actions=[book, cancel])


def test_one_that_ends_it_otherwise_than_written_is_named() -> None:
    def book() -> None:
        raise trioflow.StepError("full", "hotel.full", retryable=False)

    with pytest.warns(ActionsWarning) as caught:
        harness.check(scenario(), actions=instead(book, "hotel.book"))

    said = (
        "ok ended FAILED and not COMPLETED, as it says, for hotel.book raised 'full' (hotel.full)"
    )
    assert [said] == [str(each.message) for each in caught]


def test_one_that_fails_where_it_makes_no_difference_is_not() -> None:
    def send(to: str) -> None:
        raise trioflow.StepError("no post", "mail.down", retryable=False)

    harness.check(scenario(), actions=instead(send, "mail.send"))
