"""Actions for worker processes, which must be able to import them."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from trioflow.actions import ActionContext, action
from trioflow.errors import StepError


@action(isolation="process")
def add(left, right=1, *, context: ActionContext):
    return {"sum": left + right, "key": context.idempotency_key, "pid": os.getpid()}


@action(isolation="process")
def sleep_for_ever(pid_file):
    """Start a program, say so, and sleep."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    _write_whole(pid_file, f"{os.getpid()} {child.pid}")
    time.sleep(100)


@action(isolation="process")
def leave_a_program_behind():
    return subprocess.Popen(["sleep", "100"]).pid


@action(isolation="process")
def leave_a_thread_behind():
    threading.Thread(target=time.sleep, args=(100,)).start()
    return "done"


@action(isolation="process")
def say_goodbye(path):
    import atexit

    atexit.register(Path(path).write_text, "goodbye")
    return "done"


@action(isolation="process")
def leave(code):
    os._exit(code)


@action(isolation="process")
def leave_in_an_orderly_way():
    sys.exit(4)


@action(isolation="process")
def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)


@action(isolation="process")
def die_while_a_fork_holds_the_pipe():
    if os.fork() == 0:
        os.setsid()  # beyond the reach of whoever kills our group
        time.sleep(5)
        os._exit(0)
    os._exit(7)


@action(isolation="process")
def close_everything():
    os.closerange(3, 256)
    time.sleep(100)


@action(isolation="process")
def die_before_the_request_is_read(data):
    """The request never gets that far: see the test."""


@action(isolation="process")
def raise_key_error():
    raise KeyError("tea")


@action(isolation="process")
def raise_step_error():
    raise StepError("no tea", "shop.empty", retryable=True)


class NeedsTwo(Exception):
    """Does not survive being pickled, as it is common: its `args` are not its parameters."""

    code = "shop.two"
    retryable = False

    def __init__(self, left, right):
        super().__init__(f"{left} and {right}")


class OnlyThere(Exception):
    """Unpickles in a worker process only."""

    def __reduce__(self):
        return _only_in_a_worker, ()


def _only_in_a_worker():
    if "trioflow.actions._process_call" in sys.modules:
        raise RuntimeError("not here")
    return OnlyThere("there")


class Odd:
    def __reduce__(self):
        return _only_in_a_worker, ()


@action(isolation="process")
def raise_what_does_not_pickle():
    raise NeedsTwo("tea", "milk")


@action(isolation="process")
def raise_what_exists_only_there():
    raise OnlyThere("there")


@action(isolation="process")
def return_a_lock():
    return threading.Lock()


@action(isolation="process")
def return_something_odd():
    return Odd()


@action(isolation="process")
def return_much(size):
    return "x" * size


@action(isolation="process")
def print_everywhere():
    print("to stdout")
    os.write(1, b"to descriptor 1\n")
    subprocess.run([sys.executable, "-c", "print('from a program')"], check=True)
    return sys.stdin.read()


@action(isolation="process")
def return_a_coroutine():
    async def later(): ...

    return later()


@action(isolation="process")
def write_logs(context: ActionContext):
    context.log("before", sku="tea", lock=threading.Lock())
    context.log("after", sku="tea")
    logging.getLogger("trioflow.actions").debug("too quiet")


@action(isolation="process")
def check(context: ActionContext):
    context.check_cancelled()
    return "still here"


def _write_whole(path, text):
    new = Path(f"{path}.new")
    new.write_text(text)
    new.rename(path)


class Unmade(Exception):
    """It can be pickled, and then not be made again."""

    def __init__(self, code, text):
        super().__init__(text)


@action(isolation="process")
def log_something_odd(context: ActionContext):
    context.log("before", error=Unmade(1, "no"))
    context.log("after")
    return "done"
