"""A workflow document as a test module: a function for each family, a test for each scenario."""

from __future__ import annotations

import contextlib
import math
import shlex
import types
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, TypeGuard

import pytest

import trioflow
from harness.pytesting._playing import problem_of
from harness.pytesting._reporting import Reporter
from harness.suites._again import pytest_command
from harness.suites._library import Suite, Told, suite
from harness.suites._sidecar import read_sidecar


class Document(pytest.Module):
    """A document, of which pytest believes that it is a module."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.name, f"The scenarios of {self.path.name}.")
        module.__file__ = str(self.path)
        told: dict[str, list[Told]] = {}
        for scenario in (*self.suite.scenarios, *self.suite.skipped):
            told.setdefault(scenario.family, []).append(scenario)
        for family, scenarios in told.items():
            setattr(module, family, self._function(family, scenarios))
        return module

    @cached_property
    def suite(self) -> Suite:
        """The scenarios, as the options and the sidecar want them."""
        options = self.config.option
        families = options.harness_families
        wanted = None if families is None else [each.strip() for each in families.split(",")]
        try:
            return suite(self.path, options.harness_level, wanted, options.harness_seed)
        except (trioflow.TrioflowError, ValueError, OSError, Warning) as error:
            raise self.CollectError(str(error)) from None

    @cached_property
    def limit(self) -> float:
        """How many seconds of real time a scenario may take; 0 for as many as it likes."""
        option: float | None = self.config.option.harness_timeout
        if option is not None:
            return option
        said = read_sidecar(self.path).timeout
        if said is not None:
            return said
        given: str = self.config.getini("harness_timeout")
        with contextlib.suppress(ValueError):
            if 0 <= float(given) < math.inf:
                return float(given)
        raise self.CollectError(
            f"harness_timeout = {given!r} in {self.config.inipath}: write seconds, such as 10"
        )

    def _again(self) -> str:
        """Return the command for the test that is running, with the options that made it."""
        options = self.config.option
        given = (options.harness_level, options.harness_families, options.harness_seed or None)
        names = ("--harness-level", "--harness-families", "--harness-seed")
        more = [f"{name}={value}" for name, value in zip(names, given, strict=True) if value]
        return shlex.join([*shlex.split(pytest_command()), *more])

    def _function(self, family: str, scenarios: Sequence[Told]) -> Callable[..., None]:
        limit = self.limit
        reporter = next(filter(_is_reporter, self.config.pluginmanager.get_plugins()), None)
        if reporter is not None:
            reporter.documents[str(self.path)] = self.suite.left_out

        def function(scenario: Told, harness_actions: Any) -> None:
            playing = partial(problem_of, scenario, harness_actions, limit)
            problem = playing() if reporter is None else reporter.play(scenario, playing)
            if problem:
                # The options belong to it, too.
                problem = problem.replace(f"play it again:  {pytest_command()}\n", "")
                pytest.fail(f"{problem}\nin pytest:  {self._again()}", pytrace=False)

        # Where pytest says which test it speaks of, it is the document and no file of ours.
        code = function.__code__.replace(co_filename=str(self.path), co_firstlineno=1)
        function.__code__ = code
        function.__name__ = function.__qualname__ = family
        function.__doc__ = f"The scenarios of the family {family}."
        # Whatever `python_functions` says.
        function.__test__ = True  # type: ignore[attr-defined]
        marks = [
            pytest.mark.harness(family=family),
            pytest.mark.parametrize("scenario", [_parameter(each) for each in scenarios]),
        ]
        function.pytestmark = marks  # type: ignore[attr-defined]
        return function


def _is_reporter(plugin: object) -> TypeGuard[Reporter]:
    return isinstance(plugin, Reporter)


def _parameter(scenario: Told) -> Any:
    marks = [pytest.mark.skip(reason=scenario.skip)] if scenario.skip else []
    return pytest.param(scenario, id=scenario.id, marks=marks)
