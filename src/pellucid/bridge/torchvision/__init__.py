"""`torchvision`, as far as programs that learn need it: data sets from local files, transforms, models without weights.

Pictures are Pillow's, as there; Pillow is imported where a picture is made.
"""

from pellucid.torch_names import absent

from . import datasets, io, models, ops, transforms, utils

__all__ = ["datasets", "get_image_backend", "io", "models", "ops", "set_image_backend", "transforms", "utils"]
__version__ = "0.28.0+pellucid"


def get_image_backend() -> str:
    """PIL."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Nothing, for PIL."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL'")


def disable_beta_transforms_warning() -> None:
    """Nothing: there is no such warning."""


__getattr__ = absent("torchvision")
