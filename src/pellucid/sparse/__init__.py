"""Sparse matrices and tensors by coordinates (COO): the few numbers of a large tensor that are not zero.

`sparse_coo_tensor` makes one; `mm` (also `spmm`, and `@`) multiplies it with a dense matrix, which is what a graph
network does with its adjacency. Gradients flow to the values and to the dense matrix, of any order, since a product is
composed of ops on dense tensors: gather the rows, scale them, add them up. Compressed rows (CSR) are not offered.
"""

from .coordinates import SparseTensor, mm, sparse_coo_tensor, spmm, sum

__all__ = ["SparseTensor", "mm", "sparse_coo_tensor", "spmm", "sum"]
