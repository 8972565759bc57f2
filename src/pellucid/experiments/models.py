"""The words of `--model`: their normal form, and on which data each network works."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.experiments.errors import UsageError, nearest, unknown

LEAST_HEAD = 16  # of a transformer's width each head has this share


@dataclass(frozen=True)
class Kind:
    """A network that can be asked for.

    Attributes:
        usual: as one writes it where the data set has no recipe of its own.
        sizes: how many sizes come after the colon: none (0), as many as one likes (None), or a fixed number.
        wanted: what the sizes are, in words.
        text, other: whether it works on text, and on anything else.
    """

    usual: str
    sizes: int | None = 0
    wanted: str = ""
    text: bool = False
    other: bool = False


_HIDDEN = "the sizes of the hidden layers, whole numbers above 0 separated by commas"

KINDS = {
    "logistic": Kind("logistic", other=True),
    "mlp": Kind("mlp:128,64", None, _HIDDEN, text=True, other=True),
    "cnn": Kind("cnn", other=True),
    "resnet": Kind("resnet", other=True),
    "bigram": Kind("bigram", text=True),
    "lstm": Kind("lstm:128", None, _HIDDEN, text=True),
    "transformer": Kind("transformer:64,2", 2, "the width, a multiple of 16, and the number of blocks", text=True),
}
# Settings of a network beside its sizes, and the networks that have them.
OF_MODELS = {
    "dropout": ("mlp", "cnn", "resnet", "lstm", "transformer"),
    "batch_norm": ("mlp", "cnn", "resnet"),
    "residual": ("mlp", "resnet"),
}
MODELS = tuple(kind.usual for kind in KINDS.values())


def normal_model(text: str) -> str:
    """`logistic`, `cnn` or `mlp:128,64`, without spaces; UsageError with what to write for anything else.

    `lstm` and `transformer` alone get their usual sizes; `mlp` gets those that suit its data where they are known.
    """
    name, colon, _ = text.strip().lower().partition(":")
    if name not in KINDS:
        meant = nearest(name, KINDS)  # without its sizes, which make two names less alike
        raise unknown("model", name if meant else text, [*KINDS] if meant else MODELS)
    kind = KINDS[name]
    if kind.sizes == 0:
        if colon:
            raise UsageError(f"--model {text}: {name} takes no sizes. Write --model {name}.")
        return name
    if not colon and not kind.other:
        return kind.usual
    return f"{name}:" + ",".join(str(size) for size in hidden_sizes(text))


def hidden_sizes(model: str) -> list[int]:
    """`mlp:128,64` -> [128, 64]."""
    name, _, rest = model.strip().lower().partition(":")
    kind, parts = KINDS[name], rest.split(",")
    fit = all(part.strip().isascii() and part.strip().isdigit() and int(part) > 0 for part in parts)
    sizes = [int(part) for part in parts] if fit else []
    if not fit or kind.sizes not in (None, len(sizes)) or (name == "transformer" and sizes[0] % LEAST_HEAD):
        raise UsageError(f"--model {model}: after {name}: come {kind.wanted}. Write for example --model {kind.usual}.")
    return sizes


def for_source(model: str, source: str, default: str) -> str:
    """A model in its normal form, for data of a kind; `mlp` alone is the one of the data set's recipe.

    Raises:
        UsageError: it does not work on such data.
    """
    name = model.strip().lower().partition(":")[0]
    if model.strip().lower() == "mlp" and default.startswith("mlp:"):
        model = default
    if name in KINDS and not (KINDS[name].text if source == "text" else KINDS[name].other):
        fitting = [kind.usual for kind in KINDS.values() if (kind.text if source == "text" else kind.other)]
        what = (
            "a text"
            if source == "text"
            else f"the data set {source}"
            if source not in ("csv", "folder")
            else "these data"
        )
        more = "" if source == "text" else " Text is a file that ends in .txt, given without --target."
        raise UsageError(f"--model {model} is not for {what}. There are: {', '.join(fitting)}.{more}")
    return normal_model(model)
