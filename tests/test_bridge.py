"""Programs written for PyTorch run as they are: `pellucid run`, `as_torch`, names that are absent, devices that are."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pellucid
from pellucid import torch_names
from pellucid.bridge import check_program, coverage
from pellucid.bridge.lacking import has
from pellucid.cli.program import app
from tests.sampled import sampled

PROGRAM = "from pellucid_command import main; main()"


def run(*words: object, python: bool = False, **how: Any) -> subprocess.CompletedProcess[str]:
    """`pellucid run WORDS…`, or with `python` the same program as Python runs it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, *([] if python else ["-c", PROGRAM, "run"]), *map(str, words)]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120, **how)


def inside(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], text=True, capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# What a program sees of its surroundings, beside itself, and how it ends.
SURROUNDINGS = """\
import os, sys
import helper
from helper import twice
print(sys.argv[1:], __name__, os.path.basename(__file__), os.path.basename(sys.path[0]), twice(2), helper.__name__)
print(os.path.basename(os.getcwd()), sys.modules["__main__"].__dict__ is globals(), __package__, __spec__)
class Kept: pass
import pickle; print(type(pickle.loads(pickle.dumps(Kept()))) is Kept)
"""
ENDS = {
    "quietly": "",
    "by an exit code": "sys.exit(3)",
    "by a sentence": "sys.exit('no data')",
    "by no code": "raise SystemExit",
    "by an error": "def f():\n    return 1 / 0\n\nf()",
    "by a cause": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('inner') from error",
    "by a syntax error": "x = = 1",
    "by a hook": "sys.excepthook = lambda kind, value, at: print('hooked', kind.__name__)\nraise KeyError('x')",
}


@pytest.mark.parametrize("end", sampled(ENDS.values(), 4), ids=ENDS.keys())
def test_a_script_runs_as_python_runs_it(end: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "script.py").write_text(SURROUNDINGS + end)
    words = [tmp_path / "script.py", "-m", "--help", "--lr", "0.1"]
    ours, pythons = run(*words, cwd=tmp_path), run(*words, python=True, cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (pythons.returncode, pythons.stdout)
    assert ours.stderr == pythons.stderr


def test_a_module_runs_as_python_runs_it(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text("value = 7\n")
    (package / "train.py").write_text("import sys\nfrom .other import value\nprint(value, sys.argv[1:], __package__)\n")
    (package / "__main__.py").write_text("from . import train\nprint(__name__)\n")
    for name in ("package.train", "package", "package.absent"):
        ours, pythons = run("-m", name, "-x", cwd=tmp_path), run("-m", name, "-x", python=True, cwd=tmp_path)
        assert (ours.returncode, ours.stdout) == (pythons.returncode, pythons.stdout)


def test_a_notebook_runs_its_cells_in_order(tmp_path: Path) -> None:
    cells = [
        ["%matplotlib inline\n", "import torch\n", "!pip install torch\n", "x = torch.ones(2)"],
        ["for i in range(2):\n", "    %time y = x\n", "    y = x + i\n", "y"],
        ["%%bash\n", "rm -rf /nowhere"],
        ["%%time\n", "print(y.sum().item());"],
        ["1 / 0"],
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    (tmp_path / "notebook.ipynb").write_text(json.dumps(notebook))
    done = run(tmp_path / "notebook.ipynb")
    assert done.stdout == "tensor([2., 2.])\n4.0\n"
    left_out = [line for line in done.stderr.splitlines() if line.startswith("pellucid: left out")]
    assert [line.rpartition(": ")[2] for line in left_out] == [
        "%matplotlib inline", "!pip install torch", "%time y = x", "%%bash", "%%time",
    ]  # fmt: skip
    assert done.returncode == 1 and "notebook.ipynb, cell 5" in done.stderr and "1 / 0" in done.stderr


@pytest.mark.parametrize("written", ["{]", "[1]", "{}", "\x00"])
def test_what_is_no_notebook_is_said_to_be_none(written: str, tmp_path: Path) -> None:
    (tmp_path / "bad.ipynb").write_text(written)
    done = run(tmp_path / "bad.ipynb")
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.startswith("pellucid: ") and "bad.ipynb is not a notebook" in done.stderr
    checked = run("--check", tmp_path / "bad.ipynb")
    assert checked.returncode == 1 and "could not be read: bad.ipynb is not a notebook" in checked.stdout


def test_a_program_that_cannot_be_read_passes_no_check(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import torch\ndef (\n")
    checked = run("--check", tmp_path / "bad.py")
    assert checked.returncode == 1 and "could not be read" in checked.stdout


def test_an_error_within_pellucid_shows_the_lines_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import torch\nlayer = torch.nn.Linear(2, 3)\nlayer(torch.ones(1, 5))\n")
    done = run(tmp_path / "script.py")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("  File")] == [
        f'  File "{tmp_path / "script.py"}", line 3, in <module>'
    ]


PICKLED = """
import copy, pickle, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
x = torch.ones(1, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss, data = nn.MSELoss(), TensorDataset(x)
for value in (x, x.shape, x.dtype, x.device, model, model[0].weight, model[0], optimizer, loss, data):
    print(type(value), type(pickle.loads(pickle.dumps(value))), type(copy.deepcopy(value)))
torch.save(model, "model.pt")
print(type(torch.load("model.pt", weights_only=False)[0]), optimizer.state_dict(), type(model.state_dict()))
print([batch[0].shape for batch in DataLoader(TensorDataset(torch.ones(3, 2)), num_workers=1)])
"""


def test_classes_say_where_pytorch_has_them_and_can_be_pickled(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PICKLED)
    ours = run(tmp_path / "script.py", cwd=tmp_path)
    theirs = run(tmp_path / "script.py", cwd=tmp_path, python=True)
    assert (ours.stdout, ours.stderr) == (theirs.stdout, "")
    assert "<class 'torch.nn.modules.linear.Linear'> <class 'torch.nn.modules.linear.Linear'>" in ours.stdout


def test_as_torch_undoes_itself_and_refuses_beside_the_real_one() -> None:
    assert (
        inside("""
        import sys
        import pellucid
        from pellucid.bridge import as_torch

        with as_torch() as torch:
            import torch.nn.functional as F
            from torch import nn
            from torch.utils.data import DataLoader
            assert F is pellucid.nn.functional and nn is pellucid.nn and torch.Tensor is pellucid.Tensor
            from torch.autograd.gradcheck import GradcheckError  # the module is not put over the function of its name
            assert torch.autograd.gradcheck is pellucid.autograd.gradcheck and callable(torch.autograd.gradcheck)
            assert torch.profiler.itt.is_available() is False
            assert not hasattr(torch, "train") and not hasattr(torch, "scalar")
        assert not [name for name in sys.modules if name.split(".")[0] == "torch"]
        outer, inner = as_torch(), as_torch()
        inner.undo(), inner.undo()
        import torch
        assert torch.Tensor is pellucid.Tensor
        outer.undo()
        sys.modules["torch"] = type(sys)("torch")
        try:
            as_torch()
        except RuntimeError as error:
            print(str(error)[:33])
    """)
        == "as_torch() was called where torch\n"
    )


def test_every_module_that_exists_is_imported_under_pytorchs_name() -> None:
    """The same finder answers all, so no list here: those of PyTorch's modules that have an answer."""
    out = inside("""
        import importlib
        from pellucid import torch_names
        from pellucid.bridge import as_torch
        from pellucid.bridge.importing import module_of
        with as_torch():
            found = [name for name in sorted(torch_names.known().modules) if module_of(name) or name == "torch"]
            for name in found:
                importlib.import_module(name)
            import torch
            for name in found:
                at = torch
                for part in name.split(".")[1:]:
                    at = getattr(at, part)
        print("\\n".join(found))
    """).split()  # fmt: skip
    assert {"torch", "torch.nn.functional", "torch.utils.data", "torch.optim.lr_scheduler", "torch.cuda.amp"} <= {*out}
    assert {"torch.optim.adamw", "torch.nn.modules.fold", "torch.cuda.memory", "torch.signal.windows"} <= {*out}
    assert {"torch.backends.cudnn", "torch.jit", "torch.distributed", "torch.multiprocessing", "torch.hub"} <= {*out}


def test_a_module_that_nobody_imported_is_there_all_the_same() -> None:
    assert inside("""
        from pellucid.bridge import as_torch
        with as_torch() as torch:
            print(torch.nn.attention.SDPBackend.MATH.name, torch.utils.checkpoint.__name__, hasattr(torch.nn, "graph"))
    """) == "MATH pellucid.utils.checkpoint False\n"  # fmt: skip


ABSENT = {
    "torch.nn.Liner": ("'torch.nn'", "'Linear'"),
    "torch.nn.functional.rellu": ("'torch.nn.functional'", "'relu'"),
    "torch.optim.Adan": ("'torch.optim'", "'Adam'"),
    "torch.utils.data.DataLoder": ("'torch.utils.data'", "'DataLoader'"),
    "torch.zeross": ("'torch'", "'zeros'"),
    "torch.Tensor.sparse_resize_": ("torch.Tensor.sparse_resize_", "does not have"),
    "torch.quantize_per_tensor": ("torch.quantize_per_tensor", "does not have"),
}


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_name_is_named_with_its_neighbour_and_the_page(name: str) -> None:
    where, _, last = name.rpartition(".")
    at: Any = pellucid
    for part in where.split(".")[1:]:
        at = pellucid.ones(1) if part == "Tensor" else getattr(at, part)
    with pytest.raises(AttributeError) as caught:
        getattr(at, last)
    for said in (*ABSENT[name], torch_names.PAGE):
        assert said in str(caught.value)
    assert not hasattr(at, last)


def test_a_misspelt_method_of_a_tensor(tmp_path: Path) -> None:
    """It is answered as Python answers: a `__getattr__` would make each attribute of each tensor slower."""
    with pytest.raises(AttributeError) as caught:
        pellucid.ones(1).cloone  # noqa: B018
    assert (caught.value.name, type(caught.value.obj)) == ("cloone", pellucid.Tensor)
    assert "__getattr__" not in vars(pellucid.Tensor)
    script = tmp_path / "program.py"
    script.write_text("import torch\ntorch.ones(1).cloone()\n")
    ended = subprocess.run([sys.executable, "-m", "pellucid", "run", script], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "did you mean 'clone'?" in ended.stderr and torch_names.PAGE in ended.stderr


def test_an_absent_name_in_an_import_is_an_import_error_that_says_the_same() -> None:
    assert inside("""
        from pellucid.bridge import as_torch
        with as_torch():
            for line in ("from torch.nn import Liner", "import torch.nnn", "from torch import nnn"):
                try:
                    exec(line)
                except ImportError as error:
                    print(type(error).__name__, "docs/pytorch-names.md" in str(error))
    """).splitlines() == ["ImportError True", "ModuleNotFoundError True", "ImportError True"]


def test_check_lists_what_is_lacking_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from torch import nn\nimport torch as t\n\nN = nn.NoSuchLayer\nt.zeros(2).nosuch()\n"
    )
    (tmp_path / "train.py").write_text(
        "import torch, torch.nn.functional as F\nimport model\nfrom torch.optim import Adam, Adan\n"
        "raise RuntimeError('run')\nF.relu(F.nosuch(torch.ones(2))).qscheme()\ndef qr(): pass\n'a'.index('a')\n"
    )  # fmt: skip
    found = check_program(tmp_path / "train.py")
    assert [(Path(use.file).name, use.line, use.name) for use in sorted(found.found)] == [
        ("model.py", 4, "torch.nn.NoSuchLayer"),
        ("train.py", 3, "torch.optim.Adan"),
        ("train.py", 5, "torch.Tensor.qscheme"),
        ("train.py", 5, "torch.nn.functional.nosuch"),
    ]
    assert any("nearest that there is: torch.optim.Adam" in line for line in found.lines())
    done = run("--check", tmp_path / "train.py")
    assert done.returncode == 1 and done.stdout.count(str(tmp_path)) == 4


def test_check_of_a_program_that_lacks_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\nx = torch.ones(2).sum().item()\n")
    done = run("--check", tmp_path / "train.py")
    assert (done.returncode, done.stdout) == (0, "pellucid has all 2 names of PyTorch's in 1 file.\n")


def test_check_of_a_program_without_torch(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import pellucid as torch\nx = torch.ones(2)\n")
    said = list(check_program(tmp_path / "train.py").lines())
    assert said == ["No name of PyTorch's is in 1 file: what is looked for follows `import torch`."]


def test_a_name_of_pellucids_own_is_not_torchs() -> None:
    assert has("torch.compile") and has("torch.cuda.is_available") and not has("torch.derivation")


def test_the_page_of_what_is_covered_names_every_name() -> None:
    from tools import coverage_page

    page = coverage_page.page()
    assert torch_names.PAGE.removeprefix("docs/") == coverage_page.PATH
    for where, found in {**torch_names.known().names, **torch_names.known().classes}.items():
        section = page.partition(f"\n## {where}\n")[2].partition("\n## ")[0]
        assert all(f"`{name}`" in section for name in found)


def test_the_page_gives_each_op_of_pytorchs_table_that_is_absent_its_reason_and_its_neighbour() -> None:
    from tools import coverage_page

    section = coverage_page.page().partition("\n## op_db\n")[2]
    here, absent = coverage.ops()
    assert f"Of the {len(torch_names.known().ops)} ops" in section and f"{len(here)} are here" in section
    assert all(f"`{name}`" in section for name in absent) and {"masked.softmax", "addcmul", "__radd__"} <= {*here}
    assert "Absent, it compiles a function for a graphics card: `jiterator_2inputs_2outputs`" in section
    unexplained = [name for name in absent if coverage.reason(f"torch.{name}") == "not written yet"]
    assert unexplained == ["hash_tensor", "histogramdd"]
    assert "`native_layer_norm` (nearest: `" in section


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        (["torch.nn.utils.prune"], [f"{'torch.nn.utils.prune':40}    17    17", "here: BasePruningMethod"]),
        (["nn.Linear"], ["torch.nn.Linear: here"]),
        (["torch.complex32"], ["torch.complex32: absent: a dtype that pellucid does not have"]),
        (["torch.masked"], ["here: amax", "absent, of an experiment of PyTorch's"]),
        (["optim"], ["torch.optim.lr_scheduler ", "torch.optim.swa_utils "]),
        ([], ["torch.Tensor "]),
    ],
)
def test_the_names_are_listed_where_the_error_says(prefix: list[str], said: list[str]) -> None:
    shown = CliRunner().invoke(app, [*torch_names.COMMAND.split()[1:], *prefix])
    assert shown.exit_code == 0 and all(part in shown.output for part in said)


def test_a_listing_of_what_pytorch_does_not_have() -> None:
    shown = CliRunner().invoke(app, ["run", "--names", "nn.Linearx"])
    assert shown.exit_code == 2 and "PyTorch has no 'nn.Linearx'; did you mean torch.nn.Linear?" in shown.output


# Devices and settings: what PyTorch answers on a machine without them. ------------------------------------------------

torch = pytest.importorskip("torch")
SAME = [
    "cuda.is_available()", "cuda.device_count()", "cuda.manual_seed(0)", "cuda.manual_seed_all(0)",
    "cuda.empty_cache()", "cuda._initialized", "cuda.amp.grad_scaler.GradScaler.__name__",
    "cuda.amp.autocast_mode.autocast.__name__", "cpu.amp.autocast_mode.autocast.__name__",
    "cuda.memory_allocated()", "cuda.max_memory_allocated()", "cuda.get_rng_state_all()", "cuda.is_initialized()",
    "cuda.get_arch_list()", "cuda.is_bf16_supported()", "backends.mps.is_available()", "backends.cudnn.version()",
    "backends.cudnn.is_available()", "backends.cudnn.benchmark", "backends.cudnn.deterministic",
    "accelerator.is_available()", "accelerator.current_accelerator()", "accelerator.device_count()",
    "mps.is_available()", "xpu.is_available()", "version.cuda", "cuda.current_device()", "cuda.get_device_name(0)",
    "cuda.synchronize()", "cuda.mem_get_info()", "cuda.FloatTensor(1)", "cuda.Stream()", "accelerator.synchronize()",
    "zeros(1).cuda()", "zeros(1).to('cuda')", "zeros(1, device='cuda')", "nn.Linear(1, 1).cuda()",
    "get_float32_matmul_precision()", "get_deterministic_debug_mode()", "are_deterministic_algorithms_enabled()",
    "get_default_device()", "set_num_threads(0)", "is_autocast_enabled()", "distributed.is_initialized()",
    "distributed.get_rank()", "ones(2).type()", "ones(2).long().type()", "ones(2).type('torch.LongTensor')",
    "ones(2).type(torch.DoubleTensor)", "ones(2).type('nonsense')", "typename(ones(2))", "FloatTensor([1, 2])",
    "FloatTensor(2, 3).shape", "LongTensor([1.5])", "FloatTensor(2.5)", "isinstance(torch.ones(1), torch.FloatTensor)",
    "isinstance(torch.ones(1), torch.LongTensor)", "FloatTensor",
    "autograd.Variable(torch.ones(1), requires_grad=True)",
    "autograd.Variable([1])", "isinstance(torch.ones(1), torch.autograd.Variable)", "nan", "pi", "newaxis",
    "__version__ >= '1.8'", "__version__ >= (2, 0)", "jit.is_scripting()", "compiler.is_compiling()",
    "amp.GradScaler('cpu').scale(torch.ones(1))", "Size([2, 3])", "ones(1).get_device()", "get_device(torch.ones(1))",
    "testing.assert_close(torch.ones(2), torch.ones(2) * 1.1)", "testing.assert_close(torch.ones(2), torch.ones(3))",
    "testing.assert_close(torch.ones(2), torch.ones(2).double())", "testing.assert_close([1.0], [1.0])",
]  # fmt: skip


def outcome(program: str, module: Any) -> tuple[str, str]:
    """What a line gives: its value as text, or the classes of its error."""
    try:
        value = eval(program if program.startswith("isinstance") else f"torch.{program}", {"torch": module})  # noqa: S307
    except Exception as error:
        return ("raises", next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"))
    return ("gives", repr(value))


@pytest.mark.parametrize("program", SAME)
@pytest.mark.filterwarnings("ignore")
def test_answers_what_pytorch_answers(program: str) -> None:
    from pellucid.bridge.importing import _Torch  # pyright: ignore[reportPrivateUsage]
    from pellucid.bridge.torch.torch_version import TorchVersion

    face = _Torch("torch")
    face.__version__ = TorchVersion("2.13.0+pellucid")  # type: ignore[attr-defined]
    ours, theirs = outcome(program, face), outcome(program, torch)
    assert ours[0] == theirs[0]
    if ours[0] == "gives":
        assert ours == theirs
    else:
        raised: list[type] = []
        try:
            eval(program if program.startswith("isinstance") else f"torch.{program}", {"torch": face})  # noqa: S307
        except Exception as error:
            raised = list(type(error).__mro__)
        assert theirs[1] in [kind.__name__ for kind in raised]
