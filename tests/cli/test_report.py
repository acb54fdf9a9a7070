"""`trioflow report`: a page in a file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trioflow.cli import _writing


def test_a_page_in_a_file(run_tea: Any, do: Any, here: Path) -> None:
    run_tea("--id", "one", "-i", "guest=Ada")
    result = do("report", "one", "-o", "one.html")
    page = (here / "one.html").read_text(encoding="utf-8")

    assert "" == result.stdout
    assert "one is COMPLETED; written to one.html\n" == result.stderr
    assert page.startswith("<!DOCTYPE html>")
    assert "the pot is cold" in page
    # Nothing else is left behind.
    assert not list(here.glob(".*.new"))


def test_a_page_on_stdout(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)
    result = do("report", "one", "-o", "-")

    assert result.stdout.startswith("<!DOCTYPE html>")
    assert result.stdout.endswith("</html>\n")
    assert "" == result.stderr
    # What it waits for, and the command that brings it.
    assert "trioflow resume one -i guest=TEXT" in result.stdout


def test_the_command_on_it_names_the_store(do: Any) -> None:
    do("run", "wait.json", "--id", "one", "--store", "sqlite:other.db", exits=3)
    page = do("report", "one", "-o", "-", "--store", "sqlite:other.db").stdout

    assert "trioflow signal one bell JSON --store sqlite:other.db" in page


def test_what_has_come_and_the_command_that_goes_on(
    do: Any, kitchen: str, store_document: Any
) -> None:
    """As `show` says it: whoever reads the page is not to bring the signal again."""
    steps = [{"id": "bell", "type": "wait"}, {"id": "boil", "action": "kitchen.boil"}]
    store_document("ring.json", {"id": "ring", "steps": steps})
    do("run", "ring.json", "--actions", kitchen, "--id", "r", exits=3)
    do("signal", "r", "bell", "1")
    page = do("report", "r", "-o", "-").stdout

    assert "an engine with its actions: what it waited for has come" in page
    assert "trioflow resume r --actions MODULE-or-FILE" in page
    assert "trioflow signal" not in page
    assert "waited for signal &#x27;bell&#x27;; it has come" in page
    assert "waits for signal" not in page


def test_a_file_is_replaced_through_its_link(run_tea: Any, do: Any, here: Path) -> None:
    run_tea("--id", "one", exits=3)
    (here / "old.html").write_text("old")
    (here / "link.html").symlink_to("old.html")
    do("report", "one", "-o", "link.html")

    assert (here / "link.html").is_symlink()
    assert (here / "old.html").read_text().startswith("<!DOCTYPE html>")


def test_a_device_stays_one(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)
    do("report", "one", "-o", os.devnull)

    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("path", "why"),
    (
        ("nowhere/one.html", "no such file or directory"),
        (".", "is a directory"),
        ("tea.json/one.html", "not a directory"),
        ("x" * 300, "file name too long"),
    ),
    ids=str,
)
def test_where_it_cannot_be_written(path: str, why: str, run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)
    stderr = do("report", "one", "-o", path, exits=2).stderr

    assert f"error: can't write {path!r}: {why}; name another file with -o\n" == stderr


def test_what_is_there_stays_if_it_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = here / "one.html"
    target.write_text("old")

    def full(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(_writing.Refused, match="no space left on device"):
        _writing.write_file(str(target), b"new")

    assert "old" == target.read_text()
    assert not list(here.glob(".*.new"))


def test_an_unknown_execution(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)

    assert "no execution 'two'" in do("report", "two", "-o", "two.html", exits=2).stderr
    assert not Path("two.html").exists()


def test_where_to_has_to_be_said(do: Any) -> None:
    assert "Missing option '-o'" in do("report", "one", exits=2).stderr
