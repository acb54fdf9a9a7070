"""What a shell is offered for Tab: through click, through the script in bash, and at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import CompletionItem, get_completion_class

import trioflow
from trioflow.cli import main
from trioflow.cli._completion import SHELLS
from trioflow.cli._program import COMMANDS

bash = shutil.which("bash")
needs_bash = pytest.mark.skipif(bash is None, reason="there is no bash")


def offered(line: str, shell: str = "zsh") -> list[CompletionItem[str]]:
    """Return what is offered for the last word of a line, which may be empty."""
    words = line.split(" ")
    completing = get_completion_class(shell)
    assert completing is not None
    return completing(main, {}, "trioflow", "_TRIOFLOW_COMPLETE").get_completions(
        words[:-1], words[-1]
    )


def values(line: str) -> list[str]:
    return [item.value for item in offered(line)]


@pytest.fixture
def three(do: Any, run_tea: Any, kitchen: str) -> None:
    """One execution is COMPLETED, one FAILED, one PAUSED, in this order."""
    run_tea("-i", "guest=Ann", "--id", "done")
    do("run", "spill.json", "--actions", kitchen, "--id", "spilt", exits=1)
    do("run", "wait.json", "--id", "waits", exits=3)


def test_commands_and_options() -> None:
    assert ["resume", "report", "recover"] == sorted(values("re"), reverse=True)
    assert ["--timeline"] == values("show --t")
    assert ["running"] == values("list --status r")
    assert list(SHELLS) == values("completion ")


@pytest.mark.parametrize(
    ("line", "ids"),
    (
        ("show ", ["waits", "spilt", "done"]),
        ("show d", ["done"]),
        ("history x", []),
        ("report ", ["waits", "spilt", "done"]),
        ("list --before s", ["spilt"]),
        ("resume ", ["waits"]),
        ("signal ", ["waits"]),
        ("cancel ", ["waits"]),
        ("pause ", ["waits"]),
        ("fork ", ["spilt", "done"]),
        ("list --workflow ", ["spill", "tea", "wait"]),
        ("stats --workflow s", ["spill"]),
        ("show --store sqlite:trioflow.db s", ["spilt"]),
        ("show --store sqlite:other.db ", []),
    ),
    ids=str,
)
def test_ids_come_from_the_store(three: None, line: str, ids: list[str]) -> None:
    assert ids == values(line)


def test_an_id_says_what_it_is(three: None) -> None:
    assert "wait PAUSED" == offered("show w")[0].help


def test_children_are_not_offered(do: Any, store_document: Any) -> None:
    """Their ids have colons, and they are steered by their parents'."""
    parent = {"id": "top", "steps": [{"id": "inner", "type": "workflow", "workflow": "wait"}]}
    store_document("top.json", parent)
    do("run", "top.json", "--workflow", "wait.json", "--id", "up", exits=3)

    assert ["up"] == values("show ")


@pytest.mark.parametrize(
    "store",
    ("sqlite:none.db", "sqlite:tea.json", "sqlite:/", "memory:", "nonsense", "sqlite:a/b.db"),
    ids=str,
)
def test_a_store_that_cannot_be_read_offers_nothing(
    here: Path, store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.iterdir())

    assert [] == values(f"show --store {store} ")
    assert ("", "") == capfd.readouterr()
    assert before == sorted(here.iterdir())


def test_reading_changes_nothing(three: None, here: Path) -> None:
    before = {path: path.read_bytes() for path in here.iterdir()}
    values("show ")

    assert before == {path: path.read_bytes() for path in before}


def test_documents_come_before_other_files(here: Path) -> None:
    for name in ("b.workflow.json", "a.workflow.yaml", "flows/c.workflow.yml"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("{}")

    assert ["a.workflow.yaml", "b.workflow.json"] == values("run ")
    assert ["b.workflow.json"] == values("check b")
    assert ["./b.workflow.json"] == values("check ./b")
    assert ["flows/c.workflow.yml"] == values("run flows/")
    assert [("file", "flo")] == [(item.type, item.value) for item in offered("run flo")]
    assert "file" == offered("run nowhere/x")[0].type
    assert "file" == offered("run x --actions ")[0].type


def test_names_that_a_terminal_would_obey_are_not_offered(
    do: Any, here: Path, store_document: Any
) -> None:
    (here / "x\x1b[2J.workflow.json").write_text("{}")
    store_document("odd.json", {"id": "x\x1b[2J", "steps": [{"id": "a", "type": "wait"}]})
    do("run", "odd.json", "--id", "odd", exits=3)

    assert "file" == offered("run x")[0].type
    assert [] == values("list --workflow x")
    assert r"x\x1b[2J PAUSED" == offered("show o")[0].help


def test_what_graph_draws(three: None, here: Path) -> None:
    assert ["waits", "spilt", "done"] == values("graph ")
    assert [("file", "te")] == [(item.type, item.value) for item in offered("graph te")]
    (here / "waits.workflow.json").write_text("{}")

    assert ["waits", "waits.workflow.json"] == values("graph w")


@pytest.mark.parametrize(
    ("line", "answer"),
    (
        ("trioflow gr", ["plain,graph"]),
        ("trioflow show ", ["plain,waits", "plain,spilt", "plain,done"]),
        ("trioflow show --store sqlite:trioflow.db w", ["plain,waits"]),
        ("trioflow show --store sqlite:trioflow.db 'w", ["plain,waits"]),
        ("trioflow run x --actions ac", ["file,ac"]),
        ("", [f"plain,{name}" for name in COMMANDS]),
    ),
    ids=str,
)
def test_what_the_script_in_bash_is_answered(
    do: Any, three: None, line: str, answer: list[str]
) -> None:
    asked = do(env={"_TRIOFLOW_COMPLETE": "bash_complete", "COMP_LINE": line})

    assert answer == asked.stdout.split()
    assert "" == asked.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_scripts(do: Any, shell: str) -> None:
    printed = do("completion", shell).stdout

    assert f"_TRIOFLOW_COMPLETE={shell}_complete" in printed
    assert "trioflow" in printed
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=printed, text=True, check=True)


def test_a_shell_that_is_not_there(do: Any) -> None:
    assert "'csh' is not one of" in do("completion", "csh", exits=2).stderr


def _program(folder: Path) -> dict[str, str]:
    """Make a program `trioflow` of this interpreter, and return an environment that finds it."""
    folder.mkdir()
    program = folder / "trioflow"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m trioflow "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    found = str(Path(trioflow.__file__).parents[1])
    return {**os.environ, "PATH": path, "PYTHONPATH": found, "PS1": "> ", "TERM": "dumb"}


ASK = """
source <(trioflow completion bash)
complete -p trioflow
ask() {
    COMP_LINE=$1 COMP_POINT=${2-${#1}}
    _trioflow_completion trioflow
    echo "${COMPREPLY[*]}"
}
ask 'trioflow gra'
ask 'trioflow show --store sqlite:trioflow.db w'
ask 'trioflow show --store sqlite:nothing.db '
ask 'trioflow show --store x "'
ask 'trioflow show wa --json' 16
ask 'trioflow run '
"""


@needs_bash
@pytest.mark.slow
def test_the_script_in_bash(three: None, here: Path, tmp_path_factory: Any) -> None:
    """A store's colon, a quote left open and a cursor in the middle are no trouble."""
    (here / "my own.workflow.json").write_text("{}")
    environment = _program(tmp_path_factory.mktemp("programs") / "bin")
    command = [str(bash), "--norc", "-c", ASK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert "" == done.stderr
    assert [
        "complete -o nosort -F _trioflow_completion trioflow",
        "graph",
        "waits",
        "",
        "",
        "waits",
        r"my\ own.workflow.json",
    ] == done.stdout.splitlines()


@needs_bash
@pytest.mark.slow
def test_tab_at_a_terminal(three: None, tmp_path_factory: Any) -> None:
    """Somebody types a beginning and Tab, and the rest appears."""
    environment = _program(tmp_path_factory.mktemp("programs") / "bin")
    ours, theirs = pty.openpty()
    command = [str(bash), "--norc", "--noprofile", "-i"]
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, env=environment, start_new_session=True, **ends) as process:
        os.close(theirs)
        try:
            os.write(ours, b"source <(trioflow completion bash); echo rea''dy\n")
            _until(ours, "\nready")
            os.write(ours, b"trioflow hist\tspi\t")
            _until(ours, "trioflow history spilt ")
        finally:
            process.kill()
            os.close(ours)


def _until(descriptor: int, text: str) -> None:
    seen, end = "", time.monotonic() + 20
    while text not in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|[\r\a]", "", seen):
        assert time.monotonic() < end, seen
        if select.select([descriptor], [], [], 0.1)[0]:
            seen += os.read(descriptor, 4096).decode("utf-8", "replace")
