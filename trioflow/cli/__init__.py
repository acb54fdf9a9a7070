"""The command line: `trioflow run`, `show` and the rest, made of what anybody can import."""

from trioflow.cli._places import find_places
from trioflow.cli._program import main

__all__ = ["find_places", "main"]
