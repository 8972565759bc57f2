"""Inner loops of what NumPy does badly, as LLVM IR written in Python; without llvmlite the NumPy lines beside them run.

| file | what it is about |
|---|---|
| `emitter` | one function as text: typed values, loops, loads and stores |
| `mathematics` | exp, tanh, erf of each element, with their errors |
| `elementwise` | activations and their gradients |
| `choice` | the element of one array or of another |
| `convolution` | convolution in two dimensions, and both gradients |
| `winograd`, `tiles`, `transformations` | convolution by 3 by 3 with fewer multiplications |
| `windows` | its other loops, as products of windows with weights |
| `pooling` | the largest number of each window, and its gradient |
| `products` | products of two matrices, and their sum with a bias or a weight |
| `blas` | the product that NumPy's own BLAS has |
| `attention` | attention of each head, forward and backward |
| `recurrent`, `gates` | LSTM, GRU and plain recurrences over a whole sequence, and back; one step of LSTM |
| `classes` | cross-entropy, and the gradient of an embedding |
| `rows` | layer and batch norm, softmax, and their gradients |
| `shuffling` | numbers in random order |
| `normal` | normal numbers from the generator's words |
| `optimisers` | Adam, SGD, RMSprop, Adagrad and Adadelta in one pass over a parameter |
| `table` | what a kernel is, and when it runs |
| `compiler`, `cache` | from text to a function that can be called; machine code kept on disk |
| `calling` | how Python calls machine code, and hands it arrays |
| `loader`, `processor` | code from the disk into memory, and for which processor it is, without LLVM |
| `pool` | the threads that share a kernel's work |

A call gives the result, or None where the dtype, the layout or the size is not one for a kernel: then the line beside
it runs. Which of the two it is depends on nothing else, so that a run can be repeated bit for bit on the same
machine while `status()` says the same. `PELLUCID_KERNELS=0` in the environment has none run.
"""

from .compiler import status
from .pool import get_num_threads, set_num_threads
from .table import KERNELS

__all__ = ["KERNELS", "get_num_threads", "set_num_threads", "status"]
