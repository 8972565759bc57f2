"""Whether the tests run with the rounding of another processor (tests/conftest.py has the switch), and what follows."""

import os

import pytest

REVERSED = os.environ.get("PELLUCID_TEST_ROUNDING") == "reversed"

in_one_process = pytest.mark.skipif(
    REVERSED, reason="it compares bits with those of a process that it starts, where sums are not reversed"
)
