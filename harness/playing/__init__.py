"""Scenarios on the real engine: played in virtual time, watched, and drawn."""

from __future__ import annotations

from harness.playing._play import Mismatch, Observed, play

__all__ = ("Mismatch", "Observed", "play")
