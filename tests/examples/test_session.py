"""The session in the README of the order example, and what it leaves in the shop."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.documentation.pages import Reader, blocks, programs

pytestmark = pytest.mark.slow


def test_the_session_of_the_readme(examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "order"
    folder.mkdir()
    reader = Reader(folder, programs(tmp_path / "programs"))
    for block in blocks(examples / "order" / "README.md"):
        reader.do(block)

    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        assert [
            ("tea-1:reserve", "shipped"),
            ("tea-2:reserve", "shipped"),
            ("tea-3:reserve", "released"),
        ] == shop.execute("SELECT key, state FROM reservations ORDER BY key").fetchall()
        assert [
            ("tea-1:charge", 90, "paid"),
            ("tea-2:charge", 690, "paid"),
            ("tea-3:charge", 690, "refunded"),
        ] == shop.execute("SELECT key, amount, state FROM charges ORDER BY key").fetchall()
        assert [("tea-1:ship",), ("tea-2:ship",)] == shop.execute(
            "SELECT key FROM parcels ORDER BY key"
        ).fetchall()
