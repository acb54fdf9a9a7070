"""What programs hand in is checked at the call, and told with what to write instead."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.engine import Requester
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import chain

Call = Callable[[Any], Any]


def keys(value: Any) -> str:
    """Return a name that is the same in every process."""
    return "+".join(value) if isinstance(value, dict) else ""


async def refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(trioflow.InvalidRequest) as raised:
        await call()

    assert message == str(raised.value)


# ---- finding ----


@pytest.mark.parametrize(
    ("status", "message"),
    (
        ("runing", "'runing'; did you mean 'RUNNING'?; there are "),
        ("completed", "'completed'; did you mean 'COMPLETED'?; there are "),
        (["PAUSED", "SKIPPED"], "'SKIPPED'; there are "),
        ("?", "'?'; there are PENDING, RUNNING, PAUSED, COMPLETED, FAILED or CANCELLED"),
        ("?", "no execution has the status '?'; "),
        (5, "statuses are texts, not 5"),
        (["PAUSED", None], "statuses are texts, not null"),
    ),
    ids=str,
)
async def test_a_status_that_there_is_not(status: Any, message: str) -> None:
    async with open_engine() as engine:
        with pytest.raises(trioflow.InvalidRequest) as raised:
            await engine.executions(status=status)

    assert message in str(raised.value)


async def test_all_statuses_that_there_are(autojump_clock: Any, actions: list[Any]) -> None:
    statuses = ("PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")
    async with open_engine(actions=actions) as engine:
        await engine.run(chain("a"), execution_id="x")
        found = [[head.id for head in await engine.executions(status=one)] for one in statuses]
        either = await engine.executions(status=iter(statuses))

    assert [[], [], [], ["x"], [], []] == found
    assert ["x"] == [head.id for head in either]


NO_INSTANT = "is an instant in seconds since 1970, like `datetime.timestamp()`, not "


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ({"label": {"a": 1}}, "label must map texts to texts, but 'a' to 1; write it as a text"),
        ({"label": "a=1"}, "label must be a mapping of texts to texts, not a string"),
        ({"limit": "5"}, 'limit is a whole number from 0 on, not "5"'),
        ({"limit": -1}, "limit is a whole number from 0 on, not -1"),
        ({"workflow": 5}, "workflow is a text, not 5"),
        ({"before": 5}, "before is a text, not 5"),
        ({"created_before": "yesterday"}, f'created_before {NO_INSTANT}"yesterday"'),
        ({"created_after": True}, f"created_after {NO_INSTANT}true"),
        ({"ended_before": [1]}, f"ended_before {NO_INSTANT}a list"),
    ),
    ids=str,
)
async def test_what_nothing_can_be_found_by(wrong: dict[str, Any], message: str) -> None:
    async with open_engine() as engine:
        await refused(lambda: engine.executions(**wrong), message)


# ---- starting ----


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ({"input": [1, 2]}, "the input must be a mapping of names to values, not a list"),
        ({"input": []}, "the input must be a mapping of names to values, not a list"),
        ({"input": "{}"}, "the input must be a mapping of names to values, not a string"),
        (
            {"execution_id": 5},
            "an execution's id is a text of 1 to 200 characters, not 5",
        ),
        ({"labels": {"a": 1}}, "labels must map texts to texts, but 'a' to 1; write it as a text"),
        ({"labels": {1: "a"}}, "the name of a label in labels is a text, not 1"),
        ({"labels": ["a"]}, "labels must be a mapping of texts to texts, not a list"),
        (
            {"labels": {"a": "\ud800"}},
            "the label 'a' in labels is no Unicode text: it has half of a surrogate pair",
        ),
    ),
    ids=keys,
)
@pytest.mark.parametrize("with_id", (True, False))
async def test_what_nothing_can_be_started_with(
    autojump_clock: Any, actions: list[Any], wrong: dict[str, Any], message: str, with_id: bool
) -> None:
    given = {"execution_id": "x", **wrong} if with_id else wrong
    async with open_engine(actions=actions) as engine:
        await refused(lambda: engine.start(chain("a"), **given), message)
        await refused(lambda: engine.run(chain("a"), **given), message)

        assert [] == await engine.executions()


async def test_an_id_that_is_none(autojump_clock: Any) -> None:
    async with open_engine() as engine:
        await refused(lambda: engine.execution(5), "an execution's id is a text, not 5")  # type: ignore[arg-type]


# ---- steering ----

NO_GRACE = (
    "the grace is a number of seconds from 0 on, a text like '30s', or None for one without end, "
    "not "
)
STEERING: tuple[tuple[str, Call, str], ...] = (
    (
        "resume",
        lambda one: one.resume(["a"]),
        "the input must be a mapping of names to values, not a list",
    ),
    (
        "decisions",
        lambda one: one.resume({}, "retry"),
        "the decisions must be a mapping of names to values, not a string",
    ),
    ("signal", lambda one: one.signal(5), "the name of a signal is a text, not 5"),
    ("list", lambda one: one.signal(["go"]), "the name of a signal is a text, not a list"),
    ("reason", lambda one: one.cancel(5), "the reason is a text, not 5"),
    (
        "surrogate",
        lambda one: one.cancel("\ud800"),
        "the reason is no Unicode text: it has half of a surrogate pair",
    ),
    *(
        (
            f"grace {grace!r}",
            lambda one, grace=grace: one.cancel(grace=grace),
            f"{NO_GRACE}{shown}",
        )
        for grace, shown in (
            ("soon", '"soon"'),
            ("5", '"5"'),
            (-1, "-1"),
            (True, "true"),
            (float("nan"), "NaN"),
            ([1], "a list"),
        )
    ),
)


@pytest.mark.parametrize(
    ("call", "message"),
    [(call, message) for _, call, message in STEERING],
    ids=[name for name, *_ in STEERING],
)
async def test_what_cannot_be_asked(autojump_clock: Any, call: Call, message: str) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store) as engine:
        execution = await engine.start(document, execution_id="x")
        await execution.wait_paused()
        before = await execution.history()
        await refused(lambda: call(execution), message)
        await refused(lambda: call(Requester(store, "x", clock=trio.current_time)), message)

        assert before == await execution.history()


@pytest.mark.parametrize("grace", ("5s", 5, 5.0, "5000ms"), ids=repr)
async def test_a_grace_is_a_duration(autojump_clock: Any, actions: list[Any], grace: Any) -> None:
    document = chain("a")
    document["steps"][0]["parameters"]["seconds"] = 100
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await trio.sleep(1)
        await execution.cancel(grace=grace)

    assert 6 == trio.current_time()


@pytest.mark.parametrize("grace", (0, 0.0, -0.0), ids=repr)
async def test_no_grace(autojump_clock: Any, actions: list[Any], grace: Any) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"))
        await execution.cancel(grace=grace)

    assert 0 == trio.current_time()


@pytest.mark.parametrize(
    ("from_steps", "input", "message"),
    (
        (5, None, "from_steps are texts, not 5"),
        ([None], None, "from_steps are texts, not null"),
        (["ask"], ["x"], "the input must be a mapping of names to values, not a list"),
    ),
    ids=str,
)
async def test_what_cannot_be_forked(
    autojump_clock: Any, actions: list[Any], from_steps: Any, input: Any, message: str
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("ask"))
        await execution.result()
        await refused(lambda: execution.fork(from_steps, input), message)


async def test_a_fork_from_one_step(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("one", "two"))
        await execution.result()
        forked = await execution.fork("two")
        await forked.result()

    assert [0, 1] == [step.attempts for step in forked.steps.values()]


# ---- opening ----


class Listener:
    """Whose instances are called."""

    async def __call__(self, execution_id: str, event: events.Event) -> None: ...


async def listen(execution_id: str, event: events.Event) -> None: ...


async def find(name: str) -> str:
    return name


NO_OBSERVER = "an observer is a function that is called as f(execution_id, event), not "
NO_SECRETS = (
    "secrets are a mapping of names to values, like {'API_TOKEN': ...}, or a function that takes "
    "a name, not "
)


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ({"secrets": 5}, f"{NO_SECRETS}a number"),
        ({"secrets": "T=x"}, f"{NO_SECRETS}a string"),
        ({"secrets": ["T"]}, f"{NO_SECRETS}a list"),
        ({"secrets": find}, "the function for secrets is a plain `def`, not an `async def`"),
        ({"observers": 5}, f"{NO_OBSERVER}5"),
        ({"observers": [5]}, f"{NO_OBSERVER}5"),
        ({"observers": "print"}, f'{NO_OBSERVER}"p"'),
        ({"observers": [print, listen]}, "the observer 'listen' is an `async def`, and nobody"),
        ({"observers": listen}, "the observer 'listen' is an `async def`, and nobody"),
        ({"observers": [Listener()]}, "the observer 'Listener' is an `async def`, and nobody"),
        ({"observers": functools.partial(listen)}, "the observer 'partial' is an `async def`"),
        ({"lease": "30s"}, 'lease is a number of seconds above 0, not "30s"'),
        ({"lease": 0}, "lease is a number of seconds above 0, not 0"),
        ({"lease": float("nan")}, "lease is a number of seconds above 0, not NaN"),
        ({"retention": [7]}, "retention: a duration cannot be a list"),
        ({"retention": {"completed": "7d"}}, "executions do not end as 'completed'"),
        ({"retention": {"COMPLETED": "7"}}, 'retention: "7" has no unit'),
        ({"allow": 5}, "there is nothing to allow about 5; what needs it is process.run"),
        ({"allow": [["log"]]}, "there is nothing to allow about ['log']"),
        ({"actions": [Listener]}, "Listener is a class, and a class is no action"),
        ({"workflows": 5}, "5 is no workflow"),
    ),
    ids=keys,
)
async def test_what_no_engine_is_opened_with(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(trioflow.InvalidRequest) as raised:
        async with open_engine(**wrong):
            pass  # pragma: no cover

    assert str(raised.value).startswith(message) or message in str(raised.value)
    assert "T=x" not in str(raised.value)


@pytest.mark.parametrize(
    "wrap",
    (lambda one: one, lambda one: [one], lambda one: iter([one])),
    ids=("one", "list", "iterator"),
)
async def test_one_observer_or_several(
    autojump_clock: Any, actions: list[Any], wrap: Callable[[Any], Any]
) -> None:
    seen: list[str] = []

    def observe(execution_id: str, event: events.Event) -> None:
        seen.append(event.type)

    async with open_engine(actions=actions, observers=wrap(observe)) as engine:
        execution = await engine.start(chain("a", "b"))
        await execution.result()
        history = await execution.history()

    assert [event.type for event in history] == seen


@pytest.mark.parametrize("allow", ("process.run", ["process.run"]), ids=str)
async def test_one_thing_to_allow_or_several(allow: Any) -> None:
    async with open_engine(allow=allow) as engine:
        assert "process.run" in engine.registry


@pytest.mark.parametrize(
    "secrets", (None, {}, os.environ, os.environ.get), ids=("none", "empty", "mapping", "function")
)
async def test_what_secrets_may_come_from(secrets: Any) -> None:
    async with open_engine(secrets=secrets):
        pass


# ---- a workflow by its id ----

BADGE = {"id": "badge", "steps": [{"id": "a", "action": "set", "parameters": {"x": 1}}]}


async def test_a_workflow_that_is_known_is_started_by_its_id(autojump_clock: Any) -> None:
    async with open_engine(workflows=[BADGE]) as engine:
        output = await engine.run("badge")
        execution = await engine.start("badge", execution_id="x")
        await execution.result()
        again = await engine.start(BADGE, execution_id="x")

    assert {"a": {"x": 1}} == output
    assert execution is again


async def test_a_file_comes_before_an_id(
    autojump_clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "badge"
    folder.mkdir()
    async with open_engine(workflows=BADGE) as engine:
        of_the_id = await engine.run("badge")
        folder.rmdir()
        folder.write_text('{"id": "other", "steps": [{"id": "b", "action": "set"}]}')
        of_the_file = await engine.run("badge")

    assert {"a": {"x": 1}} == of_the_id
    assert {"b": {}} == of_the_file


@pytest.mark.parametrize(
    ("workflows", "told"),
    (
        ([], "; their ids: none"),
        ([BADGE, {**BADGE, "id": "order"}], "; did you mean 'badge'?; their ids: badge, order"),
        ({**BADGE, "id": "order"}, "; their ids: order"),
    ),
    ids=("none", "near", "far"),
)
async def test_an_id_that_is_not_known(workflows: Any, told: str) -> None:
    async with open_engine(workflows=workflows) as engine:
        with pytest.raises(trioflow.DefinitionError) as raised:
            await engine.start("bagde")

    (problem,) = raised.value.problems
    beginning = f'there is no file "bagde" in "{Path.cwd()}"'
    advice = f"nor is there a workflow of this id among `workflows`{told}"
    assert f"{beginning}, {advice}" == problem.message


async def test_a_path_that_cannot_be_an_id() -> None:
    async with open_engine(workflows=BADGE) as engine:
        with pytest.raises(trioflow.DefinitionError) as raised:
            await engine.start("badge.json")

    (problem,) = raised.value.problems
    assert "workflows" not in problem.message
