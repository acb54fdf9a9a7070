"""The words of the expression language: names, paths, numbers, quoted strings, operators.

Everything is cut out by regular expressions whose quantifiers are possessive (``++``, ``*+``), so
that no text, however hostile, makes them walk back: cutting is linear in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, cast

from trioflow.errors import ExpressionError

# Nobody reads a longer condition, and nobody should have to; the limit also bounds what a
# document can cost before anything of it runs.
LONGEST_CONDITION = 4096

# What ends a name. Outside of ``${path}`` a hyphen ends it as well, because there it is minus.
_STOPS = r"""\s.\[\]{}()<>=!&|+*/%,"'$"""
_NAME = rf"[^{_STOPS}]++"
_BARE_NAME = rf"[^{_STOPS}\-]++"
_STRING = r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'"""
_SEGMENT = rf"\.(?P<name>{_NAME})|\[\s*+(?:(?P<index>-?[0-9]++)|(?P<key>{_STRING}))\s*+\]"
_UNNAMED_SEGMENT = re.sub(r"\?P<\w+>", "?:", _SEGMENT)
_PATH = rf"(?P<first>{_NAME})(?:{_UNNAMED_SEGMENT})*+"

NAME = re.compile(_NAME)
BARE_NAME = re.compile(_BARE_NAME)
REFERENCE = re.compile(rf"\$\{{\s*+(?P<path>{_PATH}\??+)\s*+\}}", re.DOTALL)
PATH = re.compile(rf"\s*+{_PATH}\??+\s*+", re.DOTALL)
_SEGMENTS = re.compile(_SEGMENT, re.DOTALL)
_NOT_BLANK = re.compile(r"\S")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*+)(?P<fraction>\.[0-9]++)?+(?P<power>[eE][+-]?[0-9]++)?+")
_NUMBER_LIKE = re.compile(rf"(?:{_BARE_NAME}|\.)++")
_QUOTED = re.compile(_STRING, re.DOTALL)
_FIELD = re.compile(rf"\.({_BARE_NAME})")
_OPERATOR = re.compile(r"===|!==|==|!=|<=|>=|<>|<<|>>|\*\*|//|&&|\|\||\{\{|[-<>()\[\]{},+*/%!=&|]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_MUSTACHE = re.compile(r"\{\{\s*+(.*?)\s*\}\}", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))",
    re.DOTALL,
)
_ESCAPES = {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "/": "/",
    "$": "$",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}

# Words that cannot begin a path: they mean something else.
CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_OPERATOR_WORDS = frozenset({"and", "or", "not", "in", "is"})
WORDS = frozenset({*CONSTANTS, *_OPERATOR_WORDS, "exists", "len"})

EMPTY_REFERENCE = "`${}` is empty; write a path, as in `${input.name}`"
_WRONG_OPERATORS = {
    "===": "write `==`",
    "!==": "write `!=`",
    "<>": "write `!=`",
    "=": "`=` does not compare; write `==`",
    "&": "write `and` or `&&`",
    "|": "write `or` or `||`",
    "**": "there are no powers",
    "<<": "there are no shifts",
    ">>": "there are no shifts",
    "{": "an object cannot be written in a condition",
}


class Token(NamedTuple):
    """One word. `kind` is ``number``, ``string``, ``name``, ``field``, ``path``, ``op`` or ``end``.

    A ``field`` is a name with the dot before it; a ``path`` is a whole ``${path}`` without sugar;
    the ``${`` of an expression is an ``op``. `start` and `end` are positions in the text.
    """

    kind: str
    value: Any
    start: int
    end: int

    @property
    def column(self) -> int:
        """Where it begins, for people: counted from 1."""
        return self.start + 1


def tokenize(text: str) -> list[Token]:
    """Cut a condition into tokens, the last of which has the kind ``end``."""
    if len(text) > LONGEST_CONDITION:
        raise ExpressionError(
            f"a condition has at most {LONGEST_CONDITION:,} characters, not {len(text):,}",
            text,
            LONGEST_CONDITION + 1,
        )
    tokens = []
    position = _skip_blanks(text, 0)
    while position < len(text):
        token = _token(text, position)
        tokens.append(token)
        position = _skip_blanks(text, token.end)
    tokens.append(Token("end", None, len(text), len(text)))
    return tokens


def _skip_blanks(text: str, position: int) -> int:
    found = _NOT_BLANK.search(text, position)
    return len(text) if found is None else found.start()


def _token(text: str, start: int) -> Token:
    character = text[start]
    if character in "\"'":
        return _string(text, start)
    if character == "$":
        return _reference(text, start)
    if character == ".":
        field = _FIELD.match(text, start)
        if field is None:
            raise ExpressionError("a name or a number must follow `.`", text, start + 1)
        _refuse_question_mark(text, field[1], start + 1)
        return Token("field", segment(field[1]), start, field.end())
    if "0" <= character <= "9":
        return _number(text, start)
    operator = _OPERATOR.match(text, start)
    if operator is not None:
        return _operator(text, operator)
    # What is no blank, quote, `$`, `.`, digit or operator belongs to a name, so this matches.
    name = cast("re.Match[str]", BARE_NAME.match(text, start))
    _refuse_question_mark(text, name[0], start)
    return Token("op" if name[0] in _OPERATOR_WORDS else "name", name[0], start, name.end())


def _refuse_question_mark(text: str, name: str, start: int) -> None:
    if name.endswith("?"):
        raise ExpressionError(
            "a trailing `?` belongs inside `${}`, as in `${input.name?}`; "
            "to ask whether there is a value write `exists(input.name)`",
            text,
            start + len(name),
        )


def _operator(text: str, found: re.Match[str]) -> Token:
    operator = found[0]
    if operator == "{{":
        raise _mustache(text, found.start())
    if operator in _WRONG_OPERATORS:
        raise ExpressionError(_WRONG_OPERATORS[operator], text, found.start() + 1)
    return Token("op", operator, found.start(), found.end())


def _mustache(text: str, start: int) -> ExpressionError:
    found = _MUSTACHE.match(text, start)
    instead = shortened(found[1]) if found is not None and found[1] else "input.name"
    return ExpressionError(
        f"`{{{{ }}}}` is not the language of conditions; write `${{{instead}}}`", text, start + 1
    )


def shortened(text: str) -> str:
    """Return the beginning of a text, short enough to stand inside a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def _number(text: str, start: int) -> Token:
    # There is a digit, so this matches.
    found = cast("re.Match[str]", _NUMBER.match(text, start))
    written = _NUMBER_LIKE.match(text, found.end())
    if written is not None:
        whole = shortened(text[start : written.end()])
        hint = "" if "." in whole else f"; a field of that name is written `${{step.{whole}}}`"
        raise ExpressionError(f"`{whole}` is not a number{hint}", text, start + 1)
    return Token("number", _to_number(text, found), start, found.end())


def _to_number(text: str, found: re.Match[str]) -> int | float:
    try:
        if found["fraction"] is None and found["power"] is None:
            return int(found[0])
        number = float(found[0])
    except ValueError:
        # Python limits the digits of an int, for the sake of quadratic conversions; by default
        # to more than a condition has characters, but the limit can be set.
        number = float("inf")
    if number == float("inf"):
        raise ExpressionError("the number is too large", text, found.start() + 1)
    return number


def _string(text: str, start: int) -> Token:
    found = _QUOTED.match(text, start)
    if found is None:
        raise ExpressionError(f"the string has no closing {text[start]}", text, start + 1)
    return Token("string", unquote(text, start, found.end()), start, found.end())


def unquote(text: str, start: int, end: int) -> str:
    """Return what the quoted string at ``text[start:end]`` stands for."""
    raw = text[start + 1 : end - 1]
    mustache = _MUSTACHE.search(raw)
    if mustache is not None:
        raise _mustache(text, start + 1 + mustache.start())
    if "\\" not in raw and "${" not in raw:
        return raw

    def unescape(found: re.Match[str]) -> str:
        high, low, single, other = found.groups()
        if high is not None:
            return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
        if single is not None:
            return chr(int(single, 16))
        if other not in _ESCAPES:
            raise ExpressionError(
                rf"`\{other}` is no escape; write `\\` for a backslash",
                text,
                start + 2 + found.start(),
            )
        return _ESCAPES[other]

    pieces = []
    position = 0
    for found in _ESCAPE.finditer(raw):
        pieces.append(_without_reference(text, start + 1, raw, position, found.start()))
        pieces.append(unescape(found))
        position = found.end()
    pieces.append(_without_reference(text, start + 1, raw, position, len(raw)))
    return "".join(pieces)


def _without_reference(text: str, offset: int, raw: str, start: int, end: int) -> str:
    at = raw.find("${", start, end)
    if at >= 0:
        found = REFERENCE.match(raw, at)
        instead = shortened(found[0]) if found is not None else "${...}"
        raise ExpressionError(
            f"a reference inside quotes would stay text; write `{instead}` without the quotes "
            r"(`+` joins strings, and `\${` is a literal `${`)",
            text,
            offset + at + 1,
        )
    return raw[start:end]


def _reference(text: str, start: int) -> Token:
    """Cut ``${path}``, or only the ``${`` of an expression."""
    found = REFERENCE.match(text, start)
    if found is not None:
        # `${true}` and `${5}` are the constants, not fields of that name.
        first = found["first"]
        if first not in WORDS and not first.isdecimal():
            return Token("path", found["path"], start, found.end())
    if not text.startswith("${", start):
        raise ExpressionError("a `$` stands before `{`, as in `${input.name}`", text, start + 1)
    if text.startswith("}", _skip_blanks(text, start + 2)):
        raise ExpressionError(EMPTY_REFERENCE, text, start + 1)
    return Token("op", "${", start, start + 2)


def segment(name: str) -> str | int:
    """Return what stands behind a dot: a number is an index, unless it has leading zeros."""
    return int(name) if _INDEX.fullmatch(name) else name


def split_path(text: str, path: str, start: int) -> tuple[str, tuple[str | int, ...], bool]:
    """Take a path apart: its first name, its other segments, and whether it ends in ``?``.

    `path` has matched `PATH` and begins at ``text[start]``.
    """
    optional = path.endswith("?")
    if optional:
        path = path[:-1]
    first = NAME.match(path)
    if first is None:
        raise ExpressionError("a path must stand before `?`", text, start + 1)
    segments: list[str | int] = []
    position = first.end()
    while position < len(path):
        found = _SEGMENTS.match(path, position)
        if found is None:  # what is left is `.`: there was only a `?` behind it
            raise ExpressionError("a name must stand before `?`", text, start + len(path) + 1)
        if found["name"] is not None:
            segments.append(segment(found["name"]))
        elif found["key"] is not None:
            segments.append(unquote(text, start + found.start("key"), start + found.end("key")))
        elif len(found["index"]) > 18:
            raise ExpressionError("the index is too large", text, start + found.start("index") + 1)
        else:
            segments.append(int(found["index"]))
        position = found.end()
    return first[0], tuple(segments), optional


def join_path(first: str, segments: tuple[str | int, ...]) -> str:
    """Write a path down; the inverse of `split_path`."""
    return first + "".join(map(_written, segments))


def _written(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if NAME.fullmatch(part) and not part.endswith("?") and not _INDEX.fullmatch(part):
        return f".{part}"
    return f"[{quote(part)}]"


def quote(text: str) -> str:
    """Write a string down so that `unquote` gives it back."""
    quoted = json.dumps(text).replace("${", r"\${")
    return re.sub(r"\{(?=\{)", r"\\u007b", quoted)
