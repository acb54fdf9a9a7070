"""What a document asks of real actions, and what they did.

Whatever an action does with the data of a suite, the rules say what comes of it, and that is what
is compared. But an output that breaks the schema of its step is the action's fault in any case,
and a scenario that ends otherwise than it says tests something else than it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness._scenario import Behaviour, Call, Raises, Returns, Scenario
from harness.playing._actors import names_of
from harness.playing._play import Mismatch, Observed
from harness.playing._stage import actions_of
from harness.suites._library import Told
from harness.suites._sidecar import misfit
from trioflow.actions import Registry

_SPOILT = {"result.not_json": "no JSON", "result.too_large": "more than an event may have"}


class ActionsWarning(UserWarning):
    """Real actions that a scenario was given do not fit it: some lack, or it ends otherwise."""


class Broken(Mismatch):
    """A real action has returned what its step excludes."""


def keeps_promises(scenario: Scenario, observed: Observed) -> None:
    """Raise `Broken` if a real action has returned what the `output_schema` of its step excludes.

    So for what is no JSON, or too large for an event.
    """
    lines = list(_broken(scenario, observed))
    if lines:
        raise Broken(f"{scenario.id}: {scenario.why}\n" + "\n".join(dict.fromkeys(lines)))


def _broken(scenario: Scenario, observed: Observed) -> Iterator[str]:
    for (name, number), did in observed.behaviours.items():
        fields, action = _asked(scenario, name)
        if not isinstance(did, Returns) or not action:
            continue
        returned = f"action {action}, attempt {number} of step {name}, returned"
        if did.spoilt is not None:
            yield f"{returned} {_SPOILT.get(did.spoilt, did.spoilt)}"
        elif not name.endswith(":compensate"):
            wrong = misfit(fields.get("output_schema"), did.output)
            if wrong:
                yield f"{returned} what does not fit the output_schema: {wrong}"


def doubts(scenario: Scenario, observed: Observed, actions: Any) -> Iterator[str]:
    """Yield in sentences what may be wrong with the real actions of a scenario."""
    given = set(names_of(actions))
    if not given:
        return
    known = given | set(Registry(entry_points=False).names) | set(scenario.lacks)
    documents = (scenario.workflow, *scenario.workflows.values())
    named = dict.fromkeys(name for each in documents for name in actions_of(each))
    missing = [name for name in named if name not in known]
    if missing:
        # Nothing of the scenario in it: it is the same for all of a document.
        yield f"no real action was given for {', '.join(missing)}: a script plays for it"
    expected = _status_of(scenario)
    status = observed.phases[-1].status if observed.phases else expected
    raised = [
        f"{_asked(scenario, name)[1] or name} raised {_told(did)}"
        for (name, _), did in observed.behaviours.items()
        if isinstance(did, Raises)
    ]
    if raised and expected is not None and status != expected:
        what = "; ".join(dict.fromkeys(raised))
        yield f"{scenario.id} ended {status} and not {expected}, as it says, for {what}"


def _status_of(scenario: Scenario) -> str | None:
    if scenario.expected is not None:
        return scenario.expected.last.status
    outcome = scenario.outcome if isinstance(scenario, Told) else None
    return None if outcome is None else outcome.status


def _told(did: Behaviour) -> str:
    assert isinstance(did, Raises)
    return f"{did.error!r} ({did.code})" if did.code else repr(did.error)


def _asked(scenario: Scenario, name: str) -> tuple[Mapping[str, Any], str]:
    """Return the fields of the step that an attempt belongs to, and the action that it calls."""
    if any(isinstance(act, Call) and act.workflow for act in scenario.actions):
        # Somebody went on with another document: nobody knows which of the two was asked.
        return {}, ""
    place, _, role = name.partition(":")
    document: Mapping[str, Any] | None = scenario.workflow
    fields: Mapping[str, Any] = {}
    for part in place.split("/"):
        fields = _steps(document or {}).get(part.partition("[")[0], {})
        workflow = str(fields.get("workflow"))
        document = scenario.workflows.get(workflow)
        if document is None and workflow == scenario.workflow.get("id"):
            document = scenario.workflow
    if role:
        called = fields.get(role, "")
        return fields, str(called if isinstance(called, str) else called.get("action", ""))
    if fields.get("service") is not None:
        return fields, f"{fields['service']}.{fields.get('action', 'default')}"
    return fields, str(fields.get("action", ""))


def _steps(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    steps = (*(document.get("steps") or ()), *(document.get("nodes") or ()))
    return {str(each["id"]): {**each, **(each.get("config") or {})} for each in steps}
