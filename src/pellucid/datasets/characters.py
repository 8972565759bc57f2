"""Text as a sequence of character numbers: the smallest language modelling."""

import codecs
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.record import DataError, generator


@dataclass(frozen=True, eq=False, repr=False)
class TextSet:
    """A text as numbers, one for each character.

    Attributes:
        vocab: the characters that occur, in code point order; a character's number is its place here.
        train, val: the numbers of the first part of the text and of the rest, (N,) int64.
    """

    name: str
    vocab: str
    train: np.ndarray
    val: np.ndarray

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters of `text`, (len(text),) int64.

        Raises:
            DataError: a character that is not in the vocabulary.
        """
        number = {char: i for i, char in enumerate(self.vocab)}
        try:
            return np.array([number[char] for char in text], dtype=np.int64)
        except KeyError as error:
            char = error.args[0]
            raise DataError(
                f"the character {char!r} at position {text.index(char)} is not among the {len(self.vocab)} of "
                f"{self.name}: {self.vocab!r}"
            ) from None

    def decode(self, numbers: np.ndarray) -> str:
        """The text whose characters have these numbers: what `encode` undoes.

        Raises:
            DataError: a number that stands for no character.
        """
        numbers = np.asarray(numbers)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self.vocab):
            raise DataError(
                f"the {len(self.vocab)} characters of {self.name} have the numbers 0 to {len(self.vocab) - 1}; "
                f"received {numbers.min()} to {numbers.max()}"
            )
        return "".join(self.vocab[i] for i in numbers.ravel().tolist())

    def plot(self, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
        """How often each character comes in the training part; `title`, `ax`, `save` as for `pellucid.viz.curves`."""
        from pellucid.viz.data import characters

        counts = np.bincount(self.train, minlength=len(self.vocab)).tolist()
        title = f"{self.name}: {len(self.train):,} characters to train on" if title is None else title
        return characters(dict(zip(self.vocab, counts, strict=True)), title=title, ax=ax, save=save)

    def __repr__(self) -> str:
        return f"TextSet({self.name}: {len(self.vocab)} characters; {len(self.train):,} train, {len(self.val):,} val)"


def text(
    path: str | os.PathLike[str],
    val_fraction: float = 0.1,
    shuffle_lines: bool = False,
    seed: int = 0,
) -> TextSet:
    """Read a UTF-8 text file as characters; the last `val_fraction` of it is for validation.

    Args:
        shuffle_lines: mix the lines first: for a list, such as names, whose order means something. A text that runs on
            from line to line is better left as it is.

    Raises:
        DataError: the file is missing, empty or not UTF-8, or nothing would be left to train on.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "hello.txt"
        ...     _ = path.write_text("hello world", encoding="utf-8")
        ...     data = text(path, val_fraction=0.25)
        >>> data
        TextSet(hello.txt: 8 characters; 8 train, 3 val)
        >>> data.encode("hold").tolist(), data.decode(data.val)
        ([3, 5, 4, 1], 'rld')
    """
    path = Path(path).expanduser()
    content = read_text(path).replace("\r\n", "\n")
    if not content:
        raise DataError(f"{path} is empty: there is no text to learn from")
    if shuffle_lines:
        lines = content.removesuffix("\n").split("\n")
        content = "".join(f"{lines[i]}\n" for i in generator(seed).permutation(len(lines)))
    n_val = round(len(content) * val_fraction)
    if not 0 <= val_fraction < 1 or n_val == len(content):
        raise DataError(
            f"a validation fraction of {val_fraction} of {len(content)} characters leaves none to train on: "
            f"choose one from 0 to below 1"
        )
    vocab = "".join(sorted(set(content)))
    whole = TextSet(path.name, vocab, np.empty(0, np.int64), np.empty(0, np.int64))
    numbers = whole.encode(content)
    cut = len(content) - n_val
    return TextSet(path.name, vocab, numbers[:cut], numbers[cut:])


def read_text(path: Path, encoding: str | None = None) -> str:
    """What a text file holds, without the byte order mark that some programs put first.

    It is in `encoding`; by default UTF-8, or UTF-16 or UTF-32 where such a mark says so (Excel's "Unicode text").

    Raises:
        DataError: there is no such file, it cannot be read, its bytes are no such text, or there is no such encoding.
    """
    if encoding is not None:
        check_encoding(encoding)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}: check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    for mark, what in _NO_TEXT:
        if data.startswith(mark):
            raise DataError(f"{path} is {what}, and a text file was expected: save the table as CSV in UTF-8")
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is no {encoding} text ({error.reason} at byte {error.start:,}): another encoding?"
            ) from error
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and len(data) > 3 and 0 in data[:2] and any(data[:2]):
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"  # a text of UTF-8 does not begin with a NUL
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise DataError(
                f"{path} begins as {encoding.upper()} text and does not go on as such ({error.reason} at byte "
                f"{error.start:,}); save it as UTF-8"
            ) from error
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path} is not UTF-8 text: byte {error.object[error.start]:#04x} in line {line}; save it as UTF-8, or "
            "say which encoding it has, such as --encoding cp1252 (Western Europe, Windows)"
        ) from error


def is_utf8(path: Path) -> bool:
    """Whether a file holds letters beyond ASCII that are UTF-8, which those of another encoding hardly ever are."""
    try:
        data = path.read_bytes()
        data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return not data.isascii()


def check_encoding(name: str) -> None:
    """DataError unless Python knows an encoding of texts by this name."""
    try:
        "".encode(name)
    except LookupError:
        raise DataError(
            f"there is no encoding {name!r}; common ones are utf-8, cp1252 (Western Europe, Windows), latin-1, cp1251 "
            "(Cyrillic), shift_jis, gb18030"
        ) from None


# What people give for a table, by the bytes that such files begin with.
_NO_TEXT = (
    (b"PK\3\4", "a workbook (.xlsx) or another archive"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls)"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\0", "a database"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "a compressed file (unpack it first)"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x80\2", "a pickle"),
)

# The longer marks first: UTF-16's little-endian mark begins UTF-32's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
