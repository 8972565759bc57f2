"""The one kind of error that is the user's to mend: shown as a sentence, with exit code 2, never as a traceback."""

from __future__ import annotations

from collections.abc import Iterable

NEAR = 0.7  # of the letters of two words in one order, from which one is taken for the other misspelt


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was received and what to write instead."""


def unknown(what: str, received: str, known: list[str] | tuple[str, ...], more: str = "") -> UsageError:
    """The error for a name that is none of `known`, with the closest of them."""
    close = nearest(received, known)
    hint = f" Did you mean {close}?" if close else ""
    return UsageError(f"Unknown {what} {received!r}.{hint} There are: {', '.join(known)}{more}.")


def nearest(received: str, known: Iterable[str]) -> str | None:
    """The name that was meant, where one is near enough: not another one that only shares some letters.

    >>> names = ["mse", "sgd", "val_accuracy", "logistic"]
    >>> [nearest(word, names) for word in ("val_acc", "sdg", "logistics", "mae", "gini")]
    ['val_accuracy', 'sgd', 'logistic', None, None]
    """
    import difflib

    word, names = received.lower(), list(known)
    mixed = [name for name in names if len(name) > 2 and sorted(name.lower()) == sorted(word)]
    begun = [name for name in names if len(word) > 2 and name.lower().startswith(word)]
    close = difflib.get_close_matches(word, names, n=1, cutoff=NEAR)
    return next(iter([*mixed, *close, *begun]), None)


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
