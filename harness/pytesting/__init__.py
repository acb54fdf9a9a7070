"""What the pytest plugin does once a workflow document is asked for."""

from __future__ import annotations

from harness.pytesting._document import Document
from harness.pytesting._reporting import Reporter

__all__ = ("Document", "Reporter")
