"""What is done to a graph before it is run: each pass is a file, and turns one graph into another, in place.

| pass | what it does |
|---|---|
| `constants` | what follows from constants alone is computed once |
| `lookups` | a table is multiplied where the rows that are looked up in it would be |
| `lowering` | a layer becomes a product and a sum, and a copy of what nobody else has becomes the thing itself |
| `common` | what is computed twice is computed once |
| `dead` | what nobody reads is not computed |
| `pieces` | what is embedded in zeros part by part, and added, is written part by part |
| `fusion` | chains of elementwise ops become loops |
| `normalising` | the loop after a normalisation, or before its gradient, becomes part of it |
| `descent` | a product that makes a gradient takes it off the weight |
"""

from collections.abc import Callable

from ..graph import Graph
from . import common, constants, dead, descent, fusion, lookups, lowering, normalising, pieces

PASSES: tuple[tuple[str, Callable[[Graph], None]], ...] = (
    ("constants", constants.run),
    ("lookups", lookups.run),
    ("lowering", lowering.run),
    ("common", common.run),
    ("dead", dead.run),
    ("pieces", pieces.run),
    ("fusion", fusion.run),
    ("normalising", normalising.run),
    ("descent", descent.run),
)

__all__ = ["PASSES"]
