"""Conditions and templates without an engine, for tools and tests.

>>> scope = Scope(input={"limit": 3}, outputs={"pay": {"result": "ok", "tries": 2}})
>>> Condition.parse("result == 'ok' and tries < input.limit", source="pay").test(scope)
True
>>> resolve({"text": "${pay.tries} of ${input.limit}", "limit": "${input.limit}"}, scope)
{'text': '2 of 3', 'limit': 3}
"""

from __future__ import annotations

from typing import Any

from trioflow.definitions._expressions import MISSING, Condition, Scope
from trioflow.definitions._paths import Reference
from trioflow.definitions._references import SecretReference, SecretText, Template, reveal
from trioflow.definitions._syntax import (
    Arithmetic,
    Comparison,
    Constant,
    Exists,
    Length,
    Link,
    ListOf,
    Logic,
    Lookup,
    Node,
    Unary,
    unparse,
    walk,
)
from trioflow.errors import ExpressionError, MissingInputError

__all__ = [
    "MISSING",
    "Arithmetic",
    "Comparison",
    "Condition",
    "Constant",
    "Exists",
    "ExpressionError",
    "Length",
    "Link",
    "ListOf",
    "Logic",
    "Lookup",
    "MissingInputError",
    "Node",
    "Reference",
    "Scope",
    "SecretReference",
    "SecretText",
    "Template",
    "Unary",
    "resolve",
    "reveal",
    "unparse",
    "walk",
]


class _AnyStep(frozenset[str]):
    """Contains every name."""

    def __contains__(self, name: object) -> bool:
        return True


def resolve(template: Any, scope: Scope) -> Any:
    """Return what a template stands for: a `Template`, or a JSON value with references in it.

    Of a plain value every name that is no root is taken for a step (and ``item`` for the item),
    so what is not in `scope` is missing. Raises `MissingInputError` for all references that have
    no value, and `ExpressionError` for a template that cannot be read.
    """
    if not isinstance(template, Template):
        template = Template.parse(template, steps=_AnyStep(), item_name="item")
    return template.resolve(scope)
