"""What the first argument of the command line means: a data set by its name, or the path of a file or a folder."""

from __future__ import annotations

from pathlib import Path

from pellucid.datasets.columnar import ENDINGS
from pellucid.experiments.errors import unknown
from pellucid.experiments.recipes import DATASETS


def source_of(dataset: str, target: str | None = None) -> str:
    """What an argument means: the name of a data set, "csv" or "text" for a file, or "folder".

    A file that ends in .txt is a table where a column of it is to be predicted, else a text; an absolute path to
    nothing, or one that ends in a slash, is that of a folder which is not there now. Of what is neither a name nor a
    path, UsageError.
    """
    if dataset in DATASETS:
        return dataset
    path = Path(dataset)
    ending = path.suffix.lower()
    if target is None and path.is_dir():
        return "folder"
    if ending == ".txt":
        return "text" if target is None else "csv"
    if target is not None or ending in (".csv", ".tsv", *ENDINGS) or path.exists():
        return "csv"
    if path.is_absolute() or dataset.endswith("/"):
        return "folder"
    raise unknown(
        "data set", dataset, DATASETS, " and the path of a CSV file, a text that ends in .txt, or a folder of pictures"
    )


def short_dataset(dataset: str) -> str:
    """The name of a data set for titles and folders: of a file its own, without its folder and ending."""
    return dataset if dataset in DATASETS else Path(dataset).stem
