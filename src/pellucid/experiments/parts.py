"""What a run keeps besides its rows, and its report shows: a callback that records, a file, a picture.

To show something more, write the callback (see `train.records.series.Series`) and the picture, and add a `Part` here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.train import ActivationStats, GradientStats, RunFolder
from pellucid.viz.document import Picture
from pellucid.viz.report_network import activations_picture, gradients_picture


@dataclass(frozen=True)
class Part:
    """A record of the whole run.

    Attributes:
        name: of its file in the run's folder, without the ending.
        callback: makes the callback that records, `callback(every)`; this has `save(path)`, and the class has
            `load(path)`, which gives an object with `record()`.
        picture: from what `record()` gives to the picture in the section "Inside the network".
    """

    name: str
    callback: Any
    picture: Callable[[Mapping[str, Any]], Picture]

    def path(self, folder: RunFolder) -> Path:
        return folder.path / f"{self.name}.npz"

    def load(self, folder: RunFolder) -> Mapping[str, Any]:
        """What the run recorded; empty where it has no such file: it is of an earlier version, or in its first epoch.

        Raises ValueError where the file is damaged.
        """
        try:
            return self.callback.load(self.path(folder)).record()
        except FileNotFoundError:
            return {}


PARTS = (
    Part("activations", ActivationStats, activations_picture),
    Part("gradients", GradientStats, gradients_picture),
)
