"""What all tests find: a process that heeds Ctrl-C."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Heed SIGINT, also where it is ignored.

    A shell that starts something in the background lets it ignore SIGINT, and every process that
    comes of it does so, too. Tests that interrupt themselves or others would then wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
