"""Write down PyTorch's public names, for what pellucid says of those that it lacks: python tools/torch_names.py

Needs torch. What it writes, src/pellucid/torch_names/names.json, is committed, so nothing else needs torch for it.
"""

import importlib
import json
import pkgutil
import re
import types
import warnings
from pathlib import Path
from typing import TypeVar

import torch

OUT = Path(__file__).resolve().parent.parent / "src/pellucid/torch_names/names.json"

# Modules whose names programs use; the names of all others are known, but not what is in them.
LISTED = """
torch torch.accelerator torch.amp torch.autograd torch.autograd.forward_ad torch.autograd.functional
torch.autograd.graph torch.autograd.profiler torch.backends torch.backends.cpu torch.backends.cuda
torch.backends.cudnn torch.backends.mkl torch.backends.mkldnn torch.backends.mps torch.backends.openmp
torch.compiler torch.cpu torch.cuda torch.cuda.amp torch.distributed torch.distributions
torch.distributions.constraints torch.distributions.kl torch.distributions.transforms torch.fft torch.func
torch.futures torch.fx torch.hub torch.jit torch.library torch.linalg torch.masked torch.mps torch.multiprocessing
torch.nested torch.nn torch.nn.attention torch.nn.functional torch.nn.init torch.nn.modules torch.nn.parallel
torch.nn.parameter torch.nn.utils torch.nn.utils.parametrizations torch.nn.utils.parametrize torch.nn.utils.prune
torch.nn.utils.rnn torch.nn.utils.stateless torch.onnx torch.optim torch.optim.lr_scheduler torch.optim.optimizer
torch.optim.swa_utils torch.overrides torch.profiler torch.random torch.return_types torch.serialization
torch.sparse torch.special torch.testing torch.utils.checkpoint torch.utils.data torch.utils.data.distributed
torch.utils.dlpack torch.version torch.xpu
""".split()
CLASSES = {
    "torch.Tensor": torch.Tensor,
    "torch.Generator": torch.Generator,
    "torch.nn.Module": torch.nn.Module,
    "torch.optim.Optimizer": torch.optim.Optimizer,
}
# Of no use to a program: the compiler's insides, and the doors to libraries of one machine.
INSIDE = re.compile(
    r"(cudnn|miopen|mkldnn|fbgemm|quantized|sym|SymFloat|SymInt|SymBool|q_per|q_|qint|quint|bits|fused_moving)"
    r".*|bit|.*_vulkan.*|(u?int[1-7])|thread_safe_generator"
)


def names(module: object, where: str) -> list[str]:
    """What is public in a module: its `__all__`, or what it defines itself."""
    declared = list(getattr(module, "__all__", ()))
    found = {name for name in dir(module) if not name.startswith("_")}
    for name in list(found):
        value = getattr(module, name, None)
        foreign = str(getattr(value, "__module__", "torch") or "torch").split(".")[0] not in ("torch", "builtins")
        if isinstance(value, types.ModuleType) and value.__name__ != f"{where}.{name}":
            foreign = True  # what the module imports for itself
        if isinstance(value, TypeVar):
            foreign = True
        if where == "torch" and isinstance(value, type) and value.__module__ == "torch._C" and name.endswith("Type"):
            foreign = True
        if where != "torch" and declared and name not in declared and not isinstance(value, types.ModuleType):
            foreign = True
        if foreign or INSIDE.fullmatch(name):
            found.discard(name)
    return sorted(found | {name for name in declared if not name.startswith("_") and not INSIDE.fullmatch(name)})


def modules() -> list[str]:
    """All modules below torch whose name has no underscore in front."""
    found: list[str] = ["torch"]
    for info in pkgutil.walk_packages(torch.__path__, "torch.", onerror=lambda _: None):
        parts = info.name.split(".")
        deep = len(parts) > 2 and parts[1] in ("ao", "testing", "distributed", "onnx", "package", "fx", "export", "xpu")
        if not deep and not any(part.startswith("_") for part in parts[1:]):
            found.append(info.name)
    return sorted({*found, *LISTED, "torch.utils.tensorboard"})


warnings.simplefilter("ignore")
listed = {where: names(importlib.import_module(where), where) for where in LISTED}
classes = {where: sorted(name for name in dir(cls) if not name.startswith("_")) for where, cls in CLASSES.items()}
found = modules()
# PyTorch's own table of ops, by which it tests them; to import it puts more into the modules, so it comes last.
table = importlib.import_module("torch.testing._internal.common_methods_invocations").op_db
ops = sorted({op.name for op in table})
text = json.dumps(
    {"version": torch.__version__.split("+")[0], "modules": found, "names": listed, "classes": classes, "ops": ops}
)
OUT.write_text(text.replace('], "', '],\n "').replace('": ["', '": [\n  "') + "\n", encoding="utf-8")
