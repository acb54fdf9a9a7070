"""Worker processes: one for each call, and nothing of it is left when the call ends."""

import logging
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from trioflow.actions import action_of, call
from trioflow.actions._process_call import _Answer
from trioflow.actions._worker import MAX_ANSWER
from trioflow.errors import StepError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sessions and signals")


@pytest.fixture
def work(monkeypatch):
    """The module `isolated_actions`, which a worker can import, too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import isolated_actions

    return isolated_actions


@pytest.fixture
def run(context, limiter):
    async def run(function, **parameters):
        return await call(action_of(function), parameters, context, limiter=limiter)

    return run


async def test_it_runs_in_another_process(work, run, wait_gone):
    result = await run(work.add, left=2)

    assert 3 == result["sum"]
    assert "x1:pay" == result["key"]
    assert os.getpid() != result["pid"]
    await wait_gone(result["pid"])


async def test_much_goes_both_ways(work, run):
    left = ["x" * 100_000] * 3

    result = await run(work.add, left=left, right=left)

    assert left + left == result["sum"]


async def test_a_cancel_kills_it_and_what_it_started(work, run, tmp_path, content_of, wait_gone):
    pid_file = tmp_path / "pids"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run(work.sleep_for_ever, pid_file=str(pid_file)))
        pids = (await content_of(pid_file)).split()
        nursery.cancel_scope.cancel()

    for pid in pids:
        await wait_gone(int(pid))


async def test_a_cancel_while_it_starts_leaves_nothing(work, run):
    with trio.CancelScope() as scope:
        scope.cancel()
        await run(work.add, left=1)

    assert scope.cancelled_caught
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # noqa: ASYNC222 - it does not block


async def test_what_it_leaves_behind_ends_with_it(work, run, wait_gone):
    await wait_gone(await run(work.leave_a_program_behind))


async def test_a_thread_that_it_leaves_behind_does_not_hold_it(work, run, monkeypatch):
    monkeypatch.setattr("trioflow.actions._process_call._FAREWELL", 0.01)

    assert "done" == await run(work.leave_a_thread_behind)


async def test_it_ends_in_an_orderly_way(work, run, tmp_path):
    path = tmp_path / "note"

    assert "done" == await run(work.say_goodbye, path=str(path))
    assert "goodbye" == path.read_text()


# ---- a worker that ends without an answer ----


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    (
        ("leave", {"code": 3}, "action 'leave' exited with code 3 before the action returned"),
        ("leave_in_an_orderly_way", {}, "exited with code 4 before the action returned"),
        ("die", {}, "action 'die' was killed by SIGKILL before the action returned"),
        ("die", {"number": 40}, "action 'die' was killed by signal 40 before"),
        ("close_everything", {}, "'close_everything' was killed by SIGKILL before the action"),
    ),
    ids=("os._exit", "sys.exit", "SIGKILL", "signal 40", "pipes closed"),
)
async def test_it_ends_without_an_answer(work, run, name, parameters, message):
    with pytest.raises(StepError, match=message) as caught:
        await run(getattr(work, name), **parameters)

    assert "crash" == caught.value.code
    assert caught.value.retryable is None


async def test_a_fork_that_holds_the_pipe_delays_nothing(work, run, monkeypatch):
    monkeypatch.setattr("trioflow.actions._process_call._FAREWELL", 0.01)

    with trio.fail_after(4), pytest.raises(StepError, match="exited with code 7"):
        await run(work.die_while_a_fork_holds_the_pipe)


async def test_a_worker_that_ends_before_it_has_read_the_request(work, run, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(StepError, match="exited with code 1"):
        await run(work.die_before_the_request_is_read, data="x" * 1_000_000)


def test_a_worker_ends_with_its_parent(tmp_path, content_of, wait_gone):
    """Even if the parent is killed: the work will be done again, and not twice at one time."""
    pid_file = tmp_path / "pids"
    program = (
        "import sys, trio, math; sys.path.insert(0, sys.argv[1]); import isolated_actions as work\n"
        "from trioflow.actions import ActionContext, action_of, call\n"
        "c = ActionContext(execution_id='x', step='s', idempotency_key='k')\n"
        "async def main():\n"
        "    limiter = trio.CapacityLimiter(math.inf)\n"
        "    await call(action_of(work.sleep_for_ever), {'pid_file': sys.argv[2]}, c,"
        " limiter=limiter)\n"
        "trio.run(main)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(pid_file)]
    )

    async def kill_and_look():
        pids = (await content_of(pid_file)).split()
        parent.kill()
        parent.wait()
        os.kill(int(pids[1]), signal.SIGKILL)  # what the worker has started is not its parent's
        await wait_gone(int(pids[0]))

    trio.run(kill_and_look)


# ---- exceptions and results ----


async def test_an_exception_is_itself(work, run):
    with pytest.raises(KeyError) as caught:
        await run(work.raise_key_error)

    assert ("tea",) == caught.value.args
    (note,) = caught.value.__notes__
    assert note.startswith("In the worker process:\nTraceback")
    assert "in raise_key_error" in note


async def test_a_step_error_keeps_what_it_says(work, run):
    with pytest.raises(StepError) as caught:
        await run(work.raise_step_error)

    assert ("no tea", "shop.empty", True) == caught.value.args


async def test_an_exception_that_does_not_pickle_is_described(work, run):
    with pytest.raises(StepError) as caught:
        await run(work.raise_what_does_not_pickle)

    assert ("NeedsTwo: tea and milk", "shop.two", False) == caught.value.args
    assert "in raise_what_does_not_pickle" in caught.value.__notes__[0]


async def test_an_exception_that_exists_only_there_is_described(work, run):
    with pytest.raises(StepError) as caught:
        await run(work.raise_what_exists_only_there)

    assert ("OnlyThere: there", "action.error", None) == caught.value.args


async def test_a_result_that_does_not_pickle(work, run):
    with pytest.raises(StepError, match="returned a lock, which cannot leave") as caught:
        await run(work.return_a_lock)

    assert "result.not_json" == caught.value.code


async def test_a_coroutine_that_nobody_awaits(work, run, capfd):
    with pytest.raises(StepError, match="returned a coroutine, which nobody awaits"):
        await run(work.return_a_coroutine)

    assert "" == capfd.readouterr().err


async def test_a_result_that_exists_only_there(work, run):
    with pytest.raises(StepError, match="what only its worker process understands") as caught:
        await run(work.return_something_odd)

    assert "result.not_json" == caught.value.code


async def test_a_result_that_is_absurdly_large(work, run):
    with pytest.raises(StepError, match="at most 1 MiB may be returned") as caught:
        await run(work.return_much, size=MAX_ANSWER)

    assert "result.too_large" == caught.value.code


# ---- what cannot be sent ----


async def test_parameters_that_do_not_pickle(work, run):
    with pytest.raises(StepError, match="action 'add' cannot be sent to a worker") as caught:
        await run(work.add, left=(x for x in ()))

    assert caught.value.retryable is False


async def test_a_module_that_a_worker_cannot_find(work, run, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "actions" not in entry])

    with pytest.raises(StepError, match=r"ModuleNotFoundError.*isolated_actions") as caught:
        await run(work.add, left=1)

    assert str(caught.value).startswith("could not be loaded in a worker process: ")


async def test_an_action_of_an_interactive_session(work, run, monkeypatch):
    monkeypatch.setattr(work.add, "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)

    with pytest.raises(StepError, match="defined in an interactive session"):
        await run(work.add, left=1)


MAIN = """
import math, sys, trio
from trioflow.actions import ActionContext, action, action_of, call

class Sold(Exception):
    pass

@action("shop.sell", isolation="process")
def sell(sku):
    raise Sold(sku)

async def main():
    context = ActionContext(execution_id="x", step="s", idempotency_key="k")
    try:
        await call(action_of(sell), {"sku": "tea"}, context, limiter=trio.CapacityLimiter(1))
    except Sold as error:
        print("sold", error)

if __name__ == "__main__":
    trio.run(main)
"""


@pytest.mark.parametrize(
    "arguments", (["shop_main.py"], ["-m", "shop_main"]), ids=("file", "module")
)
def test_an_action_of_the_main_module(tmp_path, arguments):
    (tmp_path / "shop_main.py").write_text(MAIN)

    done = subprocess.run(
        [sys.executable, *arguments],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )

    assert ("sold tea\n", "") == (done.stdout, done.stderr)


SHOP = """
import sys, trio, trioflow

@trioflow.action("shop.sell", isolation="process")
def sell(sku):
    return sku

SHOP = {"id": "shop", "steps": [{"id": "s", "action": "shop.sell", "parameters": {"sku": "tea"}}]}

"""
GUARD = 'under `if __name__ == "__main__":`'
WITHOUT_GUARD = {
    "run": "print(trioflow.run(SHOP, actions=sell))",
    "blocking": (
        "with trioflow.blocking.open_engine('sqlite:shop.db', actions=sell) as engine:\n"
        "    engine.run(SHOP)"
    ),
    "nursery": (
        "async def main():\n"
        "    async with trio.open_nursery(), trioflow.open_engine(actions=sell) as engine:\n"
        "        await engine.run(SHOP)\n"
        "trio.run(main)"
    ),
    "exit": "sys.exit(3 if 'mp' in __name__ else trioflow.run(SHOP, actions=sell))",
}


@pytest.mark.parametrize(
    ("name", "arguments"),
    (
        ("run", ["shop.py"]),
        ("exit", ["shop.py"]),
        pytest.param("blocking", ["shop.py"], marks=pytest.mark.slow),
        pytest.param("nursery", ["shop.py"], marks=pytest.mark.slow),
        *(pytest.param(name, ["-m", "shop"], marks=pytest.mark.slow) for name in WITHOUT_GUARD),
    ),
    ids=str,
)
def test_a_main_module_without_its_guard(tmp_path, name, arguments):
    """It would be executed once more in the worker, from where it would start another one."""
    path = tmp_path / "shop.py"
    path.write_text(f"{SHOP}open('starts', 'a').write('x')\n{WITHOUT_GUARD[name]}\n")

    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 1 == done.returncode
    assert GUARD in done.stderr
    assert "could not be loaded in a worker process: " in done.stderr
    assert "xx" == (tmp_path / "starts").read_text()


@pytest.mark.parametrize(
    ("name", "files", "unfinished"),
    (
        ("blocking", {"shop.py": f"{SHOP}{WITHOUT_GUARD['blocking']}\n"}, "shop"),
        pytest.param(
            "run",
            {"shop.py": f"{SHOP}{WITHOUT_GUARD['run']}\n"},
            "shop",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "package",
            {
                "shop/sales.py": SHOP,
                "shop/__init__.py": f"from shop.sales import *\n{WITHOUT_GUARD['blocking']}\n",
            },
            "shop",
            marks=pytest.mark.slow,
        ),
    ),
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_module_that_is_still_imported(tmp_path, name, files, unfinished):
    """Its import waits for the action, and to send that to a worker would wait for the import."""
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    (tmp_path / "main.py").write_text("import shop\n")

    done = subprocess.run(
        [sys.executable, "main.py"],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert 1 == done.returncode
    assert f"is called while its module is imported (that of '{unfinished}' has not" in done.stderr
    assert GUARD in done.stderr


def test_with_its_guard_it_may_use_engines_in_the_worker(tmp_path):
    """What is refused is an engine at the import, and not one in the action."""
    (tmp_path / "shop.py").write_text(
        f"{SHOP}"
        "@trioflow.action('outer', isolation='process')\n"
        "def outer():\n"
        "    return trioflow.run({'id': 'in', 'steps': [{'id': 'x', 'action': 'set'}]})\n"
        "if __name__ == '__main__':\n"
        "    document = {'id': 'out', 'steps': [{'id': 'o', 'action': 'outer'}]}\n"
        "    print(trioflow.run(document, actions=outer))\n"
    )

    done = subprocess.run(
        [sys.executable, "shop.py"],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ("{'o': {'x': {}}}\n", "") == (done.stdout, done.stderr)


# ---- what it prints and logs ----


async def test_what_it_prints_goes_to_stderr(work, run, capfd):
    nothing = await run(work.print_everywhere)

    assert "" == nothing
    printed = capfd.readouterr()
    assert "" == printed.out
    assert ["from a program", "to descriptor 1", "to stdout"] == sorted(printed.err.splitlines())


async def test_what_it_logs_is_logged_here(work, run, caplog):
    caplog.set_level(logging.INFO)

    await run(work.write_logs)

    before, after = caplog.records
    assert before.getMessage().startswith("pay: before sku='tea' lock=<unlocked")
    assert ({}, "x1") == (before.fields, before.execution_id)
    assert ("pay: after sku='tea'", {"sku": "tea"}) == (after.getMessage(), after.fields)


async def test_a_line_that_cannot_be_read_is_passed_over(work, run, caplog):
    caplog.set_level(logging.INFO)

    assert "done" == await run(work.log_something_odd)
    odd, after = caplog.messages
    assert odd.startswith("a line that a worker process has logged cannot be read: TypeError(")
    assert after.endswith(": after")


async def test_levels_are_those_of_the_parent(work, run, caplog):
    caplog.set_level(logging.INFO, "trioflow.actions")  # which it also puts back
    logging.getLogger("trioflow.actions").setLevel(logging.WARNING)

    await run(work.write_logs)

    assert [] == caplog.records


async def test_check_cancelled_does_nothing(work, run):
    assert "still here" == await run(work.check)


def test_the_names_of_the_main_module_are_translated():
    answer = _Answer(b"R", pickle.dumps(sys.modules["__main__"].__name__))

    assert "__main__" == answer.unwrap("it")
