"""Workflow definitions: values, and the documents that they are written in. Nothing runs here."""

from trioflow.definitions._documents import load_workflow
from trioflow.definitions._durations import parse_duration, parse_instant
from trioflow.definitions._graph import (
    Gate,
    Plan,
    PlannedCall,
    PlannedConnection,
    PlannedStep,
)
from trioflow.definitions._model import Workflow
from trioflow.definitions._parts import ActionCall, Connection, ForEach, Retry, Step
from trioflow.definitions._schemas import Schema, not_json, to_json

__all__ = [
    "ActionCall",
    "Connection",
    "ForEach",
    "Gate",
    "Plan",
    "PlannedCall",
    "PlannedConnection",
    "PlannedStep",
    "Retry",
    "Schema",
    "Step",
    "Workflow",
    "load_workflow",
    "not_json",
    "parse_duration",
    "parse_instant",
    "to_json",
]
