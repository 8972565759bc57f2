"""Data sets from local files, in the formats in which they are published. Nothing is fetched."""

from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .tiny import CIFAR10, CIFAR100
from .vision import VisionDataset
from .written import EMNIST, KMNIST, MNIST, FashionMNIST

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "KMNIST", "MNIST", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder",
    "VisionDataset",
]  # fmt: skip
