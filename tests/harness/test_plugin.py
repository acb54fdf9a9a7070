"""The pytest plugin: documents as test modules, in sessions of pytest of their own."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

# So that the sessions of these tests, in this process, need not import it each time.
import harness.suites
from harness.plugin import pytest_collect_file
from harness.pytesting import Document
from harness.pytesting._watching import OutOfTime, Watch

pytest_plugins = ("pytester",)

ORDER = Path(__file__).parents[2] / "examples/order/order.workflow.json"
SMALL = {
    "id": "small",
    "steps": [
        {"id": "take", "action": "shop.take", "compensate": "shop.put-back"},
        {"id": "pay", "action": "shop.pay", "timeout": "10s", "parameters": {"n": "${take.n}"}},
    ],
}
TIMEOUTS = [each.id for each in harness.scenarios(SMALL, families=["timeout"])]
ALL = " ".join(each.removeprefix("timeout-pay-") for each in TIMEOUTS)
ACTIONS = """
import os, signal, time
import pytest, trio, trioflow

class Own(BaseException):
    pass

@trioflow.action("shop.take")
async def take():
    %s
    return {"n": 41 + 1}

@pytest.fixture
def harness_actions():
    return [take]
"""


# Only one of the actions is a real one.
PARTLY = ("-W", "ignore::harness.ActionsWarning")


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a document in it, and one test that is none of ours."""
    (pytester.path / "small.workflow.json").write_text(json.dumps(SMALL), "utf-8")
    pytester.makepyfile(test_other="def test_it(): pass")
    return pytester


def run(folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return folder.runpytest_inprocess("-W", "error", "--strict-markers", *arguments)


def text_of(result: pytest.RunResult) -> str:
    return "\n".join(result.outlines)


# ---- what is collected ----


def test_a_plain_session_imports_nothing_and_collects_nothing(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.makepyfile(
        test_other="""
        import sys

        def test_it():
            ours = {name for name in sys.modules if name.startswith(("harness", "trioflow"))}
            assert {"harness", "harness.plugin"} == ours
            assert "trio" not in sys.modules
        """
    )
    # Other plugins import trio.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    result = folder.runpytest_subprocess("-p", "harness.plugin", "-v")

    result.assert_outcomes(passed=1)


def test_a_document_that_is_named_is_a_module(folder: pytest.Pytester) -> None:
    result = run(folder, "small.workflow.json", "--collect-only", "-q")

    lines = [line for line in result.outlines if "::" in line]
    told = [each.id for each in harness.scenarios(folder.path / "small.workflow.json")]
    assert sorted(told) == sorted(line.partition("[")[2].removesuffix("]") for line in lines)
    assert "small.workflow.json::ok[ok]" in lines
    assert "small.workflow.json::bad-output[bad-output-take-not-json]" in lines


def test_scenarios_are_played(folder: pytest.Pytester) -> None:
    result = run(folder, "small.workflow.json", "test_other.py", "--harness-level", "smoke")

    told = harness.scenarios(folder.path / "small.workflow.json", "smoke")
    result.assert_outcomes(passed=len(told) + 1)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    (
        (["small.workflow.json::timeout"], ALL),
        (["small.workflow.json::timeout[timeout-pay-hangs]"], "hangs"),
        (["small.workflow.json", "-m", "harness(family='timeout')", "-k", "timeout-pay-just"],
         "just-in-time just-late"),
        (["small.workflow.json", "-k", "timeout-pay-hangs"], "hangs"),
        (["small.workflow.json", "--harness-families", "timeout"],
         ALL),
    ),
    ids=str,
)  # fmt: skip
def test_what_is_selected(folder: pytest.Pytester, arguments: list[str], ids: str) -> None:
    result = run(folder, *arguments, "-v")

    assert {"passed": len(ids.split())} == {
        key: count for key, count in result.parseoutcomes().items() if key != "deselected"
    }
    result.stdout.fnmatch_lines_random(
        f"small.workflow.json::timeout[[]timeout-pay-{each}[]] PASSED*" for each in ids.split()
    )


def test_folders_of_documents(folder: pytest.Pytester) -> None:
    (folder.path / "flows").mkdir()
    shutil.copy(folder.path / "small.workflow.json", folder.path / "flows/other.workflow.json")
    (folder.path / "flows/plain.json").write_text(json.dumps(SMALL), "utf-8")
    folder.makeini("[pytest]\nharness_paths = flows\n")

    result = run(folder, "--harness-families", "ok", "-v")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["flows/other.workflow.json::ok?ok? PASSED*"])


def test_other_names_when_they_are_given(folder: pytest.Pytester) -> None:
    (folder.path / "plain.json").write_text(json.dumps(SMALL), "utf-8")
    (folder.path / "flow.yaml").write_text("id: flow\nsteps:\n- {id: a, action: b}\n", "utf-8")
    (folder.path / "data.json").write_text('{"rows": []}', "utf-8")

    named = run(folder, "plain.json", "flow.yaml", "--harness-families", "ok")
    other = run(folder, "data.json")

    named.assert_outcomes(passed=2)
    assert pytest.ExitCode.USAGE_ERROR == other.ret


def test_a_file_that_cannot_be_read_is_not_ours(
    folder: pytest.Pytester, request: pytest.FixtureRequest
) -> None:
    path = folder.path / "flow.yaml"
    path.write_bytes(b"steps: \xff")

    assert pytest.ExitCode.USAGE_ERROR == run(folder, str(path)).ret
    assert pytest_collect_file(path, request.node.getparent(pytest.Module)) is None


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    (
        (
            "a.workflow.json",
            '{"id": "a", "steps": [{"id": "b", "action": 3}, {"id": "b", "action": "c"}]}',
            ["*a.workflow.json has 2 problems:", "- $.steps*", "- $.steps*"],
        ),
        ("a.workflow.json", '{"id": "a"', ["*a.workflow.json has 1 problem:*", "*JSON*"]),
        (
            "a.workflow.json",
            '{"id": "a", "steps": [{"id": "b", "type": "workflow", "workflow": "c"}]}',
            ["the document of workflow 'c' is needed, too: no *.workflow.json, *"],
        ),
    ),
    ids=str,
)
def test_a_broken_document(folder: pytest.Pytester, name: str, text: str, lines: list[str]) -> None:
    (folder.path / name).write_text(text, "utf-8")

    result = run(folder, name)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR collecting a.workflow.json*", *lines])
    assert "Traceback" not in text_of(result)
    assert ".py" not in text_of(result)


@pytest.mark.parametrize(
    ("arguments", "line"),
    (
        (["--harness-families", "okay"], "there is no family okay: they are *"),
        (["-o", "harness_timeout=soon"], "harness_timeout = 'soon'*: write seconds, such as 10"),
    ),
    ids=str,
)
def test_options_that_mean_nothing(
    folder: pytest.Pytester, arguments: list[str], line: str
) -> None:
    result = run(folder, "small.workflow.json", *arguments)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])


def test_what_the_sidecar_skips(folder: pytest.Pytester) -> None:
    (folder.path / "small.harness.toml").write_text(
        'families = ["ok", "timeout"]\n[skip]\n"timeout-*-hangs" = "it never does"\n', "utf-8"
    )

    result = run(folder, "small.workflow.json", "-rs")

    result.assert_outcomes(passed=len(TIMEOUTS), skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*small.workflow.json:1: it never does"])


@pytest.mark.slow
def test_spread_over_processes(folder: pytest.Pytester) -> None:
    shutil.copy(ORDER, folder.path)
    arguments = ("--harness-level", "smoke", "--harness-report", "seen")

    result = folder.runpytest_subprocess("order.workflow.json", "-n", "2", *arguments)

    told = harness.scenarios(ORDER, "smoke")
    result.assert_outcomes(passed=len(told))
    found = json.loads((folder.path / "seen/order.json").read_text("utf-8"))
    assert len(told) == found["scenarios"]
    assert [] == found["problems"]


# ---- what fails ----

WRONG = """
import attrs, pytest

def pytest_collection_modifyitems(items):
    scenarios = {item.callspec.id: item.callspec.params["scenario"] for item in items}
    for item in items:
        if item.callspec.id == "timeout-pay-hangs":
            other = attrs.evolve(scenarios[item.callspec.id], expected=scenarios["ok"].expected)
            item.callspec.params["scenario"] = other
"""


def test_a_failure_says_what_differs_and_how_to_see_it_again(folder: pytest.Pytester) -> None:
    folder.makeconftest(WRONG)
    arguments = ("small.workflow.json", "--harness-families", "ok,timeout", "--harness-seed", "7")

    result = run(folder, *arguments, "--show-capture", "no")
    again = run(folder, *arguments, "--lf")

    result.assert_outcomes(passed=len(TIMEOUTS), failed=1)
    path = folder.path / "small.workflow.json"
    test = "small.workflow.json::timeout[[]timeout-pay-hangs[]]"
    result.stdout.fnmatch_lines(
        [
            "*timeout[[]timeout-pay-hangs[]]*",
            "timeout-pay-hangs: pay never answers*: it fails after * s, undone: take",
            "test and document disagree: the engine did what the document says",
            '-1 status: "COMPLETED"',
            '+1 status: "FAILED"',
            f"play it again:  python -m harness run {path} --scenario timeout-pay-hangs --seed 7",
            "take *|*C*",
            "pay *|*F*",
            f"in pytest:  * '{test}' --harness-families=ok,timeout --harness-seed=7",
        ]
    )
    assert ".py" not in text_of(result)
    again.assert_outcomes(failed=1, deselected=len(TIMEOUTS))


def test_a_fault_of_the_harness_is_shown_as_one(folder: pytest.Pytester) -> None:
    """Here it is given a scenario of a document that nobody has read."""
    spoils = "attrs.evolve(scenarios[item.callspec.id], workflow={}, expected=None, outcome=None)"
    wrong = 'attrs.evolve(scenarios[item.callspec.id], expected=scenarios["ok"].expected)'
    folder.makeconftest(WRONG.replace(wrong, spoils))

    result = run(folder, "small.workflow.json", "--harness-families", "ok,timeout")

    result.assert_outcomes(passed=len(TIMEOUTS), failed=1)
    result.stdout.fnmatch_lines(
        [
            "this is a fault of the harness itself, *",
            "Traceback *",
            "* in check",
            "play it again: *",
        ]
    )


# ---- real actions ----


def test_real_actions_are_called(folder: pytest.Pytester) -> None:
    folder.makeconftest(ACTIONS % "print('called for real')")

    arguments = ("small.workflow.json", "--harness-families", "ok,fail", "-s", *PARTLY)
    result = run(folder, *arguments)

    assert {"passed"} == set(result.parseoutcomes())
    # Not where it is scripted to fail.
    assert text_of(result).count("called for real") == result.parseoutcomes()["passed"] - 2


@pytest.mark.parametrize(
    ("body", "said"),
    (
        ("raise KeyboardInterrupt", "an action has raised KeyboardInterrupt(), *"),
        ("raise SystemExit(3)", "an action has raised SystemExit(3), *"),
        ("raise Own('x')", "an action has raised Own('x'), which is no Exception*"),
        ("pytest.fail('so')", "an action has called pytest.fail: so"),
    ),
    ids=str,
)
def test_what_no_engine_survives_is_one_failure(
    folder: pytest.Pytester, body: str, said: str
) -> None:
    folder.makeconftest(ACTIONS % body)

    result = run(folder, "small.workflow.json", "--harness-families", "ok,fail", *PARTLY)

    # Where it is scripted to fail it is not called.
    outcomes = result.parseoutcomes()
    assert 0 < outcomes["failed"] < 5
    assert 2 <= outcomes["passed"]
    result.stdout.fnmatch_lines(
        ["ok: all goes well: *", said, "as scripted:  python -m harness run *", "in pytest: *"]
    )
    assert "play it again" not in text_of(result)
    if "pytest" not in body:
        result.stdout.fnmatch_lines([f"  at conftest.py:*in take: {body}"])
    assert "Traceback" not in text_of(result)


def test_an_action_that_is_missing_is_told(folder: pytest.Pytester) -> None:
    """As a warning, and as a failure for whoever wants that."""
    folder.makeconftest(ACTIONS % "pass")
    arguments = ("small.workflow.json", "--harness-families", "ok", "-W")
    said = "*no real action was given for shop.put-back, shop.pay: a script plays for it"

    warned = folder.runpytest_inprocess(*arguments, "default")
    failed = folder.runpytest_inprocess(*arguments, "error::harness.ActionsWarning")

    warned.assert_outcomes(passed=1, warnings=1)
    warned.stdout.fnmatch_lines([said])
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["ok: all goes well: *", said.removeprefix("*")])
    assert "fault of the harness" not in text_of(failed)


def test_the_command_is_that_from_here(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest names tests from its `rootdir`, wherever somebody stands."""
    folder.makeini("[pytest]\n")
    folder.makeconftest(WRONG)
    (folder.path / "below").mkdir()
    monkeypatch.chdir(folder.path / "below")

    result = run(folder, "../small.workflow.json", "--harness-families", "ok,timeout")

    result.stdout.fnmatch_lines(["in pytest:  * '../small.workflow.json::timeout[[]timeout-*"])


def test_an_action_skips(folder: pytest.Pytester) -> None:
    folder.makeconftest(ACTIONS % "pytest.skip('not here')")

    result = run(folder, "small.workflow.json", "--harness-families", "ok", "-rs")

    result.assert_outcomes(skipped=1)


@pytest.mark.slow
def test_a_real_interrupt_ends_the_session(folder: pytest.Pytester) -> None:
    folder.makeconftest(ACTIONS % "os.kill(os.getpid(), signal.SIGINT); await trio.sleep(1)")

    result = folder.runpytest_subprocess("small.workflow.json", "test_other.py")

    assert pytest.ExitCode.INTERRUPTED == result.ret
    assert {} == result.parseoutcomes()


# ---- real time ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "place"),
    (
        ("time.sleep(100)", "in take: time.sleep(100)"),
        ("await trio.to_thread.run_sync(nap)", "in nap: time.sleep(3)"),
    ),
    ids=str,
)
def test_an_action_that_really_sleeps(folder: pytest.Pytester, body: str, place: str) -> None:
    """The scenarios after it are played as if nothing had been."""
    folder.makeconftest(f"{ACTIONS % body}\ndef nap():\n    time.sleep(3)\n")
    arguments = ("--harness-families", "ok,fail", "--harness-timeout", "0.7", "-k", "ok or take")

    options = ("-W", "error", *PARTLY)
    result = folder.runpytest_subprocess("small.workflow.json", *arguments, *options)

    result.assert_outcomes(failed=1, passed=2, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "ok: all goes well*",
            "it took more than 0.7 s of real time, and was stopped",
            "  running: attempt 1 of take*",
        ]
    )
    assert place in text_of(result)


def test_watching_stands_back_where_a_timer_is_set() -> None:
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        before = signal.getsignal(signal.SIGALRM)
        with Watch(0.001):
            assert before is signal.getsignal(signal.SIGALRM)
            assert 900 < signal.getitimer(signal.ITIMER_REAL)[0]
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_watching_leaves_no_trace() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGALRM, signal.SIGINT)]

    with Watch(1000) as watch:
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0]

    assert not watch.rung
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert before == [signal.getsignal(each) for each in (signal.SIGALRM, signal.SIGINT)]


def test_no_limit_no_timer() -> None:
    with Watch(0):
        assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)


def test_watching_in_another_thread_is_nobodys_business() -> None:
    found: list[object] = []

    def watch() -> None:
        with Watch(1000):
            found.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()

    assert [(0.0, 0.0)] == found


def test_the_alarm_goes_off_until_somebody_heeds_it() -> None:
    watch = Watch(1000)
    rung = 0

    with watch:
        again = signal.getitimer(signal.ITIMER_REAL)[1]
        for _ in range(3):
            try:
                signal.raise_signal(signal.SIGALRM)
            except OutOfTime:
                rung += 1

    assert 1 == again
    assert watch.rung
    assert 3 == rung


def test_no_alarm_goes_off_at_the_doors() -> None:
    """It would end the block without leaving it, and go off again and again in other tests."""
    before = signal.getsignal(signal.SIGALRM)
    doors = []

    def ring(frame: FrameType, event: str, arg: object) -> None:
        door = (frame.f_code.co_name, event)
        if door in (("__enter__", "return"), ("__exit__", "call")) and "watching" in str(frame):
            doors.append(door)
            signal.raise_signal(signal.SIGALRM)

    sys.setprofile(ring)
    try:
        with Watch(1000) as watch:
            pass
    finally:
        sys.setprofile(None)

    assert [("__enter__", "return"), ("__exit__", "call")] == doors
    assert not watch.rung
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert before is signal.getsignal(signal.SIGALRM)


def test_limits(folder: pytest.Pytester) -> None:
    """The option comes before the sidecar, and the sidecar before the ini file."""
    sidecar = folder.path / "small.harness.toml"

    def document(*arguments: str) -> Document:
        config = folder.parseconfigure(*arguments)
        session = pytest.Session.from_config(config)
        return Document.from_parent(session, path=folder.path / "small.workflow.json")

    assert 10 == document().limit
    assert 3 == document("-o", "harness_timeout=3").limit
    sidecar.write_text("timeout = 4", "utf-8")
    assert 4 == document("-o", "harness_timeout=3").limit
    assert 0 == document("--harness-timeout", "0").limit
