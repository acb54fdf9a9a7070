"""Every seeded fault still applies, and the list of them is complete."""

from __future__ import annotations

import pytest

from tests.mutants.operators import possible
from tests.mutants.seeds import CUTS, FAULTS, Fault, agreed
from tests.mutants.survivors import known


@pytest.mark.parametrize("fault", (*FAULTS, *CUTS), ids=lambda fault: fault.full_name)
def test_it_applies_exactly_once_and_compiles(fault: Fault) -> None:
    made = fault.mutant()

    assert fault.full_name == made.name
    assert made.sources
    assert fault.does.endswith(".")


def test_there_is_one_for_each_that_was_agreed_upon() -> None:
    assert set(agreed()) == {fault.name for fault in FAULTS}
    assert len(FAULTS) == len({fault.full_name for fault in FAULTS})
    assert 5 == len(CUTS)


def test_what_is_equivalent_has_a_variant_that_is_not() -> None:
    killable = {fault.name for fault in FAULTS if not fault.equivalent}

    assert {fault.name for fault in FAULTS if fault.equivalent} <= killable


def test_automatic_mutants_have_names_of_their_own() -> None:
    names = [each.name for each in possible()]

    assert len(names) == len(set(names))
    assert 3_000 < len(names)


def test_the_classes_of_the_survivors_can_be_read() -> None:
    files = {each.change.file for each in possible()}

    assert [] == [file for file, _, _ in known().unreached if file not in files]
