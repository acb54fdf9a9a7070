"""The file beside a document that says how to test it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import harness
from harness.__main__ import main
from harness.suites._sidecar import SidecarError, Values, matches, read_sidecar, sidecar_name

ROOT = Path(__file__).parents[2]
ORDER = ROOT / "examples/order/order.workflow.json"
PAGE = ROOT / "docs/harness-sidecar.md"
DOCUMENT = {
    "id": "small",
    "input": {"n": 1, "note": "none"},
    "input_schema": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}},
    "steps": [
        {
            "id": "take",
            "action": "shop.take",
            "parameters": {"n": "${input.n}"},
            "output_schema": {
                "type": "object",
                "required": ["left"],
                "properties": {"left": {"type": "integer"}, "where": {"type": "string"}},
            },
        },
        {"id": "ask", "type": "wait", "schema": {"type": "boolean"}, "total_timeout": "1h"},
        {"id": "pay", "action": "shop.pay", "timeout": "10s", "condition": "ask"},
    ],
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.workflow.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    return path


def say(document: Path, text: str) -> Path:
    path = sidecar_name(document)
    path.write_text(text, "utf-8")
    return path


def ids(suite: harness.Suite) -> set[str]:
    return {each.id for each in suite.scenarios}


@pytest.mark.parametrize(
    "name",
    ("order.workflow.json", "order.json", "order.workflow.yaml", "order.yml", "order.workflow.yml"),
    ids=str,
)
def test_its_name(name: str) -> None:
    assert Path("shop/order.harness.toml") == sidecar_name(f"shop/{name}")


# ---- what it says ----


def test_level_families_and_budget(small: Path) -> None:
    deep, smoke = harness.suite(small, "deep"), harness.suite(small, "smoke")
    say(small, 'level = "deep"')
    assert ids(deep) == ids(harness.suite(small))
    assert ids(smoke) == ids(harness.suite(small, "smoke"))

    say(small, 'families = ["ok", "fail"]\nbudget = 4')
    made = harness.suite(small)

    assert {"ok", "fail"} == {each.family for each in made.scenarios}
    assert 4 == len(made.scenarios)
    assert {"fail"} == set(made.left_out)
    assert {"timeout"} == {each.family for each in harness.scenarios(small, families=["timeout"])}
    assert 2 == len(harness.suite(small, budget=2).scenarios)


def test_it_counts_only_beside_a_file(small: Path) -> None:
    say(small, 'families = ["ok"]')

    made = harness.suite(DOCUMENT)

    assert {"ok"} < {each.family for each in made.scenarios}


def test_what_is_skipped(small: Path) -> None:
    before = harness.suite(small)
    say(small, '[skip]\n"timeout-*" = "it has all the time"\n"fail-take" = "never"\nok = "why not"')

    made = harness.suite(small)

    reasons = {each.id: each.skip for each in made.skipped}
    timeouts = {each.id for each in before.scenarios if each.family == "timeout"}
    assert {
        **dict.fromkeys(timeouts, "it has all the time"), "fail-take": "never", "ok": "why not",
    } == reasons  # fmt: skip
    assert ids(before) == ids(made) | set(reasons)
    assert {""} == {each.skip for each in made.scenarios}


def test_crashes_are_skipped_together(small: Path) -> None:
    before = harness.suite(small)
    say(small, '[skip]\ncrash-ok = "no"\n"crash-pause*" = "not either"')

    made = harness.suite(small)

    gone = {"crash-ok": "no", "crash-pause": "not either"}
    assert gone.keys() <= {each.id for each in before.carriers}
    assert {each.id for each in made.carriers} == {each.id for each in before.carriers} - set(gone)
    assert {(each.carrier, each.skip) for each in made.skipped} == set(gone.items())
    assert all(each.carrier not in gone for each in made.scenarios)


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    (
        ("fail-pay[0]", "fail-pay[0]", True),
        ("fail-pay[01]", "fail-pay1", True),
        ("fail-*", "fail-pay[0]", True),
        ("fail-pa?", "fail-pay", True),
        ("fail", "fail-pay", False),
        ("FAIL-*", "fail-pay", False),
    ),
    ids=str,
)
def test_patterns(pattern: str, name: str, meant: bool) -> None:
    assert meant is matches(pattern, name)


def test_a_reason_may_be_for_another_level(small: Path) -> None:
    """What is left out by level or family is not unknown."""
    say(small, '[skip]\n"retry-*" = "a"\n"timeout-pay-just-late" = "b"\n"crash-ok*" = "c"')
    document = json.loads(small.read_text("utf-8"))
    document["steps"][2]["retry"] = 2
    small.write_text(json.dumps(document), "utf-8")

    made = harness.suite(small, "smoke", ["ok"])

    assert ({"ok"}, ()) == (ids(made), made.skipped)


def test_more_values(small: Path) -> None:
    say(
        small,
        "[values.many]\ninput.n = 7\noutputs.take.where = 'top'\n"
        "[values.nobody.outputs]\nask = false\n",
    )
    usual = {each.id: each for each in harness.scenarios(small)}

    for level in ("smoke", "standard"):
        made = {each.id: each for each in harness.scenarios(small, level)}
        many, nobody = made["ok-many"], made["ok-nobody"]
        (output,) = [each.output for each in many.steps["take"]]  # type: ignore[union-attr]

        assert {"n": 7} == {key: many.input[key] for key in ("n",)}
        assert {"left": 0, "where": "top"} == output
        assert [False] == [act.payload for act in nobody.actions if hasattr(act, "payload")]
        assert "SKIPPED" == nobody.expected.last.steps["pay"]
        for each in (many, nobody):
            harness.check(each)
    assert "ok-many" not in {each.id for each in harness.scenarios(small, families=["fail"])}
    assert usual.keys() == {each.id for each in harness.scenarios(small)}


def test_values_cost_no_name_and_no_place(small: Path) -> None:
    """Other scenarios stay what they are, even those that tell the same."""
    before = harness.suite(small)
    say(small, "[values.same.input]\nn = 1\n")

    made = harness.suite(small)

    assert ids(before) | {"ok-same"} == ids(made)
    assert "ok-same" in ids(harness.suite(small, budget=1))


# ---- what it may not say ----


@pytest.mark.parametrize(
    ("text", "problems"),
    (
        ("level", ["it is not TOML: *"]),
        ("levle = 3", ["levle: there is no such key; did you mean level?"]),
        ("level = 3", ['level = 3: write one of "smoke", "standard", "deep"']),
        ("families = 'ok'", ['families = "ok": write a list of names, *']),
        ("families = []", ["families = []: write a list of names, *"]),
        ("families = ['ok', 'no']", ['families = "no": write one of ok, fail, *, crash']),
        ("budget = 0", ["budget = 0: write how many scenarios there may be, 1 or more"]),
        ("budget = true", ["budget = true: write *"]),
        ("timeout = 0", ["timeout = 0: write the seconds *, more than 0"]),
        ("timeout = inf", ["timeout = Infinity: write the seconds *"]),
        ("skip = ['ok']", ['skip = ["ok"]: write a table: [[]skip] and *']),
        ("[skip]\nok = ' '", ['skip.ok = " ": write the reason, as text']),
        ('[skip]\n"ok*" = 3', ['skip."ok*" = 3: write the reason, as text']),
        ("values = 3", ["values = 3: write a table for each set: [[]values.NAME]"]),
        ("[values]\na = 3", ["values.a = 3: write a table: [[]values.a.*", "values.a: *"]),
        ("[values.a]", ["values.a: say in input or outputs what is otherwise"]),
        ("[values.a]\ninput = 3", ["values.a.input = 3: write a table of values", "values.a: *"]),
        ("[values.'a b'.input]\nn = 1", ['values."a b": name it with a to z, digits, - and _']),
        ("[values.a]\nn = 1\ninput.n = 1", ["values.a.n: there is only input and outputs"]),
        ("[values.a.input]\nn = nan", ["values.a.input.n = nan has no place in JSON: *"]),
        ("[values.a.input]\nn = [1, 2020-01-01]", ["values.a.input.n[[]1] = 2020-01-01 has *"]),
        ("budget = 0\nfamilies = 3\ntimeout = 'x'", ["*", "*", "*"]),
        # Against the document.
        ("[skip]\n'timeout-pya-*' = 'x'", ['skip."timeout-pya-*": no *; near it: timeout-pay-*']),
        ("[skip]\n'crash-ok-after-1' = 'x'",
         ["skip.crash-ok-after-1: it means some crash points of crash-ok only; *\"crash-ok*\""]),
        ("[values.a.input]\nn = 10", ["values.a.input: at $.n, 10 is greater than *"]),
        ("[values.a.outputs]\ntkae = 3", ["values.a.outputs.tkae: no action or wait step *take"]),
        ("[values.a.outputs.take]\nleft = 'x'", ["values.a.outputs.take: at $.left, 'x' is *"]),
        ("[values.a.outputs]\nask = 3", ["values.a.outputs.ask: at $, 3 is not of type *"]),
        ("[values.defaults.input]\nn = 3",
         ["values.defaults: ok-defaults is one already; take another name"]),
    ),
    ids=str,
)  # fmt: skip
def test_what_is_refused(
    small: Path, text: str, problems: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = say(small, text)

    with pytest.raises(SidecarError) as caught:
        harness.suite(small)

    found = caught.value
    assert len(problems) == len(found.problems)
    for problem, pattern in zip(found.problems, problems, strict=True):
        assert re.fullmatch(_regex(pattern), problem), problem
    assert str(path) in str(found).splitlines()[0]
    assert all(f"- {problem}" in str(found).splitlines() for problem in found.problems)
    assert 2 == main(["run", str(small), "--scenario", "ok"])
    said = capsys.readouterr().err
    assert all(problem in said for problem in found.problems)


def test_all_its_faults_come_at_once(small: Path) -> None:
    """What is misspelt hides neither what is wrong beside it nor what means nothing."""
    say(
        small,
        """
        levle = "deep"
        budget = 0
        level = "deepest"

        [skip]
        "timeout-pay-hangs" = ""
        "foo-*" = "there is none"
        "ok-large" = "fine, were it not for its values"

        [values.large]
        inpt = { n = 2 }
        outputs.nostep = 1
        outputs.take = { left = "three" }

        [values.small.input]
        n = 10
        """,
    )

    with pytest.raises(SidecarError) as caught:
        harness.suite(small)

    assert [
        "levle: ",
        'level = "deepest": ',
        "budget = 0: ",
        'skip.timeout-pay-hangs = "": ',
        "values.large.inpt: ",
        "values.large.outputs.nostep: ",
        "values.large.outputs.take: ",
        "values.small.input: ",
        'skip."foo-*": ',
    ] == [f"{problem.partition(': ')[0]}: " for problem in caught.value.problems]
    with pytest.raises(SidecarError) as again:
        harness.suite(small, "smoke", ["timeout"])
    assert caught.value.problems == again.value.problems


def test_a_step_that_fails_returns_nothing(small: Path) -> None:
    document = json.loads(small.read_text("utf-8"))
    document["steps"].append({"id": "end", "action": "fail"})
    small.write_text(json.dumps(document), "utf-8")
    say(small, "[values.more.outputs]\nend = 3")

    with pytest.raises(SidecarError) as caught:
        harness.suite(small)

    assert ("values.more.outputs.end: it calls fail, which returns nothing",) == (
        caught.value.problems
    )


def _regex(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.replace("[[]", "[").split("*"))


def test_what_is_told_in_the_place_of_another(small: Path) -> None:
    """A scenario with the script of another is not there under its own name."""
    document = json.loads(small.read_text("utf-8"))
    document["steps"][2]["retry"] = 2
    small.write_text(json.dumps(document), "utf-8")
    say(small, '[skip]\n"retry-pay-never" = "x"')

    try:
        made = harness.suite(small)
    except SidecarError as error:
        (problem,) = error.problems
        assert re.fullmatch(r"skip\.retry-pay-never: it is told as [\w-]+; skip that", problem)
    else:
        assert {"retry-pay-never"} == {each.id for each in made.skipped}


def test_not_utf8(small: Path) -> None:
    sidecar_name(small).write_bytes(b"# \xff")

    with pytest.raises(SidecarError, match="it is not UTF-8"):
        read_sidecar(small)


# ---- the commands ----


def test_generated_modules_leave_out_what_is_skipped(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small.parent / "out"
    arguments = ["generate", str(small), "-o", str(out)]
    assert 0 == main(arguments)
    say(small, '[skip]\n"fail-*" = "it does not"\n[values.nobody.outputs]\nask = false\n')
    capsys.readouterr()

    assert 1 == main([*arguments, "--check"])
    assert 0 == main(arguments)

    said, text = capsys.readouterr().out, (out / "test_small.py").read_text("utf-8")
    assert "removed: fail-take\n" in said
    assert "added: ok-nobody\n" in said
    assert '"fail-take"' not in text
    assert '"ok-nobody"' in text
    # A line for a pattern, and not one for each that it means.
    count = text.count("harness") and len(harness.suite(small).skipped)
    assert [f"not played: fail-* ({count}): it does not"] == [
        line for line in text.splitlines() if "not played" in line
    ]
    assert 3 < count


def test_what_is_skipped_can_be_run(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(small, 'families = ["ok", "fail"]\n[skip]\n"fail-take" = "never"')

    assert 0 == main(["run", str(small), "--scenario", "fail-take"])
    assert "fail-take" in capsys.readouterr().out
    assert 0 == main(["run", str(small), "--scenario", "timeout-pay-hangs"])


# ---- the page ----


def _blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_example_of_the_page(tmp_path: Path) -> None:
    (text,) = _blocks("toml")
    document = Path(shutil.copy(ORDER, tmp_path))
    say(document, text)

    said, made = read_sidecar(document), harness.suite(document, "smoke")

    assert ("deep", 300, 30) == (said.level, said.budget, said.timeout)
    assert Values("large", {"quantity": 40}, {"reserve": {"total": 900}}) == said.values[0]
    assert {"ok", "ok-large", "ok-approved"} <= ids(made)


def test_the_mistakes_of_the_page(small: Path) -> None:
    (text,) = (each for each in _blocks("console") if "levle" in each)
    written = 'levle = "deep"\nbudget = 0\n[skip]\n"timeout-pay*" = ""\n'
    path = say(small, f"{written}[values.large.outputs]\nresreve = {{ total = 900 }}\n")

    with pytest.raises(SidecarError) as caught:
        harness.suite(small)

    assert path == sidecar_name(small)
    # Which names are near it is for each document another matter.
    told = [each.partition("; near it: ")[0] for each in text.splitlines()[1:]]
    problems = [each.partition("; near it: ")[0] for each in caught.value.problems]
    assert [f"order.harness.toml: {problem}" for problem in problems] == told[: len(problems)]


def test_everything_it_may_say_is_on_the_page(small: Path) -> None:
    say(small, "nothing = 1")
    with pytest.raises(SidecarError) as caught:
        read_sidecar(small)

    known = caught.value.problems[0].partition("there are ")[2].split(", ")

    page = PAGE.read_text("utf-8")
    assert 6 == len(known)
    assert [] == [key for key in known if f"| `{key}` |" not in page and f"| `[{key}" not in page]
