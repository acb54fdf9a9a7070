"""`process.run` runs real programs, and leaves none behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from trioflow.actions import Registry, call, process_run
from trioflow.errors import StepError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sessions and signals")


@pytest.fixture
def run(context, limiter):
    """Call it as the engine does."""
    found = Registry(allow=["process.run"]).get("process.run")

    async def run(*argv, **parameters):
        return await call(found, {"argv": list(argv), **parameters}, context, limiter=limiter)

    return run


def count_open_files():
    return len(list(Path("/dev/fd").iterdir()))


def shell(script):
    return "sh", "-c", script


async def test_output_and_exit_code(run):
    result = await run(*shell("echo out; echo err >&2"))

    assert {
        "exit_code": 0,
        "stdout": "out\n",
        "stderr": "err\n",
        "stdout_truncated": False,
        "stderr_truncated": False,
    } == result


async def test_it_is_a_function_like_any_other():
    assert "a b\n" == (await process_run(["echo", "a b"]))["stdout"]


async def test_there_is_no_shell(run):
    result = await run("echo", "$HOME; false", 3, 0.5)

    assert "$HOME; false 3 0.5\n" == result["stdout"]


async def test_stdin_is_empty(run):
    assert "" == (await run("cat"))["stdout"]


async def test_input(run):
    assert "tea, grün" == (await run("cat", input="tea, grün"))["stdout"]


async def test_input_that_nobody_reads(run):
    assert 0 == (await run("true", input="x" * 1_000_000))["exit_code"]


async def test_folder_and_environment(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP", "tea")

    result = await run(*shell("pwd; echo $SHOP $PRICE"), cwd=str(tmp_path), env={"PRICE": "3"})

    assert f"{tmp_path.resolve()}\ntea 3\n" == result["stdout"]


async def test_the_end_of_long_output_is_kept(run):
    result = await run(*shell("seq 100000; echo err >&2"), max_output=12)

    assert ("9999\n100000\n", True) == (result["stdout"], result["stdout_truncated"])
    assert ("err\n", False) == (result["stderr"], result["stderr_truncated"])


async def test_output_of_exactly_the_limit_is_whole(run):
    result = await run("printf", "12345", max_output=5)

    assert ("12345", False) == (result["stdout"], result["stdout_truncated"])


async def test_output_that_is_no_text(run):
    result = await run("printf", r"gr\303\274n \377", max_output=4)

    assert "\ufffdn \ufffd" == result["stdout"]


# ---- how it can fail ----


async def test_an_exit_code_is_a_failure(run):
    with pytest.raises(StepError) as caught:
        await run(*shell("echo first >&2; echo '  sold out ' >&2; echo >&2; exit 3"))

    assert ("'sh' exited with code 3: sold out", "process.exit", None) == caught.value.args


async def test_a_signal_is_a_failure(run):
    with pytest.raises(StepError) as caught:
        await run(*shell("kill -KILL $$"))

    assert ("'sh' was killed by SIGKILL", "process.exit", None) == caught.value.args


async def test_long_last_words_are_cut(run):
    with pytest.raises(StepError) as caught:
        await run(*shell("printf '%01000d' 1 >&2; exit 1"))

    assert len(str(caught.value)) < 350


async def test_exit_codes_need_not_be_checked(run):
    assert 3 == (await run(*shell("exit 3"), check=False))["exit_code"]
    assert -9 == (await run(*shell("kill -KILL $$"), check=False))["exit_code"]


@pytest.mark.parametrize(
    ("argv", "parameters", "message"),
    (
        (["no-such-program"], {}, "there is no program 'no-such-program'"),
        (["true"], {"cwd": "/no/such/folder"}, "there is no folder '/no/such/folder'"),
        (["/etc"], {}, "'/etc' cannot be started: .*Permission denied"),
        (["echo", "\0"], {}, "'echo' cannot be started: embedded null byte"),
    ),
    ids=str,
)
async def test_what_cannot_be_started(run, argv, parameters, message):
    with pytest.raises(StepError, match=message) as caught:
        await run(*argv, **parameters)

    assert ("process.start", False) == (caught.value.code, caught.value.retryable)


@pytest.mark.parametrize(
    ("parameters", "message"),
    (
        ({"argv": "ls -l"}, "argv must be a list of texts or numbers"),
        ({"argv": []}, "there is no shell"),
        ({"argv": ["echo", True]}, "argv must be"),
        ({"argv": ["echo", None]}, "argv must be"),
        ({"argv": ["echo"], "cwd": 3}, "cwd must be a text"),
        ({"argv": ["echo"], "env": ["A=1"]}, "env must be an object"),
        ({"argv": ["echo"], "env": {"A": 1}}, "env must be an object whose values are texts"),
        ({"argv": ["echo"], "input": 3}, "input must be a text"),
        ({"argv": ["echo"], "max_output": 0}, "max_output must be a number of bytes above 0"),
        ({"argv": ["echo"], "max_output": "1k"}, "max_output must be"),
        ({"argv": ["echo"], "grace": -1}, "grace must be a number of seconds"),
        ({"argv": ["echo"], "grace": "1s"}, "grace must be"),
    ),
    ids=str,
)
async def test_parameters_that_make_no_sense(parameters, message):
    with pytest.raises(StepError, match=message) as caught:
        await process_run(**parameters)

    assert ("action.parameters", False) == (caught.value.code, caught.value.retryable)


# ---- how it ends ----


async def test_a_cancel_ends_the_whole_group(run, tmp_path, content_of, wait_gone):
    script = f"sleep 100 & echo $$ $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids; wait"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, *shell(script))
        pids = await content_of(tmp_path / "pids")
        nursery.cancel_scope.cancel()

    for pid in pids.split():
        await wait_gone(int(pid))


async def test_a_program_may_clean_up(run, tmp_path, content_of):
    """And say much about it: its output is still read."""
    script = (
        f"trap 'seq 100000 && echo cleaned > {tmp_path}/note; exit 0' TERM;"
        f"touch {tmp_path}/ready; while :; do sleep 0.01; done"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, *shell(script))
        await content_of(tmp_path / "ready")
        nursery.cancel_scope.cancel()

    assert nursery.cancel_scope.cancelled_caught
    assert "cleaned\n" == (tmp_path / "note").read_text()


async def test_what_a_program_has_started_may_clean_up(run, tmp_path, content_of):
    script = (
        f"(trap 'touch {tmp_path}/note; exit 0' TERM;"
        f"touch {tmp_path}/ready; while :; do sleep 0.01; done) & trap : TERM; wait; wait"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, *shell(script))
        await content_of(tmp_path / "ready")
        nursery.cancel_scope.cancel()

    assert (tmp_path / "note").exists()


async def test_a_program_that_does_not_listen_is_killed(tmp_path, content_of, wait_gone):
    script = (
        f"trap '' TERM; echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid;"
        "while :; do sleep 0.01; done"
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: process_run(shell(script), grace=0.02))
        pid = await content_of(tmp_path / "pid")
        nursery.cancel_scope.cancel()

    await wait_gone(int(pid))


async def test_a_cancel_while_it_reads_its_input(run, tmp_path, content_of):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run(*shell(f"touch {tmp_path}/ready; sleep 100"), input="x" * 1_000_000)
        )
        await content_of(tmp_path / "ready")
        nursery.cancel_scope.cancel()

    assert nursery.cancel_scope.cancelled_caught


async def test_what_it_leaves_behind_is_killed(run, wait_gone):
    result = await run(*shell("sleep 100 > /dev/null 2>&1 & echo $!"))

    await wait_gone(int(result["stdout"]))


async def test_what_it_leaves_behind_may_hold_the_pipes(run, wait_gone, monkeypatch):
    monkeypatch.setattr("trioflow.actions._process._DRAIN", 0.02)

    result = await run(*shell("sleep 100 & echo $!"), input="x" * 1_000_000)

    await wait_gone(int(result["stdout"]))


async def test_what_it_leaves_behind_may_still_write(run):
    result = await run(*shell("(sleep 0.02; echo late) & echo early"))

    assert "early\nlate\n" == result["stdout"]


async def test_what_has_left_the_group_delays_nothing(run, monkeypatch):
    monkeypatch.setattr("trioflow.actions._process._DRAIN", 0.02)
    program = (
        "import os, time\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(5)\n"
        "else:\n"
        "    print(pid)\n"
    )

    with trio.fail_after(4):
        result = await run(sys.executable, "-S", "-c", program, input="x" * 1_000_000)

    subprocess.run(["kill", result["stdout"].strip()], check=True)  # noqa: ASYNC221


async def test_no_pipe_stays_open(run):
    before = count_open_files()

    await run("cat", input="tea")

    assert before == count_open_files()
