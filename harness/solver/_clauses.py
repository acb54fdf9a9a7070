"""A condition as a tree of clauses, and what is known of its result when some are decided.

A clause is what stands between `and`, `or` and `not`. It has one of five outcomes: true, false, it
lacks an input that can still be brought, it lacks something else, or its types do not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from harness.oracle._conditions import Absent, Scope, evaluate, path_text
from harness.oracle._reading import Node, Wrong

TRUE, FALSE, NO_INPUT, MISSING, WRONG = "true", "false", "no input", "missing", "wrong"
OUTCOMES = frozenset((TRUE, FALSE, NO_INPUT, MISSING, WRONG))

# ("clause", index), ("not", tree), ("and" | "or", tree, tree)
Tree = tuple[Any, ...]


def outcome_of(node: Node | None, scope: Scope) -> str:
    """Return what becomes of a condition, or a clause, as the oracle's evaluator says."""
    try:
        found = evaluate(node, scope)
    except Wrong:
        return WRONG
    if isinstance(found, Absent):
        return NO_INPUT if found.inputs else MISSING
    return TRUE if found else FALSE


def plain(node: Any) -> Any:
    """Return the same condition in fewer words.

    No brackets, `a < b < c` as `a < b and b < c`, `a.b[-1]` as one reference, and -1 as a number.
    """
    if isinstance(node, list):
        return [plain(each) for each in node]
    if not isinstance(node, tuple) or node[0] in ("ref", "constant"):
        return node
    if node[0] == "group":
        return plain(node[1])
    if node[0] == "chain":
        operands = plain(node[1])
        links: list[Node] = [
            ("chain", operands[index : index + 2], [operator])
            for index, operator in enumerate(node[2])
        ]
        found = links[0]
        for link in links[1:]:
            found = ("and", found, link, "and")
        return found
    found = tuple(plain(each) for each in node)
    if found[0] == "sign" and found[1][0] == "constant" and type(found[1][1]) in (int, float):
        return ("constant", -found[1][1] if found[2] == "-" else found[1][1])
    if found[0] == "at" and found[1][0] == "ref" and not found[1][3] and found[2][0] == "constant":
        part = found[2][1]
        if isinstance(part, float) and part.is_integer():
            part = int(part)
        if isinstance(part, str | int) and not isinstance(part, bool):
            return ("ref", found[1][1], (*found[1][2], part), False)
    return found


@attrs.frozen
class Condition:
    """A condition, its clauses from left to right, and how they are joined."""

    node: Node
    tree: Tree
    clauses: Sequence[Node]

    @classmethod
    def of(cls, node: Node | None) -> Condition:
        """Take the tree of a condition apart. None is always true."""
        node = ("constant", True) if node is None else node
        clauses: list[Node] = []

        def taken(node: Node) -> Tree:
            if node[0] in ("and", "or"):
                return (node[0], taken(node[1]), taken(node[2]))
            if node[0] == "not":
                return ("not", taken(node[1]))
            clauses.append(node)
            return ("clause", len(clauses) - 1)

        tree = taken(plain(node))
        return cls(node, tree, tuple(clauses))

    def possible(self, known: Callable[[int], frozenset[str]]) -> frozenset[str]:
        """Return the outcomes that are possible with what is known of the clauses."""
        return _possible(self.tree, known)


def _possible(tree: Tree, known: Callable[[int], frozenset[str]]) -> frozenset[str]:
    if tree[0] == "clause":
        return known(tree[1])
    if tree[0] == "not":
        opposite = {TRUE: FALSE, FALSE: TRUE}
        return frozenset(opposite.get(each, each) for each in _possible(tree[1], known))
    left, right = _possible(tree[1], known), _possible(tree[2], known)
    decides = TRUE if tree[0] == "or" else FALSE
    return frozenset(_joined(one, other, decides) for one in left for other in right)


def _joined(left: str, right: str, decides: str) -> str:
    # From left to right: an error counts unless the left side has decided.
    if left in (decides, WRONG):
        return left
    if right in (decides, WRONG):
        return right
    for lacking in (NO_INPUT, MISSING):
        if lacking in (left, right):
            return lacking
    return FALSE if decides == TRUE else TRUE


def text_of(node: Node, power: int = 0) -> str:
    """Return a condition as one would write it."""
    match node[0]:
        case "constant":
            return json.dumps(node[1], ensure_ascii=False)
        case "ref":
            text = path_text(node[1], node[2])
            return f"${{{text}?}}" if node[3] else text
        case "at":
            found = plain(node)
            if found[0] == "ref":
                return text_of(found)
            return f"{text_of(node[1], 9)}[{text_of(node[2])}]"
        case "list":
            return f"[{', '.join(map(text_of, node[1]))}]"
        case "exists" | "len":
            return f"{node[0]}({text_of(node[1])})"
        case "group":
            return text_of(node[1], power)
        case "sign":
            return f"{node[2]}{text_of(node[1], 9)}"
        case "not":
            return _bracketed(f"not {text_of(node[1], 3)}", power > 3)
        case "chain":
            text = text_of(node[1][0], 5)
            for operator, operand in zip(node[2], node[1][1:], strict=True):
                text += f" {operator} {text_of(operand, 5)}"
            return _bracketed(text, power > 4)
    binding = {"or": 1, "and": 2, "+": 5, "-": 5}.get(node[3], 6)
    text = f"{text_of(node[1], binding)} {node[3]} {text_of(node[2], binding + 1)}"
    return _bracketed(text, power > binding)


def _bracketed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text
