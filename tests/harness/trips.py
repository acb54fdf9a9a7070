"""A small trip, of which the tests of doubts make documents that are doubtful."""

from __future__ import annotations

from typing import Any

from harness.families._plan import Plan
from harness.suites._library import read

INPUT: dict[str, Any] = {
    "properties": {
        "person": {"type": "string"},
        "seats": {"type": "integer"},
        "home": {"type": "object", "properties": {"street": {"type": "string"}}},
        "bags": {"type": "array", "items": {"$ref": "#/$defs/bag"}},
        "anything": {"type": "object"},
    },
    "$defs": {"bag": {"properties": {"kilos": {"type": "number"}}}},
}
HOTEL: dict[str, Any] = {
    "properties": {
        "booking": {"type": "string"},
        "price": {"type": ["number", "null"]},
        "stars": {"enum": [3, 4, 5]},
        "rooms": {"type": "array", "items": {"properties": {"door": {"type": "integer"}}}},
    }
}


def hotel(**more: Any) -> dict[str, Any]:
    return {"id": "hotel", "action": "hotel.book", "output_schema": HOTEL, **more}


def trip(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "trip", "input_schema": INPUT, "steps": [hotel(), *steps], **more}


def send(**more: Any) -> dict[str, Any]:
    return {"id": "send", "action": "mail.send", **more}


def asking(text: str) -> dict[str, Any]:
    return trip(send(parameters={"it": text}))


def plan(document: dict[str, Any], *children: dict[str, Any]) -> Plan:
    found, _, needed = read(document, children)
    return Plan(found, needed)


def approval(**more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    asked = {"condition": "input.seats > 3", "schema": schema, "total_timeout": "1d"}
    return {"id": "approval", "type": "wait", **asked, **more}


WHY = "approval may be skipped, and approval.ok then has no value; "
WRITE = f"{WHY}write ${{approval.ok?}} instead, which is null then"
ASK = f"{WHY}ask exists(approval.ok) first"
