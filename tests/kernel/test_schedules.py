"""A few hundred random graphs under many schedules; `schedules.py` does it with 20,000."""

from __future__ import annotations

import pytest

from tests.kernel.schedules import check_case, make


@pytest.mark.parametrize("part", range(5), ids=str)
def test_schedules_decide_nothing_that_they_should_not(part: int) -> None:
    for number in range(part * 40, part * 40 + 40):
        case, random = make(20_000, number)
        check_case(case, random, 4)
