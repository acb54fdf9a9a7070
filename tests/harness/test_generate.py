"""Test modules as files: written, run, and compared with a document that has changed."""

from __future__ import annotations

import json
import logging
import runpy
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main

ROOT = Path(__file__).parents[2]
DOCUMENT = {
    "id": "small",
    "steps": [
        {"id": "take", "action": "shop.take", "compensate": "shop.put-back"},
        {
            "id": "pay-it",
            "action": "shop.pay",
            "timeout": "10s",
            "retry": {"max_attempts": 2, "initial_delay": 1, "jitter": "none"},
            "parameters": {"card": "${input.card}", "amount": "${take.amount}"},
        },
        {"id": "ask", "type": "wait", "schema": {"type": "boolean"}, "total_timeout": "1h"},
    ],
}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.workflow.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    return path


def run(*arguments: Any) -> int:
    return main([str(each) for each in arguments])


def test_what_is_generated_passes(small: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    pytestconfig.addinivalue_line("markers", "harness(family): scenarios of one family")

    assert 0 == run("generate", small, "-o", tmp_path / "out")

    module = runpy.run_path(str(tmp_path / "out/test_small.py"))
    tests = {name: test for name, test in module.items() if name.startswith("test_")}
    assert {"test_ok", "test_fail", "test_timeout", "test_crash", "test_wait"} <= set(tests)
    count = 0
    for test in tests.values():
        (parametrized,) = (mark for mark in test.pytestmark if mark.name == "parametrize")
        for scenario in parametrized.args[1]:
            test(scenario)
            count += 1
    assert 60 < count


def test_it_is_written_the_same_twice(small: Path, tmp_path: Path) -> None:
    assert 0 == run("generate", small, "-o", tmp_path)
    first = (tmp_path / "test_small.py").read_text("utf-8")

    assert 0 == run("generate", small, "-o", tmp_path)
    assert first == (tmp_path / "test_small.py").read_text("utf-8")
    assert 0 == run("generate", small, "-o", tmp_path, "--check")
    body = first.partition("import pytest")[2]
    assert all(len(line) <= 100 for line in body.splitlines())
    assert "        # pay-it never answers: 2 attempts of 10 s: it fails after 2" in first


def test_a_changed_timeout_shows_as_such(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("generate", small, "-o", tmp_path)
    document = json.loads(small.read_text("utf-8"))
    document["steps"][1]["timeout"] = "20s"
    document["steps"][0]["id"] = "fetch"
    document["steps"][1]["parameters"]["amount"] = "${fetch.amount}"
    small.write_text(json.dumps(document), "utf-8")
    before = (tmp_path / "test_small.py").read_text("utf-8")
    capsys.readouterr()

    assert 1 == run("generate", small, "-o", tmp_path, "--check")

    out = capsys.readouterr().out
    assert "added: fail-fetch" in out
    assert "removed: fail-take" in out
    assert "changed: timeout-pay-it-just-late" in out
    assert 'after="10.001s"' in out
    assert 'after="20.001s"' in out
    assert before == (tmp_path / "test_small.py").read_text("utf-8")


def test_run_draws_what_happened_when(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("run", small, "--scenario", "retry-pay-it-once", "--trace")

    out = capsys.readouterr().out
    assert "AttemptFailed" in out
    assert "take   |=" in out
    assert "COMPLETED" in out


def test_run_of_what_there_is_not(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run("run", small, "--scenario", "pay-it")
    assert "these come near: fail-pay-it" in capsys.readouterr().err


def test_lint(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("lint", small)
    assert 1 == run("lint", ROOT / "tests/fixtures/branches.workflow.json")
    assert "step never is never reached" in capsys.readouterr().out
    broken = tmp_path / "broken.json"
    broken.write_text('{"id": "broken", "steps": [{"id": "a"}, {"id": "a", "tpye": 1}]}', "utf-8")

    assert 1 == run("lint", broken)
    assert 2 <= len(capsys.readouterr().out.splitlines())


def test_misuse(small: Path, tmp_path: Path) -> None:
    assert 2 == run("generate")
    assert 2 == run("generate", small, "-o", tmp_path, "--families", "none-such")
    assert 1 == run("generate", tmp_path / "none.json", "-o", tmp_path)
