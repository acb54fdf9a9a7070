"""Reading, adding up and drawing, without an engine, on the log files that are there."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import trioflow
from trioflow.actions import ActionContext

Make = Callable[..., ActionContext]
SVG = "{http://www.w3.org/2000/svg}"
GOOD = (
    '203.0.113.7 - ada [18/Nov/2026:{hour}:01:02 +0100] "GET {path} HTTP/1.1" {status} 10'
    ' "-" "curl/8.9" 0.25{last}\n'
)


@pytest.fixture
def actions(actions_of: Callable[[str], Any]) -> Any:
    """Return the actions."""
    return actions_of("logs")


@pytest.fixture
def totals(actions: Any, context: Make) -> dict[str, Any]:
    """Return what the logs of the example come to."""
    found: dict[str, Any] = sum_up(actions, context, shards=4)
    return found


def sum_up(actions: Any, context: Make, shards: int, folder: str | None = None) -> Any:
    """Do what the workflow does, up to the totals."""
    listed = actions.list_files(folder, shards, context("list"))
    parts = [actions.read(files, context("read")) for files in listed["shards"]]
    # What goes from step to step is JSON.
    return actions.total(json.loads(json.dumps(parts)), context("total"))


def test_every_file_is_in_one_shard(actions: Any, context: Make, examples: Path) -> None:
    """None is lost, none is read twice, and no shard is empty."""
    listed = actions.list_files(None, 4, context("list"))

    files = [file for shard in listed["shards"] for file in shard]
    assert sorted(str(path) for path in (examples / "logs" / "access").iterdir()) == sorted(files)
    assert 6 == listed["files"]
    assert all(listed["shards"])


def test_more_shards_than_files(actions: Any, context: Make, tmp_path: Path) -> None:
    """Then some are empty; other files are left alone."""
    (tmp_path / "a.log").write_text("")
    (tmp_path / "notes.txt").write_text("")

    listed = actions.list_files(str(tmp_path), 2, context("list"))

    assert {"files": 1, "shards": [[str((tmp_path / "a.log").resolve())], []]} == listed


def test_no_files(actions: Any, context: Make, tmp_path: Path) -> None:
    """A folder without logs is the author's mistake: no second attempt."""
    with pytest.raises(trioflow.StepError, match=r"no \*.log") as caught:
        actions.list_files(str(tmp_path), 4, context("list"))

    assert ("logs.none", False) == (caught.value.code, caught.value.retryable)


def test_totals_agree_with_a_simpler_count(totals: dict[str, Any], examples: Path) -> None:
    """Counted once more in another way, by cutting each line at its quotes."""
    status: Counter[str] = Counter()
    size = lines = 0
    for path in (examples / "logs" / "access").iterdir():
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")
        for line in filter(str.strip, text.split("\n")):
            lines += 1
            cut = line.split('"')
            if len(cut) == 7 and cut[1].count(" ") == 2 and "/Nov/" in cut[0]:
                status[cut[2].split()[0]] += 1
                size += int(cut[2].split()[1])

    assert dict(status) == totals["status"]
    assert (status.total(), size) == (totals["requests"], totals["bytes"])
    assert lines == totals["requests"] + totals["broken"]["count"]


def test_broken_lines_are_named(totals: dict[str, Any]) -> None:
    """Cut off, without quotes, of no month, of another protocol, with bytes that are no text."""
    assert {
        "count": 6,
        "lines": [
            "web-2.log:21",
            "web-4.log:101",
            "web-4.log:172",
            "web-4.log:61",
            "web-5.log:36",
            "web-5.log:37",
        ],
    } == totals["broken"]


@pytest.mark.parametrize("shards", (1, 2, 6, 9))
def test_shards_make_no_difference(
    actions: Any, context: Make, totals: dict[str, Any], shards: int
) -> None:
    """However the files are shared out, the sums are the same."""
    assert totals == sum_up(actions, context, shards)


def test_one_line(actions: Any, context: Make, tmp_path: Path) -> None:
    """What is counted, and where: the hour is the log's own, queries do not split a path."""
    lines = GOOD.format(hour="23", path="/tea?q=1", status=200, last=0)
    lines += GOOD.format(hour="00", path="/tea", status=500, last=9)
    (tmp_path / "a.log").write_text(lines)

    found = sum_up(actions, context, 2, str(tmp_path))

    assert [{"path": "/tea", "requests": 2, "mean_ms": 254, "max_ms": 259}] == found["slowest"]
    assert {"answered": 1, "failed": 0} == found["hours"][23]
    assert {"answered": 0, "failed": 1} == found["hours"][0]
    assert {"200": 1, "500": 1} == found["status"]


def test_the_chart_is_a_chart(actions: Any, context: Make, totals: Any, tmp_path: Path) -> None:
    """Valid XML with a title, a description, labels, and bars as high as the numbers."""
    written = actions.chart(totals["hours"], str(tmp_path), context("chart"))
    root = ET.parse(written["file"]).getroot()

    assert "img" == root.get("role")
    labels = {root.get("aria-labelledby", "").split()[0]: root.findtext(f"{SVG}title")}
    assert {"title": "Requests of each hour"} == labels
    assert str(totals["requests"]) in (root.findtext(f"{SVG}desc") or "")
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"requests", "hour of the day", "answered", "00", "22", "100"} <= texts
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    bars = root.findall(f"{SVG}g/{SVG}rect[@class='answered']")
    # 250 units are 100 requests; each height is rounded to a tenth of a unit.
    heights = [float(bar.get("height", "")) for bar in bars]
    assert [hour["answered"] * 2.5 for hour in totals["hours"]] == pytest.approx(heights, abs=0.1)
    # A bar stands on the axis, and what failed stands on what was answered.
    for answered, failed in (group.findall(f"{SVG}rect") for group in root.findall(f"{SVG}g")):
        assert 320 == pytest.approx(bottom(answered), abs=0.2)
        assert float(answered.get("y", "")) == pytest.approx(bottom(failed), abs=0.2)


def bottom(bar: ET.Element) -> float:
    """Return where a bar ends, below."""
    return float(bar.get("y", "")) + float(bar.get("height", ""))


def test_a_chart_of_nothing(actions: Any) -> None:
    """No request at all is drawable, too."""
    drawn = ET.fromstring(actions.bar_chart([{"answered": 0, "failed": 0}] * 24))

    assert 24 == len(drawn.findall(f"{SVG}g"))


@pytest.mark.parametrize(("number", "end"), ((0, 5), (5, 5), (6, 10), (21, 50), (501, 1000)))
def test_the_axis_ends_at_a_round_number(actions: Any, number: int, end: int) -> None:
    """It ends at the next of 5, 10, 20, 50, …"""
    assert end == actions._round_up(number)


def test_the_report(actions: Any, context: Make, totals: Any, tmp_path: Path) -> None:
    """Writing twice gives the same bytes, and leaves nothing else behind."""
    folder = str(tmp_path / "report")
    seen, written = [], {}
    for _ in range(2):
        drawn = actions.chart(totals["hours"], folder, context("chart"))
        actions.data(totals, folder, context("data"))
        written = actions.report(totals, 6, drawn["file"], folder, context("report"))
        seen.append({path.name: path.read_bytes() for path in Path(folder).iterdir()})

    assert seen[0] == seen[1]
    assert {"report.md", "report.json", "requests.svg"} == set(seen[0])
    assert totals == json.loads(seen[0]["report.json"])
    text = seen[0]["report.md"].decode()
    assert "(requests.svg)" in text
    assert "| web-4.log:61 |" in text
    assert len(seen[0]["report.md"]) == written["bytes"]


def test_strangers_cannot_write_into_the_report(
    actions: Any, context: Make, tmp_path: Path
) -> None:
    """A path is what somebody asked for: it stays in its cell, as text."""
    (tmp_path / "a.log").write_text(GOOD.format(hour="12", path="/<b>|`", status=404, last=0))
    found = sum_up(actions, context, 1, str(tmp_path))
    actions.report(found, 1, "requests.svg", str(tmp_path), context("report"))

    assert "| /&lt;b&gt;&#124;&#96; | 1 | 250 | 250 |" in (tmp_path / "report.md").read_text()
