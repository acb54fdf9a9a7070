"""Scenarios: what happens to one execution, and what is expected of it. Values; JSON both ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from harness._built_in import raised_at

# An attempt that never answers ends after about three years, long after every timeout. It does
# end, because under an autojump clock that which sleeps for ever looks like a deadlock.
HANGS_FOR = 1e8


class _Tagged:
    """Values that are told apart in JSON by a key, `kind`, with the name of their class."""

    _kinds: ClassVar[dict[str, type[_Tagged]]] = {}

    def __init_subclass__(cls) -> None:
        cls._kinds[cls.__name__.lower()] = cls

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON: its kind, and what differs from the defaults."""
        found: dict[str, Any] = {"kind": type(self).__name__.lower()}
        for field in attrs.fields(type(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default or isinstance(value, bool) != isinstance(field.default, bool):
                found[field.name] = value.to_json() if isinstance(value, _Tagged) else value
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Any:
        """The inverse of `to_json`."""
        values = {
            key: cls.from_json(value) if key == "moment" and value is not None else value
            for key, value in found.items()
            if key != "kind"
        }
        return cls._kinds[found["kind"]](**values)


# ---- what an attempt does ----


@attrs.frozen
class Returns(_Tagged):
    """Return `output` after so many seconds.

    `spoilt` is a code, ``result.not_json`` or ``result.too_large``: then it returns something
    that is not worth recording. A `shielded` attempt cannot be stopped: it takes its time.
    """

    output: Any = None
    after: float = 1.0
    spoilt: str | None = None
    shielded: bool = False


@attrs.frozen
class Raises(_Tagged):
    """Raise an error with this message after so many seconds.

    Without a `code` it is an exception that knows nothing of trioflow. `retryable` and `code` are
    those of a `StepError`. `shielded` as for `Returns`.
    """

    error: str = "it failed"
    code: str | None = None
    after: float = 1.0
    retryable: bool | None = None
    shielded: bool = False


@attrs.frozen
class Hangs(_Tagged):
    """Do not answer (for about 1e8 virtual seconds, then return null); stops when asked to."""


Behaviour = Returns | Raises | Hangs


# ---- when something is done to an execution ----


@attrs.frozen
class AtTime(_Tagged):
    """At this virtual instant, in seconds."""

    at: float


@attrs.frozen
class During(_Tagged):
    """While an attempt runs, after this fraction of the time that it would take.

    `step` is the name that the attempt has among the calls: ``pay``, ``pay[3]``,
    ``pay:fallback``, ``pay:compensate``.
    """

    step: str
    attempt: int = 1
    fraction: float = 0.5


@attrs.frozen
class AfterWrite(_Tagged):
    """Right after the store has made its k-th write durable, before anybody learns of it."""

    write: int


@attrs.frozen
class BeforeWrite(_Tagged):
    """Right before the k-th write: nothing of it is kept."""

    write: int


Moment = AtTime | During | AfterWrite | BeforeWrite


# ---- what is done to an execution ----
#
# Without a moment it is done as soon as the execution is PAUSED. `to` names a child to which it
# is done instead: `ship` is the child that this step has started, `ship[2]/pack` a child of one.


@attrs.frozen
class Cancel(_Tagged):
    """`Execution.cancel(grace=)`; None is a grace without an end."""

    moment: Moment | None = None
    grace: float | None = 0.0
    to: str = ""


@attrs.frozen
class Interrupt(_Tagged):
    """The engine is left in order; another one opens the store after `down` seconds."""

    moment: Moment | None = None
    down: float = 0.0


@attrs.frozen
class Crash(_Tagged):
    """The process is gone, and writes nothing more; another opens the store `down` s later."""

    moment: Moment | None = None
    down: float = 0.0


@attrs.frozen
class Resume(_Tagged):
    """`Execution.resume(input, decisions)`."""

    input: Mapping[str, Any] | None = None
    decisions: Mapping[str, Any] | None = None
    moment: Moment | None = None
    to: str = ""


@attrs.frozen
class Signal(_Tagged):
    """`Execution.signal(name, payload)`."""

    name: str
    payload: Any = None
    moment: Moment | None = None
    to: str = ""


@attrs.frozen
class Call(_Tagged):
    """Any other verb without arguments, rightly or as a misuse: ``pause``, ``resume``, ``cancel``.

    With ``fork`` a finished execution is forked; `steps` are its ``from_steps``, `workflow` is the
    fork's document, if it has another one. ``too-large`` is a resume with more input than a record
    of the history may have: always a misuse.
    """

    verb: str
    moment: Moment | None = None
    to: str = ""
    steps: Sequence[str] = ()
    input: Mapping[str, Any] | None = None
    workflow: Mapping[str, Any] | None = None


Act = Cancel | Interrupt | Crash | Resume | Signal | Call


# ---- what is expected ----

# One call of an action: the name of the attempt, its number, its parameters.
Made = tuple[str, int, Mapping[str, Any]]

# What is said of a phase only where there is something to say.
_RARE = ("completed_by", "late", "causes")

# The causes of an error: the code of each, and its own causes. None: the rules do not say them.
Causes = Sequence[tuple[str, Any]] | None


def causes_of(error: Any) -> Causes:
    """Return the causes of an error, which has `causes`, each with a `code`."""
    if error.causes is None:
        return None
    return tuple((each.code, causes_of(each)) for each in error.causes)


@attrs.frozen
class Phase:
    """What is seen of an execution from one start, resume or recovery up to the next halt.

    Instants are virtual seconds since the scenario began. `elapsed` is the one since which the
    execution has had its last status; that of the phase's end while it is RUNNING.
    `calls` are those that the phase made, sorted within an instant, where their order is free.
    `waiting_for` are (kind, name, step or connection). `answers` says for each act of the phase
    whether it was accepted. `errors` are (code, step), and there once the execution has FAILED.
    `completed_by` says, in the words of the history, what brought the outputs of COMPLETED steps
    and items, where that is no attempt of their own action; `late` are those that were completed
    in spite of a cancel or a timeout. `causes` are those of the errors of FAILED steps and items,
    where there are any.
    """

    status: str
    steps: Mapping[str, str] = attrs.field(factory=dict)
    calls: Sequence[tuple[float, Sequence[Made]]] = ()
    outputs: Mapping[str, Any] = attrs.field(factory=dict)
    output: Any = None
    compensated: Sequence[str] = ()
    waiting_for: Sequence[tuple[str, str, str]] = ()
    connections: Mapping[str, str] = attrs.field(factory=dict)
    elapsed: float = 0.0
    answers: Sequence[str] = ()
    errors: Sequence[tuple[str, str | None]] = ()
    completed_by: Mapping[str, str] = attrs.field(factory=dict)
    late: Sequence[str] = ()
    causes: Mapping[str, Causes] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without that which few phases have."""
        found: dict[str, Any] = json.loads(json.dumps(attrs.asdict(self)))
        for key in _RARE:
            if not found[key]:
                del found[key]
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Phase:
        """The inverse of `to_json`."""
        values = dict(found)
        values["calls"] = tuple(
            (at, tuple((step, attempt, parameters) for step, attempt, parameters in calls))
            for at, calls in found.get("calls", ())
        )
        for key in ("waiting_for", "errors"):
            values[key] = tuple(tuple(each) for each in found.get(key, ()))
        for key in ("compensated", "answers", "late"):
            values[key] = tuple(found.get(key, ()))
        values["causes"] = {name: _tuples(each) for name, each in found.get("causes", {}).items()}
        return cls(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


@attrs.frozen
class Expected:
    """The phases of a scenario, in order."""

    phases: Sequence[Phase]

    @property
    def last(self) -> Phase:
        """The phase in which the execution has ended, or beyond which nothing happens."""
        return self.phases[-1]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"phases": [phase.to_json() for phase in self.phases]}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Expected:
        """The inverse of `to_json`."""
        return cls(tuple(Phase.from_json(phase) for phase in found["phases"]))


# ---- a scenario ----

Script = Mapping[str, Sequence[Behaviour]]

_SCRIPTS = ("steps", "fallbacks", "compensations")


def _script(found: Mapping[str, Any]) -> Script:
    """Accept a behaviour where a list of one was meant."""
    return {
        step: (given,) if isinstance(given, Returns | Raises | Hangs) else tuple(given)
        for step, given in found.items()
    }


# Plain `tuple` as a converter tells not every type checker of what.
def _acts(given: Iterable[Act]) -> tuple[Act, ...]:
    return tuple(given)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@attrs.frozen
class Scenario:
    """One story of one execution.

    `steps`, `fallbacks` and `compensations` say what the attempts do: one behaviour for each
    attempt, of which the last repeats; a step without any returns an empty object after 1 s, or
    raises what its parameters say if it calls `fail`. The name of a step stands for all of its
    items, ``pay[3]`` for one, ``ship/pack`` for a step of the child that the step ``ship`` starts.
    `actions` are done to it, in this order. `limit` is the engine's number of slots; `jitter` the
    part, from 0 to 1, that is drawn of every delay with a jitter; `workflows` are the documents
    that the engine knows besides, `lacks` the actions that it was not given (those that are built
    in it never lacks). `expected`, if given, is what `check` compares with.
    """

    workflow: Mapping[str, Any]
    id: str = attrs.field(default="", kw_only=True)
    family: str = attrs.field(default="", kw_only=True)
    why: str = attrs.field(default="", kw_only=True)
    input: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    steps: Script = attrs.field(factory=dict, converter=_script, kw_only=True)
    fallbacks: Script = attrs.field(factory=dict, converter=_script, kw_only=True)
    compensations: Script = attrs.field(factory=dict, converter=_script, kw_only=True)
    actions: Sequence[Act] = attrs.field(default=(), converter=_acts, kw_only=True)
    limit: int = attrs.field(default=5, kw_only=True)
    schedule_seed: int = attrs.field(default=0, kw_only=True)
    jitter: float = attrs.field(default=1.0, kw_only=True)
    covers: Sequence[str] = attrs.field(default=(), converter=_names, kw_only=True)
    workflows: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, kw_only=True)
    secrets: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    lacks: Sequence[str] = attrs.field(default=(), converter=_names, kw_only=True)
    expected: Expected | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.id:
            return
        # It comes from what the scenario is, and not from what is said about it.
        found = self.to_json()
        for key in ("id", "why", "covers", "schedule_seed", "expected"):
            found.pop(key, None)
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:10]
        object.__setattr__(self, "id", f"{self.family or 'scenario'}-{digest}")

    def __str__(self) -> str:
        return self.id

    def behaviour(self, name: str, attempt: int) -> Behaviour:
        """Return what this attempt does; `name` as among the calls."""
        place, _, role = name.partition(":")
        script = {"": self.steps, "fallback": self.fallbacks}.get(role, self.compensations)
        found = script.get(place) or script.get(place.partition("[")[0])
        return found[min(attempt, len(found)) - 1] if found else self.unscripted(name)

    def unscripted(self, name: str) -> Returns | Raises:
        """Return what an attempt does of which no script says anything."""
        raised = raised_at(self.workflow, self.workflows, name)
        if raised is None:
            return Returns({})
        message, code, retryable = raised
        return Raises(message, code, retryable=retryable)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without what is empty."""
        found: dict[str, Any] = {"id": self.id, "workflow": self.workflow}
        for key in ("family", "why", "input", "workflows", "secrets"):
            if getattr(self, key):
                found[key] = getattr(self, key)
        for key in _SCRIPTS:
            script: Script = getattr(self, key)
            if script:
                found[key] = {step: [one.to_json() for one in row] for step, row in script.items()}
        if self.actions:
            found["actions"] = [act.to_json() for act in self.actions]
        for key in ("covers", "lacks"):
            if getattr(self, key):
                found[key] = list(getattr(self, key))
        found["limit"] = self.limit
        if self.jitter != 1.0:
            found["jitter"] = self.jitter
        found["schedule_seed"] = self.schedule_seed
        if self.expected is not None:
            found["expected"] = self.expected.to_json()
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Scenario:
        """The inverse of `to_json`."""
        values = dict(found)
        for key in _SCRIPTS:
            values[key] = {
                step: [_Tagged.from_json(one) for one in row]
                for step, row in found.get(key, {}).items()
            }
        values["actions"] = [_Tagged.from_json(act) for act in found.get("actions", ())]
        if "expected" in found:
            values["expected"] = Expected.from_json(found["expected"])
        return cls(**values)


def next_act(acts: Sequence[Act]) -> Act | None:
    """Return the act that is done as soon as the execution is PAUSED, if it is the next one.

    A death at a write comes when it comes, and holds up nothing.
    """
    for act in acts:
        if not isinstance(act.moment, AfterWrite | BeforeWrite):
            return act if act.moment is None else None
    return None


def hang_seconds(name: str, attempt: int) -> float:
    """Return how long a hanging attempt hangs: each for another time, so that none coincide."""
    digest = hashlib.sha256(f"{name}#{attempt}".encode()).digest()
    return HANGS_FOR + int.from_bytes(digest[:3], "big")


def seconds_of(behaviour: Behaviour, name: str, attempt: int) -> float:
    """Return how long an attempt takes if nobody stops it."""
    if isinstance(behaviour, Hangs):
        return hang_seconds(name, attempt)
    return behaviour.after
