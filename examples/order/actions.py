"""The actions of the order example: a small shop in one SQLite file.

The file (`./shop.db`, or where the environment variable ``SHOP_DB`` points) is made and filled
with goods and cards when it is first used. Amounts are whole euros.

**Why every action asks for its key.** An action runs at least once: if the power fails after the
card was charged, but before the engine could write down that it was, the engine must call again.
It calls with the same `context.idempotency_key`. So every table here has a UNIQUE column `key`, and
the row with that key and the change it stands for are written in one transaction: twice is once.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import trioflow

SCHEMA = """
CREATE TABLE IF NOT EXISTS goods (sku TEXT PRIMARY KEY, price INTEGER, stock INTEGER);
CREATE TABLE IF NOT EXISTS cards (number TEXT PRIMARY KEY, balance INTEGER, outages INTEGER);
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, sku TEXT, quantity INTEGER, total INTEGER,
    state TEXT DEFAULT 'held');
CREATE TABLE IF NOT EXISTS bank_calls (key TEXT PRIMARY KEY, calls INTEGER);
CREATE TABLE IF NOT EXISTS charges (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, card TEXT, amount INTEGER,
    state TEXT DEFAULT 'paid');
CREATE TABLE IF NOT EXISTS parcels (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, reservation INTEGER, receipt TEXT);
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, recipient TEXT, text TEXT);
INSERT OR IGNORE INTO goods VALUES ('tea', 8, 500), ('teapot', 45, 40), ('samovar', 690, 3);
-- The last column: how many calls for a charge find the bank down before one gets through.
INSERT OR IGNORE INTO cards VALUES ('4242', 10000, 0), ('4000', 10000, 2), ('1000', 5, 0);
"""


@trioflow.action("stock.reserve")
def reserve(sku: str, quantity: int, context: trioflow.ActionContext) -> dict[str, Any]:
    """Take `quantity` pieces off the shelf and say what they cost."""
    with _observed(context), _shop() as shop:
        if not _row(shop, "SELECT id FROM reservations WHERE key = ?", context.idempotency_key):
            goods = _row(shop, "SELECT price, stock FROM goods WHERE sku = ?", sku)
            if goods is None:
                raise trioflow.StepError(f"we do not sell {sku!r}", "stock.unknown", False)
            if goods["stock"] < quantity:
                raise trioflow.StepError(
                    f"only {goods['stock']} of {sku!r} left, not {quantity}", "stock.empty", False
                )
            shop.execute("UPDATE goods SET stock = stock - ? WHERE sku = ?", (quantity, sku))
            shop.execute(
                "INSERT INTO reservations (key, sku, quantity, total) VALUES (?, ?, ?, ?)",
                (context.idempotency_key, sku, quantity, goods["price"] * quantity),
            )
        held = _need(shop, "SELECT * FROM reservations WHERE key = ?", context.idempotency_key)
        return {"reservation": f"R{held['id']}", "total": held["total"]}


@trioflow.action("stock.release")
def release(reservation: str, context: trioflow.ActionContext) -> dict[str, Any]:
    """Put the goods of `reservation` back on the shelf.

    Steps call it, and it is how a reservation is undone. It needs no key: the state of the
    reservation says whether it has been done.
    """
    with _observed(context), _shop() as shop:
        held = _need(shop, "SELECT * FROM reservations WHERE id = ?", int(reservation[1:]))
        if held["state"] == "held":
            shop.execute("UPDATE reservations SET state = 'released' WHERE id = ?", (held["id"],))
            shop.execute(
                "UPDATE goods SET stock = stock + ? WHERE sku = ?", (held["quantity"], held["sku"])
            )
        return {"released": held["quantity"]}


@trioflow.action("payments.charge")
def charge(card: str, amount: int, context: trioflow.ActionContext) -> dict[str, Any]:
    """Charge `card`.

    A bank that is down raises ``bank.unavailable``, which is worth another attempt; a card
    that is declined raises ``card.declined``, which is not.
    """
    with _observed(context):
        _reach_the_bank(card, context.idempotency_key)
        with _shop() as shop:
            if not _row(shop, "SELECT id FROM charges WHERE key = ?", context.idempotency_key):
                paid = shop.execute(
                    "UPDATE cards SET balance = balance - ? WHERE number = ? AND balance >= ?",
                    (amount, card, amount),
                )
                if paid.rowcount == 0:
                    raise trioflow.StepError(
                        f"the card that ends in {card} was declined", "card.declined", False
                    )
                shop.execute(
                    "INSERT INTO charges (key, card, amount) VALUES (?, ?, ?)",
                    (context.idempotency_key, card, amount),
                )
            done = _need(shop, "SELECT * FROM charges WHERE key = ?", context.idempotency_key)
            return {"receipt": f"P{done['id']}", "amount": done["amount"]}


@trioflow.action("payments.refund")
def refund(receipt: str, context: trioflow.ActionContext) -> dict[str, Any]:
    """Give the money of a charge back; its state says whether that has been done."""
    with _observed(context), _shop() as shop:
        paid = _need(shop, "SELECT * FROM charges WHERE id = ?", int(receipt[1:]))
        if paid["state"] == "paid":
            shop.execute("UPDATE charges SET state = 'refunded' WHERE id = ?", (paid["id"],))
            shop.execute(
                "UPDATE cards SET balance = balance + ? WHERE number = ?",
                (paid["amount"], paid["card"]),
            )
        return {"refunded": paid["amount"]}


@trioflow.action("shipping.book")
def ship(reservation: str, receipt: str, context: trioflow.ActionContext) -> dict[str, Any]:
    """Hand the reserved goods to the carrier; they can no longer be released."""
    with _observed(context), _shop() as shop:
        shop.execute(
            "INSERT OR IGNORE INTO parcels (key, reservation, receipt) VALUES (?, ?, ?)",
            (context.idempotency_key, int(reservation[1:]), receipt),
        )
        shop.execute(
            "UPDATE reservations SET state = 'shipped' WHERE id = ?", (int(reservation[1:]),)
        )
        booked = _need(shop, "SELECT id FROM parcels WHERE key = ?", context.idempotency_key)
        return {"parcel": f"T{booked['id']}"}


@trioflow.action("mail.notify")
def notify(
    to: str, order: str, parcel: str | None, context: trioflow.ActionContext
) -> dict[str, Any]:
    """Put a mail into the outbox: the parcel is on its way, or there will be none."""
    text = f"Order {order} is on its way: parcel {parcel}."
    if parcel is None:
        text = f"We could not charge your card, so order {order} is closed. Nothing was taken."
    with _observed(context), _shop() as shop:
        shop.execute(
            "INSERT OR IGNORE INTO mails (key, recipient, text) VALUES (?, ?, ?)",
            (context.idempotency_key, to, text),
        )
        return {"to": to, "text": text}


def _reach_the_bank(card: str, key: str) -> None:
    # Counted in a transaction of its own, so that the count survives the failure that it is for.
    with _shop() as shop:
        shop.execute(
            "INSERT INTO bank_calls VALUES (?, 1)"
            " ON CONFLICT (key) DO UPDATE SET calls = calls + 1",
            (key,),
        )
        calls = _need(shop, "SELECT calls FROM bank_calls WHERE key = ?", key)["calls"]
        account = _row(shop, "SELECT outages FROM cards WHERE number = ?", card)
    if account is not None and calls <= account["outages"]:
        raise trioflow.StepError(f"the bank did not answer call {calls}", "bank.unavailable", True)


@contextmanager
def _shop() -> Iterator[sqlite3.Connection]:
    """Open the shop for one transaction: all of the block, or nothing if it raises.

    These actions are plain functions, which the engine runs in threads, and a SQLite connection
    belongs to one thread; opening one costs less than a millisecond.
    """
    path = os.environ.get("SHOP_DB", "shop.db")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as shop:
        shop.row_factory = sqlite3.Row
        shop.execute("BEGIN IMMEDIATE")
        try:
            for statement in SCHEMA.split(";"):
                shop.execute(statement)
            yield shop
        except BaseException:
            shop.execute("ROLLBACK")
            raise
        shop.execute("COMMIT")


def _row(shop: sqlite3.Connection, query: str, value: object) -> sqlite3.Row | None:
    found: sqlite3.Row | None = shop.execute(query, (value,)).fetchone()
    return found


def _need(shop: sqlite3.Connection, query: str, value: object) -> sqlite3.Row:
    found = _row(shop, query, value)
    if found is None:
        raise trioflow.StepError(f"the shop has no row for {value!r}", "shop.missing", False)
    return found


@contextmanager
def _observed(context: trioflow.ActionContext) -> Iterator[None]:
    """Make calls visible and slow, for whoever wants to see what `kill -9` does.

    ``EXAMPLE_PAUSE`` is how many seconds each call takes longer. ``EXAMPLE_CALLS`` names a file
    that gets one line, step and key, from each call that comes to its end.
    """
    time.sleep(float(os.environ.get("EXAMPLE_PAUSE", "0")))
    yield
    if path := os.environ.get("EXAMPLE_CALLS"):
        with Path(path).open("a", encoding="utf-8") as calls:
            calls.write(f"{context.step} {context.idempotency_key}\n")
