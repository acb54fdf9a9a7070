"""Text in pictures: how wide it is, and what becomes of what XML cannot hold."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioflow.pictures._times import duration, instant
from trioflow.pictures._words import element, fit, lines, number, plain, shorten, text, width


@given(st.text(st.characters(codec=None)))
def test_everything_fits_into_xml_and_comes_back(content: str) -> None:
    shown = plain(content)
    found = ET.fromstring(element("a", text(shown), b_c=content))

    assert shown == (found.text or "")
    assert shown == found.get("b-c")
    assert shown.isprintable()


@given(st.text(), st.floats(0, 200))
def test_what_fits_is_no_wider_than_its_room(content: str, room: float) -> None:
    found = fit(content, 12.0, room)

    assert found == content or found.endswith("…")
    assert width(found, 12.0) <= max(room, width("…", 12.0))


def test_widths() -> None:
    assert width("iii", 10) < width("abc", 10) < width("ABC", 10) < width("MMM", 10)
    assert 2 * width("漢", 10, mono=True) > 2 * width("ab", 10, mono=True) * 0.9
    # An accent of its own takes no room.
    assert width("e", 10) == width("e\u0301", 10)


def test_elements() -> None:
    assert '<a b="1.5" c-d="&lt;&quot;&#x27;&amp;">x</a>' == element("a", "x", b=1.5, c_d="<\"'&")
    assert '<a class="b"/>' == element("a", class_="b", left_out=None)
    assert ["0", "0", "1", "-2.5", "3.1"] == list(map(number, (0.0, -0.04, 1.0, -2.5, 3.14)))
    assert "a\\x1b\nb" == lines("a\x1b\nb")
    assert "ab…" == shorten("abcd", 3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    (
        (-1.0, "0 ms"),
        (0.05, "50 ms"),
        (0.25, "0.25 s"),
        (59.0, "59.0 s"),
        (61.0, "1 min 01 s"),
        (7260.0, "2 h 01 min"),
        (180_000.0, "2 d 2 h"),
    ),
    ids=str,
)
def test_durations(seconds: float, words: str) -> None:
    assert words == duration(seconds)


def test_instants_that_no_calendar_has() -> None:
    assert "1000000000000000000" == instant(1e18)
    assert instant(0.0)[:4] in ("1969", "1970")
