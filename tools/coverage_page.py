"""The page of what is covered of PyTorch, from its names, which are data, and from what pellucid answers.

python tools/coverage_page.py        prints how many names of each module there are, and how many pellucid has
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pellucid import torch_names
from pellucid.bridge.lacking import has

PATH = "pytorch-names.md"

_INSIDES = (
    r".*(Script|Graph|Schema|Alias|Block|CompilationUnit|ExecutionPlan|Future|parse_|import_ir|IODescriptor|ErrorReport|"
    r"FileCheck|Argument|Benchmark|Logg|LiteScript|DictType|Type|unify|merge_type|Use|Value|Node|Code|Gradient|Tag|AVG|"
    r"AggregationType|SUM|Capsule|CallStack|Dispatch|JITException|StaticModule|Throughput|TracingState|PyTorchFile|"
    r"OperatorInfo|DeepCopyMemo|DisableTorchFunction|FatalError|SerializationStorage).*"
)
# Why what is absent is absent, where that is more than that nobody has written it; the first that fits.
REASONS = (
    (r".*(quant|qscheme|int_repr).*", "quantised tensors: no dtype of fewer than 8 bits is here"),
    (r".*(uint16|uint32|uint64|float8|float4|complex32|chalf).*", "a dtype that pellucid does not have"),
    (_INSIDES, "the insides of TorchScript and of the dispatcher, which pellucid has not"),
    (r".*(Storage|storage).*", "tensors lie in NumPy's arrays: there are no storages"),
    (r".*(native_|batch_norm_(elemt|gather|stats|update|backward)|_cell|grid_sampler|convolution|cudnn|thnn).*",
     "the inside of another function, which is here"),
    (r"torch\.(cuda|xpu|mps|accelerator|cpu|backends)\..*", "of a device that is not there"),
    (r"torch\.(distributed|multiprocessing)\..*", "of several processes"),
    (r"torch\.(onnx|jit|compiler|profiler|export|package|fx|overrides|library|nested|serialization|hub|monitor).*",
     "of a tool of PyTorch's that has no counterpart here"),
    (r".*(vulkan|mkldnn|ipu|maia|hpu|mtia|xla|lazy|is_(mps|xpu|meta)).*", "of a device that is not there"),
    (r".*(named|_names|rename|refine_names|align_).*", "named dimensions"),
    (r".*(sparse|csc|bsr|bsc|csr|coalesce|crow|ccol|hspmm|sspaddmm|saddmm|spmm|smm|dsmm|hsmm).*", "sparse, in part"),
)  # fmt: skip


def reason(name: str) -> str:
    """Why a name is absent."""
    return next((why for pattern, why in REASONS if re.fullmatch(pattern, name)), "not written yet")


def tables() -> Iterator[tuple[str, list[str], list[str]]]:
    """Each module and class: its names that are here, and those that are not."""
    names = torch_names.known()
    for where, found in {**names.names, **names.classes}.items():
        here = [name for name in sorted(found) if has(f"{where}.{name}")]
        yield where, here, sorted(found - {*here})


def page() -> str:
    """The page."""
    known = torch_names.known()
    intro = (
        "`pellucid run SCRIPT` runs a program written for PyTorch; `pellucid run --check SCRIPT` lists the names that "
        f"it uses and pellucid lacks. Of the public names of PyTorch {known.version} these are here. The page is made "
        "from the names themselves when the documentation is built.\n"
    )
    parts = ["# PyTorch's names\n", intro, "| module | names | here |\n|---|---|---|"]
    found = list(tables())
    parts += [
        f"| [`{where}`](#{where.lower().replace('.', '')}) | {len(a) + len(b)} | {len(a)} |" for where, a, b in found
    ]
    for where, here, absent in found:
        parts.append(f"\n## {where}\n")
        if here:
            parts.append("Here: " + ", ".join(f"`{name}`" for name in here) + ".\n")
        by_reason: dict[str, list[str]] = {}
        for name in absent:
            by_reason.setdefault(reason(f"{where}.{name}"), []).append(name)
        for why, those in sorted(by_reason.items()):
            parts.append(f"Absent, {why}: " + ", ".join(f"`{name}`" for name in those) + ".\n")
    return "\n".join(parts)


if __name__ == "__main__":
    for where, here, absent in tables():
        print(f"{where:40} {len(here) + len(absent):4} {len(here):4}")
