"""What a failing scenario says: who may be to blame, and a command that shows the very same."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import attrs
import pytest

import harness
from harness.__main__ import main
from harness.suites import _checking as checking
from harness.suites._again import Found
from tests.harness.suites import FIXTURES

pytest_plugins = ("pytester",)

DOCUMENT: dict[str, Any] = {
    "id": "small",
    "steps": [
        {"id": "take", "action": "shop.take", "compensate": "shop.put-back"},
        {"id": "pay", "action": "shop.pay", "retry": {"max_attempts": 3, "initial_delay": 1}},
    ],
}
FAMILIES = "ok,fail,retry"
MINE = """
import pytest
from harness import check, completed, returns, scenario, workflow

SMALL = workflow("../small.workflow.json", beside=__file__, steps={"take": returns(after=2)})

@pytest.mark.parametrize(
    "scenario",
    (scenario("ID", SMALL, MORE expect=completed(after="9s")), scenario("good", SMALL)),
    ids=str,
)
def test_mine(scenario):
    check(scenario)
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a document, in which somebody stands, and its module."""
    # Other tests have been asked for by other commands.
    monkeypatch.setattr("sys.argv", ["/bin/pytest"])
    pytester.path.joinpath("small.workflow.json").write_text(json.dumps(DOCUMENT), "utf-8")
    arguments = ("generate", "small.workflow.json", "-o", "tests", "--families", FAMILIES)
    assert 0 == main(arguments)
    return pytester


def change(folder: pytest.Pytester, **more: Any) -> None:
    """Let the document say something else of the step `pay`."""
    document = json.loads(json.dumps(DOCUMENT))
    document["steps"][1] |= more
    folder.path.joinpath("small.workflow.json").write_text(json.dumps(document), "utf-8")


def failures(folder: pytest.Pytester, *arguments: str) -> dict[str, str]:
    """Run the tests; return what each that fails prints, by its id."""
    result = folder.runpytest_inprocess("-q", "-p", "no:cacheprovider", *arguments)
    _, _, printed = "\n".join(result.outlines).partition("= FAILURES =")
    parts = re.split(r"^_+ \w+\[([^\]]+)\] _+$", printed, flags=re.MULTILINE)
    last = len(parts) - 1
    parts[last] = re.split(r"^=+ ", parts[last], maxsplit=1, flags=re.MULTILINE)[0]
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def command(text: str, before: str) -> list[str]:
    (found,) = re.findall(rf"^E +{re.escape(before)}:  (.+)$", text, re.MULTILINE)
    return shlex.split(found)


# ---- what is written and the document disagree ----


def test_a_document_that_has_changed(
    folder: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})

    found = failures(folder, "tests")

    assert {"fail-pay", "fail-pay-plainly", "retry-pay-last", "retry-pay-never"} == set(found)
    same, gone, other = (found[each] for each in ("fail-pay", "retry-pay-last", "retry-pay-never"))
    for text in found.values():
        assert "test and document disagree (- the test, + the document):" in text
        assert "generate the module again (its first lines say how), or mend the document" in text
        # The picture, and not what the engine has logged while it was made.
        assert re.search(r"^E +pay +\|", text, re.MULTILINE)
        assert "Captured" not in text
    assert "-attempts: {'pay': 3}" in same
    assert "+attempts: {'pay': 2}" in same
    assert "not generated" not in same
    assert "another scenario" not in same
    assert "this scenario is not generated from the document (any more)" in gone
    assert "harness run" not in gone
    assert "the document generates another scenario with this id, see below" in other
    capsys.readouterr()
    for text in (same, other):
        words = command(text, "what the document generates")
        assert ["python", "-m", "harness"] == words[:3]
        assert 0 == main(words[3:])
    # What is printed for the test itself fails as it did, and nothing else is run.
    for id_ in ("retry-pay-last", "retry-pay-never"):
        words = command(found[id_], "this test again")
        assert "pytest" == words[0]
        again = failures(folder, *words[1:])
        assert {id_: found[id_].strip()} == {name: said.strip() for name, said in again.items()}


def test_a_failure_does_not_print_all_scenarios_of_its_family(folder: pytest.Pytester) -> None:
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})

    short = failures(folder, "tests", "-k", "fail-pay-plainly")["fail-pay-plainly"]
    long = failures(folder, "tests", "-k", "fail-pay-plainly", "--tb=long")["fail-pay-plainly"]

    assert "fail-take" not in short
    assert ["tests/test_small.py", "    check(scenario)"] == [
        re.sub(r":\d+: in test_fail$", "", line) for line in short.strip().splitlines()[:2]
    ]
    # Whoever asks for it gets it.
    assert "fail-take" in long


def test_other_failures_are_shown_as_always(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_other="import pytest\n@pytest.mark.slow\ndef test_it():\n    assert 0\n")

    result = folder.runpytest_inprocess("test_other.py", "-p", "no:cacheprovider")

    result.stdout.fnmatch_lines(["    @pytest.mark.slow", ">   *assert 0"])


def test_a_scenario_that_was_edited(folder: pytest.Pytester) -> None:
    module = folder.path / "tests/test_small.py"
    text = module.read_text("utf-8")
    module.write_text(re.sub(r'("take": returns\(after=)"[\d.]+s"', r'\1"5s"', text), "utf-8")

    found = failures(folder, "tests", "-k", "ok")

    assert "the document generates another scenario with this id" in found["ok"]
    assert "pytest" == command(found["ok"], "this test again")[0]


@pytest.mark.parametrize(
    ("id_", "more", "runs"),
    (("mine", "", False), ("ok", "", False), ("ok", "steps=USUAL,", True)),
    ids=("an id of its own", "an id that there is", "the very same"),
)
def test_a_scenario_written_by_hand(
    folder: pytest.Pytester, id_: str, more: str, runs: bool
) -> None:
    (ok,) = harness.scenarios("small.workflow.json", families=["ok"])
    seconds = {step: row[0].after for step, row in ok.steps.items()}  # type: ignore[union-attr]
    usual = ", ".join(f'"{step}": returns(after={each})' for step, each in seconds.items())
    text = MINE.replace("ID", id_).replace("MORE", more.replace("USUAL", f"{{{usual}}}"))
    (folder.path / "tests/test_mine.py").write_text(text, "utf-8")

    found = failures(folder, "tests/test_mine.py")

    assert {id_} == set(found)
    assert "test and document disagree" in found[id_]
    assert "this scenario is written by hand: mend it, or the document" in found[id_]
    assert "enerate the module" not in found[id_]
    assert "any more" not in found[id_]
    assert runs == ("what the document generates:  python -m harness run " in found[id_])
    words = command(found[id_], "this test again")
    assert {id_} == set(failures(folder, *words[1:]))


def test_the_path_is_that_from_here(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest names tests from its `rootdir`, wherever somebody stands."""
    folder.makeini("[pytest]\n")
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})
    monkeypatch.chdir(folder.path / "tests")

    text = failures(folder, "-k", "fail-pay-plainly")["fail-pay-plainly"]

    words = command(text, "this test again")
    assert ["pytest", "test_small.py::test_fail[fail-pay-plainly]"] == words
    run = command(text, "what the document generates")
    assert str(folder.path / "small.workflow.json") in run
    assert 0 == main(run[3:])


def test_as_a_module_if_it_was_called_as_one(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then this folder is among those that are imported from."""
    monkeypatch.setattr("sys.argv", ["/lib/pytest/__main__.py"])
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})

    text = failures(folder, "tests", "-k", "fail-pay-plainly")["fail-pay-plainly"]

    assert ["python", "-m", "pytest"] == command(text, "this test again")[:3]


def test_without_the_document_it_still_says_what_to_do(folder: pytest.Pytester) -> None:
    """Nothing can be looked up in one that has faults by now, or was taken from nowhere."""
    (ok,) = harness.scenarios(DOCUMENT, families=["ok"])
    wrong = attrs.evolve(ok, expected=None, outcome=attrs.evolve(ok.outcome, after=9.0))

    with pytest.raises(harness.Mismatch) as caught:
        harness.check(wrong)

    text = str(caught.value)
    assert "test and document disagree" in text
    assert "harness run" not in text
    assert "FILE" not in text


def test_a_very_large_document_is_not_generated_for_a_message(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.suites._again._MOST_STEPS", 1)
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})

    text = failures(folder, "tests", "-k", "retry-pay-last")["retry-pay-last"]

    assert "not generated" not in text
    assert "generate the module again" in text
    assert "pytest" == command(text, "this test again")[0]


# ---- the engine does something else ----


def wrong_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = checking.expect

    def expect(*arguments: Any) -> Any:
        predicted, facts = usual(*arguments)
        phase = attrs.evolve(predicted.last, elapsed=1.0)
        return attrs.evolve(predicted, phases=(*predicted.phases[:-1], phase)), facts

    monkeypatch.setattr(checking, "expect", expect)


def test_the_engine_does_something_else(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if it did: here the oracle does."""
    wrong_oracle(monkeypatch)
    # Nothing in it says how it ends, so that document and test cannot disagree.
    text = MINE.replace("ID", "mine").replace('MORE expect=completed(after="9s")', "")
    (folder.path / "tests/test_mine.py").write_text(text, "utf-8")

    found = failures(folder, "tests/test_mine.py", "-k", "mine")["mine"]

    assert "mine: the engine did something else than the scenario says\n" in found
    assert "E   -1 elapsed: 1.0" in found
    assert "disagree" not in found
    assert "generate the module again" not in found
    assert re.search(r"^E +take +\|", found, re.MULTILINE)
    assert {"mine"} == set(failures(folder, *command(found, "play it again")[1:]))


def test_what_the_document_generates_is_played_again_by_the_harness(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = folder.path / "tests/test_small.py"
    text = re.sub(r"\bexpect=\w+\((?:[^()]|\([^()]*\))*\),?", "", module.read_text("utf-8"))
    module.write_text(text, "utf-8")
    wrong_oracle(monkeypatch)

    found = failures(folder, "tests", "-k", "fail-pay-plainly")["fail-pay-plainly"]

    words = command(found, "play it again")
    assert "python -m harness run small.workflow.json --scenario fail-pay-plainly" == (
        " ".join(words)
    )


def test_what_is_expected_in_full_may_be_wrong_too() -> None:
    (ok,) = harness.scenarios(DOCUMENT, families=["ok"])
    assert ok.expected is not None
    phase = attrs.evolve(ok.expected.last, elapsed=1.0)
    wrong = attrs.evolve(ok, expected=harness.Expected((phase,)))

    with pytest.raises(harness.Mismatch, match="test and document disagree: the engine did what"):
        harness.check(wrong)


def test_run_finds_what_only_a_suite_of_its_family_has(
    folder: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a whole suite it is told as something else, which comes before it."""
    whole = {each.id for each in harness.scenarios("small.workflow.json", "deep")}
    own = {each.id for each in harness.scenarios("small.workflow.json", families=["compensation"])}

    assert {"compensation-take"} == own - whole
    assert 0 == main(["run", "small.workflow.json", "--scenario", "compensation-take"])
    assert "compensation-take: " in capsys.readouterr().out


def test_the_same_way_in_a_module_and_in_a_suite(folder: pytest.Pytester) -> None:
    """What the scheduler draws is the same, too."""
    told = harness.workflow("small.workflow.json")
    seeds = {each.id: each.schedule_seed for each in harness.scenarios("small.workflow.json")}

    assert seeds["ok"] == harness.scenario("ok", told).schedule_seed
    assert len(seeds) == len(set(seeds.values()))
    assert Path("tests/test_small.py").exists()


def test_a_death_of_a_changed_document(folder: pytest.Pytester) -> None:
    """All deaths of a carrier are one test, and it is the carrier that does not say so any more."""
    arguments = ("small.workflow.json", "-o", "tests", "--families", "crash")
    assert 0 == main(("generate", *arguments))
    change(folder, retry={"max_attempts": 2, "initial_delay": 1})

    found = failures(folder, "tests")

    assert "test and document disagree" in found["crash-compensation"]
    assert "generate the module again" in found["crash-compensation"]
    assert 0 == main(command(found["crash-compensation"], "what the document generates")[3:])


@pytest.mark.parametrize("name", ("branches", "items"))
def test_a_module_tells_what_the_suite_tells(name: str, tmp_path: Path) -> None:
    """But for what adding up has left of instants, and for rows that all items replace."""
    source = FIXTURES / f"{name}.workflow.json"
    assert 0 == main(("generate", str(source), "-o", str(tmp_path), "--families", FAMILIES))
    module = runpy.run_path(str(tmp_path / f"test_{name}.py"))
    made = {each.id: each for each in harness.scenarios(source, families=FAMILIES.split(","))}

    told = [
        scenario
        for test, found in module.items()
        if test.startswith("test_")
        for mark in found.pytestmark
        if mark.name == "parametrize"
        for scenario in mark.args[1]
    ]
    assert set(made) == {each.id for each in told}
    assert [] == [each.id for each in told if not Found(True, made[each.id]).tells(each)]
    assert not Found(True, made["ok"]).tells(told[-1])
