from __future__ import annotations

import pytest

# What they assert is worth as good a message as what the tests do.
pytest.register_assert_rewrite("tests.kernel.playing", "tests.kernel.schedules")
