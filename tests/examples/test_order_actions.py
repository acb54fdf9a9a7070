"""The shop, without an engine: its actions are functions, and its file is a real one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import trioflow
from trioflow.actions import ActionContext

Make = Callable[..., ActionContext]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a shop of this test's own, which is not there yet."""
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    return tmp_path / "shop.db"


@pytest.fixture
def actions(actions_of: Callable[[str], Any], shop: Path) -> Any:
    """Return the actions, which work on `shop`."""
    return actions_of("order")


def ask(shop: Path, query: str) -> Any:
    """Return the one value that the query finds."""
    with closing(sqlite3.connect(shop)) as connection:
        return connection.execute(query).fetchone()[0]


def test_reserving_twice_takes_once(actions: Any, shop: Path, context: Make) -> None:
    """The second call with a key finds what the first did."""
    first = actions.reserve("teapot", 2, context("reserve"))
    second = actions.reserve("teapot", 2, context("reserve"))

    assert {"reservation": "R1", "total": 90} == first == second
    assert 38 == ask(shop, "SELECT stock FROM goods WHERE sku = 'teapot'")


def test_another_execution_takes_more(actions: Any, shop: Path, context: Make) -> None:
    """Another key is another reservation."""
    actions.reserve("teapot", 2, context("reserve"))

    assert "R2" == actions.reserve("teapot", 1, context("reserve", "other"))["reservation"]
    assert 37 == ask(shop, "SELECT stock FROM goods WHERE sku = 'teapot'")


@pytest.mark.parametrize(
    ("sku", "quantity", "code"), (("samovar", 4, "stock.empty"), ("coffee", 1, "stock.unknown"))
)
def test_what_is_not_there(
    actions: Any, shop: Path, context: Make, sku: str, quantity: int, code: str
) -> None:
    """Nothing is taken, and trying again is said to be of no use."""
    with pytest.raises(trioflow.StepError) as caught:
        actions.reserve(sku, quantity, context("reserve"))

    assert (code, False) == (caught.value.code, caught.value.retryable)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ask(shop, "SELECT count(*) FROM reservations")


def test_releasing_twice_gives_back_once(actions: Any, shop: Path, context: Make) -> None:
    """A reservation goes back to the shelf one time."""
    held = actions.reserve("teapot", 2, context("reserve"))["reservation"]
    for _ in range(2):
        assert {"released": 2} == actions.release(held, context("release"))

    assert 40 == ask(shop, "SELECT stock FROM goods WHERE sku = 'teapot'")


def test_what_was_shipped_stays_away(actions: Any, shop: Path, context: Make) -> None:
    """Goods that left the house do not come back to the shelf."""
    held = actions.reserve("teapot", 2, context("reserve"))["reservation"]
    first = actions.ship(held, "P1", context("ship"))
    actions.release(held, context("release"))

    assert {"parcel": "T1"} == first == actions.ship(held, "P1", context("ship"))
    assert 38 == ask(shop, "SELECT stock FROM goods WHERE sku = 'teapot'")


def test_the_bank_is_down_twice(actions: Any, shop: Path, context: Make) -> None:
    """Each charge to card 4000 needs three calls; a fourth finds it done."""
    for call in (1, 2):
        with pytest.raises(trioflow.StepError, match=f"did not answer call {call}") as caught:
            actions.charge("4000", 90, context("charge"))
        assert ("bank.unavailable", True) == (caught.value.code, caught.value.retryable)

    third = actions.charge("4000", 90, context("charge"))

    assert {"receipt": "P1", "amount": 90} == third == actions.charge("4000", 90, context("charge"))
    assert 10_000 - 90 == ask(shop, "SELECT balance FROM cards WHERE number = '4000'")


@pytest.mark.parametrize("card", ("1000", "9999"))
def test_a_declined_card(actions: Any, shop: Path, context: Make, card: str) -> None:
    """Neither too little money nor an unknown card is worth another attempt."""
    with pytest.raises(trioflow.StepError, match=f"ends in {card} was declined") as caught:
        actions.charge(card, 8, context("charge"))

    assert ("card.declined", False) == (caught.value.code, caught.value.retryable)
    assert 0 == ask(shop, "SELECT count(*) FROM charges")
    assert 5 == ask(shop, "SELECT balance FROM cards WHERE number = '1000'")


def test_two_threads_charge_once(actions: Any, shop: Path, context: Make) -> None:
    """An attempt that was thought dead and one that replaces it may run at the same time."""
    with ThreadPoolExecutor(4) as pool:
        charged = list(pool.map(lambda _: actions.charge("4242", 7, context("charge")), range(8)))

    assert [{"receipt": "P1", "amount": 7}] * 8 == charged
    assert 10_000 - 7 == ask(shop, "SELECT balance FROM cards WHERE number = '4242'")


DIES_BEFORE_IT_COMMITS = """
import importlib.util, os, sys
from trioflow.actions import ActionContext
specification = importlib.util.spec_from_file_location("actions", sys.argv[1])
actions = importlib.util.module_from_spec(specification)
specification.loader.exec_module(actions)
need = actions._need
actions._need = lambda shop, query, key: (
    os._exit(9) if "FROM charges" in query else need(shop, query, key)
)
actions.charge("4242", 7, ActionContext(execution_id="d", step="c", idempotency_key="demo:charge"))
"""


def test_a_crash_leaves_no_half_charge(
    actions: Any, shop: Path, context: Make, examples: Path
) -> None:
    """A process that ends between the two writes has written neither."""
    died = subprocess.run(
        [sys.executable, "-c", DIES_BEFORE_IT_COMMITS, examples / "order" / "actions.py"],
        check=False,
    )

    assert 9 == died.returncode
    assert 10_000 == ask(shop, "SELECT balance FROM cards WHERE number = '4242'")
    assert {"receipt": "P1", "amount": 7} == actions.charge("4242", 7, context("charge"))


def test_refunding_twice_gives_back_once(actions: Any, shop: Path, context: Make) -> None:
    """A charge is given back one time, and stays in the books."""
    receipt = actions.charge("4242", 690, context("charge"))["receipt"]
    for _ in range(2):
        assert {"refunded": 690} == actions.refund(receipt, context("charge"))

    assert 10_000 == ask(shop, "SELECT balance FROM cards WHERE number = '4242'")
    assert "refunded" == ask(shop, "SELECT max(state) FROM charges")


@pytest.mark.parametrize(("parcel", "says"), (("T1", "parcel T1"), (None, "could not charge")))
def test_one_mail(actions: Any, shop: Path, context: Make, parcel: str | None, says: str) -> None:
    """The customer hears once, and of what happened."""
    for _ in range(2):
        actions.notify("ada@example.org", "demo", parcel, context("notify"))

    assert 1 == ask(shop, "SELECT count(*) FROM mails")
    assert says in ask(shop, "SELECT text FROM mails")


def test_calls_that_succeed_are_listed(
    actions: Any, context: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that fails leaves no line."""
    monkeypatch.setenv("EXAMPLE_CALLS", str(tmp_path / "calls"))
    actions.reserve("tea", 1, context("reserve"))
    with pytest.raises(trioflow.StepError):
        actions.charge("1000", 8, context("charge"))

    assert "reserve demo:reserve\n" == (tmp_path / "calls").read_text()
