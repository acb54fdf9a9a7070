"""Every block of every page does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, Block, Reader, blocks, normal, programs

PAGES = tuple(
    page
    for page in sorted(
        [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
    )
    if any(block.language != "folder" for block in blocks(page))
)
SLOW = {"console", "sh"}


def _marked(page: Path) -> object:
    """A page with programs in it takes seconds."""
    slow = any(block.language in SLOW and not block.excuse for block in blocks(page))
    name = page.relative_to(ROOT).as_posix()
    return pytest.param(page, id=name, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("page", tuple(map(_marked, PAGES)))
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    reader = Reader(folder, programs(tmp_path / "programs"))
    for block in blocks(page):
        try:
            reader.do(block)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}") from error


def test_who_is_excused_says_why() -> None:
    excuses = [block for page in PAGES for block in blocks(page) if block.excuse]

    assert [] == [block.place for block in excuses if len(block.excuse.split()) < 3]


@pytest.mark.parametrize(
    "page",
    (ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted(ROOT.glob("docs/how-to/*.md"))),
    ids=lambda page: page.stem,
)
def test_what_readers_copy_needs_no_loop_around_it(page: Path) -> None:
    """The blocks of whoever begins are programs as they stand: nothing awaits outside."""
    for found in re.finditer(
        r"^```python[^\n]*\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        compile(found[1], page.name, "exec")


def test_links_to_headings_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
    anchors = {page: _anchors(page) for page in pages}
    dead = []
    for page in pages:
        for file, name in re.findall(r"\]\(([^)#:\s]*)#([^)\s]*)\)", page.read_text("utf-8")):
            target = (page.parent / file).resolve() if file else page
            if name not in anchors.get(target, ()):
                dead.append(f"{page.relative_to(ROOT)}: {file}#{name}")

    assert [] == dead


def _anchors(page: Path) -> set[str]:
    """Return what headings are called in links, as GitHub and the site make it."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w -]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in kept} | set(re.findall(r'<a id="(\w+)">', text))


@pytest.mark.parametrize(
    ("written", "seen", "same"),
    (
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\n", False),
        ("a\n", "a\nb\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ("took 0.31 s\n", "took 12 ms\n", True),
        ("digest=123…\n", "digest=1234567\n", True),
        ("digest=124…\n", "digest=1234567\n", False),
    ),
    ids=str,
)
def test_what_counts_as_the_same(written: str, seen: str, same: bool, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text(seen)
    reader = Reader(tmp_path, programs(tmp_path / "programs"))
    block = Block("page:1", "console", "", f"$ cat seen\n{written}")
    if same:
        reader.do(block)
    else:
        with pytest.raises(AssertionError, match="page:1"):
            reader.do(block)


def test_python_sees_what_came_before_and_may_wait(tmp_path: Path) -> None:
    reader = Reader(tmp_path, tmp_path)
    reader.do(Block("page:1", "python", "", "import trio\nx = 1\n"))
    reader.do(Block("page:2", "python", "", "await trio.sleep(0)\nprint(x + 1)\n"))
    reader.do(Block("page:3", "text", "", "2\n"))
    reader.do(Block("page:4", "python", "", "print(x)\n"))
    with pytest.raises(AssertionError, match="page:5"):
        reader.do(Block("page:5", "text", "", "2\n"))


def test_a_workflow_must_be_one(tmp_path: Path) -> None:
    import trioflow

    with pytest.raises(trioflow.DefinitionError):
        Reader(tmp_path, tmp_path).do(Block("page:1", "json", "", '{"id": "w", "steps": [{}]}'))


def test_instants_and_durations_are_no_difference() -> None:
    assert ["DATE after TIME x"] == normal("2026-11-25 21:21:36   after 0.73 s x  ██░░\n")


def test_how_long_something_took_does_not_change_a_timeline() -> None:
    """Neither the bars, nor the place of a failure in them, nor the ticks of the axis."""
    quick = """
          |0                |0.2 s             |0.4 s
charge     ✗············██✗·····████           0.66 s COMPLETED
"""
    slow = """
          |0      |1 min 5 s
charge    ██✗······██████✗·██                 1 min 7 s COMPLETED
"""

    assert ["AXIS", "charge TIME COMPLETED"] == normal(quick)
    assert normal(quick) == normal(slow)


def test_a_picture_is_compared_with_what_was_printed(tmp_path: Path) -> None:
    reader = Reader(tmp_path, tmp_path)
    picture = Block("page:2", "mermaid", "", "flowchart TD\n    a --> b\n")
    reader.do(Block("page:1", "python", "", "print('flowchart TD\\n    a --> b')\n"))
    reader.do(picture)
    reader.do(Block("page:3", "python", "", "print('flowchart TD\\n    b --> a')\n"))
    with pytest.raises(AssertionError, match="page:2"):
        reader.do(picture)


def test_rewriting_keeps_what_is_true(tmp_path: Path) -> None:
    """Also what somebody has left out of it; the rest becomes what is printed."""
    session = "$ printf 'a\\nb\\nc\\n'\na\n…\n$ echo b\na\n"
    reader = Reader(tmp_path, programs(tmp_path / "programs"), writes=[])
    reader.do(Block("page:1", "console", "", session))

    assert ["$ printf 'a\\nb\\nc\\n'\na\n…\n", "$ echo b\nb\n"] == reader.writes
