"""Durations and instants: what they mean, and what is refused with a sentence."""

import math

import pytest

from trioflow.definitions import parse_duration, parse_instant


@pytest.mark.parametrize(
    ("written", "seconds"),
    (
        (1, 1.0),
        (0.25, 0.25),
        ("500ms", 0.5),
        ("0.7ms", 0.0007),
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("7d", 604_800.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("1.5h", 5400.0),
        (" 2s ", 2.0),
        (1e11, 1e11),
    ),
    ids=str,
)
def test_durations(written, seconds):
    actual = parse_duration(written)

    assert seconds == actual
    assert isinstance(actual, float)


@pytest.mark.parametrize(
    ("written", "sentence"),
    (
        (True, "cannot be a boolean"),
        (None, "cannot be null"),
        ([1], "cannot be a list"),
        (0, "above 0, not 0"),
        (-1.5, "above 0, not -1.5"),
        ("0s", 'above 0, not "0s"'),
        (math.nan, "above 0"),
        (math.inf, "more than the 100000000000 seconds"),
        (10**400, "more than"),
        ("9999999999d", "more than"),
        ("90", '"90" has no unit; write seconds'),
        ("-5", "has no unit"),
        ("-5s", "is not a duration"),
        ("", "is not a duration"),
        ("30m1h", "is not a duration"),
        ("1h1h", "is not a duration"),
        ("1 h", "is not a duration"),
        ("PT15M", "is not a duration"),
        ("٣s", "is not a duration"),
        ("9" * 100_000 + "s", "is not a duration"),
    ),
    ids=lambda value: str(value)[:20],
)
def test_no_durations(written, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is looked at below
        parse_duration(written)

    assert sentence in str(caught.value)
    assert 250 > len(str(caught.value))


@pytest.mark.parametrize(
    ("written", "instant"),
    (
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01t00:00:01z", 1.0),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1970-01-01T00:00+0000", 0.0),
        ("1969-12-31T19:00:00.5-05", 0.5),
        (" 1970-01-01T00:00:00Z ", 0.0),
    ),
    ids=str,
)
def test_instants(written, instant):
    actual = parse_instant(written)

    assert instant == actual


@pytest.mark.parametrize(
    ("written", "sentence"),
    (
        (5, "is ISO 8601 text, not a number"),
        (None, "is ISO 8601 text, not null"),
        ("tomorrow", '"tomorrow" is not an instant; write ISO 8601'),
        ("2030-01-01", "is not an instant"),
        ("2030-01-01T08:00:00", "has no offset from UTC"),
        ("2030-02-30T08:00:00Z", "is not in the calendar"),
        ("2030-01-01T25:00:00Z", "is not in the calendar"),
        ("٢030-01-01T00:00:00Z", "is not an instant"),
    ),
    ids=str,
)
def test_no_instants(written, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is looked at below
        parse_instant(written)

    assert sentence in str(caught.value)
