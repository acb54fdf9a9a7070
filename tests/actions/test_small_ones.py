"""The built-in actions `log`, `set` and `fail`; and what importing all of them costs."""

import logging
import subprocess
import sys

import pytest

from trioflow.actions import Registry, call
from trioflow.errors import StepError


async def test_log(context, limiter, caplog):
    caplog.set_level(logging.INFO)
    log = Registry().get("log")

    result = await call(log, {"message": "packed", "sku": "tea"}, context, limiter=limiter)

    assert result is None
    assert ["pay: packed sku='tea'"] == caplog.messages


async def test_log_takes_any_message(context, limiter, caplog):
    caplog.set_level(logging.INFO)

    await call(Registry().get("log"), {"message": {"a": 1}}, context, limiter=limiter)

    assert ["pay: {'a': 1}"] == caplog.messages


async def test_set(context, limiter):
    values = {"rate": 0.19, "context": "a value like any other", "not-a-name": [1]}

    assert values == await call(Registry().get("set"), values, context, limiter=limiter)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    (
        ({}, ("the workflow says so", "fail", False)),
        (
            {"message": "sold out", "code": "shop.empty", "retryable": True},
            ("sold out", "shop.empty", True),
        ),
    ),
    ids=str,
)
async def test_fail(context, limiter, parameters, expected):
    with pytest.raises(StepError) as caught:
        await call(Registry().get("fail"), parameters, context, limiter=limiter)

    assert expected == caught.value.args


def test_importing_is_cheap():
    """Not every program uses HTTP, asyncio, worker processes and entry points."""
    expensive = {"httpx2", "asyncio", "multiprocessing", "importlib.metadata", "runpy"}
    program = (
        "import sys; before = set(sys.modules); import trioflow.actions\n"
        f"print(sorted({expensive} & set(sys.modules) - before))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert ("[]\n", "") == (done.stdout, done.stderr)
