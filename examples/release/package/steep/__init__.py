"""How long tea wants to steep."""

from steep._times import TEAS, seconds, steeping_time

__all__ = ["TEAS", "seconds", "steeping_time"]
