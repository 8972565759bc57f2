"""Programs written for PyTorch, as they are: for a process, or for the length of a `with`, `torch` is pellucid.

    pellucid run program.py --epochs 3

`importing` makes `import torch` find pellucid; `torch` has the names that belong to no other room (devices that
are not there, settings, compilers); `torchvision` the pictures; `program` runs a script,
a module or a notebook as Python would; `lacking` reads a program and lists the names that pellucid does not have;
`coverage` lists all that there are.
"""

from .importing import as_torch
from .lacking import check_program
from .program import run_module, run_script

__all__ = ["as_torch", "check_program", "run_module", "run_script"]
