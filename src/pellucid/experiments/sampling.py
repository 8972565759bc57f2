"""Text that a network writes, one character after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import from_data, no_grad
from pellucid.datasets.characters import TextSet
from pellucid.experiments.errors import UsageError
from pellucid.train import Callback, Learner, write_atomically

WRITTEN = "written.json"  # in the folder of a run on text: what its network wrote after each epoch
LINES, LENGTH = 8, 160  # what is written after each epoch: lines of a list, or characters of a running text


class Writer:
    """What a network writes in the characters of the text that it learned from.

    Args:
        characters: `class_names` of the data; a character's number is its place.
        context: the most characters that the network reads.
        lines: whether the text is a list: then what is written ends with its line.
    """

    def __init__(self, characters: Sequence[str], context: int, lines: bool) -> None:
        empty = np.empty(0, np.int64)
        self.text = TextSet("the text", "".join(characters), empty, empty)
        self.context, self.lines = context, lines
        self.newline = self.text.vocab.index("\n")

    def write(
        self,
        model: Any,
        seed: int | Sequence[int] = 0,
        *,
        count: int = 1,
        prompt: str = "",
        length: int = LENGTH,
        temperature: float = 1.0,
    ) -> list[str]:
        """`count` texts that begin with `prompt`, of at most `length` characters more; of a list each a line.

        Each character is drawn with the probabilities softmax(scores / temperature); at temperature 0 it is the
        likeliest. The seed decides what is drawn, and no other random numbers are touched. The model is called in the
        mode that it is in.

        Raises:
            DataError: the prompt has a character that the text has not.
        """
        draw = np.random.default_rng(seed)
        start = self.text.encode(prompt)
        numbers = np.tile(np.concatenate([[self.newline], start]), (count, 1))  # (count, 1 + prompt)
        going = np.ones(count, bool)
        for _ in range(length):
            if not going.any():
                break
            with no_grad():
                scores = model(from_data(numbers[:, -self.context :].copy())).numpy()[:, :, -1]  # (count, V)
            chosen = _chosen(scores.astype(np.float64), temperature, draw.random((count, 1)))
            if self.lines:
                chosen = np.where(going, chosen, self.newline)
                going &= chosen != self.newline
            numbers = np.concatenate([numbers, chosen[:, None]], axis=1)
        texts = [self.text.decode(row[1:]) for row in numbers]
        return [text.partition("\n")[0] for text in texts] if self.lines else texts


def _chosen(scores: np.ndarray, temperature: float, draws: np.ndarray) -> np.ndarray:
    """A number for each row of scores (N, V), by a draw from [0, 1) for each, (N, 1)."""
    if temperature == 0:
        return scores.argmax(axis=1)
    shifted = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    total = shifted.cumsum(axis=1)
    return np.minimum((total <= draws * total[:, -1:]).sum(axis=1), scores.shape[1] - 1)


class Written(Callback):
    """Has the network write a little after each epoch: `rows` are pairs of an epoch and what was written then.

    Args:
        writer: what writes.
        seed: of the run: the same run writes the same.
        path: where the rows are kept, as JSON.
        say: what else happens with what was written.
    """

    observes = True
    order = 60  # after what is shown of the epoch itself

    def __init__(self, writer: Writer, seed: int, path: Path, say: Callable[[str], None] | None = None) -> None:
        self.writer, self.seed, self.path, self.say = writer, seed, path, say
        self.rows: list[tuple[int, str]] = []

    def after_epoch(self, learner: Learner) -> None:
        model = learner.model
        training = model.training
        model.eval()
        try:
            lines = self.writer.lines
            texts = self.writer.write(model, [self.seed, learner.epoch], count=LINES if lines else 1)
        finally:
            model.train(training)
        written = ", ".join(text or "(nothing)" for text in texts) if lines else texts[0]
        self.rows.append((learner.epoch, written))
        write_atomically(self.path, json.dumps(self.rows, ensure_ascii=False, indent=1).encode())
        if self.say is not None:
            self.say(written)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [list(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [(int(epoch), str(text)) for epoch, text in state["rows"]]


def read_written(path: Path) -> list[tuple[int, str]]:
    """The rows that a run kept; none where it has no such file. UsageError where it is damaged."""
    try:
        return [(int(epoch), str(text)) for epoch, text in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error
