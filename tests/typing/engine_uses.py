"""What a program writes with trioflow, as type checkers see it; nobody executes it.

`assert_type` says what comes out. A line that has to be wrong is excused by its code, and both
checkers report an excuse that nothing needs.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import trioflow
from trioflow import aio, blocking, events, expressions, pictures, stores, testing, timelines
from trioflow.engine import Snapshot, Statistics, look

# ---- workflows and actions ----


@trioflow.action
async def greet(name: str) -> str:
    return f"hello {name}"


@trioflow.action("mail.send", isolation="process")
def send(to: str, context: trioflow.ActionContext) -> dict[str, str]:
    assert_type(context.attempt, int)
    assert_type(context.idempotency_key, str)
    assert_type(context.deadline, float | None)
    context.log("sent", to=to)
    context.check_cancelled()
    return {"to": to}


async def called() -> None:
    """The mark leaves a function what it was."""
    assert_type(await greet("Ada"), str)
    assert_type(send("Ada", testing.context(attempt=2)), dict[str, str])
    await greet(1)  # type: ignore[arg-type]
    send("Ada")  # type: ignore[call-arg]
    trioflow.action("x", isolation="thread")  # type: ignore[call-overload]


def workflows() -> None:
    order = trioflow.Workflow(
        "order",
        steps=[
            trioflow.Step(
                "reserve",
                greet,
                timeout="10s",
                retry=trioflow.Retry(max_attempts=3, initial_delay="500ms", jitter="none"),
                compensate=trioflow.ActionCall(send, {"to": "${input.to}"}),
            ),
            trioflow.Step("each", "mail.send", for_each=trioflow.ForEach("${input.all}")),
            trioflow.Step("answer", type="wait", timeout=3.5),
        ],
        connections=[trioflow.Connection("reserve", "each", on="failure", condition="x > 1")],
        on_failure="finish",
        timeout="1h30m",
    )
    assert_type(order.steps, tuple[trioflow.Step, ...])
    assert_type(order.connections, tuple[trioflow.Connection, ...])
    assert_type(order.timeout, float | None)
    assert_type(order.steps[0].timeout, float | None)
    assert_type(order.steps[0].retry, trioflow.Retry | None)
    assert_type(trioflow.load_workflow("order.json"), trioflow.Workflow)
    assert_type(trioflow.load_workflow(Path("order.yaml")), trioflow.Workflow)
    assert_type(trioflow.load_workflow({"id": "order"}), trioflow.Workflow)
    trioflow.Step("a", greet, type="wake")  # type: ignore[arg-type]
    trioflow.Step("a", greet, join="some")  # type: ignore[arg-type]
    trioflow.Step("a", greet, time_out=3)  # type: ignore[call-arg]
    trioflow.Step("a", greet, "a name")  # type: ignore[call-arg]
    trioflow.Retry(jitter="half")  # type: ignore[arg-type]
    trioflow.Workflow("order", [], on_failure="stop")  # type: ignore[arg-type]
    trioflow.load_workflow(3)  # type: ignore[arg-type]
    order.id = "another"  # type: ignore[misc]


# ---- the engine, and what it holds ----


async def engine(order: trioflow.Workflow) -> None:
    async with trioflow.open_engine("sqlite:orders.db", actions=[greet], recover=False) as opened:
        assert_type(opened, trioflow.Engine)
        assert_type(opened.statistics(), Statistics)
        execution = await opened.start(order, {"to": "Ada"}, execution_id="x", labels={"a": "b"})
        assert_type(execution, trioflow.Execution)
        assert_type(await opened.execution("x"), trioflow.Execution)
        assert_type(await opened.executions(status="PAUSED"), list[stores.Head])
        await opened.run(order, ["Ada"])  # type: ignore[arg-type]
        await opened.run(order, {}, "x")  # type: ignore[call-arg]
    trioflow.open_engine("memory:", max_concurrent_steps="5")  # type: ignore[arg-type]
    trioflow.open_engine("memory:", slots=5)  # type: ignore[call-arg]
    trioflow.open_engine("memory:", observers=print, allow="process.run", secrets={"T": "x"})
    trioflow.open_engine("memory:", observers=[5])  # type: ignore[list-item]


async def execution(one: trioflow.Execution) -> None:
    assert_type(one.id, str)
    assert_type(one.status, str)
    assert_type(one.steps, Mapping[str, trioflow.StepState])
    assert_type(one.errors, tuple[events.Failure, ...])
    assert_type(await one.history(), list[events.Event])
    assert_type(await one.resume({"by": "Grace"}), None)
    assert_type(await one.cancel("out of tea", grace=None), trioflow.Receipt)
    assert_type(await one.fork(["charge"], execution_id="y"), trioflow.Execution)
    async for event in one.events(after=3):
        assert_type(event, events.Event)
        assert_type(events.to_json(event), dict[str, Any])
    await one.cancel(grace="5s")
    await one.cancel(grace=[5])  # type: ignore[arg-type]
    await one.signal()  # type: ignore[call-arg]
    one.status = "COMPLETED"  # type: ignore[misc]


def receipt(one: trioflow.Receipt, step: trioflow.StepState) -> None:
    assert_type(one.stopped, tuple[str, ...])
    assert_type(step.status, str)
    assert_type(step.attempts, int)


def doors(order: trioflow.Workflow) -> None:
    trioflow.run(order, {"to": "Ada"}, actions=[greet], store="memory:")
    with blocking.open_engine("sqlite:orders.db") as opened:
        assert_type(opened, blocking.Engine)
        one = opened.start(order)
        assert_type(one, blocking.Execution)
        assert_type(one.cancel(), trioflow.Receipt)
    trioflow.run(order, 3)  # type: ignore[arg-type]


async def asyncio_door(order: trioflow.Workflow) -> None:
    async with aio.open_engine("sqlite:orders.db") as opened:
        assert_type(opened, aio.Engine)
        one = await opened.start(order)
        assert_type(one, aio.Execution)
        assert_type(await one.cancel(), trioflow.Receipt)


# ---- stores, tests, pictures ----


async def storing() -> None:
    assert_type(stores.open_store("sqlite:orders.db", read_only=True), stores.Store)
    kept: Sequence[stores.Store] = (
        stores.MemoryStore(),
        stores.SqliteStore("orders.db", run_sync=stores.run_inline),
    )
    async with kept[0] as opened:
        assert_type(await opened.heads(status=stores.OPEN), list[stores.Head])
        assert_type(await opened.read("x"), list[events.Event])
        await opened.heads("PAUSED")  # type: ignore[call-arg]
    assert stores.MAX_EVENT_BYTES > 2**10
    stores.SqliteStore()  # type: ignore[call-arg]


async def one_test(order: trioflow.Workflow) -> str:
    async with testing.open_engine(jitter=lambda: 0.5) as opened:
        assert_type(opened, trioflow.Engine)
    with testing.hold():
        await testing.settled()
    return order.id


def in_virtual_time(order: trioflow.Workflow) -> None:
    assert_type(testing.run(one_test, order), str)
    assert_type(testing.context("x", "pay"), trioflow.ActionContext)
    assert issubclass(testing.Deadlock, Exception)
    testing.run(order)  # type: ignore[arg-type]


async def drawing(store: stores.Store, order: trioflow.Workflow) -> None:
    snapshot = await look(store, "x")
    assert_type(snapshot, Snapshot)
    assert_type(pictures.outcome(snapshot), pictures.Outcome)
    assert_type(pictures.graph_svg(order, **pictures.outcome(snapshot)), str)
    assert_type(pictures.graph_dot(order), str)
    assert_type(pictures.graph_mermaid(order), str)
    assert_type(pictures.execution_html(snapshot, commands=["trioflow resume x"]), str)
    assert_type(pictures.timeline_svg(order, snapshot.events), str)
    assert_type(pictures.timeline_text(order, snapshot.events, width=72), str)
    pictures.graph_svg("order")  # type: ignore[arg-type]


def arranged(order: trioflow.Workflow, history: Sequence[events.Event]) -> None:
    timeline = timelines.Timeline(order.plan)
    timeline.apply(history)
    assert_type(timeline.rows, dict[str, timelines.Row])
    row = timeline.rows["pay"]
    assert_type(row.attempts, list[timelines.Attempt])
    assert_type(row.spells, list[timelines.Spell])
    assert_type(timeline.gaps, list[timelines.Gap])
    assert_type(timelines.ENDED, frozenset[str])


# ---- conditions and references ----


def conditions() -> None:
    scope = expressions.Scope(input={"limit": 3}, outputs={"pay": {"total": 2}})
    condition = expressions.Condition.parse("total < input.limit", source="pay")
    assert_type(condition.test(scope), bool)
    assert_type(expressions.unparse(condition.tree), str)
    assert_type(expressions.walk(condition.tree), Iterator[expressions.Node])
    template = expressions.Template.parse({"a": "${secret.token}"}, steps=["pay"])
    expressions.reveal(expressions.resolve(template, scope), {"token": "t"})
    assert expressions.MISSING is not None
    expressions.Condition.parse(["x"])  # type: ignore[arg-type]


NODES: tuple[type[object], ...] = (
    expressions.Arithmetic,
    expressions.Comparison,
    expressions.Constant,
    expressions.Exists,
    expressions.Length,
    expressions.Link,
    expressions.ListOf,
    expressions.Logic,
    expressions.Lookup,
    expressions.Reference,
    expressions.SecretReference,
    expressions.SecretText,
    expressions.Unary,
)

# ---- what happens, and what goes wrong ----

EVENTS: tuple[type[events.Event], ...] = (
    events.AttemptCrashed,
    events.AttemptFailed,
    events.AttemptInterrupted,
    events.AttemptStarted,
    events.AttemptUnresponsive,
    events.CancelRequested,
    events.ChildStarted,
    events.CompensationFailed,
    events.ConditionFailed,
    events.ConnectionsDecided,
    events.DecisionsReceived,
    events.ExecutionCancelled,
    events.ExecutionCompleted,
    events.ExecutionFailed,
    events.ExecutionPaused,
    events.ExecutionResumed,
    events.ExecutionStarted,
    events.FallbackStarted,
    events.InputReceived,
    events.ItemCancelled,
    events.ItemCompleted,
    events.ItemFailed,
    events.ItemPaused,
    events.ItemResumed,
    events.ItemRetried,
    events.PauseRequested,
    events.ResumeRequested,
    events.SignalReceived,
    events.StepCancelled,
    events.StepCompensated,
    events.StepCompleted,
    events.StepFailed,
    events.StepHeld,
    events.StepPaused,
    events.StepResumed,
    events.StepRetried,
    events.StepSkipped,
    events.StepStarted,
    events.StoppingStarted,
)

ERRORS: tuple[type[trioflow.TrioflowError], ...] = (
    trioflow.Conflict,
    trioflow.DefinitionError,
    trioflow.DuplicateExecution,
    trioflow.EngineError,
    trioflow.ExecutionCancelled,
    trioflow.ExecutionError,
    trioflow.ExecutionFailed,
    trioflow.ExecutionNotFound,
    trioflow.ExecutionPaused,
    trioflow.ExpressionError,
    trioflow.InputRejected,
    trioflow.InvalidRequest,
    trioflow.MissingInputError,
    trioflow.ProtocolError,
    trioflow.SchemaValidationError,
    trioflow.StepError,
    trioflow.StepTimeoutError,
    trioflow.StoreCorrupt,
    trioflow.StoreError,
    trioflow.StoreLocked,
    trioflow.StoreUnusable,
    trioflow.TooLarge,
    trioflow.UnknownAction,
    trioflow.UnknownWorkflow,
)


def told(error: trioflow.DefinitionError) -> None:
    assert_type(error.problems, tuple[trioflow.Problem, ...])
    assert_type(error.problems[0].path, str)
    raise trioflow.StepError("the card was declined", code="card.declined", retryable=False)


def told_wrongly() -> None:
    raise trioflow.StepError("no", code=3)  # type: ignore[arg-type]
