"""Paths: what the names in a document refer to, as absolute references."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Container, Mapping
from typing import NoReturn, cast

import attrs

from trioflow.definitions._hyphens import Hyphened, find_hyphened, find_hyphened_field
from trioflow.definitions._lexer import join_path, shortened
from trioflow.errors import ExpressionError

Segments = tuple[str | int, ...]

_STEP_FACTS = ("status", "output", "error", "attempts", "item_errors")
_FACTS = {"execution": ("id", "started_at"), "workflow": ("id", "version")}
_ROOTS = ("input", "steps", "execution", "workflow", "item", "item_index", "secret")

# Comparing an unknown name with all names takes a millisecond for some hundred of them: nothing
# for one typing mistake, but a document may consist of mistakes.
_MOST_NAMES_TO_COMPARE = 300


@attrs.frozen
class Reference:
    """An absolute path.

    Whatever names a step has the root ``steps`` and a path that begins with the step's id and
    the fact: ``${pay.receipt}`` is ``("pay", "output", "receipt")``. A renamed item has the root
    ``item``. A number in `path` is an index of a list, or that key of an object.
    """

    root: str
    path: Segments
    # A missing value is null: the author wrote a trailing `?`.
    optional: bool = False
    # Written as `pay.output…`: leads through the key `output` of the output if there is one.
    through_output: bool = False
    # As the author wrote it; where, counted from 1; and in which place of the template's value.
    text: str = attrs.field(default="", eq=False)
    column: int = attrs.field(default=1, eq=False)
    place: str = attrs.field(default="", eq=False)
    # The path in words, from the root on, for messages and for `waiting_for`.
    absolute: str = attrs.field(default="", eq=False)

    @property
    def step(self) -> str | None:
        """The id of the step that it refers to, if it refers to one."""
        return cast("str", self.path[0]) if self.root == "steps" else None

    def __str__(self) -> str:
        return f"${{{self.absolute}{'?' * self.optional}}}"


@attrs.frozen
class Names:
    """What the first name of a path may be, at one place of a document."""

    steps: Container[str] = ()
    # On a connection: its source, to whose output unknown names belong; and those of them that it
    # is known to have.
    source: str | None = None
    fields: Collection[str] = ()
    # What an item is called, inside `for_each`.
    item_name: str | None = None
    secrets: bool = False
    # What items are called elsewhere, each with the step whose items they are.
    items: Mapping[str, str] = attrs.field(factory=dict)
    # In a condition, where a bare word may be meant as text.
    compares: bool = False

    def refer(
        self,
        first: str,
        segments: Segments,
        *,
        optional: bool = False,
        text: str = "",
        where: tuple[str, int] = ("", 1),
        place: str = "",
    ) -> Reference:
        """Return the reference that these names stand for.

        `where` is the whole text and the column in it. Raises `ExpressionError` for what no value
        can ever be found at, and for a part of a step's id that has a hyphen.
        """

        def wrong(message: str) -> NoReturn:
            if self.compares:
                self._refuse_minus_in_id(*where)
            raise ExpressionError(message, *where)

        def found(root: str, path: Segments, through_output: bool = False) -> Reference:
            return Reference(
                root,
                path,
                optional,
                through_output,
                text=text,
                column=where[1],
                place=place,
                absolute=_absolute(first, root, path, through_output),
            )

        if first == self.item_name:
            return found("item", segments)
        if first == "input" or (first == "item_index" and self.item_name is not None):
            return found(first, segments)
        if first in _FACTS:
            if not segments or segments[0] not in _FACTS[first]:
                wrong(f"write {_choice(first, _FACTS[first])}")
            return found(first, segments)
        if first == "secret":
            if not self.secrets:
                wrong("secrets can be named in `parameters` only")
            if len(segments) != 1:
                wrong("a secret is named by `secret.` and one name, as in `${secret.TOKEN}`")
            return found("secret", (str(segments[0]),))
        if first == "steps":
            return found("steps", self._facts(segments, wrong))
        if first in self.steps:
            return found("steps", (first, "output", *_without_output(segments)), _sugar(segments))
        if first in ("item", "item_index"):
            wrong(
                f"`{first}` is there only inside `for_each`"
                + (f"; there the item is called `{self.item_name}`" if self.item_name else "")
                + (f"; write `{self.source}.{first}` for the field" if self.source else "")
            )
        if self.source is not None:
            if first not in self.fields:
                self._refuse_minus_in_field(*where)
            segments = (first, *segments)
            first = self.source
            return found("steps", (first, "output", *_without_output(segments)), _sugar(segments))
        if first in self.items:
            wrong(f"`{first}` is an item of `{self.items[first]}`, and is there only inside of it")
        return wrong(
            f"`{shortened(first)}` is neither a step nor `input` or another root"
            + self._did_you_mean(first)
            + ("; text to compare with stands in quotes" if self.compares else "")
        )

    def _facts(self, segments: Segments, wrong: Callable[[str], NoReturn]) -> Segments:
        """Check what follows `steps`."""
        if not segments:
            wrong("write the id of a step after `steps`, as in `steps.pay.status`")
        step, *facts = segments
        if not isinstance(step, str) or step not in self.steps:
            wrong(f"there is no step `{shortened(str(step))}`" + self._did_you_mean(str(step)))
        if not facts or facts[0] not in _STEP_FACTS:
            wrong(f"write {_choice(f'steps.{step}', _STEP_FACTS)}")
        if facts[0] == "error" and len(facts) > 1 and facts[1] not in ("code", "message"):
            wrong(f"write {_choice(f'steps.{step}.error', ('code', 'message'))}")
        return segments

    def _refuse_minus_in_id(self, text: str, column: int) -> None:
        """Raise what is wrong if the name at `column` belongs to the id of a step with a hyphen."""
        found = find_hyphened(text, column - 1, self.steps)
        if found is not None:
            self._raise_minus(found, text)
        field = find_hyphened_field(text, column - 1)
        if field is not None and (field[0] in self.steps or field[0] in _ROOTS):
            raise ExpressionError(
                f"`-` is minus here; a field with a hyphen is named "
                f"`${{{shortened(field[1].path)}}}`",
                text,
                field[1].start + 1,
            )

    def _refuse_minus_in_field(self, text: str, column: int) -> None:
        """As above, for what may be a field: only if the name itself is a part of such an id."""
        found = find_hyphened(text, column - 1, self.steps, only_around=True)
        if found is not None:
            self._raise_minus(found, text)

    def _raise_minus(self, found: Hyphened, text: str) -> NoReturn:
        is_difference = self.source is not None and not found.path.startswith("steps.")
        raise ExpressionError(
            f"`-` is minus here; the step `{shortened(found.step)}` is named "
            f"`${{{shortened(found.path)}}}`"
            + ("; to subtract, write blanks around the `-`" if is_difference else ""),
            text,
            found.start + 1,
        )

    def _did_you_mean(self, name: str) -> str:
        if not isinstance(self.steps, Collection) or len(self.steps) > _MOST_NAMES_TO_COMPARE:
            return ""
        close = difflib.get_close_matches(name[:128], [*self.steps, *_ROOTS], 1)
        return f" (did you mean `{close[0]}`?)" if close else ""


def names(
    steps: Collection[str],
    source: str | None = None,
    item_name: str | None = None,
    *,
    secrets: bool = False,
    items: Mapping[str, str] | None = None,
    compares: bool = False,
    fields: Collection[str] = (),
) -> Names:
    """Make `Names` that are quick to look up, whatever collection the steps come in."""
    quick = steps if isinstance(steps, set | frozenset | Mapping) else frozenset(steps)
    return Names(quick, source, fields, item_name, secrets, items or {}, compares)


def _choice(before: str, names: Collection[str]) -> str:
    *others, last = (f"`{before}.{name}`" for name in names)
    return f"{', '.join(others)} or {last}"


def _sugar(segments: Segments) -> bool:
    return segments[:1] == ("output",)


def _without_output(segments: Segments) -> Segments:
    return segments[1:] if _sugar(segments) else segments


def _absolute(first: str, root: str, path: Segments, through_output: bool) -> str:
    """Write the path so that it can be read again, short where that is not ambiguous."""
    if root != "steps":
        return join_path(first, path)
    if path[1] != "output" or (path[2:3] == ("output",) and not through_output):
        return join_path("steps", path)
    return join_path(cast("str", path[0]), path[1:] if through_output else path[2:])
