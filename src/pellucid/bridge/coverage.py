"""What is covered of PyTorch: each of its modules and classes, the names that are here, and why the others are not.

The error for an absent name, `pellucid run --names` and the page of the documentation all say it from here.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import pellucid
from pellucid import torch_names

from .lacking import has

__all__ = ["REASONS", "by_reason", "listing", "ops", "reason", "tables"]

_INSIDES = (
    r".*(Script|Graph|Schema|Alias|Block|CompilationUnit|ExecutionPlan|Future|parse_|import_ir|IODescriptor|ErrorReport|"
    r"FileCheck|Argument|Benchmark|Logg|LiteScript|DictType|Type|unify|merge_type|Use|Value|Node|Code|Gradient|Tag|AVG|"
    r"AggregationType|SUM|Capsule|CallStack|Dispatch|JITException|StaticModule|Throughput|TracingState|PyTorchFile|"
    r"OperatorInfo|DeepCopyMemo|DisableTorchFunction|FatalError|SerializationStorage).*"
)
# Why what is absent is absent, where that is more than that nobody has written it; the first that fits.
REASONS = (
    (r".*(quant|qscheme|int_repr).*", "quantised tensors: no dtype of fewer than 8 bits is here"),
    (r".*(float8|float4|complex32|chalf).*", "a dtype that pellucid does not have"),
    (_INSIDES, "the insides of TorchScript and of the dispatcher, which pellucid has not"),
    (r".*(native_|batch_norm_(elemt|gather|stats|update|backward)|_cell|grid_sampler|convolution|cudnn|thnn).*",
     "the inside of another function, which is here"),
    (r".*__rdiv__", "of Python 2: / calls __rtruediv__"),
    (r".*jiterator.*", "it compiles a function for a graphics card"),
    (r".*scaled_(grouped_)?mm.*", "a dtype that pellucid does not have"),
    (r".*ops\.aten\..*|torch\._.*|torch\.slice|.*_indices_backward", "the inside of another function, which is here"),
    (r".*ldl_.*", "PyTorch has no derivative of it either: write torch.linalg.solve, or torch.linalg.lu_factor"),
    (r"torch\.(cuda|xpu|mps|accelerator|cpu|backends)\..*", "of a device that is not there"),
    (r"torch\.(distributed|multiprocessing)\..*", "of several processes"),
    (r"torch\.(onnx|jit|compiler|profiler|export|package|fx|overrides|library|nested|serialization|hub|monitor).*",
     "of a tool of PyTorch's that has no counterpart here"),
    (r".*([mM]asked_?[tT]ensor).*", "of an experiment of PyTorch's: its functions take the mask beside the tensor"),
    (r".*(vulkan|mkldnn|ipu|maia|hpu|mtia|xla|lazy|is_(mps|xpu|meta)).*", "of a device that is not there"),
    (r".*(named|_names|rename|refine_names|align_).*", "named dimensions"),
    (r".*(sparse|csc|bsr|bsc|csr|coalesce|crow|ccol|hspmm|sspaddmm|saddmm|spmm|smm|dsmm|hsmm).*", "sparse, in part"),
)  # fmt: skip


def reason(name: str) -> str:
    """Why a name is absent."""
    return next((why for pattern, why in REASONS if re.fullmatch(pattern, name)), "not written yet")


def tables(prefix: str = "torch") -> Iterator[tuple[str, list[str], list[str]]]:
    """Each module and class that is `prefix` or lies below it: its names that are here, and those that are not."""
    names = torch_names.known()
    for where, found in {**names.names, **names.classes}.items():
        if where != prefix and not where.startswith(f"{prefix}."):
            continue
        here = [name for name in sorted(found) if has(f"{where}.{name}")]
        yield where, here, sorted(found - {*here})


def ops() -> tuple[list[str], list[str]]:
    """The ops of `op_db`, the table by which PyTorch tests its ops: those that are here, as functions or as methods of
    Tensor, and those that are not.
    """
    known = sorted(torch_names.known().ops)
    here = [name for name in known if _is_op(name)]
    return here, sorted({*known} - {*here})


def _is_op(name: str) -> bool:
    if "." in name:
        return has(f"torch.{name}")
    methods = [name + end for end in ("", "_") if name + end not in vars(object)]
    return hasattr(pellucid, name) or any(hasattr(pellucid.Tensor, method) for method in methods)


def listing(prefix: str = "torch") -> Iterator[str]:
    """What `pellucid run --names PREFIX` prints: a row a module, and for a single module or class its names too.

    Args:
        prefix: a module or class of PyTorch's, or a name in one; ``nn`` is ``torch.nn``.

    Raises:
        KeyError: PyTorch has no such module, class or name.
    """
    known = torch_names.known()
    given, prefix = prefix, prefix if prefix.split(".")[0] == "torch" else f"torch.{prefix}"
    where, _, name = prefix.rpartition(".")
    found = list(tables(prefix))
    if found:
        yield f"{'module or class of PyTorch ' + known.version:40} names  here"
        yield from (f"{module:40} {len(here) + len(absent):5} {len(here):5}" for module, here, absent in found)
        if prefix != "torch":
            for module, here, absent in found:
                yield from ("", module, *_wrapped("here", here))
                yield from (line for why, those in by_reason(module, absent) for line in _wrapped(why, those))
    elif name in known.names.get(where, ()) or name in known.classes.get(where, ()) or prefix in known.modules:
        yield f"{prefix}: " + ("here" if has(prefix) else f"absent: {reason(prefix)}")
    else:
        every = {*known.modules, *(f"{at}.{found}" for at, those in known.names.items() for found in those)}
        near = torch_names.nearest(prefix, every)
        raise KeyError(f"PyTorch has no {given!r}" + (f"; did you mean {near}?" if near else "."))


def by_reason(where: str, absent: list[str]) -> list[tuple[str, list[str]]]:
    """Absent names of a module, those with the same reason together."""
    found: dict[str, list[str]] = {}
    for name in absent:
        found.setdefault(f"absent, {reason(f'{where}.{name}')}", []).append(name)
    return sorted(found.items())


def _wrapped(title: str, names: list[str]) -> list[str]:
    return (
        textwrap.wrap(f"{title}: {', '.join(names)}", 100, initial_indent="  ", subsequent_indent="    ")
        if names
        else []
    )
