"""`ActionContext` tells an action which attempt it serves."""

import logging
import pickle

import attrs
import trio


def test_it_pickles(context):
    assert context == pickle.loads(pickle.dumps(context))


def test_log(context, caplog):
    caplog.set_level(logging.INFO)

    context.log("charged 100 %", amount=3, message="a field", self=None)

    (record,) = caplog.records
    assert "pay: charged 100 % amount=3 message='a field' self=None" == record.getMessage()
    assert "trioflow.actions" == record.name
    assert logging.INFO == record.levelno
    assert ("x1", "order", "pay", 2, None) == (
        record.execution_id,
        record.workflow,
        record.step,
        record.attempt,
        record.item_index,
    )
    assert {"amount": 3, "message": "a field", "self": None} == record.fields


def test_log_of_an_item(context, caplog):
    caplog.set_level(logging.INFO)

    attrs.evolve(context, item_index=3).log("charged")

    assert ["pay[3]: charged"] == caplog.messages


def test_check_cancelled_does_nothing_where_nothing_can_be_cancelled(context):
    context.check_cancelled()


async def test_check_cancelled_does_nothing_in_a_task(context):
    with trio.CancelScope() as scope:  # noqa: ASYNC100
        scope.cancel()
        context.check_cancelled()

    assert not scope.cancelled_caught
