"""What a setting of a run is: its words, its check, its default; and the normal forms of those that are words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pellucid.datasets.characters import check_encoding
from pellucid.experiments import choices
from pellucid.experiments.errors import unknown

UNSET: Any = object()


@dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its name and type.

    Attributes:
        help: its line in `--help`.
        default: where the user says nothing and neither the data set's recipe nor the optimiser gives one.
        shown: the default in words, for `--help`.
        normal: brings a text into its normal form; UsageError where it makes no sense.
        fits, wanted: whether a number makes sense, and what would, in words.
        offers: the values that the Tab key offers.
    """

    help: str
    default: Any = UNSET
    shown: str = ""
    normal: Callable[[str], str] | None = None
    fits: Callable[[Any], bool] | None = None
    wanted: str = ""
    offers: Callable[[], Iterable[str]] | None = None


def setting(help: str, default: Any = UNSET, **more: Any) -> Any:
    """A field of `Config`. A field that was added later gives `field_default`, which older runs are read with."""
    later = {"default": more.pop("field_default")} if "field_default" in more else {}
    return dataclasses.field(metadata={"setting": Setting(help, default, **more)}, **later)


def one_of(what: str, known: Callable[[], Iterable[str]], aliases: dict[str, str] | None = None) -> dict[str, Any]:
    """The check of a setting that is one of some names, and what the Tab key offers for it."""

    def normal(text: str) -> str:
        word = (aliases or {}).get(text.lower(), text.lower())
        if word not in known():
            raise unknown(what, word, list(known()))
        return word

    return {"normal": normal, "offers": known}


def normal_schedule(text: str) -> str:
    plain = text.lower()
    if plain == "constant" or plain in choices.SPREAD:
        return plain
    if plain.partition(":")[0] not in choices.SCHEDULERS.kinds and ":" not in plain:
        raise unknown("schedule", plain, choices.schedules())
    return choices.SCHEDULERS.normal(text)


def normal_encoding(text: str) -> str:
    check_encoding(text)
    return text


def normal_device(text: str) -> str:
    if text.partition(":")[0] not in choices.DEVICES:
        raise unknown("device", text, choices.DEVICES)
    return text


WHOLE = {"fits": lambda x: x >= 1, "wanted": "a whole number of at least 1, such as 10"}
