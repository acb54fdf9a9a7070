"""What the tests of actions share: a context, and a limiter that never binds."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from trioflow.actions import ActionContext


@pytest.fixture
def context() -> ActionContext:
    return ActionContext(
        execution_id="x1", workflow="order", step="pay", attempt=2, idempotency_key="x1:pay"
    )


@pytest.fixture
async def limiter() -> trio.CapacityLimiter:
    return trio.CapacityLimiter(math.inf)


@pytest.fixture
def content_of() -> Callable[[Path], Awaitable[str]]:
    """Wait until another process has written a file, and return its text."""

    async def content_of(path: Path) -> str:
        with trio.fail_after(10):
            while not _exists(path):  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.002)
        return _read(path)

    return content_of


@pytest.fixture
def wait_gone() -> Callable[[int], Awaitable[None]]:
    """Wait until a process that was killed runs no more.

    What is not our child cannot be waited for, and is init's to reap.
    """

    async def wait_gone(pid: int) -> None:
        with trio.fail_after(5):
            while _runs(pid):  # noqa: ASYNC110
                await trio.sleep(0.002)

    return wait_gone


_exists, _read = Path.exists, Path.read_text


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
