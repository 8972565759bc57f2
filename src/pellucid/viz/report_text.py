"""The part of a report that shows text: what the network wrote as it learned, and how it reads what it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pellucid.viz.document import Block, Markup, Section, Table, Text

MOST_WRITTEN = 20  # rows of the table of what was written


@dataclass(frozen=True)
class Passage:
    """What a network that learned from text writes and reads.

    Attributes:
        written: what it wrote after each epoch, (epoch, text).
        characters: a text that it did not learn from.
        bits: how much each character surprised it, −log₂ of the probability that it gave it; None where it was not
            asked.
    """

    written: Sequence[tuple[int, str]] = ()
    characters: str = ""
    bits: Sequence[float | None] = ()


def passage_section(found: Passage | None) -> Section | None:
    if found is None:
        return None
    blocks: list[Block] = []
    if found.written:
        rows = list(found.written)
        if len(rows) > MOST_WRITTEN:
            step = (len(rows) - 1) / (MOST_WRITTEN - 1)
            rows = [rows[round(k * step)] for k in range(MOST_WRITTEN)]
        shown = [[str(epoch), text.replace("\n", " ⏎ ")] for epoch, text in rows]
        blocks.append(Table(["epoch", "written"], shown, "What the network wrote after each epoch."))
    if found.characters:
        known = [value for value in found.bits if value is not None]
        mean = sum(known) / max(len(known), 1)
        blocks.append(
            Text(
                f"How it reads {len(found.characters):,} characters that it did not learn from: the darker the ground, "
                f"the less it expected the character. The mean here is {mean:.2f} bits a character; the number of "
                "bits of each is shown where the pointer rests."
            )
        )
        blocks.append(Markup(_read(found.characters, found.bits)))
    return Section("Text", blocks) if blocks else None


def _read(characters: str, bits: Sequence[float | None]) -> str:
    """The text, each character on a ground that is the darker the more bits it costs, of up to 10."""
    marks: list[str] = []
    for char, cost in zip(characters, bits, strict=True):
        shown = "⏎\n" if char == "\n" else escape(char)
        if cost is None:
            marks.append(shown)
        else:
            share = round(60 * min(cost, 10) / 10)
            ground = f"color-mix(in srgb, #d9480f {share}%, transparent)"
            marks.append(f'<span title="{cost:.1f} bits" style="background:{ground}">{shown}</span>')
    columns = "columns:9rem;" if _are_names(characters) else ""
    style = f"{columns}white-space:pre-wrap;overflow-wrap:anywhere;font-family:ui-monospace,monospace;line-height:1.7"
    return f'<div style="{style}">{"".join(marks)}</div>'


def _are_names(characters: str) -> bool:
    """Whether the lines are so short that several stand beside each other."""
    return max(map(len, characters.split("\n"))) <= 16 and characters.count("\n") > 8
