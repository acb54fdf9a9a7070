"""The commands of the READMEs, in processes of their own, and what they bring about."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

# `Place` lives in conftest.py, which cannot be imported from.
Make = Callable[[str], Any]


def test_an_order(place: Make) -> None:
    """The bank answers the third call, and one parcel leaves; the same id again changes nothing."""
    shop = place("order")
    for _ in range(2):
        shop.do(*shop.run())

    assert ["reserve", "charge", "ship", "notify"] == shop.listed()
    assert 3 == shop.steps("AttemptStarted").count("charge")
    assert {"approval", "refuse", "release"} == set(shop.steps("StepSkipped"))
    assert 90 == shop.ask("SELECT sum(amount) FROM charges")
    assert 1 == shop.ask("SELECT count(*) FROM parcels")
    assert "demo is on its way: parcel T1" in shop.ask("SELECT text FROM mails")


APPROVED = '{"approved": true, "by": "Grace"}'
REJECTED = '{"approved": false, "by": "Grace"}'


def test_a_large_order_waits(place: Make) -> None:
    """It stops before anything is shipped, and goes on when somebody has approved it."""
    shop = place("order")
    printed = shop.do(*shop.run(input_file="input-large.json"), exits=3)

    assert "trioflow signal demo approval JSON" in printed
    assert ["reserve", "charge"] == shop.listed()

    actions = shop.run()[2:4]
    shop.do("signal", "demo", "approval", APPROVED, *actions)

    assert ["reserve", "charge", "ship", "notify"] == shop.listed()
    assert 690 == shop.ask("SELECT sum(amount) FROM charges WHERE state = 'paid'")


def test_a_large_order_is_rejected(place: Make) -> None:
    """The money goes back, then the goods; nothing is shipped."""
    shop = place("order")
    shop.do(*shop.run(input_file="input-large.json"), exits=3)
    printed = shop.do("signal", "demo", "approval", REJECTED, *shop.run()[2:4], exits=1)

    assert "the order was rejected by Grace (order.rejected)" in printed
    assert ["charge", "reserve"] == shop.steps("StepCompensated")
    assert 10_000 == shop.ask("SELECT balance FROM cards WHERE number = '4242'")
    assert 3 == shop.ask("SELECT stock FROM goods WHERE sku = 'samovar'")
    assert 0 == shop.ask("SELECT count(*) FROM parcels")


def test_a_rejected_order_is_forked(place: Make) -> None:
    """What was undone is done again, under the keys of the new execution."""
    shop = place("order")
    actions = shop.run()[2:4]
    shop.do(*shop.run(input_file="input-large.json"), exits=3)
    shop.do("signal", "demo", "approval", REJECTED, *actions, exits=1)
    shop.do("fork", "demo", "--from", "approval", "--id", "again", *actions, exits=3)
    shop.do("signal", "again", "approval", APPROVED, *actions)

    assert 2 == shop.ask("SELECT count(*) FROM charges")
    assert 10_000 - 690 == shop.ask("SELECT balance FROM cards WHERE number = '4242'")
    assert "R2" == shop.ask("SELECT 'R' || reservation FROM parcels")


def test_a_declined_card(place: Make) -> None:
    """The goods go back, nothing is charged or shipped, and the customer is told."""
    shop = place("order")
    shop.do(*shop.run(input_file="input-declined.json"))

    assert ["reserve", "release", "notify"] == shop.listed()
    assert 1 == shop.steps("AttemptStarted").count("charge")
    assert 500 == shop.ask("SELECT stock FROM goods WHERE sku = 'tea'")
    assert 0 == shop.ask("SELECT count(*) FROM charges")
    assert "could not charge" in shop.ask("SELECT text FROM mails")


def test_a_release(place: Make) -> None:
    """Two files whose hashes are as published."""
    release = place("release")
    release.do(*release.run())

    folder = release.folder / "released"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert ("steep", "1.2.0") == (manifest["name"], manifest["version"])
    assert ["steep-1.2.0-py3-none-any.whl", "steep-1.2.0.tar.gz"] == [
        file["file"] for file in manifest["files"]
    ]
    for file in manifest["files"]:
        content = (folder / file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert 9 == len(release.listed()) == len(set(release.listed()))


def test_a_release_with_a_broken_test(place: Make, examples: Path, tmp_path: Path) -> None:
    """Nothing is published."""
    package = Path(shutil.copytree(examples / "release" / "package", tmp_path / "package"))
    tests = package / "tests" / "test_times.py"
    tests.write_text(tests.read_text().replace("210, 120, 45", "211, 120, 45"))
    release = place("release")
    release.do(*release.run("-i", f"package={package}"), exits=1)

    assert ["tests"] == release.steps("StepFailed")
    assert "manifest" not in release.listed()
    assert not (release.folder / "released" / "manifest.json").exists()


def test_processes_are_only_run_when_allowed(place: Make) -> None:
    """Without `--allow process.run` the document is refused before anything happens."""
    release = place("release")
    arguments = [word for word in release.run() if word not in ("--allow", "process.run")]
    release.do(*arguments, exits=2)

    assert [] == release.listed()


def test_a_report(place: Make) -> None:
    """Three files, which agree with each other."""
    logs = place("logs")
    logs.do(*logs.run())

    folder = logs.folder / "report"
    totals = json.loads((folder / "report.json").read_text())
    assert f"{totals['requests']} requests in 6 files" in (folder / "report.md").read_text()
    assert ET.parse(folder / "requests.svg").getroot().tag.endswith("svg")
    assert {"report.json", "report.md", "requests.svg"} == {path.name for path in folder.iterdir()}


def test_no_logs(place: Make, tmp_path: Path) -> None:
    """It fails at once, and writes nothing."""
    logs = place("logs")
    logs.do(*logs.run("-i", f"folder={tmp_path / 'nothing'}"), exits=1)

    assert ["list"] == logs.steps("StepFailed")
    assert not (logs.folder / "report").exists()
