"""`torch.functional`: functions that are also at the top of `torch`."""

import pellucid
from pellucid import torch_names

__all__: list[str] = []

for _name in (
    "atleast_1d", "atleast_2d", "atleast_3d", "align_tensors", "broadcast_shapes", "broadcast_tensors",
    "cartesian_prod", "block_diag", "cdist", "chain_matmul", "einsum", "istft", "lu", "norm", "meshgrid", "pca_lowrank",
    "split", "stft", "svd_lowrank", "tensordot", "unique", "unique_consecutive", "unravel_index",
):  # fmt: skip
    if hasattr(pellucid, _name):
        globals()[_name] = getattr(pellucid, _name)
        __all__.append(_name)

__getattr__ = torch_names.absent(__name__)
