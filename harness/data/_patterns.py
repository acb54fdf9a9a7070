"""Words for regular expressions: small strings in which a pattern is found.

A pattern is taken apart by Python's own parser, and a word is put together by deciding at every
fork: which branch, which character, how many times. The first word takes the first option
everywhere; the others deviate in one decision, then in two. So a back-reference is simply what has
been decided before. Whatever the parser knows and this does not (conditions on groups, looking
behind) is left out, and every word is tried with `re` before it is given out: what cannot be
generated this way gives no words, but never wrong ones.
"""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from harness.data._costs import is_dear, is_member

# Python's own, under the name it has since 3.11. It is not public, but has not changed in years;
# the tests would tell.
_parser: Any = importlib.import_module("re._parser")

# Which characters are tried where many fit: readable ones first.
_READABLE = "a0A b1B-_.cxyz239CZ@/:,+#é\t\n"
_MOST_WORDS = 400
_MOST_FORKS = 40
# Until there the most repetitions that a pattern allows are tried, too.
_MANY = 64
_LONGEST = 2_000
# After so many words that would take for ever there is little hope of others.
_MOST_DEAR = 6


class _TooLong(Exception):
    pass


@attrs.define(eq=False)
class _Builder:
    """Builds one word. `script` says which option to take at which fork; elsewhere the first."""

    lengths: tuple[int, ...]
    script: dict[int, int]
    # How many options each fork had, to know what else there is.
    forks: list[int] = attrs.field(factory=list)
    groups: dict[int, str] = attrs.field(factory=dict)
    # What `(?=…)` asks for, in words: it has to come in somewhere.
    wishes: list[str] = attrs.field(factory=list)
    size: int = 0

    def pick(self, options: Sequence[Any]) -> Any:
        place = len(self.forks)
        self.forks.append(len(options))
        return options[min(self.script.get(place, 0), len(options) - 1)]

    def sequence(self, nodes: Any) -> str:
        return "".join(self.node(str(op), argument) for op, argument in nodes)

    def node(self, op: str, argument: Any) -> str:
        self.size += 1
        if self.size > _LONGEST:
            raise _TooLong
        match op:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return str(self.pick([each for each in _READABLE if each != chr(argument)]))
            case "ANY":
                return str(self.pick("a0b -Z"))
            case "IN":
                return str(self.pick(_members(argument)))
            case "BRANCH":
                return self.sequence(self.pick(argument[1]))
            case "SUBPATTERN":
                group, _, _, inner = argument
                found = self.sequence(inner)
                if group is not None:
                    self.groups[group] = found
                return found
            case "GROUPREF":
                return self.groups.get(argument, "")
            case "ATOMIC_GROUP":
                return self.sequence(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self.repeat(*argument)
            case "ASSERT" if argument[0] > 0:
                self.wishes.append(self.sequence(argument[1]))
        # Anchors and the like take no room.
        return ""

    def repeat(self, least: int, most: Any, inner: Any) -> str:
        if least > _LONGEST:
            raise _TooLong
        most = min(int(most), _LONGEST)
        counts = [least, least + 1, least + 2, *([most] if most <= _MANY else [])]
        for length in self.lengths:
            counts += [length, *range(length - 1, max(least, length - 12), -1), length + 1]
        options = list(dict.fromkeys(each for each in counts if least <= each <= most))
        return "".join(self.sequence(inner) for _ in range(self.pick(options)))


def _members(items: Any) -> str:
    """Return some characters of a set, readable ones first."""
    negated = str(items[0][0]) == "NEGATE"
    tests = items[1:] if negated else items
    options = dict.fromkeys(_READABLE)
    for op, argument in tests:
        if str(op) == "LITERAL":
            options[chr(argument)] = None
        elif str(op) == "RANGE":
            low, high = argument
            options.update(dict.fromkeys(map(chr, (low, min(low + 1, high), high))))
    found = [
        each
        for each in options
        if any(is_member(str(op), argument, each) for op, argument in tests) is not negated
    ]
    return "".join(found) or "\0"


def _scripts(forks: Sequence[int]) -> Iterator[dict[int, int]]:
    """Yield what else can be decided: one fork otherwise, then two."""
    places = range(min(len(forks), _MOST_FORKS))
    # All forks one after the other, and then again: so the words differ soon and everywhere.
    most = max(forks, default=0)
    for option in range(1, most):
        yield from ({place: option} for place in places if option < forks[place])
    for first, second in itertools.combinations(places, 2):
        for left in range(1, min(forks[first], 5)):
            yield from ({first: left, second: right} for right in range(1, min(forks[second], 5)))


def _ends(length: int, lengths: Sequence[int]) -> Iterator[str]:
    yield from ("a" * (each - length) for each in lengths if 0 < each - length < 100_000)
    yield from ("a", "b", "0", "-")


def matching(pattern: str, lengths: Sequence[int] = ()) -> Iterator[str]:
    """Yield distinct strings in which `pattern` is found, simple ones first.

    `lengths` are lengths that somebody would like. Raises `re.error` for what is no pattern.
    """
    compiled = re.compile(pattern)
    tree = _parser.parse(pattern)
    seen: set[str] = set()
    dear = 0

    def is_found(word: str) -> bool:
        nonlocal dear
        if dear < _MOST_DEAR and is_dear(pattern, word):
            dear += 1
            return False
        return dear < _MOST_DEAR and compiled.search(word) is not None

    def tried(script: dict[int, int]) -> tuple[list[str], list[int]]:
        builder = _Builder(tuple(lengths), script)
        try:
            word = builder.sequence(tree)
        except _TooLong:
            return [], builder.forks
        wished = "".join(builder.wishes)
        words = [word, wished + word, wished + word[len(wished) :], word + wished]
        found = [each for each in words if each not in seen and is_found(each)]
        seen.update(found[:1])
        return found[:1], builder.forks

    words, forks = tried({})
    yield from words
    # A pattern without an end leaves room for more.
    for end in _ends(len(words[0]) if words else 0, lengths):
        word = words[0] + end if words else end
        if word not in seen and is_found(word):
            seen.add(word)
            yield word
    for script in itertools.islice(_scripts(forks), _MOST_WORDS):
        yield from tried(script)[0]
    if not seen:
        # The last option everywhere: as often as it may be, where the fewest take for ever.
        dear = 0
        yield from tried({place: count - 1 for place, count in enumerate(forks)})[0]
