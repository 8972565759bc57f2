"""Machine code from an object file into memory, without LLVM.

Kernels are small functions that call each other nowhere, compiled for addresses of any size: on x86-64 all that is left
to do for the object files that LLVM makes of them on Linux (the ELF format) is to copy their sections into memory, to
fill in addresses of 64 bits, and to have the system run what lies there. To load LLVM for that would cost 0.15 s and
40 MB. Where a file asks for more, `loaded` gives None, and LLVM does it.

The format is in the System V Application Binary Interface, https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
and, for x86-64, https://gitlab.com/x86-psABIs/x86-64-ABI.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from typing import Any, NamedTuple

_SECTION, _SYMBOL, _ADDRESS = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), struct.Struct("<QQq")
_X86_64, _IS_64_BIT_LITTLE_ENDIAN = 62, b"\x7fELF\x02\x01"
_SYMBOLS, _RELOCATIONS, _NO_BITS, _UNWINDING = 2, 4, 8, 0x70000001  # kinds of sections
_WRITTEN, _IN_MEMORY = 1, 2  # flags of sections
_WHOLE_ADDRESS = 1  # the kind of relocation: symbol + addend, in 64 bits
_ELSEWHERE, _SPECIAL = 0, 0xFF00  # where a symbol is, if not in the section of that number
_pages: list[Any] = []  # they hold code that may run at any time


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int

    def placed(self) -> bool:
        """Whether it goes into memory; how to unwind the stack through it nobody will ask."""
        return bool(self.flags & _IN_MEMORY) and self.kind != _UNWINDING


def loaded(code: bytes, names: tuple[str, ...]) -> dict[str, int] | None:
    """The addresses of these functions of an object file; None where LLVM is needed for it."""
    if sys.platform != "linux" or not code.startswith(_IS_64_BIT_LITTLE_ENDIAN):
        return None
    if struct.unpack_from("<H", code, 18)[0] != _X86_64:
        return None
    sections = _sections(code)
    starts: dict[int, int] = {}  # of each section, in the memory
    size = 0
    for i, section in enumerate(sections):
        if section.placed():
            if section.flags & _WRITTEN or section.kind == _NO_BITS or section.alignment > mmap.PAGESIZE:
                return None
            starts[i] = size = -(-size // max(1, section.alignment)) * max(1, section.alignment)
            size += section.size
    if not size:
        return None
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for i, start in starts.items():
        section = sections[i]
        memory[start : start + section.size] = code[section.offset : section.offset + section.size]
    symbols = next((section for section in sections if section.kind == _SYMBOLS), None)
    if symbols is None:
        return None
    texts = sections[symbols.link].offset

    def symbol(number: int) -> tuple[bytes, int | None]:
        """Its name and its address; None where it is nowhere."""
        at, _, _, where, value, _ = _SYMBOL.unpack_from(code, symbols.offset + number * _SYMBOL.size)
        called = code[texts + at : code.index(b"\0", texts + at)]
        if where == _ELSEWHERE:
            return called, _outside(called.decode())
        return called, base + starts[where] + value if where < _SPECIAL and where in starts else None

    for section in sections:
        if section.kind != _RELOCATIONS or section.info not in starts:
            continue
        for at in range(section.offset, section.offset + section.size, _ADDRESS.size):
            place, what, addend = _ADDRESS.unpack_from(code, at)
            address = symbol(what >> 32)[1]
            if what & 0xFFFFFFFF != _WHOLE_ADDRESS or address is None:
                return None
            struct.pack_into("<Q", memory, starts[section.info] + place, address + addend)
    if not _runs(base, size):
        return None
    _pages.append(memory)
    every = dict(symbol(number) for number in range(1, symbols.size // _SYMBOL.size))
    places = {name: address for name in names if (address := every.get(name.encode()))}
    return places if len(places) == len(names) else None


def _sections(code: bytes) -> list[_Section]:
    start = struct.unpack_from("<Q", code, 40)[0]
    size, count = struct.unpack_from("<HH", code, 58)
    return [_Section(*_SECTION.unpack_from(code, start + i * size)) for i in range(count)]


def _outside(name: str) -> int | None:
    """The address of a function of the C library, or None."""
    for library in (None, "libm.so.6"):
        try:
            return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value
        except (OSError, AttributeError):
            continue
    return None


def _runs(base: int, size: int) -> bool:
    """Have the system run what is in the memory, which is written no longer; some systems forbid it."""
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC) == 0
