"""Text in pictures: how wide it is, how it is cut, and how it gets into XML unharmed.

Ids, names and conditions come from documents, messages from actions. Control characters (XML has
no way to write them), surrogates, and characters that turn the direction of writing are shown as
escapes; everything else is escaped where it is written.
"""

from __future__ import annotations

import unicodedata
from html import escape

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NARROW = frozenset("iljtfrI.,:;'|!()[]{}/\\` -")
_BROAD = frozenset("mwMWQO@%&")


def plain(text: object) -> str:
    r"""Return the text in one line, with everything that does not print as an escape (``\x1b``)."""
    found = str(text)
    if found.isprintable():
        return found
    return "".join(
        character
        if character.isprintable()
        else _NAMED.get(character)
        or character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in found
    )


def lines(text: object) -> str:
    """Return text of several lines, in each of which everything prints."""
    return "\n".join(map(plain, str(text).split("\n")))


def shorten(text: str, length: int) -> str:
    """Return the text, or its beginning with an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def width(text: str, size: float, *, mono: bool = False) -> float:
    """Return about how many pixels wide the text is, rather too many than too few.

    `size` is that of the font, in pixels. Nobody knows which font there is; those with letters of
    equal width agree on 0.6 of their size.
    """
    total = 0.0
    for character in text:
        if not character.isascii():
            if unicodedata.combining(character):
                continue
            broad = unicodedata.east_asian_width(character) in "WF"
            total += (1.2 if mono else 1.05) if broad else 0.66
        elif mono:
            total += 0.605
        elif character in _NARROW:
            total += 0.40
        elif character in _BROAD:
            total += 0.93
        else:
            total += 0.73 if character.isupper() else 0.61
    return total * size


def fit(text: str, size: float, room: float, *, mono: bool = False) -> str:
    """Return the text, or its beginning with an ellipsis, in at most `room` pixels."""
    if width(text, size, mono=mono) <= room:
        return text
    while text and width(text + "…", size, mono=mono) > room:
        text = text[:-1]
    return text + "…"


def number(value: float) -> str:
    """Return a coordinate, with one digit behind the point where it needs one."""
    found = f"{value:.1f}".removesuffix(".0")
    return "0" if found == "-0" else found


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return an element; attributes are escaped, the content is markup already.

    An underscore at the end or within a name stands for what Python has no way to write:
    ``class_`` and ``stroke_width``. None leaves an attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return text(plain(value))


def text(content: object) -> str:
    """Return text as markup. Whatever is not printable must have been made so before."""
    return escape(str(content))
