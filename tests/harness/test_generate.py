"""Test modules as files: written, run, and compared with a document that has changed."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.__main__ import main
from harness.suites._expressions import Text, called, lines_of, literal, value
from harness.suites._generate import drift

ROOT = Path(__file__).parents[2]
ORDER = ROOT / "examples/order/order.workflow.json"
EXAMPLES = tuple(sorted(ROOT.glob("examples/*/*.workflow.json")))
DOCUMENTS = (*EXAMPLES, *sorted(ROOT.glob("tests/fixtures/*.workflow.json")))
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


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.workflow.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    return path


def run(*arguments: Any) -> int:
    return main([str(each) for each in arguments])


def name_of(path: Path) -> str:
    return path.name.partition(".")[0]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the order document, in which somebody stands."""
    shutil.copy(ORDER, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- what is written ----


@pytest.mark.slow
def test_what_is_generated_passes(small: Path, tmp_path: Path) -> None:
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


def test_the_head_says_how_it_was_made(here: Path) -> None:
    """The command as it was typed, with all that it takes to get the same file."""
    assert 0 == run(
        "generate",
        "order.workflow.json",
        "-o",
        "tests",
        "--level",
        "smoke",
        "--families",
        "ok,fail,reach",
    )
    lines = (here / "tests/test_order.py").read_text("utf-8").splitlines()

    command = "    python -m harness generate order.workflow.json -o tests/ --level smoke"
    assert f"{command} --families ok,fail,reach" == lines[4]
    assert "charge    Charge the card, payments.charge, timeout 10s, retry (max_attempts 4, " in (
        "\n".join(lines[:20])
    )
    rows = [" ".join(line.split()) for line in lines]
    assert "charge fails each time COMPLETED 9.3 s -" in rows
    assert "refuse is reached FAILED: refuse order.rejected 5.8 s charge, reserve" in rows


def test_an_absolute_path_below_here_is_told_as_a_relative_one(here: Path) -> None:
    run("generate", here / "order.workflow.json", "-o", here / "tests", "--level", "smoke")

    text = (here / "tests/test_order.py").read_text("utf-8")
    assert "    python -m harness generate order.workflow.json -o tests/ --level smoke\n" in text


def test_a_death_is_one_scenario_for_each_carrier(here: Path) -> None:
    run("generate", "order.workflow.json", "-o", ".", "--families", "crash")

    text = (here / "test_order.py").read_text("utf-8")
    told = [name for name in ("ok", "branch", "retry", "cancel") if f'"crash-{name}"' in text]
    assert ["ok", "branch", "retry", "cancel"] == told
    assert "after-1" not in text
    assert "def test_crash(scenario):\n    check_crashes(scenario)" in text


@pytest.mark.slow
@pytest.mark.parametrize("level", ("smoke", "standard"))
@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_it_reads_like_all_our_code_and_stays_the_same(
    path: Path, level: str, tmp_path: Path
) -> None:
    target = tmp_path / f"test_{name_of(path)}.py"
    assert 0 == run("generate", path, "-o", tmp_path, "--level", level)
    first = target.read_bytes()
    before = target.stat().st_mtime_ns

    assert 0 == run("generate", path, "-o", tmp_path, "--level", level)
    assert first == target.read_bytes()
    assert before == target.stat().st_mtime_ns
    assert 0 == run("generate", path, "-o", tmp_path, "--level", level, "--check")
    lines = first.decode().splitlines()
    assert [] == [line for line in lines if 100 < len(line) and "harness generate" not in line]
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(target)]
    # Where the harness is installed it stands among the other packages.
    third = ["--config", "lint.isort.known-third-party=['harness']"]
    for words in (["format", "--check"], ["check", "--quiet", "--extend-ignore=D,S,INP", *third]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, *options],
            check=False,
            capture_output=True,
            text=True,
        )
        assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_the_committed_modules_are_those_of_the_documents(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    document = path.relative_to(ROOT)
    code = run("generate", document, "-o", document.parent / "tests", "--level", "smoke", "--check")

    assert ("", 0) == (capsys.readouterr().out, code)


# ---- what has changed ----


def test_a_changed_timeout_shows_as_such(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ORDER.read_text("utf-8").replace('"timeout": "10s"', '"timeout": 3600')
    Path("order.workflow.json").write_text(text, "utf-8")
    run("generate", "order.workflow.json", "-o", "tests", "--level", "smoke")
    before = (here / "tests/test_order.py").read_bytes()
    Path("order.workflow.json").write_text(text.replace(": 3600", ": 1800"), "utf-8")
    capsys.readouterr()

    assert 1 == run("generate", "order.workflow.json", "-o", "tests", "--level", "smoke", "--check")

    lines = capsys.readouterr().out.splitlines()
    row = "charge    Charge the card, payments.charge, timeout {}, retry (max_attempts 4, "
    row += "initial_delay"
    assert "tests/test_order.py: changed: the overview" == lines[0]
    assert f"    - {row.format(3600)}" in lines
    assert f"    + {row.format(1800)}" in lines
    assert "tests/test_order.py: changed: timeout-charge-hangs" in lines
    assert '    - after="14405.079s",' in lines
    assert '    + after="7205.079s",' in lines
    # And nothing else has changed.
    assert 2 == sum(": " in line and not line.startswith(" ") for line in lines)
    assert not any("drifted" in line for line in lines)
    assert before == (here / "tests/test_order.py").read_bytes()


def test_a_renamed_step_is_removed_and_added(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("generate", small, "-o", tmp_path, "--families", "fail,timeout")
    run(*arguments)
    document = json.loads(small.read_text("utf-8"))
    document["steps"][1]["timeout"] = "20s"
    document["steps"][0]["id"] = "fetch"
    document["steps"][1]["parameters"]["amount"] = "${fetch.amount}"
    small.write_text(json.dumps(document), "utf-8")
    capsys.readouterr()

    assert 1 == run(*arguments, "--check")

    out = capsys.readouterr().out
    names = [line.split(": ") for line in out.splitlines() if not line.startswith(" ")]
    counts = [
        f"{sum(each[1] == kind and each[2] != 'the overview' for each in names[:-1])} {kind}"
        for kind in ("changed", "added", "removed")
    ]
    assert ["drifted", ", ".join(counts)] == names[-1][1:]
    assert "added: fail-fetch" in out
    assert "removed: fail-take" in out
    assert "changed: timeout-pay-it-just-late" in out
    assert 'after="10.001s"' in out
    assert 'after="20.001s"' in out


def test_where_somebody_stands_makes_no_difference(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("generate", "order.workflow.json", "-o", "tests", "--level", "smoke")
    before = (here / "tests/test_order.py").read_bytes()
    monkeypatch.chdir(here.parent)
    arguments = (f"{here.name}/order.workflow.json", "-o", f"{here.name}/tests", "--level", "smoke")

    assert 0 == run("generate", *arguments, "--check")
    assert 0 == run("generate", *arguments)
    assert before == (here / "tests/test_order.py").read_bytes()


def test_check_of_what_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("generate", "order.workflow.json", "-o", "tests", "--level", "smoke", "--check")

    assert 1 == run(*arguments)
    assert "tests/test_order.py: it is not there; it would have 18 tests\n" == (
        capsys.readouterr().out
    )
    assert not (here / "tests").exists()


def test_drift_of_what_is_no_python() -> None:
    assert ["it is no Python any more (line 1): generate it again"] == list(drift("def", "x = 1"))


def test_drift_between_the_scenarios() -> None:
    assert ["changed: something between the scenarios, or their order"] == list(
        drift("x = 1", "x = 2")
    )


# ---- files ----


def test_a_file_of_somebody_else_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = here / "test_order.py"
    mine.write_text("# mine", "utf-8")
    for more in ((), ("--check",)):
        assert 2 == run("generate", "order.workflow.json", "-o", ".", "--level", "smoke", *more)
        assert "order.workflow.json: test_order.py was not generated" in capsys.readouterr().err
    assert "# mine" == mine.read_text("utf-8")


def test_an_empty_file_is_nobodys(here: Path) -> None:
    (here / "test_order.py").touch(0o600)

    assert 0 == run("generate", "order.workflow.json", "-o", ".", "--level", "smoke")
    assert ast.parse((here / "test_order.py").read_text("utf-8"))
    assert 0o600 == (here / "test_order.py").stat().st_mode & 0o777


def test_two_documents_of_one_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "other").mkdir()
    shutil.copy(ORDER, here / "other")
    files = ("order.workflow.json", "other/order.workflow.json")

    assert 2 == run("generate", *files, "-o", "tests", "--families", "ok")
    assert (
        "other/order.workflow.json: tests/test_order.py would be that of order.workflow.json, too"
        in capsys.readouterr().err
    )


def test_a_file_is_there_as_a_whole_or_not_at_all(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("generate", "order.workflow.json", "-o", "tests", "--families", "ok")
    before = (here / "tests/test_order.py").read_bytes()

    def fails(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fails)
    assert 2 == run("generate", "order.workflow.json", "-o", "tests", "--families", "fail")
    assert before == (here / "tests/test_order.py").read_bytes()
    assert ["test_order.py"] == [path.name for path in (here / "tests").iterdir()]


def test_scenarios_and_tests_are_counted_where_they_are_not_as_many(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All deaths of one carrier are one test."""
    run("generate", "order.workflow.json", "-o", ".", "--families", "ok,crash")

    made = harness.suite("order.workflow.json", families=["ok", "crash"])
    tests = 1 + len(made.carriers)
    assert tests < len(made.scenarios)
    said = f"test_order.py: {len(made.scenarios)} scenarios in {tests} tests\n"
    assert said == capsys.readouterr().out


def test_the_overview_says_what_has_failed(small: Path, tmp_path: Path) -> None:
    """Also where all was meant to go well: nobody knows the card of a step that is skipped."""
    document = json.loads(small.read_text("utf-8"))
    document["steps"].insert(0, {"id": "pick", "action": "shop.pick", "condition": "1 > 2"})
    document["steps"].append({"id": "bill", "action": "b", "parameters": {"n": "${pick.n}"}})
    small.write_text(json.dumps(document), "utf-8")
    run("generate", small, "-o", tmp_path, "--level", "smoke")

    lines = (tmp_path / "test_small.py").read_text("utf-8").splitlines()
    rows = [" ".join(line.split()) for line in lines]
    (ok,) = [row for row in rows if row.startswith("all goes well FAILED")]
    assert "FAILED: bill reference.missing" in ok
    # A code that the scenario makes up is of no interest.
    assert any(re.match(r"take fails each time FAILED: take \d", row) for row in rows)
    assert any("ask FAILED: ask timeout.step " in row for row in rows)


def test_lengths_of_time_in_the_unit_of_people(small: Path) -> None:
    document = json.loads(small.read_text("utf-8"))
    document["steps"][1]["timeout"] = "2d"
    document["steps"][1]["retry"] = 1
    told = {each.id: each.why for each in harness.scenarios(document)}

    assert (
        "pay-it never answers: 1 attempt of 2 d: it fails after 2 d, undone: take"
        == (told["timeout-pay-it-hangs"])
    )
    start = "pay-it answers just late: 0.001 s after its 2 d are over: it fails after 2 d"
    assert told["timeout-pay-it-just-late"].startswith(start)
    assert told["ok"] == "all goes well: it ends well after 2.634 s"


def test_one_item_is_told_from_all(small: Path) -> None:
    document = json.loads(small.read_text("utf-8"))
    document["steps"][1]["for_each"] = {"items": "${input.cards}"}
    told = {each.id: each.why for each in harness.scenarios(document)}

    assert told["timeout-pay-it-hangs"].startswith("the first item of pay-it never answers: ")
    assert told["fail-pay-it"].startswith("pay-it fails each time: ")
    plainly = told["fail-pay-it-plainly"]
    assert plainly.startswith("pay-it fails each time, with an error that has no code: ")


# ---- run, list, lint ----


def test_run_draws_what_happened_when(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("run", small, "--scenario", "fail-pay-it", "--level", "smoke", "--trace")

    out = capsys.readouterr().out
    assert "AttemptFailed" in out
    failed = next(line for line in out.splitlines() if "AttemptFailed" in line)
    assert '"code": "odd"' in failed
    assert "Failure(" not in out
    assert "at=" not in failed.replace("retry_at=", "")
    assert not re.search(r"\d\.\d{7}", out)
    assert "fail-pay-it: pay-it fails each time: it fails after" in out
    assert any(line.startswith("take ") and "=" in line for line in out.splitlines())


def test_run_for_a_program(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("run", small, "--scenario", "ok", "--level", "smoke", "--json")

    found = json.loads(capsys.readouterr().out)
    assert "" == found["problem"]
    assert "ok" == found["scenario"]["id"]
    assert "COMPLETED" == found["phases"][-1]["status"]
    assert "ExecutionStarted" == found["history"][0]["type"]


@pytest.mark.slow
def test_run_of_what_there_is_not(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run("run", small, "--scenario", "pay-it")
    assert "these come near: fail-pay-it" in capsys.readouterr().err
    assert 2 == run("run", small, "--scenario", "xyz")
    assert f"all of them: python -m harness list {small}" in capsys.readouterr().err


def test_list(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("list", small, "--families", "ok")
    assert ["ok: all goes well: it ends well after 2.634 s"] == (
        capsys.readouterr().out.splitlines()
    )
    assert 0 == run("list", small, "--families", "ok", "--json")
    (found,) = json.loads(capsys.readouterr().out)
    assert ("ok", "ok", str(small)) == (found["id"], found["family"], found["file"])


def linted(capsys: pytest.CaptureFixture[str], *files: Path) -> list[tuple[str, str, str]]:
    run("lint", *files, "--json")
    return [
        (each["kind"], each["where"], each["text"]) for each in json.loads(capsys.readouterr().out)
    ]


def test_lint_says_what_can_never_be(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "tests/fixtures/branches.workflow.json"
    assert 1 == run("lint", path)
    out = capsys.readouterr().out.splitlines()
    why = "nothing makes read.count > 5 and read.count < 3 true"

    assert [
        f"{path}: never: this step is never reached: read->never can never be taken",
        f"{path}: read->never: this branch can never be taken: {why}",
    ] == out[:2]
    assert all("note: " in line for line in out[2:])


def test_lint_notes_what_a_reader_should_know(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(small.read_text("utf-8"))
    del document["steps"][2]["total_timeout"]
    small.write_text(json.dumps(document), "utf-8")

    assert [
        ("note", "", "there is no input_schema, so any input is accepted"),
        (
            "note",
            "take",
            "nothing limits their time (timeout, total_timeout), so they may hang for ever",
        ),
        (
            "note",
            "take",
            "its output is used, but has no output_schema: what is generated is a guess",
        ),
        ("note", "ask", "it has no total_timeout, so it waits for ever"),
    ] == linted(capsys, small)
    assert 0 == run("lint", small)


def test_lint_says_all_faults_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"id": "broken", "steps": [{"id": "a"},\n {"id": "a", "tpye": 1}]}', "utf-8")

    found = linted(capsys, broken)
    assert {"fault"} == {kind for kind, _, _ in found}
    run("lint", broken)
    assert f"{broken}: line 2, $.steps[1].tpye: " in capsys.readouterr().out
    assert any("$.steps[1].tpye" in text for _, _, text in found)
    assert any("$.steps[1].id" in text for _, _, text in found)
    assert 1 == run("lint", broken)


# ---- what cannot be done ----


@pytest.mark.parametrize(
    ("content", "code", "said"),
    (
        (None, 2, "No such file or directory"),
        ("", 1, "$: "),
        ("{,", 1, "$: is no JSON"),
        ('{\n"id": 3}', 1, "bad.workflow.json: line 2, $.id: "),
        ("[]", 1, "$: "),
        ('{"id": "x", "steps": [{"id": "a"}]}', 1, "$.steps[0]"),
    ),
    ids=str,
)
def test_bad_documents_are_told_in_lines(
    content: str | None, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.workflow.json"
    if content is not None:
        path.write_text(content, "utf-8")
    for command in (
        ("generate", path, "-o", tmp_path / "out"),
        ("report", path),
        ("list", path),
        ("run", path, "--scenario", "ok"),
    ):
        assert code == run(*command)
        lines = capsys.readouterr().err.splitlines()
        assert lines
        assert any(said in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_several_documents_of_which_some_are_bad(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"id": "x", "steps": [{"id": "a"}, {"id": "a"}]}', "utf-8")
    out = tmp_path / "out"

    assert 1 == run("generate", bad, small, "-o", out, "--families", "ok")
    printed = capsys.readouterr()
    assert f"{out / 'test_small.py'}: 1 scenario\n" in printed.out
    assert all(line.startswith(f"{bad}: line 1, $") for line in printed.err.splitlines()[:-1])
    assert "1 of 2 left out" == printed.err.splitlines()[-1]


def test_misuse(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run("generate")
    assert 2 == run("generate", small, "-o", tmp_path, "--families", "none-such")
    assert "there is no family none-such" in capsys.readouterr().err
    assert 2 == run("generate", small, "-o", small)
    assert f"{small} is a file: -o is the folder of the modules\n" == capsys.readouterr().err
    assert 2 == run("generate", tmp_path, "-o", tmp_path)
    assert f"{tmp_path}: Is a directory\n" == capsys.readouterr().err


# ---- names that are no names ----

ODD: dict[str, Any] = {
    "id": 'we"ird\n"""é\\',
    "name": "x ''' \"\"\" \\ \n\u2028\x85 é😀 {file}",
    "input_schema": {
        "type": "object",
        "required": ['k"\n'],
        "properties": {'k"\n': {"const": 'a"""\\ \n\u2028\x7f\t\''}},
    },
    "nodes": [
        {
            "id": "id",
            "type": "action",
            "title": 'T """ \\ \n x\u2028y',
            "config": {
                "action": "x.y",
                "parameters": {"q": '""" \\ \n 😀'},
                "output_schema": {
                    "type": "object",
                    "properties": {"v": {"enum": ["\\", '"', "z\u2029"]}},
                    "required": ["v"],
                },
            },
        },
        {
            "id": "class",
            "type": "wait",
            "config": {"signal": 's"\n\\ é', "schema": {"enum": ['x"\\', "y"]}},
        },
        {"id": "None_-1", "type": "action", "config": {"action": "x.z"}},
    ],
    "connections": [
        {"id": 'c"\n"""', "source": "id", "target": "class", "condition": 'id.v == "\\\\"'},
        {"source": "class", "target": "None_-1"},
    ],
}


@pytest.mark.parametrize("level", ("smoke", pytest.param("standard", marks=pytest.mark.slow)))
def test_names_and_texts_may_be_anything(level: str, tmp_path: Path) -> None:
    path = tmp_path / 'o"dd\n.workflow.json'
    path.write_text(json.dumps(ODD), "utf-8")

    assert 0 == run("generate", path, "-o", tmp_path, "--level", level)
    (target,) = tmp_path.glob("test_*.py")
    module = runpy.run_path(str(target))
    for name, test in module.items():
        for mark in getattr(test, "pytestmark", ()) if name.startswith("test_") else ():
            for scenario in mark.args[1] if mark.name == "parametrize" else ():
                test(scenario)
    assert 0 == run("generate", path, "-o", tmp_path, "--level", level, "--check")


@pytest.mark.parametrize(
    "text",
    ('"', "'", "\"'", "\\", 'a\\"', "\n\r\t\x00\x85\u2028", "é😀", "{x}", "\ud800"),
    ids=ascii,
)
def test_a_literal_is_the_same_text(text: str) -> None:
    assert text == ast.literal_eval(literal(text))
    assert literal(text).isprintable()


@pytest.mark.parametrize("size", range(60, 130, 7))
@pytest.mark.parametrize("make", (lambda n: "x" * n, lambda n: " ".join(["step-1"] * (n // 7))))
def test_long_texts_are_broken(make: Callable[[int], str], size: int) -> None:
    text = make(size)
    whole = called("dict", [("a", Text(text)), ("b", value({"c": [text, 1.5, None]}))])
    lines = lines_of(whole, "it = ", 0)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)

    assert {"a": text, "b": {"c": [text, 1.5, None]}} == names["it"]
    assert all(len(line) <= 100 for line in lines)


def test_a_large_document_says_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [{"id": f"step-{number}", "action": "do.it"} for number in range(70)]
    path = tmp_path / "big.workflow.json"
    path.write_text(json.dumps({"id": "big", "steps": steps}), "utf-8")
    path.with_name("big.harness.toml").write_text("budget = 65\n", "utf-8")

    assert 0 == run("generate", path, "-o", tmp_path, "--families", "ok,fail", "--level", "smoke")
    assert "65 scenarios; 6 left out for want of a budget" in capsys.readouterr().out
    head = (tmp_path / "test_big.py").read_text("utf-8").partition("import")[0]
    assert "left out, for want of a budget: 6 of fail" in head
    assert "and 5 more" in head
    # But for the path, which is as long as the folder is deep.
    lines = head.replace(str(tmp_path), "").splitlines()
    assert [] == [line for line in lines if 100 < len(line)]
