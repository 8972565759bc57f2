"""Data to learn from, as plain records of NumPy arrays: real digits, points in the plane, tables, text.

    >>> from pellucid import datasets
    >>> data = datasets.circle(n=1000, seed=0)
    >>> data.x_train.shape, data.y_train.shape, data.x_val.shape
    ((800, 2), (800,), (200, 2))

Each function returns a `DataSet` (`text` a `TextSet`); nothing in it depends on the engine. Whatever is wrong with a
file, a column or an argument is a `DataError`, whose message says what was asked for, what was found and what to do.
"""

from pellucid.datasets.another import read_features
from pellucid.datasets.arrays import read_arrays
from pellucid.datasets.characters import TextSet, text
from pellucid.datasets.folder import folder
from pellucid.datasets.handwritten import digits, mnist
from pellucid.datasets.image import read_image
from pellucid.datasets.passages import passages
from pellucid.datasets.points import circle, moons, spirals
from pellucid.datasets.record import DataError, DataSet, standardised
from pellucid.datasets.sheet import read_table
from pellucid.datasets.table import csv

__all__ = [
    "DataError",
    "DataSet",
    "TextSet",
    "circle",
    "csv",
    "digits",
    "folder",
    "mnist",
    "moons",
    "passages",
    "read_arrays",
    "read_features",
    "read_image",
    "read_table",
    "spirals",
    "standardised",
    "text",
]
