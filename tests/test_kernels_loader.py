"""Machine code from the disk runs without LLVM; what the loader does not know, LLVM loads."""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.kernels import cache, calling, compiler, loader, processor
from pellucid.kernels.emitter import Emitter

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
here = pytest.mark.skipif(processor.described() is None, reason="LLVM loads the code on this system")

PROGRAM = """
import sys
import threading
from collections.abc import Callable
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


NAMES = ("powers", calling.caller("powers"))


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
    code = cache.read(compiler.text_of(kernel), target.key)
    assert code is not None
    return code


@here
def test_constants_and_functions_of_the_c_library_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = code_of(powers(), monkeypatch, tmp_path)
    assert b"\0pow\0" in code
    assert set(loader.loaded(code, NAMES) or ()) == set(NAMES)
    assert loader.loaded(code, ("powers", "another")) is None
    function = compiler.function(powers())
    assert function is not None
    x = np.linspace(0.1, 9, 50)
    out = np.empty_like(x)
    function(0, 50, x, out)
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
    assert loader.loaded(bytes(code), NAMES) is None


def test_llvm_loads_what_the_loader_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "loaded", lambda code, names: None)
    function = compiler.function(powers())
    assert function is not None
    x, out = np.array([4.0]), np.empty(1)
    function(0, 1, x, out)
    np.testing.assert_allclose(out, 4.0**2.6)


def mixed() -> Emitter:
    """A kernel with a parameter of each type: out[i] = x[i] * factor + shift + by, all from `start` on."""
    k = Emitter("mixed", {"x": "ptr", "out": "ptr", "by": "i64", "factor": "float", "shift": "double"})
    with k.loop(k.start, k.stop) as i:
        value = k.load("double", k.x, i) * k.convert(k.factor, "double") + k.shift
        k.store(value + k.convert(k.by, "double"), k.out, i)
    return k


@pytest.fixture(params=["builtin", "ctypes"])
def function_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`compiler.function`, for either way to call what it gives."""
    if request.param == "ctypes":
        monkeypatch.setattr(calling, "_table", lambda: None)
    elif calling._table() is None:
        pytest.skip("objects are not as CPython has them")
    return compiler.function


def test_a_kernel_takes_arrays_addresses_and_numbers(function_of: Callable[..., Any]) -> None:
    function = function_of(mixed())
    x, out = np.arange(5.0), np.zeros(5)
    for place in (x, calling.address(x)):
        out[:] = 0
        assert function(1, 4, place, out, 2, 0.5, 10) is None
        assert out.tolist() == [0, 12.5, 13, 13.5, 0]
    function(np.int64(1), True + 1, x[::-1][::-1], out, np.int64(3), 1, np.float32(0.25))
    assert out.tolist() == [0, 4.25, 13, 13.5, 0]


@pytest.mark.parametrize(
    "given",
    [
        (), (0, 1), (0, 1, None, 3, 0.5), (0, 1, "x", 0, 3, 0.5, 0.5), (0, 1, [1.0], 0, 3, 0.5, 0.5),
        (0.5, 1, 0, 0, 3, 0.5, 0.5), (0, 1, 0, 0, 3, "0.5", 0.5), (0, 1, 0, 0, 3, 0.5, 0.5, 7),
    ],
)  # fmt: skip
def test_a_kernel_does_not_run_with_other_arguments(given: tuple[Any, ...]) -> None:
    function = compiler.function(mixed())
    if function is None or calling._table() is None:
        pytest.skip("ctypes calls the kernels")
    with pytest.raises(TypeError):
        function(*given)
    wrong: Any = function
    with pytest.raises(TypeError):
        wrong(start=0)


def test_a_subclass_of_arrays_is_refused_rather_than_read() -> None:
    function = compiler.function(mixed())
    if function is None or calling._table() is None:
        pytest.skip("ctypes calls the kernels")
    with pytest.raises(TypeError):
        function(0, 2, np.ma.array([1.0, 2.0]), np.zeros(2), 0, 1.0, 0.0)


def test_calls_leave_no_reference_behind() -> None:
    function = compiler.function(mixed())
    if function is None:
        pytest.skip("there are no kernels here")
    x, out = np.arange(300.0), np.zeros(300)
    held = [sys.getrefcount(each) for each in (x, out)]
    for _ in range(1000):
        function(0, 300, x, out, 1000, 1e6, 2.0)
    assert [sys.getrefcount(each) for each in (x, out)] == held


def test_threads_run_kernels_at_once() -> None:
    function = compiler.function(mixed())
    if function is None:
        pytest.skip("there are no kernels here")
    x, outs = np.arange(10_000.0), [np.zeros(10_000) for _ in range(4)]

    def work(out: Any) -> None:
        for _ in range(200):
            function(0, 10_000, x, out, 1, 2.0, 0.0)

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((out == 2 * x + 1).all() for out in outs)
