"""Actions: the functions that steps call, how they are found, and how they are called."""

from trioflow.actions._action import Action, Parameter, action, action_of
from trioflow.actions._calling import call
from trioflow.actions._context import ActionContext
from trioflow.actions._fail import fail
from trioflow.actions._http import http_request
from trioflow.actions._log import log
from trioflow.actions._process import process_run
from trioflow.actions._registry import Registry
from trioflow.actions._set import set_values

__all__ = [
    "Action",
    "ActionContext",
    "Parameter",
    "Registry",
    "action",
    "action_of",
    "call",
    "fail",
    "http_request",
    "log",
    "process_run",
    "set_values",
]
