"""What the data sets have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor, state
from pellucid.utils.data import Dataset, default_collate

from ..pictures import from_bytes, image_module
from ..transforms import Compose, Normalize, ToTensor
from ..transforms.functional.conversion import normalized

__all__ = ["InMemory", "VisionDataset", "absent"]


class VisionDataset(Dataset[Any]):
    """Samples below a folder, and what is done to each picture and its label."""

    def __init__(
        self, root: Any = None, transforms: Callable[..., Any] | None = None,
        transform: Callable[[Any], Any] | None = None, target_transform: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform, self.target_transform, self.transforms = transform, target_transform, transforms

    def changed(self, picture: Any, target: Any) -> tuple[Any, Any]:
        """A sample after its transforms."""
        if self.transforms is not None:
            return self.transforms(picture, target)
        picture = picture if self.transform is None else self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def extra_repr(self) -> str:
        """A line of one's own in the text."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]  # type: ignore[arg-type]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += [line for line in self.extra_repr().splitlines() if line]
        if self.transform is not None:
            first, *more = repr(self.transform).splitlines()
            # One entry of several lines: torchvision, too, indents the first of them alone.
            body.append(
                "\n".join(["StandardTransform", f"Transform: {first}", *(f"           {line}" for line in more)])
            )
        return "\n".join([f"Dataset {type(self).__name__}", *(f"    {line}" for line in body)])


class InMemory(VisionDataset):
    """A data set whose pictures lie in one array of bytes: a batch is made at once, where its transforms allow it.

    They do where they are `ToTensor` and after it perhaps `Normalize`, which do to each number what they do to it in
    its picture, and draw nothing.
    """

    def one(self, index: int) -> tuple[np.ndarray, int]:
        """A picture's bytes, (H, W) or (H, W, C), and its label."""
        raise NotImplementedError

    def pictures(self, rows: Any) -> Any:
        """Some pictures as bytes (n, C, H, W); None where they are not what was read from the files."""
        raise NotImplementedError

    def labels(self, indices: Sequence[int]) -> Any:
        """Their labels, as collating them one by one gives them."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture, target = self.one(index)
        return self.changed(image_module().fromarray(picture), target)

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        made = self._at_once(indices)
        return default_collate([self[index] for index in indices]) if made is None else made

    def _at_once(self, indices: Sequence[int]) -> list[Any] | None:
        after = self._after()
        if after is None or state.interpreters or self.transforms is not None or self.target_transform is not None:
            return None
        if not all(type(index) is int for index in indices):
            return None
        pixels = self.pictures(np.array(indices, np.int64))
        made: Tensor | None = None if pixels is None else from_bytes(pixels)
        for step in after:
            made = None if made is None else normalized(made, step.mean, step.std)
        return None if made is None else [made, self.labels(indices)]

    def _after(self) -> list[Normalize] | None:
        """What comes after `ToTensor`; None where there is something else."""
        steps: list[Any] = list(self.transform.transforms) if type(self.transform) is Compose else [self.transform]
        first, after = steps[:1], steps[1:]
        if [type(step) for step in first] != [ToTensor]:
            return None
        return after if all(type(step) is Normalize and not step.inplace for step in after) else None


def absent(name: str, folder: Path, files: Iterable[str]) -> RuntimeError:
    """The error for files that are not there: pellucid fetches nothing."""
    wanted = ", ".join(files)
    return RuntimeError(
        f"Dataset not found. {name} needs {wanted} in {folder}: pellucid fetches nothing; fetch them where {name} "
        "is published, and put them there"
    )
