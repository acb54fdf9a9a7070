"""`execution_html`: one page that needs nothing else, with the errors first and no secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

import trioflow
from tests.pictures.conftest import Played
from tests.pictures.looking import Page, page, steps
from tests.pictures.test_timeline import crashed
from trioflow import ActionCall, Connection, Retry, Step, Workflow
from trioflow.engine import Requester
from trioflow.events import Failure
from trioflow.pictures import execution_html, graph_svg, outcome
from trioflow.pictures._html import tag

HOSTILE = "</pre><script>alert('\"&\x00\x1b\u202e')</script>"


def _give(id_: str, value: Any, **more: Any) -> Step:
    return Step(id_, "give", parameters={"value": value}, **more)


ORDER = Workflow(
    "order",
    [
        _give("reserve", {"total": 90}, compensate=ActionCall("give", {"value": "back"})),
        Step(
            "charge",
            "work",
            parameters={"fails": 9},
            retry=Retry(max_attempts=3, jitter="none", initial_delay=2),
        ),
        _give("ship", "${reserve.total}"),
    ],
    [Connection("reserve", "charge"), Connection("charge", "ship")],
    version="7",
    name="An order",
)


async def test_a_failure(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    html = execution_html(await played(ORDER, input={"sku": "tea"}))
    found = page(html)
    text = found.text()

    assert ["one: FAILED"] == found.said("title")[:1]
    assert "order, version 7" in text
    assert "1 completed, 1 failed, 1 cancelled" in text
    assert "step charge, attempt 3: no <answer> bank.down" in text
    # What happened before how it looks, and both before the rest.
    places = [text.index(word) for word in ("Errors", "Graph", "Timeline", "Input and output")]
    assert sorted(places) == places
    assert ["Errors", "Graph"] == found.said("h2")[:2]
    assert ["Steps", "Everything"] == found.said("h2")[-2:]
    assert "3 attempts failed" in text
    assert "again after 2.0 s" in text
    assert "COMPLETED, 0 ms, undone" in text
    # That of the step that failed is open, and no other.
    assert [("failed", "step-charge")] == [
        (each["class"], each["id"]) for each in found.of("details") if "open" in each
    ]


async def test_it_has_what_every_other_picture_has(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    snapshot = await played(ORDER)
    html = execution_html(snapshot)

    assert graph_svg(ORDER, **outcome(snapshot)) in html
    assert {
        "steps": {"reserve": "completed undone", "charge": "failed", "ship": "cancelled"},
        "connections": {"reserve->charge": "taken", "charge->ship": "dead"},
    } == outcome(snapshot)
    assert {"failed", "step", "action"} == steps(graph_svg(ORDER, **outcome(snapshot)))[
        "charge"
    ].classes
    assert "undone" in steps(graph_svg(ORDER, **outcome(snapshot)))["reserve"].words()
    assert html == execution_html(snapshot)


async def test_nothing_comes_from_elsewhere_and_nothing_is_a_program(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    html = execution_html(await played(ORDER))
    found = page(html)
    names = {name for name, _ in found.tags}
    attributes = {key for _, each in found.tags for key in each}

    assert not names & {"script", "link", "img", "iframe", "object", "image", "use", "a", "form"}
    assert not [
        key for key in attributes if key.startswith("on") or key in ("src", "href", "style")
    ]
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?:[^\"' <>]*", html))
    assert not re.search(r"@import|url\(", html)
    assert {
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; style-src 'unsafe-inline'",
    } in list(found.of("meta"))


async def test_hostile_values_are_text(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow(
        "hostile",
        [
            _give("echo", "${input.text}", name=HOSTILE),
            Step(
                "fail",
                "fail",
                parameters={"message": "${echo.output}", "code": "x.y"},
                depends_on=["echo"],
            ),
        ],
        name=HOSTILE,
        version=HOSTILE,
    )
    html = execution_html(
        await played(workflow, input={"text": HOSTILE}), commands=[f"trioflow {HOSTILE}"]
    )
    found = page(html)

    assert "script" not in {name for name, _ in found.tags}
    assert r"alert('\"&\u0000\u001b" in found.text()
    assert r"alert('" + '"' + r"&\x00\x1b\u202e')" in found.text()
    assert not [each for each in html if not each.isprintable() and each != "\n"]


async def test_inputs_and_outputs_of_steps(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow(
        "values",
        [
            _give("first", {"price": 7}),
            _give("second", "${first.price} for ${input.name}, ${execution.id}"),
            _give("third", "${steps.first.attempts?}"),
            _give("items", "${item}", for_each=trioflow.ForEach([1, 2])),
        ],
        output={"all": "${second}"},
    )
    found = page(execution_html(await played(workflow, input={"name": "Ada"})))
    values = found.said("pre")

    assert '{\n  "name": "Ada"\n}' == values[0]
    assert '{\n  "all": "7 for Ada, one"\n}' == values[1]
    assert '{\n  "value": "7 for Ada, one"\n}' in values
    # What cannot be told from inputs and outputs alone is shown as it is written.
    assert '{\n  "value": "${steps.first.attempts?}"\n}' in values
    assert '{\n  "value": "${item}"\n}' in values
    assert 2 == found.said("h3").count("parameters, as written")


async def test_input_that_came_later_is_not_taken_for_what_a_step_was_given(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def bring(execution: trioflow.Execution) -> None:
        await execution.wait_paused()
        await trio.sleep(5)
        await execution.resume({"late": 1})
        await execution.result()

    workflow = Workflow(
        "later", [_give("early", "${input.late?}"), _give("after", "${input.late}")]
    )
    values = page(execution_html(await played(workflow, bring))).said("pre")

    assert '{\n  "value": "${input.late?}"\n}' in values
    assert '{\n  "value": 1\n}' in values


async def test_no_secret_is_shown(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    workflow = Workflow(
        "secrets",
        [
            Step(
                "call",
                "work",
                parameters={"seconds": 1, "fails": "${secret.count}"},
                retry=Retry(max_attempts=2, initial_delay=1),
            )
        ],
    )
    snapshot = await played(workflow, secrets={"count": 773311})
    html = execution_html(snapshot)

    assert "FAILED" == snapshot.status
    assert "773311" not in html
    assert "&quot;fails&quot;: &quot;${secret.count}&quot;" in html


async def test_what_is_waited_for_and_how_to_bring_it(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def leave(execution: trioflow.Execution) -> None:
        await execution.wait_paused()

    workflow = Workflow("wait", [Step("bell", type="wait"), _give("after", 1)])
    snapshot = await played(workflow, leave)
    found = page(execution_html(snapshot, now=90.0, commands=["trioflow signal one bell JSON"]))

    assert ["one: PAUSED"] == found.said("title")[:1]
    assert "signal 'bell' (step 'bell')" in found.said("li")
    assert "trioflow signal one bell JSON" in found.said("pre")
    assert "1 min 30 s, as of" in found.text()
    assert "Errors" not in found.said("h2")


async def _until_paused(execution: trioflow.Execution) -> None:
    await execution.wait_paused()


async def test_what_was_waited_for_has_come(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """In all that the page says of the step, and of the whole: nobody is to bring it again."""

    async def ring(ask: Callable[[str], Requester]) -> None:
        await ask("one").signal("bell", 1)

    workflow = Workflow("wait", [Step("bell", type="wait"), _give("after", 1)])
    snapshot = await played(workflow, _until_paused, ask=ring)
    html = execution_html(snapshot, commands=["trioflow resume one"])
    found = page(html)

    assert "PAUSED" == snapshot.status
    (waits,) = [each for each in found.said("li") if "engine" in each]
    assert (
        "an engine with its actions: what it waited for has come, and none has acted upon it yet"
        == waits
    )
    assert "trioflow resume one" in found.said("pre")
    assert "waited for signal 'bell'; it has come" in found.said("p")
    assert 3 == found.text().count("waited for signal 'bell'; it has come")
    assert "waits for signal" not in found.text()


async def test_what_waits_for_something_else_is_told_apart(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def ring(ask: Callable[[str], Requester]) -> None:
        await ask("one").signal("bell", 1)

    steps = [Step(name, type="wait", sequence_order=1) for name in ("bell", "knock")]
    snapshot = await played(Workflow("wait", steps), _until_paused, ask=ring)
    found = page(execution_html(snapshot))

    assert "signal 'knock' (step 'knock')" in found.said("li")
    assert "waited for signal 'bell'; it has come" in found.said("p")
    assert "waits for signal 'knock'" in found.said("p")


async def test_failures_that_stopped_nothing(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow(
        "tolerant",
        [Step("try", "work", parameters={"fails": 1}, continue_on_error=True), _give("after", 1)],
    )
    found = page(execution_html(await played(workflow)))

    assert "Failures that were handled or tolerated" in found.said("h2")
    assert "Errors" not in found.said("h2")


async def test_an_undo_that_failed(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    undo = ActionCall("work", {"fails": 5})
    workflow = Workflow(
        "stuck",
        [_give("first", 1, compensate=undo), Step("second", "work", parameters={"fails": 1})],
    )
    found = page(execution_html(await played(workflow)))

    assert "Not undone" in found.said("h2")
    assert "first could not be undone: no <answer>" in found.said("li")


async def test_an_interruption_is_a_fact(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow("gap", [Step("slow", "work", parameters={"seconds": 10})])
    found = page(execution_html(await played(workflow, leave_after=4, away=30)))

    assert "after 4.0 s; no engine for 30.0 s" in found.said("dd")


async def test_what_is_too_long_is_cut(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow("big", [_give("big", "${input.text}")])
    html = execution_html(await played(workflow, input={"text": "x" * 200_000}))

    assert len(html) < 120_000
    assert " … and 180,015 more characters, in the store" in page(html).said("small")


async def test_a_child_and_its_parent_name_each_other(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    child = Workflow("child", [_give("inside", 1)])
    workflow = Workflow("parent", [Step("kid", type="workflow", workflow="child")])
    parent = page(execution_html(await played(workflow, children=(child,))))
    inside = page(execution_html(await played(workflow, children=(child,), see="one:kid")))

    assert "one:kid" in parent.said("code")
    assert ("part of", "one") in _facts(inside)


async def test_a_fork_says_of_what(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    async def again(execution: trioflow.Execution) -> None:
        await execution.result()
        fork = await execution.fork(["all"], execution_id="two")
        await fork.result()

    workflow = Workflow("well", [_give("all", 1)])
    found = page(execution_html(await played(workflow, again, see="two")))

    assert ("fork of", "one") in _facts(found)


async def test_a_cancelled_one_says_why(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def cancel(execution: trioflow.Execution) -> None:
        await trio.sleep(0.5)
        await execution.cancel("too <late>")

    workflow = Workflow(
        "slow", [Step("work", "work"), _give("after", 1)], labels={"customer": "42"}
    )
    found = page(execution_html(await played(workflow, cancel)))

    assert ("because", "too <late>") in _facts(found)
    assert ("label customer", "42") in _facts(found)
    assert ("steps", "2 cancelled") in _facts(found)


def _facts(found: Page) -> list[tuple[str, str]]:
    return list(zip(found.said("dt"), found.said("dd"), strict=True))


async def test_an_error_is_a_tree(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    workflow = Workflow("tree", [_give("first", 1), Step("slow", "work", timeout=0.5)])
    snapshot = await played(workflow)
    (error,) = snapshot.errors
    cause = Failure("inner.code", "what it <was>", type="ValueError")
    errors = (attrs.evolve(error, type="OddError", causes=(cause,)),)
    found = page(execution_html(attrs.evolve(snapshot, errors=errors)))

    assert "what it <was>" in found.said("span")
    assert {"inner.code", "timeout.attempt"} <= set(found.said("code"))
    assert {"OddError", "ValueError"} <= set(found.said("small"))


async def test_crashed_attempts_took_nobody_knows_how_long(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow("gap", [Step("slow", "work", parameters={"seconds": 10})])
    snapshot = await played(workflow, leave_after=4, away=30)
    found = page(execution_html(attrs.evolve(snapshot, events=tuple(crashed(snapshot.events)))))

    assert {"its process ended", "crash"} <= set(found.said("td"))
    assert 2 == found.said("td").count("unknown")


async def test_of_many_attempts_only_the_first_are_told(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    items = list(range(250))
    step = Step("each", "give", parameters={"value": "${item}"}, for_each=trioflow.ForEach(items))
    found = page(execution_html(await played(Workflow("many", [step]))))

    assert "250 attempts, the first 200" in found.said("summary")
    assert "item 199, attempt 1" in found.said("td")
    assert "item 200, attempt 1" not in found.said("td")


@pytest.mark.parametrize("status", ("COMPLETED", "FAILED"), ids=str)
async def test_the_status_is_a_word_and_a_sign(
    status: str, played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = ORDER if status == "FAILED" else Workflow("well", [_give("all", 1)])
    found = page(execution_html(await played(workflow)))

    assert f" {status}" in found.said("span")
    assert f"status {status.lower()}" in [each.get("class") for each in found.of("span")]


def test_the_parts_of_a_page_escape_what_is_not_made_of_them() -> None:
    bold = tag("b", "<&", title="\"<'\x1b")

    assert '<b title="&quot;&lt;&#x27;\\x1b">&lt;&amp;</b>' == bold
    assert f"<p>{bold}</p>" == tag("p", bold)
    # Put together with other text it is text itself.
    assert "<p>x &lt;i&gt;&lt;/i&gt;</p>" == tag("p", f"x {tag('i')}")
