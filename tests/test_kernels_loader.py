"""Machine code from the disk runs without LLVM; what the loader does not know, LLVM loads."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.kernels import cache, compiler, loader, processor, table
from pellucid.kernels.emitter import Emitter

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
here = pytest.mark.skipif(processor.described() is None, reason="LLVM loads the code on this system")

PROGRAM = """
import sys
import pellucid
x = pellucid.linspace(-3, 3, 5000, requires_grad=True)
pellucid.nn.functional.gelu(x).sum().backward()
print(x.grad.sum().item(), "llvmlite.binding" in sys.modules)
"""


def run(folder: Path) -> list[str]:
    asked = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PELLUCID_CACHE": str(folder)}
    return subprocess.run(asked, capture_output=True, text=True, env=environment, check=True).stdout.split()


@here
def test_llvm_is_loaded_to_compile_and_not_to_run(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert first[1] == "True"
    assert second == [first[0], "False"]


@here
def test_the_system_says_of_the_processor_what_llvm_says() -> None:
    target = compiler.Target()
    said = target.features.split(",")
    for feature in ("sse2", "avx", "avx2", "fma", "avx512f"):
        assert target.has(feature) == (f"+{feature}" in said), feature


@here
def test_where_the_system_says_nothing_llvm_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = compiler.Target()
    monkeypatch.setattr(processor, "_DESCRIBED", tmp_path / "cpuinfo")
    assert processor.described() is None
    asked = compiler.Target()
    assert asked.lanes == known.lanes
    assert asked.key != known.key
    assert asked.has("fma") == known.has("fma")


@pytest.mark.parametrize("text", ["", "processor : 0\nflags : fma\n", "\n\nmodel name: x", "no colon"])
def test_a_description_of_another_form_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "_DESCRIBED", tmp_path / "cpuinfo")
    assert processor.described() is None


def powers() -> Emitter:
    """A kernel that has constants in memory and calls the C library."""
    k = Emitter("powers", {"x": "ptr", "out": "ptr"})
    with k.loop(k.start, k.stop) as i:
        k.store(k.intrinsic("pow", k.load("double", k.x, i), k.constant("double", 2.6)), k.out, i)
    return k


def code_of(kernel: Emitter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    assert compiler.function(kernel) is not None
    target = compiler.target()
    assert target is not None
    code = cache.read(kernel.text(), target.key)
    assert code is not None
    return code


@here
def test_constants_and_functions_of_the_c_library_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = code_of(powers(), monkeypatch, tmp_path)
    assert b"\0pow\0" in code
    assert loader.loaded(code, "powers")
    assert loader.loaded(code, "another") is None
    function = compiler.function(powers())
    assert function is not None
    x = np.linspace(0.1, 9, 50)
    out = np.empty_like(x)
    function(0, 50, table.address(x), table.address(out))
    np.testing.assert_allclose(out, x**2.6, rtol=1e-14)


@here
@pytest.mark.parametrize("strange", ["format", "processor", "function", "relocation", "writable"])
def test_what_is_not_known_is_left_to_llvm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strange: str) -> None:
    code = bytearray(code_of(powers(), monkeypatch, tmp_path))
    sections = loader._sections(bytes(code))
    if strange == "format":
        code[:4] = b"\xcf\xfa\xed\xfe"
    elif strange == "processor":
        struct.pack_into("<H", code, 18, 183)
    elif strange == "function":
        at = code.index(b"\0pow\0")
        code[at : at + 5] = b"\0wop\0"
    elif strange == "relocation":
        asked = next(
            s for s in sections if s.kind == 4 and s.info in range(len(sections)) and sections[s.info].placed()
        )
        struct.pack_into("<I", code, asked.offset + 8, 2)
    else:
        start = struct.unpack_from("<Q", code, 40)[0]
        number = next(i for i, section in enumerate(sections) if section.placed() and section.size)
        struct.pack_into("<Q", code, start + number * 64 + 8, sections[number].flags | 1)
    assert loader.loaded(bytes(code), "powers") is None


def test_llvm_loads_what_the_loader_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "loaded", lambda code, name: None)
    function = compiler.function(powers())
    assert function is not None
    x, out = np.array([4.0]), np.empty(1)
    function(0, 1, table.address(x), table.address(out))
    np.testing.assert_allclose(out, 4.0**2.6)
