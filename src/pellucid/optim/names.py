"""What the signatures of this room call things that have no type of their own."""

from typing import Any, TypeAlias

Library: TypeAlias = Any  # an array library, NumPy or one like it
Options: TypeAlias = dict[str, Any]  # hyperparameters by name, or the state of one parameter
Rate: TypeAlias = Any  # a number, or a tensor of one element
