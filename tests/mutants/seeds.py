"""All seeded faults, and the list of them that is to be complete."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs

from tests.mutants.making import Edit, Mutant, edited


@attrs.frozen
class Fault:
    """A fault by its name in the list; `variant` tells apart several of one name.

    `does` says in a sentence what goes wrong. `equivalent`, if given, is why no scenario can tell.
    """

    name: str
    does: str
    edits: tuple[Edit, ...]
    variant: str = ""
    equivalent: str = ""

    @property
    def full_name(self) -> str:
        """The name with its variant."""
        return f"{self.name} ({self.variant})" if self.variant else self.name

    def mutant(self) -> Mutant:
        """Return the engine with this fault. Raises `CannotApply`, and `SyntaxError`."""
        return edited(self.full_name, self.edits)


def _faults(name: str) -> tuple[Fault, ...]:
    text = (Path(__file__).parent / name).read_text("utf-8")
    return tuple(
        Fault(edits=tuple(Edit(**edit) for edit in entry.pop("edit")), **entry)
        for entry in tomllib.loads(text)["fault"]
    )


FAULTS = _faults("seeded.toml")
CUTS = _faults("cuts.toml")

# The list, as it was agreed upon before there was an engine.
AGREED = """
limit ignored · limit + 1 · slot leaked on failure · join `all` as `any` · `any` as `all` ·
join does not wait · skip not propagated · condition inverted · conditions ignored ·
tolerated failure does not go on · `continue_on_error` ignored · every failure tolerated ·
siblings not cancelled · timeout ignored · timeout too long · a hair too short ·
timeout not retried · one attempt too few · one too many · no delay · no back-off ·
exponent off by one · output schema unchecked · input schema unchecked · bad output stored ·
missing input fails the step · missing input becomes null · missing becomes empty inside text ·
a pause stops other steps · resume forgets inputs · inputs not journalled ·
resume reruns completed steps · recovery forgets failed attempts · recovery forgets skips ·
recovery forgets that compensation began · compensates twice after a crash ·
recovery restarts finished executions · "completed" written after its effect ·
compensation forwards · compensation in document order ·
the first failing compensation stops the rest · compensation without its timeout ·
failed step compensated · compensation cancelled by `cancel()` ·
compensation shielded from an interrupt ·
compensation gets the input instead of the output · cancel reported as FAILED · cancel ignored ·
cancelled stays RUNNING · skipped counts as failure · final status not journalled ·
a reference loses its type · nested references unresolved ·
a completion does not wake the scheduler · stale attempt number accepted · reverse start order ·
an error in a condition counts as true · a child outlives its execution ·
cancel acknowledged before it is durable · resume of a finished execution restarts it ·
retry timer lost on recovery ·
an event lost, doubled or out of order · a notification before its commit ·
analytics counted twice · jitter out of bounds · idempotency key changes on retry ·
a gap in the history · limiter shared between executions · memory of a finished execution kept
"""


def agreed() -> list[str]:
    """Return the names of the list, in its order."""
    return [" ".join(name.split()) for name in AGREED.split("·")]
