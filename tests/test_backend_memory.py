"""The memory that a step frees stays with the process from the first backward pass on, where glibc can do so."""

import json
import os
import subprocess
import sys

import pytest

from pellucid.backend import memory

PROGRAM = """
import json, resource, sys
import pellucid
from pellucid.backend.memory import keep_freed
before = keep_freed.cache_info().misses
x, w = pellucid.ones(1000, 1000), pellucid.ones(1000, 1, requires_grad=True)
def step():
    ((x * w).exp() * x).sum().backward()
for _ in range(3):
    step()
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start
print(json.dumps([before, keep_freed(), pages / 5]))
"""


def run(**environment: str) -> tuple[int, bool, float]:
    own = {name: value for name, value in os.environ.items() if name not in memory._OWN}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**own, **environment}, capture_output=True, text=True, check=True
    )
    before, kept, pages = json.loads(result.stdout)
    return before, kept, pages


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is meant")
def test_a_step_uses_the_memory_of_the_step_before() -> None:
    before, kept, pages = run()
    assert before == 0  # the import changes nothing
    if not kept:
        pytest.skip("the C library is another")
    assert pages < 200  # a step makes 12 MB of arrays, 3,000 pages


@pytest.mark.parametrize("variables", [{"PELLUCID_KEEP_MEMORY": "0"}, {"MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_it_is_left_to_the_user(variables: dict[str, str]) -> None:
    assert run(**variables)[:2] == (0, False)
