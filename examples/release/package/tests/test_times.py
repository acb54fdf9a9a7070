"""Tests of steep."""

import unittest

import steep


class TestTimes(unittest.TestCase):
    """What is written on the box is what one gets."""

    def test_minutes_and_seconds(self) -> None:
        """Either part may be missing."""
        self.assertEqual([210, 120, 45], [steep.seconds(time) for time in ("3m30s", "2m", "45s")])

    def test_no_time(self) -> None:
        """Nothing else is taken for a time."""
        for text in ("", "soon", "30", "1h", "2m "):
            with self.subTest(text), self.assertRaises(ValueError):
                steep.seconds(text)

    def test_more_cups_take_longer(self) -> None:
        """Each further cup takes ten seconds."""
        self.assertEqual(150 + 20, steep.steeping_time("green", cups=3))
