"""What the data sets have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pellucid.utils.data import Dataset

__all__ = ["VisionDataset", "absent"]


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


def absent(name: str, folder: Path, files: Iterable[str]) -> RuntimeError:
    """The error for files that are not there: pellucid fetches nothing."""
    wanted = ", ".join(files)
    return RuntimeError(
        f"Dataset not found. {name} needs {wanted} in {folder}: pellucid fetches nothing; fetch them where {name} "
        "is published, and put them there"
    )
