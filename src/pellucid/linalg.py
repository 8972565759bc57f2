"""Linear algebra under PyTorch's name, `pellucid.linalg`; the ops themselves are in `ops`."""

from .ops.norms import matrix_norm, norm, vector_norm

__all__ = ["matrix_norm", "norm", "vector_norm"]
