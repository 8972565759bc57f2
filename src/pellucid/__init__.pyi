"""The public names of pellucid: ops by their signature, the rest from where it is written."""

# Written by python tools/stubs.py: do not edit.
from . import autograd as autograd
from . import backend as backend
from . import bridge as bridge
from . import check as check
from . import cli as cli
from . import compile as compile
from . import core as core
from . import datasets as datasets
from . import declare as declare
from . import derivation as derivation
from . import distributed as distributed
from . import distributions as distributions
from . import doctor as doctor
from . import errors as errors
from . import exercises as exercises
from . import experiments as experiments
from . import fft as fft
from . import files as files
from . import func as func
from . import kernels as kernels
from . import linalg as linalg
from . import nn as nn
from . import onnx as onnx
from . import ops as ops
from . import optim as optim
from . import playground as playground
from . import printing as printing
from . import profiling as profiling
from . import random as random
from . import record as record
from . import reverse as reverse
from . import safetensors as safetensors
from . import scalar as scalar
from . import serialize as serialize
from . import shell as shell
from . import signal as signal
from . import sklearn as sklearn
from . import sparse as sparse
from . import special as special
from . import torch_names as torch_names
from . import train as train
from . import types as types
from . import utils as utils
from . import version as version
from . import viz as viz
from .bridge.torch import AcceleratorError as AcceleratorError
from .bridge.torch import BFloat16Storage as BFloat16Storage
from .bridge.torch import BFloat16Tensor as BFloat16Tensor
from .bridge.torch import BoolStorage as BoolStorage
from .bridge.torch import BoolTensor as BoolTensor
from .bridge.torch import ByteStorage as ByteStorage
from .bridge.torch import ByteTensor as ByteTensor
from .bridge.torch import CharStorage as CharStorage
from .bridge.torch import CharTensor as CharTensor
from .bridge.torch import ComplexDoubleStorage as ComplexDoubleStorage
from .bridge.torch import ComplexFloatStorage as ComplexFloatStorage
from .bridge.torch import DoubleStorage as DoubleStorage
from .bridge.torch import DoubleTensor as DoubleTensor
from .bridge.torch import Event as Event
from .bridge.torch import FloatStorage as FloatStorage
from .bridge.torch import FloatTensor as FloatTensor
from .bridge.torch import Future as Future
from .bridge.torch import GradScaler as GradScaler
from .bridge.torch import HalfStorage as HalfStorage
from .bridge.torch import HalfTensor as HalfTensor
from .bridge.torch import IntStorage as IntStorage
from .bridge.torch import IntTensor as IntTensor
from .bridge.torch import LongStorage as LongStorage
from .bridge.torch import LongTensor as LongTensor
from .bridge.torch import OutOfMemoryError as OutOfMemoryError
from .bridge.torch import PyTorchFileReader as PyTorchFileReader
from .bridge.torch import ShortStorage as ShortStorage
from .bridge.torch import ShortTensor as ShortTensor
from .bridge.torch import Storage as Storage
from .bridge.torch import Stream as Stream
from .bridge.torch import SymBool as SymBool
from .bridge.torch import SymFloat as SymFloat
from .bridge.torch import SymInt as SymInt
from .bridge.torch import TypedStorage as TypedStorage
from .bridge.torch import UntypedStorage as UntypedStorage
from .bridge.torch import accelerator as accelerator
from .bridge.torch import adaptive_max_pool1d as adaptive_max_pool1d
from .bridge.torch import amp as amp
from .bridge.torch import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from .bridge.torch import autocast as autocast
from .bridge.torch import backends as backends
from .bridge.torch import batch_norm as batch_norm
from .bridge.torch import bilinear as bilinear
from .bridge.torch import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .bridge.torch import celu as celu
from .bridge.torch import compiler as compiler
from .bridge.torch import conv_tbc as conv_tbc
from .bridge.torch import cosine_embedding_loss as cosine_embedding_loss
from .bridge.torch import cpu as cpu
from .bridge.torch import ctc_loss as ctc_loss
from .bridge.torch import cuda as cuda
from .bridge.torch import detach as detach
from .bridge.torch import detach_ as detach_
from .bridge.torch import dsmm as dsmm
from .bridge.torch import e as e
from .bridge.torch import fork as fork
from .bridge.torch import functional as functional
from .bridge.torch import futures as futures
from .bridge.torch import fx as fx
from .bridge.torch import get_autocast_cpu_dtype as get_autocast_cpu_dtype
from .bridge.torch import get_autocast_dtype as get_autocast_dtype
from .bridge.torch import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from .bridge.torch import get_default_device as get_default_device
from .bridge.torch import get_deterministic_debug_mode as get_deterministic_debug_mode
from .bridge.torch import get_device_module as get_device_module
from .bridge.torch import get_float32_matmul_precision as get_float32_matmul_precision
from .bridge.torch import get_num_interop_threads as get_num_interop_threads
from .bridge.torch import get_num_threads as get_num_threads
from .bridge.torch import gru_cell as gru_cell
from .bridge.torch import hardshrink as hardshrink
from .bridge.torch import has_lapack as has_lapack
from .bridge.torch import has_mkl as has_mkl
from .bridge.torch import has_openmp as has_openmp
from .bridge.torch import hinge_embedding_loss as hinge_embedding_loss
from .bridge.torch import hub as hub
from .bridge.torch import inf as inf
from .bridge.torch import instance_norm as instance_norm
from .bridge.torch import is_anomaly_enabled as is_anomaly_enabled
from .bridge.torch import is_autocast_cache_enabled as is_autocast_cache_enabled
from .bridge.torch import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from .bridge.torch import is_autocast_enabled as is_autocast_enabled
from .bridge.torch import is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled
from .bridge.torch import is_distributed as is_distributed
from .bridge.torch import is_inference as is_inference
from .bridge.torch import is_signed as is_signed
from .bridge.torch import is_storage as is_storage
from .bridge.torch import is_warn_always_enabled as is_warn_always_enabled
from .bridge.torch import jit as jit
from .bridge.torch import kl_div as kl_div
from .bridge.torch import legacy_contiguous_format as legacy_contiguous_format
from .bridge.torch import library as library
from .bridge.torch import lstm_cell as lstm_cell
from .bridge.torch import margin_ranking_loss as margin_ranking_loss
from .bridge.torch import masked as masked
from .bridge.torch import max_pool1d_with_indices as max_pool1d_with_indices
from .bridge.torch import mps as mps
from .bridge.torch import multiprocessing as multiprocessing
from .bridge.torch import nan as nan
from .bridge.torch import native_dropout as native_dropout
from .bridge.torch import newaxis as newaxis
from .bridge.torch import norm_except_dim as norm_except_dim
from .bridge.torch import overrides as overrides
from .bridge.torch import pdist as pdist
from .bridge.torch import pi as pi
from .bridge.torch import pixel_shuffle as pixel_shuffle
from .bridge.torch import pixel_unshuffle as pixel_unshuffle
from .bridge.torch import poisson_nll_loss as poisson_nll_loss
from .bridge.torch import prelu as prelu
from .bridge.torch import profiler as profiler
from .bridge.torch import range as range
from .bridge.torch import return_types as return_types
from .bridge.torch import rnn_relu_cell as rnn_relu_cell
from .bridge.torch import rnn_tanh_cell as rnn_tanh_cell
from .bridge.torch import selu as selu
from .bridge.torch import serialization as serialization
from .bridge.torch import set_anomaly_enabled as set_anomaly_enabled
from .bridge.torch import set_default_device as set_default_device
from .bridge.torch import set_default_tensor_type as set_default_tensor_type
from .bridge.torch import set_deterministic_debug_mode as set_deterministic_debug_mode
from .bridge.torch import set_float32_matmul_precision as set_float32_matmul_precision
from .bridge.torch import set_flush_denormal as set_flush_denormal
from .bridge.torch import set_num_interop_threads as set_num_interop_threads
from .bridge.torch import set_num_threads as set_num_threads
from .bridge.torch import set_warn_always as set_warn_always
from .bridge.torch import sparse_csr_tensor as sparse_csr_tensor
from .bridge.torch import storage as storage
from .bridge.torch import sym_float as sym_float
from .bridge.torch import sym_int as sym_int
from .bridge.torch import sym_ite as sym_ite
from .bridge.torch import sym_max as sym_max
from .bridge.torch import sym_min as sym_min
from .bridge.torch import sym_not as sym_not
from .bridge.torch import sym_sqrt as sym_sqrt
from .bridge.torch import sym_sum as sym_sum
from .bridge.torch import testing as testing
from .bridge.torch import threshold as threshold
from .bridge.torch import torch_version as torch_version
from .bridge.torch import triplet_margin_loss as triplet_margin_loss
from .bridge.torch import use_deterministic_algorithms as use_deterministic_algorithms
from .bridge.torch import vander as vander
from .bridge.torch import vmap as vmap
from .bridge.torch import wait as wait
from .bridge.torch import xpu as xpu
from builtins import bool as _bool
from builtins import float as _float
from builtins import int as _int
from pellucid.core.modes import enable_grad as enable_grad
from pellucid.core.modes import inference_mode as inference_mode
from pellucid.core.modes import is_grad_enabled as is_grad_enabled
from pellucid.core.modes import is_inference_mode_enabled as is_inference_mode_enabled
from pellucid.core.modes import no_grad as no_grad
from pellucid.core.modes import set_grad_enabled as set_grad_enabled
from pellucid.core.promotion import result_type as result_type
from pellucid.core.tensor import Tensor as Tensor
from pellucid.derivation.call import explain as explain
from pellucid.nn.graph import record_graph as record_graph
from pellucid.ops.adaptive_pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
from pellucid.ops.axes import adjoint as adjoint
from pellucid.ops.axes import channel_shuffle as channel_shuffle
from pellucid.ops.axes import flip as flip
from pellucid.ops.axes import fliplr as fliplr
from pellucid.ops.axes import flipud as flipud
from pellucid.ops.axes import moveaxis as moveaxis
from pellucid.ops.axes import movedim as movedim
from pellucid.ops.axes import permute as permute
from pellucid.ops.axes import roll as roll
from pellucid.ops.axes import rot90 as rot90
from pellucid.ops.axes import swapaxes as swapaxes
from pellucid.ops.axes import swapdims as swapdims
from pellucid.ops.axes import t as t
from pellucid.ops.compare import allclose as allclose
from pellucid.ops.compare import equal as equal
from pellucid.ops.complex_parts import conj_physical as conj_physical
from pellucid.ops.complex_parts import imag as imag
from pellucid.ops.complex_parts import is_conj as is_conj
from pellucid.ops.complex_parts import is_neg as is_neg
from pellucid.ops.complex_parts import isreal as isreal
from pellucid.ops.complex_parts import real as real
from pellucid.ops.complex_parts import resolve_conj as resolve_conj
from pellucid.ops.complex_parts import resolve_neg as resolve_neg
from pellucid.ops.complex_parts import sgn as sgn
from pellucid.ops.covariance import corrcoef as corrcoef
from pellucid.ops.covariance import cov as cov
from pellucid.ops.covariance import gradient as gradient
from pellucid.ops.creation import empty as empty
from pellucid.ops.creation import empty_like as empty_like
from pellucid.ops.creation import full as full
from pellucid.ops.creation import full_like as full_like
from pellucid.ops.creation import ones as ones
from pellucid.ops.creation import ones_like as ones_like
from pellucid.ops.creation import scalar_tensor as scalar_tensor
from pellucid.ops.creation import zeros as zeros
from pellucid.ops.creation import zeros_like as zeros_like
from pellucid.ops.diagonals import diag as diag
from pellucid.ops.diagonals import diag_embed as diag_embed
from pellucid.ops.diagonals import diagflat as diagflat
from pellucid.ops.extremes import aminmax as aminmax
from pellucid.ops.extremes import max as max
from pellucid.ops.extremes import min as min
from pellucid.ops.from_data import as_tensor as as_tensor
from pellucid.ops.from_data import asarray as asarray
from pellucid.ops.from_data import from_dlpack as from_dlpack
from pellucid.ops.from_data import from_numpy as from_numpy
from pellucid.ops.from_data import frombuffer as frombuffer
from pellucid.ops.from_data import tensor as tensor
from pellucid.ops.joining import block_diag as block_diag
from pellucid.ops.joining import cartesian_prod as cartesian_prod
from pellucid.ops.joining import cat as cat
from pellucid.ops.joining import column_stack as column_stack
from pellucid.ops.joining import combinations as combinations
from pellucid.ops.joining import concat as concat
from pellucid.ops.joining import concatenate as concatenate
from pellucid.ops.joining import dstack as dstack
from pellucid.ops.joining import hstack as hstack
from pellucid.ops.joining import repeat_interleave as repeat_interleave
from pellucid.ops.joining import row_stack as row_stack
from pellucid.ops.joining import stack as stack
from pellucid.ops.joining import tile as tile
from pellucid.ops.joining import vstack as vstack
from pellucid.ops.linalg.elimination import lu_unpack as lu_unpack
from pellucid.ops.linalg.extremal import lobpcg as lobpcg
from pellucid.ops.linalg.low_rank import pca_lowrank as pca_lowrank
from pellucid.ops.linalg.low_rank import svd_lowrank as svd_lowrank
from pellucid.ops.linalg.matrix_functions import cross as cross
from pellucid.ops.linalg.matrix_functions import matrix_power as matrix_power
from pellucid.ops.linalg.orthogonal import geqrf as geqrf
from pellucid.ops.linalg.solving import logdet as logdet
from pellucid.ops.linalg.triangular import triangular_solve as triangular_solve
from pellucid.ops.masks import masked_scatter as masked_scatter
from pellucid.ops.masks import masked_select as masked_select
from pellucid.ops.normalize import group_norm as group_norm
from pellucid.ops.normalize import layer_norm as layer_norm
from pellucid.ops.normalize import rms_norm as rms_norm
from pellucid.ops.norms import cosine_similarity as cosine_similarity
from pellucid.ops.norms import dist as dist
from pellucid.ops.norms import pairwise_distance as pairwise_distance
from pellucid.ops.norms import renorm as renorm
from pellucid.ops.operators import positive as positive
from pellucid.ops.parts import chunk as chunk
from pellucid.ops.parts import diagonal_scatter as diagonal_scatter
from pellucid.ops.parts import dsplit as dsplit
from pellucid.ops.parts import hsplit as hsplit
from pellucid.ops.parts import narrow as narrow
from pellucid.ops.parts import select as select
from pellucid.ops.parts import select_scatter as select_scatter
from pellucid.ops.parts import slice_scatter as slice_scatter
from pellucid.ops.parts import split as split
from pellucid.ops.parts import split_with_sizes as split_with_sizes
from pellucid.ops.parts import tensor_split as tensor_split
from pellucid.ops.parts import unbind as unbind
from pellucid.ops.parts import unsafe_chunk as unsafe_chunk
from pellucid.ops.parts import unsafe_split as unsafe_split
from pellucid.ops.parts import unsafe_split_with_sizes as unsafe_split_with_sizes
from pellucid.ops.parts import vsplit as vsplit
from pellucid.ops.pooling import avg_pool1d as avg_pool1d
from pellucid.ops.pooling import avg_pool2d as avg_pool2d
from pellucid.ops.pooling import max_pool1d as max_pool1d
from pellucid.ops.pooling import max_pool2d as max_pool2d
from pellucid.ops.powers import float_power as float_power
from pellucid.ops.powers import frexp as frexp
from pellucid.ops.powers import ldexp as ldexp
from pellucid.ops.products import chain_matmul as chain_matmul
from pellucid.ops.products import ger as ger
from pellucid.ops.products import outer as outer
from pellucid.ops.products import tensordot as tensordot
from pellucid.ops.properties import is_complex as is_complex
from pellucid.ops.properties import is_floating_point as is_floating_point
from pellucid.ops.properties import is_nonzero as is_nonzero
from pellucid.ops.properties import is_same_size as is_same_size
from pellucid.ops.properties import is_tensor as is_tensor
from pellucid.ops.properties import numel as numel
from pellucid.ops.quantize import fake_quantize_per_channel_affine as fake_quantize_per_channel_affine
from pellucid.ops.quantize import fake_quantize_per_tensor_affine as fake_quantize_per_tensor_affine
from pellucid.ops.random import bernoulli as bernoulli
from pellucid.ops.random import normal as normal
from pellucid.ops.random import rand as rand
from pellucid.ops.random import rand_like as rand_like
from pellucid.ops.random import randint as randint
from pellucid.ops.random import randint_like as randint_like
from pellucid.ops.random import randn as randn
from pellucid.ops.random import randn_like as randn_like
from pellucid.ops.random import randperm as randperm
from pellucid.ops.random import rrelu as rrelu
from pellucid.ops.ranges import arange as arange
from pellucid.ops.ranges import eye as eye
from pellucid.ops.ranges import linspace as linspace
from pellucid.ops.ranges import logspace as logspace
from pellucid.ops.ranges import meshgrid as meshgrid
from pellucid.ops.ranges import tril_indices as tril_indices
from pellucid.ops.ranges import triu_indices as triu_indices
from pellucid.ops.reduce import nanmean as nanmean
from pellucid.ops.rejection import binomial as binomial
from pellucid.ops.rejection import poisson as poisson
from pellucid.ops.scan import cummax as cummax
from pellucid.ops.scan import cummin as cummin
from pellucid.ops.scan import cumulative_trapezoid as cumulative_trapezoid
from pellucid.ops.scan import diff as diff
from pellucid.ops.scan import trapezoid as trapezoid
from pellucid.ops.scan import trapz as trapz
from pellucid.ops.scatter import index_reduce as index_reduce
from pellucid.ops.search import argwhere as argwhere
from pellucid.ops.search import bucketize as bucketize
from pellucid.ops.search import isin as isin
from pellucid.ops.search import nonzero as nonzero
from pellucid.ops.search import nonzero_static as nonzero_static
from pellucid.ops.search import searchsorted as searchsorted
from pellucid.ops.search import take_along_dim as take_along_dim
from pellucid.ops.search import unique as unique
from pellucid.ops.search import unique_consecutive as unique_consecutive
from pellucid.ops.search import unravel_index as unravel_index
from pellucid.ops.shape import atleast_1d as atleast_1d
from pellucid.ops.shape import atleast_2d as atleast_2d
from pellucid.ops.shape import atleast_3d as atleast_3d
from pellucid.ops.shape import broadcast_shapes as broadcast_shapes
from pellucid.ops.shape import broadcast_tensors as broadcast_tensors
from pellucid.ops.shape import broadcast_to as broadcast_to
from pellucid.ops.shape import flatten as flatten
from pellucid.ops.shape import ravel as ravel
from pellucid.ops.shape import reshape as reshape
from pellucid.ops.shape import squeeze as squeeze
from pellucid.ops.shape import unflatten as unflatten
from pellucid.ops.short_time import istft as istft
from pellucid.ops.signal_windows import bartlett_window as bartlett_window
from pellucid.ops.signal_windows import blackman_window as blackman_window
from pellucid.ops.signal_windows import hamming_window as hamming_window
from pellucid.ops.signal_windows import hann_window as hann_window
from pellucid.ops.signal_windows import kaiser_window as kaiser_window
from pellucid.ops.sorting import kthvalue as kthvalue
from pellucid.ops.sorting import median as median
from pellucid.ops.sorting import mode as mode
from pellucid.ops.sorting import msort as msort
from pellucid.ops.sorting import nanmedian as nanmedian
from pellucid.ops.sorting import sort as sort
from pellucid.ops.sorting import topk as topk
from pellucid.ops.special import mvlgamma as mvlgamma
from pellucid.ops.special import polygamma as polygamma
from pellucid.ops.statistics import bincount as bincount
from pellucid.ops.statistics import histogram as histogram
from pellucid.ops.statistics import std as std
from pellucid.ops.statistics import std_mean as std_mean
from pellucid.ops.statistics import var as var
from pellucid.ops.statistics import var_mean as var_mean
from pellucid.ops.strided import as_strided as as_strided
from pellucid.ops.strided import as_strided_scatter as as_strided_scatter
from pellucid.ops.strided import empty_permuted as empty_permuted
from pellucid.ops.strided import empty_strided as empty_strided
from pellucid.ops.subscript import index_put as index_put
from pellucid.ops.subscript import index_put_ as index_put_
from pellucid.ops.tensor_types import get_device as get_device
from pellucid.ops.tensor_types import typename as typename
from pellucid.printing import get_printoptions as get_printoptions
from pellucid.printing import printoptions as printoptions
from pellucid.printing import set_printoptions as set_printoptions
from pellucid.profiling.profiler import profile as profile
from pellucid.random.generator import Generator as Generator
from pellucid.random.seeding import get_rng_state as get_rng_state
from pellucid.random.seeding import initial_seed as initial_seed
from pellucid.random.seeding import manual_seed as manual_seed
from pellucid.random.seeding import seed as seed
from pellucid.random.seeding import set_rng_state as set_rng_state
from pellucid.serialize import load as load
from pellucid.serialize import save as save
from pellucid.sparse.coordinates import sparse_coo_tensor as sparse_coo_tensor
from pellucid.sparse.coordinates import spmm as spmm
from pellucid.train.records.watch import watch as watch
from pellucid.types.devices import device as device
from pellucid.types.dtypes import can_cast as can_cast
from pellucid.types.dtypes import dtype as dtype
from pellucid.types.dtypes import finfo as finfo
from pellucid.types.dtypes import get_default_dtype as get_default_dtype
from pellucid.types.dtypes import iinfo as iinfo
from pellucid.types.dtypes import promote_types as promote_types
from pellucid.types.dtypes import set_default_dtype as set_default_dtype
from pellucid.types.layouts import layout as layout
from pellucid.types.layouts import memory_format as memory_format
from pellucid.types.size import Size as Size
from pellucid.viz.summary import summary as summary
from typing import Any


__version__: str

def abs(input: Tensor) -> Tensor:
    """Absolute value of each element; its gradient at 0 is 0."""

def abs_(input: Tensor) -> Tensor:
    """In place: Absolute value of each element; its gradient at 0 is 0."""

def absolute(input: Tensor) -> Tensor:
    """Absolute value of each element; its gradient at 0 is 0."""

def absolute_(input: Tensor) -> Tensor:
    """In place: Absolute value of each element; its gradient at 0 is 0."""

def acos(input: Tensor) -> Tensor:
    """Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

def acos_(input: Tensor) -> Tensor:
    """In place: Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

def acosh(input: Tensor) -> Tensor:
    """Inverse hyperbolic cosine of each element; NaN below 1."""

def acosh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic cosine of each element; NaN below 1."""

def add(input: Tensor | _float, other: Tensor | _float, alpha: Any = 1) -> Tensor:
    """Sum of each pair of elements: input + alpha · other. Bools: their disjunction."""

def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · the sum of bmm(batch1, batch2) over the batch."""

def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
    """input + value · tensor1 / tensor2, for each triple of elements. Raises RuntimeError for integers."""

def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any = 1) -> Tensor:
    """input + value · tensor1 · tensor2, for each triple of elements."""

def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · mat1 · mat2."""

def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · mat · vec."""

def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · outer(vec1, vec2)."""

def alias_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `alias` shows, in memory of its own."""

def all(input: Tensor, dim: Any = None, keepdim: _bool = False) -> Tensor:
    """Whether every element along `dim` is not 0 (True over nothing); uint8 gives uint8."""

def alpha_dropout(input: Tensor, p: _float, train: _bool) -> Tensor:
    """Drop each element with probability p in training, keeping the mean and variance of what SELU gives: dropped elements take SELU's lowest value, then all are scaled."""

def alpha_dropout_(input: Tensor, p: _float, train: _bool) -> Tensor:
    """In place: drop each element with probability p, keeping the mean and variance of what SELU gives: dropped elements take SELU's lowest value, then all are scaled."""

def amax(input: Tensor, dim: Any = (), keepdim: _bool = False) -> Tensor:
    """The largest element over the dimensions `dim` (all, if empty)."""

def amin(input: Tensor, dim: Any = (), keepdim: _bool = False) -> Tensor:
    """The smallest element over the dimensions `dim` (all, if empty)."""

def angle(input: Tensor) -> Tensor:
    """The angle of each complex number, between -π and π; of a real one 0 or π, NaN for NaN."""

def any(input: Tensor, dim: Any = None, keepdim: _bool = False) -> Tensor:
    """Whether at least one element along `dim` is not 0 (False over nothing); uint8 gives uint8."""

def arccos(input: Tensor) -> Tensor:
    """Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

def arccos_(input: Tensor) -> Tensor:
    """In place: Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""

def arccosh(input: Tensor) -> Tensor:
    """Inverse hyperbolic cosine of each element; NaN below 1."""

def arccosh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic cosine of each element; NaN below 1."""

def arcsin(input: Tensor) -> Tensor:
    """Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

def arcsin_(input: Tensor) -> Tensor:
    """In place: Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

def arcsinh(input: Tensor) -> Tensor:
    """Inverse hyperbolic sine of each element."""

def arcsinh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic sine of each element."""

def arctan(input: Tensor) -> Tensor:
    """Inverse tangent of each element, in [-π/2, π/2]."""

def arctan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

def arctan_(input: Tensor) -> Tensor:
    """In place: Inverse tangent of each element, in [-π/2, π/2]."""

def arctanh(input: Tensor) -> Tensor:
    """Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

def arctanh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

def argmax(input: Tensor, dim: Any = None, keepdim: _bool = False) -> Tensor:
    """Index (int64) of the largest element along `dim`; of the flattened tensor if `dim` is None."""

def argmin(input: Tensor, dim: Any = None, keepdim: _bool = False) -> Tensor:
    """Index (int64) of the smallest element along `dim`; of the flattened tensor if `dim` is None."""

def argsort(input: Tensor, dim: _int = -1, descending: _bool = False, stable: _bool = False) -> Tensor:
    """The indices that sort `input` along `dim`; equals keep their order, `stable` or not."""

def as_strided_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `as_strided` shows, in memory of its own."""

def asin(input: Tensor) -> Tensor:
    """Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

def asin_(input: Tensor) -> Tensor:
    """In place: Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""

def asinh(input: Tensor) -> Tensor:
    """Inverse hyperbolic sine of each element."""

def asinh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic sine of each element."""

def atan(input: Tensor) -> Tensor:
    """Inverse tangent of each element, in [-π/2, π/2]."""

def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""

def atan_(input: Tensor) -> Tensor:
    """In place: Inverse tangent of each element, in [-π/2, π/2]."""

def atanh(input: Tensor) -> Tensor:
    """Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

def atanh_(input: Tensor) -> Tensor:
    """In place: Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""

def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · bmm(batch1, batch2)."""

bfloat16: dtype

def bitwise_and(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """The bits that both integers have; for bools, their conjunction."""

def bitwise_left_shift(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """input · 2^other, the bits moved to the left; 0 where all are moved out."""

def bitwise_not(input: Tensor) -> Tensor:
    """All bits of each integer turned over; for bools, their negation."""

def bitwise_or(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """The bits that one of both integers has; for bools, their disjunction."""

def bitwise_right_shift(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """input / 2^other rounded down, the bits moved to the right."""

def bitwise_xor(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """The bits that exactly one of both integers has; for bools, whether they differ."""

def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of a batch of matrices: (b, n, k) · (b, k, m) -> (b, n, m); no broadcasting."""

bool: dtype

def cdist(x1: Tensor, x2: Tensor, p: _float = 2.0, compute_mode: str = 'use_mm_for_euclid_dist_if_necessary') -> Tensor:
    """The p-norm of each difference of a row of `x1` and a row of `x2`: (…, P, M) and (…, R, M) to (…, P, R)."""

cdouble: dtype

def ceil(input: Tensor) -> Tensor:
    """Smallest integer that is not below each element; integers as they are."""

def ceil_(input: Tensor) -> Tensor:
    """In place: Smallest integer that is not below each element; integers as they are."""

cfloat: dtype

channels_last: memory_format

channels_last_3d: memory_format

def cholesky(input: Tensor, upper: _bool = False) -> Tensor:
    """L, lower triangular, with A = L Lᴴ; or U = Lᴴ with `upper`: PyTorch's older name of `linalg.cholesky`."""

def cholesky_inverse(L: Tensor, upper: _bool = False) -> Tensor:
    """(L Lᴴ)⁻¹, or (Uᴴ U)⁻¹ with `upper`."""

def cholesky_solve(input: Tensor, L: Tensor, upper: _bool = False) -> Tensor:
    """X with A X = input, where A = L Lᴴ (or Uᴴ U with `upper`): (…, n, k) and (…, n, n) -> (…, n, k)."""

def clamp(input: Tensor, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
    """Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

def clamp_(input: Tensor, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
    """In place: Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

def clamp_max(input: Tensor, max: Tensor | _float) -> Tensor:
    """Each element, or `max` where that is smaller."""

def clamp_max_(input: Tensor, max: Tensor | _float) -> Tensor:
    """In place: Each element, or `max` where that is smaller."""

def clamp_min(input: Tensor, min: Tensor | _float) -> Tensor:
    """Each element, or `min` where that is larger."""

def clamp_min_(input: Tensor, min: Tensor | _float) -> Tensor:
    """In place: Each element, or `min` where that is larger."""

def clip(input: Tensor, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
    """Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

def clip_(input: Tensor, min: Tensor | _float | None = None, max: Tensor | _float | None = None) -> Tensor:
    """In place: Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN."""

def clone(input: Tensor, memory_format: Any = None) -> Tensor:
    """A copy whose dimensions lie in memory in the order of the original's; gradients pass through to it."""

def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Complex numbers from their real and imaginary parts, both of float32 or both of float64."""

complex128: dtype

complex64: dtype

def conj(input: Tensor) -> Tensor:
    """The complex conjugate of each element: a - bi of a + bi. A real tensor is returned as it is."""

def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """A copy with `pad[0]` elements `value` before and `pad[1]` after the last dimension, then the one before it, …"""

contiguous_format: memory_format

def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation along one dimension: (n, c, w) with weight (o, c/groups, k) -> (n, o, ow)."""

def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation in two dimensions: (n, c, h, w) with weight (o, c/groups, kh, kw) -> (n, o, oh, ow)."""

def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation in three dimensions: (n, c, d, h, w) with weight (o, c/groups, kd, kh, kw) -> (n, o, …)."""

def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> Tensor:
    """The transpose of `conv1d`: (n, c, w) with weight (c, o/groups, k) -> (n, o, ow)."""

def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> Tensor:
    """The transpose of `conv2d`, its gradient for the input."""

def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> Tensor:
    """The transpose of `conv3d`: (n, c, d, h, w) with weight (c, o/groups, kd, kh, kw) -> (n, o, …)."""

def copysign(input: Tensor, other: Tensor | _float) -> Tensor:
    """The size of each element of `input` with the sign of `other` (that of -0.0 is negative)."""

def cos(input: Tensor) -> Tensor:
    """Cosine of each element, in radians."""

def cos_(input: Tensor) -> Tensor:
    """In place: Cosine of each element, in radians."""

def cosh(input: Tensor) -> Tensor:
    """Hyperbolic cosine of each element: (e^x + e^-x) / 2."""

def cosh_(input: Tensor) -> Tensor:
    """In place: Hyperbolic cosine of each element: (e^x + e^-x) / 2."""

def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements along `dim` are not 0, as int64."""

def cumprod(input: Tensor, dim: _int, dtype: Any = None) -> Tensor:
    """Running product along `dim`: out[i] = x[0] · … · x[i]. Integers and bools are multiplied as int64."""

def cumsum(input: Tensor, dim: _int, dtype: Any = None) -> Tensor:
    """Running sum along `dim`: out[i] = x[0] + … + x[i]. Integers and bools are summed as int64."""

default_generator: Generator

def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians: x · π / 180."""

def deg2rad_(input: Tensor) -> Tensor:
    """In place: Degrees to radians: x · π / 180."""

def det(input: Tensor) -> Tensor:
    """The determinant of each matrix: (…, n, n) -> (…)."""

def detach(input: Tensor) -> Tensor:
    """The same memory without history; in-place changes are still counted for both."""

def diagonal(input: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
    """A view of the diagonal of the plane of two dimensions, which becomes the last dimension."""

def diagonal_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `diagonal` shows, in memory of its own."""

def digamma(input: Tensor) -> Tensor:
    """Derivative of `lgamma` of each element; -inf at 0, NaN at -1, -2, …"""

def div(input: Tensor | _float, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

def divide(input: Tensor | _float, other: Tensor | _float, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""

def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Scalar product of two vectors of equal length: Σ aᵢ bᵢ."""

double: dtype

def dropout(input: Tensor, p: _float, train: _bool) -> Tensor:
    """Zero each element with probability p in training, scale others by 1/(1 - p)."""

def dropout_(input: Tensor, p: _float, train: _bool) -> Tensor:
    """In place: zero each element with probability p, scale others by 1/(1 - p)."""

def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products of the operands' elements, by labels of their dimensions."""

def embedding(weight: Tensor, indices: Tensor, padding_idx: _int | None = None, scale_grad_by_freq: _bool = False, sparse: _bool = False) -> Tensor:
    """The rows of `weight` that `indices` names: out[…, :] = weight[indices[…]]."""

def eq(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` equals that of `other`."""

def erf(input: Tensor) -> Tensor:
    """Error function of each element: 2/sqrt(π) · ∫ e^(-t²) dt from 0 to x."""

def erf_(input: Tensor) -> Tensor:
    """In place: Error function of each element: 2/sqrt(π) · ∫ e^(-t²) dt from 0 to x."""

def erfc(input: Tensor) -> Tensor:
    """Complementary error function of each element: 1 - erf(x), exact where that is close to 0."""

def erfc_(input: Tensor) -> Tensor:
    """In place: Complementary error function of each element: 1 - erf(x), exact where that is close to 0."""

def erfinv(input: Tensor) -> Tensor:
    """Inverse of the error function of each element; infinite at -1 and 1, NaN beyond."""

def exp(input: Tensor) -> Tensor:
    """Exponential of each element: e^x."""

def exp2(input: Tensor) -> Tensor:
    """2^x of each element."""

def exp2_(input: Tensor) -> Tensor:
    """In place: 2^x of each element."""

def exp_(input: Tensor) -> Tensor:
    """In place: Exponential of each element: e^x."""

def expand_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `expand` shows, in memory of its own."""

def expm1(input: Tensor) -> Tensor:
    """e^x - 1 of each element, exact where x is close to 0."""

def expm1_(input: Tensor) -> Tensor:
    """In place: e^x - 1 of each element, exact where x is close to 0."""

def feature_alpha_dropout(input: Tensor, p: _float, train: _bool) -> Tensor:
    """Drop each channel with probability p in training, keeping the mean and variance of what SELU gives: dropped elements take SELU's lowest value, then all are scaled."""

def feature_alpha_dropout_(input: Tensor, p: _float, train: _bool) -> Tensor:
    """In place: drop each channel with probability p, keeping the mean and variance of what SELU gives: dropped elements take SELU's lowest value, then all are scaled."""

def feature_dropout(input: Tensor, p: _float, train: _bool) -> Tensor:
    """Zero each channel of (N, C, …) with probability p in training."""

def feature_dropout_(input: Tensor, p: _float, train: _bool) -> Tensor:
    """In place: zero each channel of (N, C, …) with probability p."""

def fill(input: Tensor, value: Tensor | _float) -> Tensor:
    """A tensor like `input` with `value`, a number or a 0-d tensor, everywhere."""

def fill_(input: Tensor, value: Tensor | _float) -> Tensor:
    """In place: every element becomes `value`, a number or a 0-d tensor."""

def fix(input: Tensor) -> Tensor:
    """Integer part of each element, rounded towards 0; integers as they are."""

def fix_(input: Tensor) -> Tensor:
    """In place: Integer part of each element, rounded towards 0; integers as they are."""

float: dtype

float16: dtype

float32: dtype

float64: dtype

def floor(input: Tensor) -> Tensor:
    """Largest integer that is not above each element; integers as they are."""

def floor_(input: Tensor) -> Tensor:
    """In place: Largest integer that is not above each element; integers as they are."""

def floor_divide(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """Quotient of each pair of elements rounded down. Raises RuntimeError for an integer divided by 0."""

def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""

def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""

def fmod(input: Tensor, other: Tensor | _float) -> Tensor:
    """What C's fmod gives for each pair of elements: input - other · trunc(input / other), with the sign of input."""

def frac(input: Tensor) -> Tensor:
    """Fraction of each element, with its sign: x - trunc(x)."""

def frac_(input: Tensor) -> Tensor:
    """In place: Fraction of each element, with its sign: x - trunc(x)."""

def gather(input: Tensor, dim: _int, index: Any, *, sparse_grad: _bool = False) -> Tensor:
    """For each element of `index`, the element of `input` that it names along `dim`."""

def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Greatest common divisor of each pair of integers."""

def ge(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is at least that of `other`."""

def greater(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is greater than that of `other`."""

def greater_equal(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is at least that of `other`."""

def gt(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is greater than that of `other`."""

half: dtype

def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """The step: 0 where input is negative, 1 where positive, `values` where 0."""

def histc(input: Tensor, bins: _int = 100, min: _float = 0, max: _float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max]; of the elements' own range if these agree."""

def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input² + other²) of each pair of elements, without overflow on the way."""

def i0(input: Tensor) -> Tensor:
    """Modified Bessel function of the first kind, order 0: Σ (x² / 4)^k / k!² over k >= 0."""

def i0_(input: Tensor) -> Tensor:
    """In place: Modified Bessel function of the first kind, order 0: Σ (x² / 4)^k / k!² over k >= 0."""

def igamma(input: Tensor, other: Tensor) -> Tensor:
    """Regularised lower incomplete gamma function, ∫ t^(input-1) e^-t dt / Γ(input) from 0 to other."""

def igammac(input: Tensor, other: Tensor) -> Tensor:
    """Regularised upper incomplete gamma function, 1 - `igamma`, with all its digits."""

def index_add(input: Tensor, dim: _int, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
    """`input` with each slice of alpha · `source` along `dim` added where the vector `index` says."""

def index_copy(input: Tensor, dim: _int, index: Any, source: Any) -> Tensor:
    """`input` with each slice of `source` along `dim` stored where the vector `index` says."""

def index_fill(input: Tensor, dim: _int, index: Any, value: Any) -> Tensor:
    """`input` with `value` (a number or a 0-d tensor) in the slices along `dim` that the vector `index` names."""

def index_select(input: Tensor, dim: _int, index: Any) -> Tensor:
    """The slices of `input` along `dim` that a vector of indices names, copied."""

def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dimension of both: (…, k), (…', k) -> (…, …')."""

int: dtype

int16: dtype

int32: dtype

int64: dtype

int8: dtype

def inverse(input: Tensor) -> Tensor:
    """The inverse of each matrix: (…, n, n) -> (…, n, n). Raises LinAlgError for a singular one."""

def isclose(input: Tensor, other: Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> Tensor:
    """Whether |input - other| <= atol + rtol · |other|, or both are the same infinity (or NaN, with `equal_nan`)."""

def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN."""

def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite."""

def isnan(input: Tensor) -> Tensor:
    """Whether each element is NaN."""

def isneginf(input: Tensor) -> Tensor:
    """Whether each element is -inf."""

def isposinf(input: Tensor) -> Tensor:
    """Whether each element is +inf."""

def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of `input` times the whole of `other`."""

def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Least common multiple of each pair of integers."""

def le(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is at most that of `other`."""

def lerp(input: Tensor, end: Tensor, weight: Tensor | _float) -> Tensor:
    """Linear interpolation: input + weight · (end - input), from the nearer end so that a weight of 1 gives `end`."""

def less(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is less than that of `other`."""

def less_equal(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is at most that of `other`."""

def lgamma(input: Tensor) -> Tensor:
    """Logarithm of the absolute value of the gamma function of each element; infinite at 0, -1, -2, …"""

def log(input: Tensor) -> Tensor:
    """Natural logarithm of each element; -inf at 0, NaN below."""

def log10(input: Tensor) -> Tensor:
    """Logarithm to the base 10 of each element; -inf at 0, NaN below."""

def log10_(input: Tensor) -> Tensor:
    """In place: Logarithm to the base 10 of each element; -inf at 0, NaN below."""

def log1p(input: Tensor) -> Tensor:
    """log(1 + x) of each element, exact where x is close to 0; -inf at -1, NaN below."""

def log1p_(input: Tensor) -> Tensor:
    """In place: log(1 + x) of each element, exact where x is close to 0; -inf at -1, NaN below."""

def log2(input: Tensor) -> Tensor:
    """Logarithm to the base 2 of each element; -inf at 0, NaN below."""

def log2_(input: Tensor) -> Tensor:
    """In place: Logarithm to the base 2 of each element; -inf at 0, NaN below."""

def log_(input: Tensor) -> Tensor:
    """In place: Natural logarithm of each element; -inf at 0, NaN below."""

def log_softmax(input: Tensor, dim: _int, dtype: Any = None) -> Tensor:
    """x - log Σ e^x along `dim`: the logarithm of softmax, finite where softmax itself rounds to 0."""

def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(e^input + e^other) of each pair of elements, without overflow on the way."""

def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2^input + 2^other) of each pair of elements, without overflow on the way."""

def logcumsumexp(input: Tensor, dim: _int) -> Tensor:
    """Running log Σ e^x along `dim`, without overflow."""

def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both elements are not 0."""

def logical_not(input: Tensor) -> Tensor:
    """Whether the element is 0."""

def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one element or both are not 0."""

def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether exactly one of both elements is not 0."""

def logit(input: Tensor, eps: _float | None = None) -> Tensor:
    """log(x / (1 - x)) of each element, clamped to [eps, 1 - eps] first if `eps` is given; NaN out of [0, 1]."""

def logit_(input: Tensor, eps: _float | None = None) -> Tensor:
    """In place: log(x / (1 - x)) of each element, clamped to [eps, 1 - eps] first if `eps` is given; NaN out of [0, 1]."""

def logsumexp(input: Tensor, dim: Any, keepdim: _bool = False) -> Tensor:
    """log Σ e^x over `dim`, with the largest x taken out so that nothing overflows; -inf over nothing."""

long: dtype

def lt(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` is less than that of `other`."""

def lu(self: Tensor, pivot: _bool = True, get_infos: _bool = False) -> Any:
    """(LU, pivots), or (LU, pivots, info) with `get_infos`: PyTorch's older name of `linalg.lu_factor_ex`."""

def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = b from A's factors: PyTorch's older order of `linalg.lu_solve`."""

def masked_fill(input: Tensor, mask: Tensor, value: Tensor | _float) -> Tensor:
    """`input` with `value`, a number or a 0-d tensor, where the mask is True."""

def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two dimensions; leading dimensions broadcast."""

def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of each matrix: Σ Aᵏ / k!."""

def max_pool3d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """Maximum of each window: (n, c, d, h, w) -> (n, c, od, oh, ow); `stride` is the window's size unless given."""

def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair of elements; NaN if one is. Equal elements share the gradient."""

def mean(input: Tensor, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
    """Mean over the dimensions `dim`: sum / count; the mean of nothing is NaN."""

def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair of elements; NaN if one is. Equal elements share the gradient."""

def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices: (n, k) · (k, m) -> (n, m); no broadcasting."""

def mul(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """Product of each pair of elements. Bools: their conjunction."""

def multinomial(input: Tensor, num_samples: _int, replacement: _bool = False, generator: Any = None) -> Tensor:
    """Indices drawn with probabilities proportional to each row: (n,) -> (num_samples,), (m, n) -> (m, num_samples)."""

def multiply(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """Product of each pair of elements. Bools: their conjunction."""

def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector: (n, k) · (k,) -> (n,)."""

def nan_to_num(input: Tensor, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> Tensor:
    """`nan` (0) in place of NaN, `posinf` and `neginf` (the largest finite numbers) in place of the infinities."""

def nan_to_num_(input: Tensor, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> Tensor:
    """In place: `nan` (0) in place of NaN, `posinf` and `neginf` (the largest finite numbers) in place of the infinities."""

def nanquantile(input: Tensor, q: Any, dim: Any = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
    """As `quantile`, of the elements that are not NaN."""

def nansum(input: Tensor, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
    """Sum over `dim` in which a NaN counts as 0."""

def narrow_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `narrow` shows, in memory of its own."""

def ne(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` differs from that of `other`."""

def neg(input: Tensor) -> Tensor:
    """Each element with the opposite sign. Raises RuntimeError for bools."""

def neg_(input: Tensor) -> Tensor:
    """In place: Each element with the opposite sign. Raises RuntimeError for bools."""

def negative(input: Tensor) -> Tensor:
    """Each element with the opposite sign. Raises RuntimeError for bools."""

def negative_(input: Tensor) -> Tensor:
    """In place: Each element with the opposite sign. Raises RuntimeError for bools."""

def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next floating-point number after each element in the direction of `other`."""

def norm(input: Tensor, p: Any = 'fro', dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
    """(Σ |x|^p)^(1 / p) over `dim`, all dimensions if None; `p` a number or "fro" (2), or "nuc" of matrices."""

def not_equal(input: Tensor, other: Tensor | _float) -> Tensor:
    """Whether each element of `input` differs from that of `other`."""

def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """PyTorch's older name of `linalg.householder_product`."""

def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: _bool = True, transpose: _bool = False) -> Tensor:
    """Q · other with Q the full product of reflections (see `linalg.householder_product`), Qᴴ with `transpose`."""

def permute_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `permute` shows, in memory of its own."""

def pinverse(input: Tensor, rcond: _float = 1e-15) -> Tensor:
    """The pseudoinverse; singular values of at most rcond · the largest count as 0."""

def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Complex numbers from their sizes and angles: abs · cos(angle) + i · abs · sin(angle)."""

def pow(input: Tensor | _float, exponent: Tensor | _float) -> Tensor:
    """Each element of `input` to the power of `exponent`; 0 to the power of 0 is 1, negative to a fraction NaN."""

preserve_format: memory_format

def prod(input: Tensor, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
    """Product over one dimension or all; the product of nothing is 1. Integers and bools are multiplied as int64."""

def put(input: Tensor, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
    """`input` with the elements of `source` stored (or added) at `index` of the flattened tensor."""

def qr(input: Tensor, some: _bool = True) -> Any:
    """(Q, R): PyTorch's older name of `linalg.qr`; `some` is False for the complete Q."""

def quantile(input: Tensor, q: Any, dim: Any = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
    """The quantiles `q` (a number or a 1-d tensor, in [0, 1]) along `dim`; of all elements if None."""

def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees: x · 180 / π."""

def rad2deg_(input: Tensor) -> Tensor:
    """In place: Radians to degrees: x · 180 / π."""

def reciprocal(input: Tensor) -> Tensor:
    """1 / x of each element; infinite at 0."""

def reciprocal_(input: Tensor) -> Tensor:
    """In place: 1 / x of each element; infinite at 0."""

def relu(input: Tensor) -> Tensor:
    """max(x, 0) of each element; NaN stays NaN. Its gradient at 0 is 0."""

def relu_(input: Tensor) -> Tensor:
    """In place: max(x, 0) of each element; NaN stays NaN. Its gradient at 0 is 0."""

def remainder(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """What Python's % gives for each pair of elements: input - other · floor(input / other), with the sign of other."""

def round(input: Tensor, decimals: _int = 0) -> Tensor:
    """Each element rounded to `decimals` places (to tens for -1), halves to the even digit; integers as they are."""

def round_(input: Tensor, decimals: _int = 0) -> Tensor:
    """In place: Each element rounded to `decimals` places (to tens for -1), halves to the even digit; integers as they are."""

def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(x) of each element; infinite at 0, NaN below."""

def rsqrt_(input: Tensor) -> Tensor:
    """In place: 1 / sqrt(x) of each element; infinite at 0, NaN below."""

def rsub(input: Tensor, other: Tensor | _float, alpha: Any = 1) -> Tensor:
    """Difference of each pair of elements, turned round: other - alpha · input."""

def scatter(input: Tensor, dim: _int, index: Any, src: Any, *, reduce: str | None = None) -> Tensor:
    """`input` with each element of `src` (or one number) stored where `index` says along `dim`."""

def scatter_add(input: Tensor, dim: _int, index: Any, src: Any) -> Tensor:
    """`input` with each element of `src` added where `index` says along `dim`."""

def scatter_reduce(input: Tensor, dim: _int, index: Any, src: Any, *, reduce: str, include_self: _bool = True) -> Tensor:
    """`input` with the elements of `src` that `index` sends to one place reduced there: sum, prod, mean, amax, amin."""

def select_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `select` shows, in memory of its own."""

short: dtype

def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x) of each element."""

def sigmoid_(input: Tensor) -> Tensor:
    """In place: 1 / (1 + e^-x) of each element."""

def sign(input: Tensor) -> Tensor:
    """1, 0 or -1 for each element by its sign; 0 for NaN."""

def signbit(input: Tensor) -> Tensor:
    """Whether the sign of each element is negative (that of -0.0 is)."""

def sin(input: Tensor) -> Tensor:
    """Sine of each element, in radians."""

def sin_(input: Tensor) -> Tensor:
    """In place: Sine of each element, in radians."""

def sinc(input: Tensor) -> Tensor:
    """sin(πx) / (πx) of each element, and 1 at 0."""

def sinc_(input: Tensor) -> Tensor:
    """In place: sin(πx) / (πx) of each element, and 1 at 0."""

def sinh(input: Tensor) -> Tensor:
    """Hyperbolic sine of each element: (e^x - e^-x) / 2."""

def sinh_(input: Tensor) -> Tensor:
    """In place: Hyperbolic sine of each element: (e^x - e^-x) / 2."""

def slice_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `slice` shows, in memory of its own."""

def slogdet(input: Tensor) -> Any:
    """(sign, logabsdet) of each determinant: det A = sign · e^logabsdet, without overflow."""

def softmax(input: Tensor, dim: _int, dtype: Any = None) -> Tensor:
    """e^x / Σ e^x along `dim`, with the largest x taken out first so that nothing overflows."""

sparse_coo: layout

sparse_csr: layout

def split_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `split` shows, in memory of its own."""

def split_with_sizes_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `split_with_sizes` shows, in memory of its own."""

def sqrt(input: Tensor) -> Tensor:
    """Square root of each element; NaN below 0. Its gradient at 0 is infinite."""

def sqrt_(input: Tensor) -> Tensor:
    """In place: Square root of each element; NaN below 0. Its gradient at 0 is infinite."""

def square(input: Tensor) -> Tensor:
    """Each element times itself; bools become integers."""

def square_(input: Tensor) -> Tensor:
    """In place: Each element times itself; bools become integers."""

def squeeze_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `squeeze` shows, in memory of its own."""

def stft(input: Tensor, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: Any = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: _bool | None = None, return_complex: _bool | None = None, align_to_window: _bool | None = None) -> Tensor:
    """The transforms of windows of `n_fft` numbers, `hop_length` (n_fft // 4) apart: (…, length) -> (…, bins, frames)."""

strided: layout

def sub(input: Tensor | _float, other: Tensor | _float, alpha: Any = 1) -> Tensor:
    """Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

def subtract(input: Tensor | _float, other: Tensor | _float, alpha: Any = 1) -> Tensor:
    """Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""

def sum(input: Tensor, dim: Any = None, keepdim: _bool = False, dtype: Any = None) -> Tensor:
    """Sum over the dimensions `dim`."""

def svd(input: Tensor, some: _bool = True, compute_uv: _bool = True) -> Any:
    """(U, S, V): A = U diag(S) Vᴴ, PyTorch's older form of `linalg.svd`; `some` is False for square U and V."""

def t_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `t` shows, in memory of its own."""

def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at `index` of the flattened tensor, in the shape of `index`."""

def tan(input: Tensor) -> Tensor:
    """Tangent of each element, in radians."""

def tan_(input: Tensor) -> Tensor:
    """In place: Tangent of each element, in radians."""

def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""

def tanh_(input: Tensor) -> Tensor:
    """In place: Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""

def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""

def transpose(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """A view with two dimensions exchanged."""

def transpose_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `transpose` shows, in memory of its own."""

def tril(input: Tensor, diagonal: _int = 0) -> Tensor:
    """The lower triangle of each matrix, up to the given diagonal; zeros elsewhere."""

def triu(input: Tensor, diagonal: _int = 0) -> Tensor:
    """The upper triangle of each matrix, from the given diagonal on; zeros elsewhere."""

def true_divide(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """Quotient of each pair of elements, as floating-point numbers: x/0 is infinite or, for 0/0, NaN."""

def trunc(input: Tensor) -> Tensor:
    """Integer part of each element, rounded towards 0; integers as they are."""

def trunc_(input: Tensor) -> Tensor:
    """In place: Integer part of each element, rounded towards 0; integers as they are."""

uint16: dtype

uint32: dtype

uint64: dtype

uint8: dtype

def unbind_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `unbind` shows, in memory of its own."""

def unfold_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `unfold` shows, in memory of its own."""

def unsqueeze(input: Tensor, dim: _int) -> Tensor:
    """A view with a dimension of length 1 inserted, which is then dimension `dim`."""

def unsqueeze_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `unsqueeze` shows, in memory of its own."""

def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Scalar product of two vectors, the first conjugated: Σ aᵢ' bᵢ."""

def view_as_complex(input: Tensor) -> Tensor:
    """A view of pairs of real numbers as complex ones: (…, 2) -> (…). The pairs must lie together in memory."""

def view_as_real(input: Tensor) -> Tensor:
    """A view of complex numbers as pairs of real ones: (…) -> (…, 2). Raises RuntimeError for real numbers."""

def view_copy(input: Tensor, *args: Any, **attributes: Any) -> Any:
    """What `view` shows, in memory of its own."""

def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`where(condition, input, other)`: the element of `input` where the condition holds, else that of `other`."""

def xlogy(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """input · log(other) of each pair of elements, and 0 where input is 0 (but NaN where other is)."""

def xlogy_(input: Tensor | _float, other: Tensor | _float) -> Tensor:
    """In place: input · log(other) of each pair of elements, and 0 where input is 0 (but NaN where other is)."""

def zero_(input: Tensor) -> Tensor:
    """In place: every element becomes 0."""
