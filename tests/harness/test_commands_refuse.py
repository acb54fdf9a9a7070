"""What nobody can do is told in a line, by every command and by pytest; and no file is lost."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.__main__ import main
from harness.families._stories import COINCIDE, LATE
from harness.playing import Deadlock
from harness.reports import played
from harness.reports._leaving import doubtful, left
from harness.suites import _checking
from harness.suites._files import written
from harness.suites._generate import drift
from harness.suites._library import Suite
from harness.suites._sidecar import SidecarError, read_sidecar

pytest_plugins = ("pytester",)

ORDER = Path(__file__).parents[2] / "examples/order/order.workflow.json"
ONE: dict[str, Any] = {"id": "one", "steps": [{"id": "a", "action": "x.y", "timeout": 5}]}
COMMANDS = (
    ("lint",),
    ("list",),
    ("generate", "-o", "out"),
    ("report",),
    ("run", "--scenario", "ok"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which somebody stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    return main(arguments)


def wanting(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A document whose input has to have a value of this schema."""
    return {
        **ONE,
        "input_schema": {"type": "object", "properties": {"v": schema}, "required": ["v"]},
    }


def put(path: str, document: Any) -> str:
    Path(path).write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


# ---- schemas that nothing fits ----

NOTHING_FITS: tuple[dict[str, Any], ...] = (
    {"type": "integer", "minimum": 5, "maximum": 3},
    {"allOf": [{"type": "string"}, {"type": "number"}]},
    {"oneOf": [{"type": "string"}, {"type": "string"}]},
    {"not": {}},
    {"enum": ["a"], "type": "integer"},
    {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"enum": [1, 2]}},
    {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 6},
    {"type": "object", "propertyNames": False, "minProperties": 1},
    {"type": "string", "pattern": "^a$", "minLength": 2},
    {"type": "string", "pattern": "a^"},
)
# Somebody else could find a value.
TOO_MUCH: tuple[dict[str, Any], ...] = (
    {"type": "string", "pattern": "^x{99999}$"},
    {"type": "string", "pattern": "(?:(?:a{50}){50}){10}"},
    {"type": "string", "pattern": "(?<=x)y"},
    {"type": "array", "minItems": 100_000},
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("schema", (NOTHING_FITS[0], TOO_MUCH[0]), ids=str)
def test_no_value_can_be_made(
    schema: dict[str, Any],
    command: tuple[str, ...],
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = put("no.workflow.json", wanting(schema))

    assert 2 == run(command[0], file, *command[1:])

    (first,) = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{file}: no value could be made for $.v: nothing that was tried fits")
    assert first.endswith('give it in this schema: "examples": [...]')
    assert not Path("out").exists()


@pytest.mark.parametrize("schema", (*NOTHING_FITS, *TOO_MUCH), ids=str)
def test_no_value_can_be_made_whatever_the_schema(
    schema: dict[str, Any], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put("no.workflow.json", wanting(schema))

    assert 2 == run("list", file, "--families", "ok")
    assert 1 == len(capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(
    ("schema", "value"),
    (
        (TOO_MUCH[0], "x" * 99_999),
        (TOO_MUCH[2], "xy"),
        (TOO_MUCH[3], [0] * 100_000),
    ),
    ids=("long", "behind", "many"),
)
def test_a_value_that_is_given_is_taken(schema: dict[str, Any], value: Any) -> None:
    """As the message says."""
    (ok,) = harness.scenarios(wanting({**schema, "examples": [value]}), families=["ok"])[:1]

    assert {"v": value} == ok.input


def test_no_value_can_be_made_in_pytest(pytester: pytest.Pytester) -> None:
    put("no.workflow.json", wanting(NOTHING_FITS[0]))

    result = pytester.runpytest_inprocess("no.workflow.json")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no value could be made for $.v: *"])
    assert "Traceback" not in "\n".join(result.outlines)
    assert ".py" not in "\n".join(result.outlines)


# ---- what stands still ----


def stands_still(*_: Any, **__: Any) -> Any:
    raise Deadlock("main: flow.py:3\n  waits: flow.py:7 in waits: await event.wait()")


def test_a_scenario_that_stands_still_is_a_problem_of_that_scenario(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenarios = harness.scenarios(ONE, families=["ok", "fail"])
    usual = _checking.playing.observe

    def observe(scenario: harness.Scenario, *, actions: Any = ()) -> Any:
        return stands_still() if scenario.id == "ok" else usual(scenario, actions=actions)

    monkeypatch.setattr(_checking.playing, "observe", observe)

    first, *others = played(scenarios)
    assert first.problem.startswith(f"ok: {scenarios[0].why}\n")
    assert "nothing can happen any more; these tasks wait" in first.problem
    assert "flow.py:7 in waits: await event.wait()" in first.problem
    assert [""] == list({each.problem for each in others})


def test_a_scenario_that_stands_still_is_told_by_the_commands(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put("one.workflow.json", ONE)
    monkeypatch.setattr(_checking.playing, "observe", stands_still)

    assert 1 == run("report", file, "--families", "ok", "--format", "json")
    printed = capsys.readouterr()
    assert "await event.wait()" in json.loads(printed.out)["problems"][0]["problem"]
    assert "" == printed.err
    assert 1 == run("run", file, "--scenario", "ok")
    printed = capsys.readouterr()
    assert "await event.wait()" in printed.out
    assert "" == printed.err


def test_a_scenario_that_stands_still_is_no_fault_of_the_harness(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("one.workflow.json", ONE)
    monkeypatch.setattr(_checking.playing, "observe", stands_still)

    result = pytester.runpytest_inprocess("one.workflow.json", "--harness-families", "ok")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["ok: *", "nothing can happen any more*", "in pytest: *"])
    assert "Traceback" not in "\n".join(result.outlines)
    assert "a fault of the harness" not in "\n".join(result.outlines)


# ---- what is left out, and why ----


def at_new_year(year: int) -> dict[str, Any]:
    step = {"id": "until", "type": "sleep", "until": f"{year}-01-01T00:00:00+01:00"}
    return {"id": "ny", "steps": [step]}


def test_what_comes_too_late_does_not_coincide(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put("ny.workflow.json", at_new_year(2200))

    assert 0 == run("generate", file, "-o", "out", "--families", "ok")

    printed = capsys.readouterr().out
    assert f"1 left out because {LATE}" in printed
    assert COINCIDE not in printed
    assert f"left out, because {LATE}: ok" in Path("out/test_ny.py").read_text("utf-8")
    assert "1 of 1 scenarios are left out" in printed


def test_what_coincides_is_named() -> None:
    child = {"id": "kid", "steps": [{"id": "s", "action": "t.s"}]}
    steps = [
        {"id": f"c{number}", "type": "workflow", "workflow": "kid", "depends_on": []}
        for number in range(2)
    ]
    found = harness.suite({"id": "two", "steps": steps}, families=["limit"], workflows=[child])

    assert f"{COINCIDE}: the child of c1 and something else" == found.doubts["limit-1"]
    assert set(found.uncertain) == set(found.doubts)


def suite_of(kept: int, doubts: Mapping[str, str]) -> Suite:
    (one, *_) = harness.scenarios(ONE, families=["ok"])
    return Suite((one,) * kept, uncertain=tuple(doubts), doubts=doubts)


def test_the_first_few_are_named_with_what_coincides() -> None:
    doubts = {f"x{number}": f"{COINCIDE}: a and b{number}" for number in range(5)} | {"y": LATE}

    assert f"; 5 left out because {COINCIDE}; 1 left out because {LATE}" == left(
        suite_of(99, doubts)
    )
    assert [f"left out: x{number} (a and b{number} coincide)" for number in range(3)] == list(
        doubtful(suite_of(24, doubts))
    )


def test_more_than_a_fifth_is_told_plainly() -> None:
    few, many = suite_of(4, {"y": LATE}), suite_of(3, {"y": LATE})

    assert [] == list(doubtful(few))
    (line,) = doubtful(many)
    assert line.startswith("1 of 4 scenarios are left out")


# ---- modules ----


@pytest.mark.parametrize(
    ("first", "second"),
    (
        ("a-b.workflow.json", "a_b.workflow.json"),
        ("a-b.workflow.json", "A_B.workflow.json"),
        ("文.workflow.json", "字.workflow.json"),
    ),
)
def test_a_module_of_another_document_is_left_alone(
    first: str, second: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(first, ONE)
    put(second, {**ONE, "id": "two"})
    assert 0 == run("generate", first, "-o", "out", "--families", "ok")
    (module,) = Path("out").iterdir()
    before = module.read_bytes()
    capsys.readouterr()

    for more in ((), ("--check",)):
        assert 2 == run("generate", second, "-o", "out", "--families", "ok", *more)
        said = f"{second}: {module} is the module of {first}, so it is left alone"
        assert said in capsys.readouterr().err
    assert before == module.read_bytes()
    # Its own document may still change it, and whoever renames a document does not lose the name.
    assert 0 == run("generate", first, "-o", "out", "--families", "ok,fail")
    Path(first).unlink()
    assert 0 == run("generate", second, "-o", "out", "--families", "ok")


def test_a_link_goes_on_leading_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real/module.py", tmp_path / "module.py"
    target.write_text("old", "utf-8")
    link.symlink_to(target)

    written(link, "new")

    assert link.is_symlink()
    assert "new" == target.read_text("utf-8")


def test_an_empty_module_is_there() -> None:
    module = 'X = workflow("x")\n'

    assert ["it is empty; it would have 0 tests"] == list(drift("", module))
    assert ["it is not there; it would have 0 tests"] == list(drift(None, module))


def test_check_of_an_empty_module(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = put("one.workflow.json", ONE)
    Path("test_one.py").touch()

    assert 1 == run("generate", file, "-o", ".", "--families", "ok", "--check")
    assert "test_one.py: it is empty; it would have 1 tests\n" == capsys.readouterr().out


# ---- files that are odd ----


def test_a_mark_of_the_byte_order_is_no_text(here: Path) -> None:
    Path("one.workflow.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(ONE).encode())
    Path("one.harness.toml").write_bytes(b'\xef\xbb\xbflevel = "smoke"')

    assert 0 == run("list", "one.workflow.json")
    assert "smoke" == read_sidecar("one.workflow.json").level


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_sidecar_that_cannot_be_read_is_blamed(
    command: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put("one.workflow.json", ONE)
    Path("one.harness.toml").mkdir()

    assert 2 == run(command[0], file, *command[1:])
    assert "one.harness.toml: it cannot be read: Is a directory\n" == capsys.readouterr().err


def test_a_sidecar_that_leads_to_itself(here: Path) -> None:
    Path("one.harness.toml").symlink_to("one.harness.toml")

    with pytest.raises(SidecarError, match="it cannot be read: Too many levels of symbolic links"):
        read_sidecar("one.workflow.json")


def test_a_sidecar_that_is_too_deep(here: Path) -> None:
    depth = sys.getrecursionlimit()
    put("one.harness.toml", f"[values.v.input]\nx = {'[' * depth}{']' * depth}\n")

    with pytest.raises(SidecarError, match="its values are nested too deeply to be read"):
        read_sidecar("one.workflow.json")


def test_where_children_are_looked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = put(
        "one.json", {"id": "a", "steps": [{"id": "b", "type": "workflow", "workflow": "nowhere"}]}
    )

    assert 2 == run("list", file)
    assert (
        "one.json: the document of workflow 'nowhere' is needed, too: no *.workflow.json, "
        "*.workflow.yaml, *.workflow.yml beside it has this id\n" == capsys.readouterr().err
    )


# ---- options ----


@pytest.mark.parametrize("percent", ("nan", "-5", "100.0001", "inf", "all"))
def test_a_percentage_is_one(percent: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = put("one.workflow.json", ONE)

    assert 2 == run("report", file, "--level", "smoke", f"--fail-under={percent}")
    assert f"{percent!r}: write a number from 0 to 100\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS[1:4], ids=" ".join)
def test_no_families_are_none(
    command: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put("one.workflow.json", ONE)

    assert 2 == run(command[0], file, *command[1:], "--families", " ,")
    assert f"{file}: --families names none: they are ok, " in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("seconds", ("nan", "-1", "inf", "soon"))
@pytest.mark.parametrize("option", ("--harness-timeout=", "-o harness_timeout="), ids=str.strip)
def test_a_limit_is_a_number_of_seconds(
    option: str, seconds: str, pytester: pytest.Pytester
) -> None:
    put("one.workflow.json", ONE)

    result = pytester.runpytest_inprocess("one.workflow.json", *f"{option}{seconds}".split(" "))

    said = "\n".join([*result.outlines, *result.errlines])
    assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)
    assert "write seconds, such as 10" in said
    assert "Traceback" not in said


def test_reports_for_programs_are_one_document(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [put(f"{name}.workflow.json", {**ONE, "id": name}) for name in ("one", "two")]
    arguments = ("--families", "ok", "--format", "json")

    assert 0 == run("report", *files, *arguments)
    assert ["one", "two"] == [each["workflow"] for each in json.loads(capsys.readouterr().out)]
    assert 2 == run("report", files[0], "none.json", *arguments)
    assert ["one"] == [each["workflow"] for each in json.loads(capsys.readouterr().out)]
    assert 0 == run("report", files[0], *arguments)
    assert "one" == json.loads(capsys.readouterr().out)["workflow"]


# ---- what is printed ----


def test_a_terminal_that_knows_few_letters(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"id": "ü", "steps": [{"id": "a", "action": "文"}]}
    file = put("ünï-文.workflow.json", document)
    for more in ((), ("--json",)):
        screen = io.TextIOWrapper(io.BytesIO(), "ascii")
        monkeypatch.setattr(sys, "stdout", screen)

        assert 0 == run("lint", file, *more)
        screen.seek(0)
        text = screen.read()
        found = json.loads(text)[0]["file"] if more else text.encode().decode("unicode-escape")
        assert found.startswith(file)


def test_what_python_warns_of_is_a_note_of_lint(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    unknown = {"type": "string", "format": "iban"}
    odd = {"type": "string", "pattern": "[[]"}
    both = {"type": "object", "properties": {"u": unknown, "o": odd}, "required": ["u", "o"]}
    file = put("one.workflow.json", {**wanting(both)})

    assert 0 == run("lint", file)
    printed = capfd.readouterr()
    assert "" == printed.err
    assert 1 == printed.out.count("note: $.input_schema.properties.v.properties.u.format: the form")
    for command in COMMANDS[1:]:
        assert 0 == run(command[0], file, *command[1:])
        assert "" == capfd.readouterr().err


def test_warnings_are_told_by_pytest_in_a_line(pytester: pytest.Pytester) -> None:
    put("one.workflow.json", wanting({"type": "string", "format": "iban"}))

    result = pytester.runpytest_inprocess("-W", "error", "one.workflow.json")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*the format "iban" is not checked*'])
    assert ".py" not in "\n".join(result.outlines)


def test_reports_that_cannot_be_written(pytester: pytest.Pytester) -> None:
    put("one.workflow.json", ONE)
    put("taken", "a file")
    arguments = ("one.workflow.json", "--harness-families", "ok", "--harness-report", "taken")

    result = pytester.runpytest_inprocess(*arguments)

    result.assert_outcomes(passed=1)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stdout.fnmatch_lines(["no report on *one.workflow.json in *taken: *"])
    assert "Traceback" not in "\n".join([*result.outlines, *result.errlines])
