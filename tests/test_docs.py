"""The documentation keeps its promises, as far as a machine can see that."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
)
RULES = tuple(f"R{number}" for number in range(1, 32))

FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(*languages: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{_name(page)}:{_text(page)[: block.start()].count(chr(10)) + 1}", block["code"])
        for page in PAGES
        for block in FENCE.finditer(_text(page))
        if block["language"] in languages
    )


def test_every_rule_has_its_heading_once_and_in_order() -> None:
    text = _text(ROOT / "docs" / "semantics.md")

    assert list(RULES) == re.findall(r"^## (R\d+) ", text, re.MULTILINE)
    assert [rule.lower() for rule in RULES] == re.findall(
        r'^<a id="(r\d+)"></a>$', text, re.MULTILINE
    )


def test_every_rule_says_something() -> None:
    """A heading without a text below it is a rule that nobody has written yet."""
    text = _text(ROOT / "docs" / "semantics.md")
    parts = re.split(r"^## R\d+ .*$", text, flags=re.MULTILINE)[1:]

    assert [] == [rule for rule, part in zip(RULES, parts, strict=True) if len(part.split()) < 40]


@pytest.mark.parametrize(("where", "code"), _blocks("python", "pycon"), ids=str)
def test_python_in_the_documentation_parses(where: str, code: str) -> None:
    if ">>>" in code:
        pytest.skip("a doctest")
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compile(code, where, "exec", flags=flags)


@pytest.mark.parametrize(("where", "code"), _blocks("json"), ids=str)
def test_json_in_the_documentation_parses(where: str, code: str) -> None:
    json.loads(code)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    prose = FENCE.sub("", _text(page))
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)

    assert [] == [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]


def test_ci_runs_the_command_of_the_readme() -> None:
    """Who follows the README runs what we run, word for word."""
    lines = _text(ROOT / "README.md").splitlines()
    (command,) = (line for line in lines if line.endswith("nox -s coverage"))

    assert command in _text(ROOT / ".ci" / "run").splitlines()
