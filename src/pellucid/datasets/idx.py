"""The IDX file format of MNIST, read strictly: two zero bytes, a type, the number of axes, their lengths, the data.

Source: http://yann.lecun.com/exdb/mnist, "the IDX file format". All numbers are big-endian.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from pellucid.datasets.record import DataError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_BYTES = 2**30  # EMNIST, the largest of this kind, has half of that


def read_bytes(path: Path) -> bytes:
    """What the file holds, unpacked if it is gzip, which its first bytes say, not its name.

    Raises:
        DataError: the file cannot be read, or its gzip stream is truncated or corrupt.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}): check the path and its permissions"
        ) from error
    return unpack(raw, path)


def unpack(raw: bytes, path: Path) -> bytes:
    """`raw` itself, or what it unpacks to where it is gzip; `path` is named in errors."""
    if raw[:2] != b"\x1f\x8b":
        if path.suffix == ".gz":
            raise DataError(f"{path} is named .gz but is not gzip (it starts with {raw[:4]!r}): {AGAIN}")
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            head = packed.read(4 + 4 * 255)
            most = _promised(head)  # a file of some kilobytes may unpack to any length
            rest = packed.read(most + 1 - len(head)) if len(head) <= most <= MOST_BYTES else b""
    except EOFError as error:
        raise DataError(
            f"{path} is truncated: its gzip stream ends early, after {len(raw):,} bytes; {AGAIN}"
        ) from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} is corrupt: its gzip stream cannot be unpacked ({error}); {AGAIN}") from error
    if most > MOST_BYTES:
        raise DataError(f"{path} promises {most:,} bytes in its header, and at most {MOST_BYTES:,} are read: {AGAIN}")
    return head + rest


def _promised(head: bytes) -> int:
    """The length of an IDX file by its header; that of the beginning itself where it is none."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
        return len(head)
    axes = head[3]
    shape = struct.unpack(f">{axes}I", head[4 : 4 + 4 * axes]) if len(head) >= 4 + 4 * axes else ()
    return 4 + 4 * axes + math.prod(shape) * np.dtype(TYPES[head[2]]).itemsize


AGAIN = "delete it and fetch it again"


def parse(data: bytes, path: Path) -> np.ndarray:
    """The array that the bytes of an IDX file describe.

    Shape: as many axes, of such lengths, as the header says. The dtype is the file's, in the machine's byte order.

    Raises:
        DataError: not an IDX file, or more or fewer bytes than its header promises.

        >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), Path("labels"))
        array([7, 8, 9], dtype=uint8)
    """
    if len(data) < 4:
        raise DataError(f"{path} is truncated: it holds {len(data)} bytes, and an IDX file starts with 4; {AGAIN}")
    zeros, kind, axes = data[:2], data[2], data[3]
    if zeros != b"\0\0" or kind not in TYPES or axes == 0:
        raise DataError(
            f"{path} is not an IDX file: it starts with {data[:4].hex(' ')} where MNIST's images have 00 00 08 03 and "
            f"its labels 00 00 08 01; check that it is the right file"
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path} is truncated within its header, at {len(data)} of {start} bytes; {AGAIN}")
    shape = struct.unpack(f">{axes}I", data[4:start])
    dtype = np.dtype(TYPES[kind])
    expected = dtype.itemsize
    for length in shape:
        expected *= length
    received = len(data) - start
    if received != expected:
        what = "is truncated" if received < expected else "has bytes after its end"
        raise DataError(
            f"{path} {what}: its header promises {' × '.join(map(str, shape))} values, {expected:,} bytes, "
            f"and {received:,} follow; {AGAIN}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
