"""Linear algebra under PyTorch's name, `pellucid.linalg`; the ops themselves are in `ops`."""

from pellucid.torch_names import absent

from .ops.linalg.checks import LinAlgError
from .ops.linalg.cholesky import cholesky_ex
from .ops.linalg.cholesky import linalg_cholesky as cholesky
from .ops.linalg.elimination import lu, lu_factor, lu_factor_ex, lu_solve
from .ops.linalg.matrix_functions import cond, matrix_exp, matrix_power, multi_dot, vander, vecdot
from .ops.linalg.matrix_functions import linalg_cross as cross
from .ops.linalg.matrix_functions import linalg_diagonal as diagonal
from .ops.linalg.matrix_functions import linalg_matmul as matmul
from .ops.linalg.orthogonal import householder_product
from .ops.linalg.orthogonal import linalg_qr as qr
from .ops.linalg.solving import det, inv, inv_ex, slogdet, solve, solve_ex, tensorinv, tensorsolve
from .ops.linalg.spectral import eig, eigh, eigvals, eigvalsh, lstsq, matrix_rank, pinv, svd, svdvals
from .ops.linalg.triangular import solve_triangular
from .ops.norms import matrix_norm, norm, vector_norm

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip

__getattr__ = absent(__name__)
