"""Text to learn the next character of: the lines of a list, or a running text cut into pieces of one length."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pellucid.datasets.characters import read_text
from pellucid.datasets.record import DataError, DataSet, generator, split

NOTHING = -100  # a target that does not count: cross entropy's `ignore_index`
LONGEST_ENTRY = 64  # characters of a line in a list
_SENTENCE = tuple(".,;:!?")


def passages(
    path: str | os.PathLike[str],
    context: int = 64,
    lines: bool | None = None,
    val_fraction: float = 0.1,
    seed: int = 0,
    encoding: str | None = None,
) -> DataSet:
    """Samples of which each character is to be followed by the next.

    Of a list, such as names, every line is a sample: it is preceded by a line break and ends with one, and the lines
    for validation are drawn at random. Any other text is cut into pieces of `context` characters; its last part is for
    validation.

    Shape: x, y (N, context) int64, the numbers of the characters, y one place further; a target after the end of a line
        or of the text is -100, which cross entropy ignores. `class_names` are the characters.

    Args:
        context: characters of a piece; a line of a list that is longer is cut.
        lines: whether each line is a sample; None looks whether the text is a list (`is_list`).
        encoding: by default UTF-8, or what a byte order mark says.

    Raises:
        DataError: the file is missing, empty or of another encoding, or too short to be split.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "names.txt"
        ...     _ = path.write_text("ada\\neve\\nbo\\nann\\nal\\n", encoding="utf-8")
        ...     data = passages(path, val_fraction=0.2)
        >>> data
        DataSet(names.txt: text, 9 classes; 4 train, 1 val; a sample is (4,))
        >>> data.facts["lines"], data.class_names
        (True, ('\\n', 'a', 'b', 'd', 'e', 'l', 'n', 'o', 'v'))
    """
    path = Path(path).expanduser()
    content = read_text(path, encoding).replace("\r\n", "\n").replace("\r", "\n")
    if not content.strip():
        raise DataError(f"{path} is empty: there is no text to learn from")
    entries = [line for line in content.split("\n") if line.strip()]
    as_list = is_list(content) if lines is None else lines
    vocab = "".join(sorted({*content, "\n"}))
    if as_list:
        texts = [f"\n{line[:context]}\n" for line in entries]
        length = max(len(text) for text in texts) - 1
        train, val = split(len(texts), val_fraction, generator(seed))
        parts = [[texts[i] for i in train], [] if val is None else [texts[i] for i in val]]
        counted = f"{len(entries):,} lines"
    else:
        cut = len(content) - round(len(content) * val_fraction)
        length = min(context, cut - 1)
        if length < 1 or len(content) - cut < 2:
            raise DataError(
                f"{path} holds {len(content):,} characters: too few to learn from and to validate on "
                f"{val_fraction:g} of them"
            )
        parts = [_pieces(content[:cut], length), _pieces(content[cut:], length)]
        counted = f"{len(content):,} characters of running text"
    (x_train, y_train), (x_val, y_val) = (_arrays(part, vocab, length) for part in parts)
    longer = sum(len(line) > context for line in entries) if as_list else 0
    return DataSet(
        name=path.name,
        description=f"{path.name}: {counted}, {len(vocab)} different ones"
        if not as_list
        else f"{path.name}: {counted} of up to {length} characters, {len(vocab)} different ones",
        task="text",
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        class_names=tuple(vocab),
        facts={"lines": as_list, "context": length, **({"lines_cut": longer} if longer else {})},
    )


def is_list(content: str) -> bool:
    """Whether each line of a text is an entry of its own: none is empty, none is long, and few end a sentence.

    >>> is_list("emma\\nolivia\\nava\\n"), is_list("To be, or not to be,\\nthat is the question:\\n")
    (True, False)
    """
    lines = content.strip("\n").split("\n")
    if len(lines) < 2 or not all(line.strip() and len(line) <= LONGEST_ENTRY for line in lines):
        return False
    return sum(line.rstrip().endswith(_SENTENCE) for line in lines) < 0.1 * len(lines)


def _pieces(content: str, length: int) -> list[str]:
    """Texts of `length` characters and the one that follows; the last may be shorter."""
    return [content[i : i + length + 1] for i in range(0, len(content) - 1, length)]


def _arrays(texts: list[str], vocab: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters and the ones that follow them, (N, length) int64 each."""
    number = {char: i for i, char in enumerate(vocab)}
    x = np.zeros((len(texts), length), np.int64)
    y = np.full((len(texts), length), NOTHING, np.int64)
    for row, text in enumerate(texts):
        numbers = [number[char] for char in text]
        x[row, : len(numbers) - 1] = numbers[:-1]
        y[row, : len(numbers) - 1] = numbers[1:]
    return x, y
