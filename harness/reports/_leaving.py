"""What is told of a suite when its module is generated: how much it has, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from harness.reports._text import counted
from harness.suites._library import Suite
from harness.suites._naming import invented_text
from harness.suites._overview import doubted, unreached

# So many are named, and what coincides in each.
_FIRST = 3
# What part of a suite may be left out before that is worth a line of its own.
_SMALL_PART = 0.2


def amount(made: Suite) -> str:
    """Return how many scenarios there are: all deaths of one carrier are one test."""
    count = counted(len(made.scenarios), "scenario")
    tests = sum(not each.carrier for each in made.scenarios) + len(made.carriers)
    return count if tests == len(made.scenarios) else f"{count} in {counted(tests, 'test')}"


def left(made: Suite) -> str:
    """Return what a suite does not have, each with a semicolon before it."""
    many = sum(made.left_out.values())
    parts = [f"{many} left out for want of a budget"] if many else []
    if made.impossible:
        parts.append(f"{sum(made.impossible.values())} left out because fail never returns")
    for reason, names in doubted(made).items():
        parts.append(f"{len(names)} left out because {reason}")
    if made.skipped:
        parts.append(f"{len(made.skipped)} not played, as the sidecar says")
    never = unreached(made)
    if never:
        parts.append(f"never reached: {', '.join(never)}")
    if made.invented:
        parts.append(invented_text(made.invented))
    return "".join(f"; {part}" for part in parts)


def doubtful(made: Suite) -> Iterator[str]:
    """Yield what is left out because two things coincide, the first few; and how much that is."""
    told = [f"{name} ({what} coincide)" for name, what in _coinciding(made)]
    for each in told[:_FIRST]:
        yield f"left out: {each}"
    lost, kept = len(made.uncertain), len(made.scenarios) + len(made.skipped)
    if lost > _SMALL_PART * (lost + kept):
        yield (
            f"{lost} of {lost + kept} scenarios are left out, because nobody can say what has to "
            "come of them: this suite shows much less than it could"
        )


def _coinciding(made: Suite) -> Iterator[tuple[str, str]]:
    for name, doubt in made.doubts.items():
        _, colon, what = doubt.partition(": ")
        if colon:
            yield name, what
