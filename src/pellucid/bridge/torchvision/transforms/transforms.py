"""The transforms, under the name of the file that torchvision has them in."""

from .classes import *  # noqa: F403
from .classes import __all__ as __all__
