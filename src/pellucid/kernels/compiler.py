"""From the text of a kernel to a function that can be called, by LLVM (the package llvmlite) for this processor.

llvmlite is imported when the first kernel is needed, and LLVM itself when the first is compiled. Without it there are
no kernels, and no error: `function` gives None. What it makes is kept on disk (see `cache`), and goes from there into
memory without LLVM on the systems that `loader` knows.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from . import calling
from .emitter import Emitter
from .loader import loaded
from .processor import Processor, described


class Code(NamedTuple):
    """Where a kernel is in memory, and the types of its parameters after `start` and `stop`."""

    address: int
    types: tuple[str, ...]


class _Lock:
    """One thread compiles at a time; a process that was forked meanwhile begins with an open lock."""

    def __init__(self) -> None:
        self.anew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.anew)

    def anew(self) -> None:
        self.lock = threading.RLock()


_lock = _Lock()
_engines: list[Any] = []  # they own the machine code
_sources: dict[int, Emitter] = {}  # by the address of the code: who asks for it is shown it
_codes: dict[Callable[..., None], Code] = {}  # of the functions that Python calls
_failure: str | None = None
_known: Target | None = None  # what `target` gives at once, since each call of some kernels asks


class Target:
    """The processor at hand; or another whose code runs here, by LLVM's name, and its features.

    LLVM itself is loaded when something is compiled: code that is on disk needs it for nothing.
    """

    def __init__(self, processor: str | None = None, features: str | None = None) -> None:
        import llvmlite

        self._processor, self._features = processor, features
        here = described() if processor is None else None
        if here is None:
            processor = self.binding.get_host_cpu_name() if processor is None else processor
            listed = self.features if features is None else features
            here = Processor(processor or "", frozenset(each[1:] for each in listed.split(",") if each[:1] == "+"))
        self._here = here
        self.named = f"llvmlite {llvmlite.__version__} for {here.name}"
        self.key = f"{llvmlite.__version__} {sys.platform} {platform.machine()} {here.key}"
        self.lanes = 16 if self.has("avx512f") else 8 if self.has("avx") else 4  # floats that a vector register takes

    def has(self, feature: str) -> bool:
        """Whether the processor has what LLVM calls so: `fma`."""
        return feature in self._here.features

    @functools.cached_property
    def binding(self) -> Any:
        """LLVM."""
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        return binding

    @property
    def triple(self) -> str:
        """The processor's kind and the system, as LLVM writes them."""
        return self.binding.get_process_triple()

    @functools.cached_property
    def features(self) -> str:
        """What LLVM may use of the processor, as it writes it: `+avx,-avx512f`."""
        return self.binding.get_host_cpu_features().flatten() if self._features is None else self._features

    def machine(self) -> Any:
        """A generator of machine code."""
        name = self.binding.get_host_cpu_name() if self._processor is None else self._processor
        found = self.binding.Target.from_triple(self.triple)
        return found.create_target_machine(cpu=name, features=self.features, opt=3, jit=True)


@functools.cache
def _target() -> Target | None:
    global _failure
    if os.environ.get("PELLUCID_KERNELS", "1") == "0":
        _failure = "the environment variable PELLUCID_KERNELS is 0"
        return None
    try:
        return Target()
    except ImportError:
        _failure = 'llvmlite is not installed: pip install "pellucid[compile]"'
    except Exception as failure:  # noqa: BLE001  an LLVM that does not know this machine
        _failure = f"llvmlite does not run here: {failure}"
    return None


def target() -> Target | None:
    """The processor, or None where no kernel can be made."""
    global _known
    if _known is None:
        with _lock.lock:
            _known = _target() if _failure is None else None
    return _known


def status() -> str:
    """What the kernels run on, or why there are none."""
    found = target()
    return found.named if found else f"none: {_failure}"


def function(kernel: Emitter) -> Callable[..., None] | None:
    """The function `(start, stop, parameters…)` of a kernel; None where none can be made. It runs without the GIL.

    For an address it takes an array, too: that of its first number.
    """
    global _failure, _known
    with _lock.lock:
        found = _target() if _failure is None else None
        if found is None:
            return None
        try:
            places = _places(found, kernel)
        except Exception as failure:  # noqa: BLE001  another LLVM, a processor that it does not know
            _failure, _known = f"llvmlite does not run here: {failure}", None
            return None
    address = places.get(kernel.name)
    if not address:
        return None
    types = tuple(kernel.parameters.values())
    made = calling.function(kernel.name, address, places.get(calling.caller(kernel.name)), types)
    _sources[address], _codes[made] = kernel, Code(address, types)
    return made


def text_of(kernel: Emitter) -> str:
    """What is compiled: the kernel, and how Python calls it."""
    return f"{kernel.text()}\n{calling.text(kernel.name, kernel.parameters.values())}\n"


def _places(target: Target, kernel: Emitter) -> dict[str, int]:
    """The addresses of the functions that a kernel is compiled to, from the disk where they are there."""
    from . import cache  # here: importing pellucid shall not load what files and hashes need

    text = text_of(kernel)
    key = f"{target.key} blocked" if kernel.blocked else target.key
    names = kernel.name, calling.caller(kernel.name)
    code = cache.read(text, key)
    places = {} if code is None else _load(target, code, names)
    if not places:
        code = _compiled(target, text, kernel.blocked)
        cache.write(text, key, code)
        places = _load(target, code, names)
    return places


def code_of(function: Callable[..., None]) -> Code:
    """Where the code is that a function of `function` runs."""
    return _codes[function]


def source(address: int) -> Emitter | None:
    """The kernel whose code begins there; None where it is none of ours."""
    return _sources.get(address)


def assembly(kernel: Emitter) -> str:
    """What LLVM makes of a kernel for this processor, as text. Raises RuntimeError where it cannot be had."""
    found = target()
    if found is None:
        raise RuntimeError(f"there is no machine code to show: {status()}")
    with _lock.lock:
        module, machine = _optimised(found, kernel.text(), kernel.blocked)
        return machine.emit_assembly(module)


def _compiled(target: Target, text: str, blocked: bool) -> bytes:
    """Machine code in the format of the system's object files."""
    module, machine = _optimised(target, text, blocked)
    return machine.emit_object(module)


def _optimised(target: Target, text: str, blocked: bool) -> tuple[Any, Any]:
    """The module after LLVM's passes, and the machine that it is for."""
    binding = target.binding
    module = binding.parse_assembly(text)
    module.triple = target.triple
    module.verify()
    machine = target.machine()
    options = binding.create_pipeline_tuning_options(speed_level=1 if blocked else 3)
    options.loop_vectorization = options.loop_interleaving = options.loop_unrolling = not blocked
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine


def _load(target: Target, code: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """The addresses of these functions in `code`."""
    places = loaded(code, names)
    if places is not None:
        return places
    binding = target.binding
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target.machine())
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: engine.get_function_address(name) for name in names}
