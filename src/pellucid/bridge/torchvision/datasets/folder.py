"""Pictures in folders, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..pictures import image_module
from .vision import VisionDataset

__all__ = [
    "DatasetFolder", "ImageFolder", "default_loader", "has_file_allowed_extension", "is_image_file", "pil_loader",
]  # fmt: skip

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def pil_loader(path: str) -> Any:
    """A picture of Pillow's, in RGB."""
    with open(path, "rb") as file:
        return image_module().open(file).convert("RGB")


default_loader = pil_loader


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of the extensions."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether a file's name is that of a picture."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


class DatasetFolder(VisionDataset):
    """Files in folders: `root/CLASS/…/FILE`. Classes are numbered in the order of the alphabet."""

    def __init__(
        self, root: Any, loader: Callable[[str], Any], extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None, target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None, allow_empty: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        endings = extensions or ()
        valid = is_valid_file or (lambda path: path.lower().endswith(tuple(endings)))
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples: list[tuple[str, int]] = []
        for name in self.classes:
            before = len(self.samples)
            for folder, _, files in sorted(os.walk(os.path.join(self.root, name), followlinks=True)):
                paths = (os.path.join(folder, file) for file in sorted(files))
                self.samples += [(path, self.class_to_idx[name]) for path in paths if valid(path)]
            if len(self.samples) == before and not allow_empty:
                raise FileNotFoundError(
                    f"Found no valid file for the classes {name}. Supported extensions are: {endings}"
                )
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and their numbers."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: i for i, name in enumerate(classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self.changed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in folders: `root/dog/1.png`, `root/cat/2.jpg`."""

    def __init__(
        self, root: Any, transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None, loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None, allow_empty: bool = False,
    ) -> None:  # fmt: skip
        endings = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, endings, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
