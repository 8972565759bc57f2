"""The type stubs, written from the op table: what editors and type checkers know of `pellucid.NAME` and `Tensor.NAME`.

    python tools/stubs.py            writes pellucid/__init__.pyi and pellucid/core/tensor_methods.pyi
    python tools/stubs.py --check    writes nothing, and fails where they are not what would be written

Ops reach the package and the class at run time, where no type checker looks. A declaration says all that a stub does:
names, defaults, which arguments are arrays, the first line of the docstring. Run it after an op was added.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib
import inspect
import os
import pkgutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pellucid
from pellucid.core import Tensor
from pellucid.core import tensor as tensor_module
from pellucid.declare import Op

PACKAGE = Path(inspect.getfile(pellucid)).parent
COMMAND = "python tools/stubs.py"
KINDS = inspect.Parameter


def stubs() -> dict[Path, str]:
    """The text of each stub by its path."""
    return {PACKAGE / "__init__.pyi": package_stub(), PACKAGE / "core" / "tensor_methods.pyi": tensor_stub()}


def main(arguments: list[str]) -> int:
    """Write the stubs, or with `--check` print how they differ; returns the exit code."""
    stale = False
    for path, text in stubs().items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == text:
            continue
        if "--check" in arguments:
            stale = True
            changes = difflib.unified_diff(found.splitlines(True), text.splitlines(True), path.name, "would be", n=0)
            sys.stderr.writelines(changes)
        else:
            part = path.with_name(path.name + ".part")
            part.write_text(text, encoding="utf-8")
            os.replace(part, path)
    if stale:
        sys.stderr.write(f"the type stubs are not those of the op table; write them with: {COMMAND}\n")
    return int(stale)


def tensor_stub() -> str:
    """`TensorMethods`: what is put on Tensor after its class statement. `core.tensor` derives Tensor from it."""
    added = {name: value for name, value in sorted(vars(Tensor).items()) if _is_added(value) and name != "__getattr__"}
    scope = Scope(added)
    parts: list[str] = []
    for name, value in added.items():
        if isinstance(value, property):
            parts.append("@property\n" + scope.function(name, value.fget, method=True))
        else:
            parts.append(scope.function(name, value, method=True))
    parts.append(f"def __hash__(self) -> {scope.annotation('int', {})}: ...\n")  # which `__eq__` would take away
    body = textwrap.indent("\n".join(parts), "    ")
    return (
        '"""The methods and operators of Tensor that follow from the op table."""\n\n'
        f"# Written by {COMMAND}: do not edit.\n"
        f"{scope.imports()}\n\nclass TensorMethods:\n{body}"
    )


def package_stub() -> str:
    """Every public name of `pellucid`: ops by their signature, functions and classes from where they are written."""
    package: Any = pellucid
    rooms = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
    rest = importlib.import_module("pellucid.bridge.torch")  # PyTorch's names that belong to no room
    elsewhere = {info.name for info in pkgutil.iter_modules(rest.__path__) if not info.name.startswith("_")}
    elsewhere = sorted(name for name in (elsewhere | {*rest.__all__}) - {*rooms} if not name.startswith("_"))
    later = {name: getattr(pellucid, name) for name in package._LATER}
    names = {
        name: value
        for name, value in sorted({**vars(pellucid), **later}.items())
        if (not name.startswith("_") or name == "__version__") and not isinstance(value, ModuleType)
    }
    scope = Scope({**names, **dict.fromkeys([*rooms, *elsewhere])})
    parts: list[str] = []
    for name, value in names.items():
        if isinstance(value, Op):
            parts.append(scope.function(name, value, method=False))
        elif _is_written(name, value):
            scope.take(f"from {value.__module__} import {name} as {name}")  # a stub offers what is imported as itself
        elif inspect.isfunction(value):
            parts.append(scope.function(name, value, method=False))
        else:
            parts.append(f"{name}: {scope.annotation(type(value).__name__, {type(value).__name__: type(value)})}\n")
    for room in rooms:
        scope.take(f"from . import {room} as {room}")
    for name in elsewhere:
        scope.take(f"from .bridge.torch import {name} as {name}")
    body = "\n".join(parts)
    return (
        '"""The public names of pellucid: ops by their signature, the rest from where it is written."""\n\n'
        f"# Written by {COMMAND}: do not edit.\n{scope.imports()}\n\n{body}"
    )


def _is_added(value: Any) -> bool:
    """Whether a value on Tensor is a method, an operator or a property that another file put there."""
    made = value.fget if isinstance(value, property) else value
    return isinstance(made, Op) or (inspect.isfunction(made) and made.__module__ != tensor_module.__name__)


def _is_written(name: str, value: Any) -> bool:
    """Whether a class or function can be imported by that name from the file that made it."""
    return isinstance(value, type | FunctionType) and vars(sys.modules[value.__module__]).get(name) is value


class Scope:
    """One stub: the names that it defines, and what it must import to write its annotations."""

    def __init__(self, defined: dict[str, Any]) -> None:
        self.defined = defined
        self._imports: set[str] = set()

    def take(self, line: str) -> None:
        """Have the stub import what `line` says."""
        self._imports.add(line)

    def imports(self) -> str:
        """The lines that import."""
        return "\n".join(sorted(self._imports)) + "\n"

    def annotation(self, text: str, known: dict[str, Any]) -> str:
        """An annotation as the stub must write it: `float` is `_float` where `float` is a method or a dtype."""
        tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name):
                continue
            name = node.id
            value = known[name] if name in known else getattr(builtins, name)
            if self.defined.get(name) is value:
                continue
            node.id = f"_{name}" if name in self.defined else name
            if isinstance(value, ModuleType):
                self.take(f"import {value.__name__} as {node.id}")
            elif value.__module__ != "builtins" or node.id != name:
                source = getattr(value, "__name__", name)
                self.take(f"from {value.__module__} import {source}" + f" as {node.id}" * (source != node.id))
        return ast.unparse(tree)

    def function(self, name: str, made: Any, *, method: bool) -> str:
        """The stub of an op or a function."""
        if isinstance(made, Op):
            parameters, returns, known = _of_op(made), "Any" if made.aux else "Tensor", vars(sys.modules[__name__])
        else:
            signature = inspect.signature(made)
            parameters, known = list(signature.parameters.values()), _globals(made)
            returns = "None" if signature.return_annotation is None else str(signature.return_annotation)
        written: list[str] = []
        if method:
            written.append("self")
            parameters = parameters[1:]
        for i, parameter in enumerate(parameters):
            if parameter.kind is KINDS.KEYWORD_ONLY and (
                i == 0 or parameters[i - 1].kind is KINDS.POSITIONAL_OR_KEYWORD
            ):
                written.append("*")
            written.append(self._parameter(parameter, known))
        line = f"def {name}({', '.join(written)}) -> {self.annotation(returns, known)}:"
        text = inspect.cleandoc(made.__doc__ or "").split("\n")[0].replace("\\", "\\\\")
        if name in ("__eq__", "__ne__"):  # objects are equal or not, tensors element by element
            return f"{line} ...  # pyright: ignore[reportIncompatibleMethodOverride]\n"
        return f'{line}\n    """{text}"""\n' if text else f"{line} ...\n"

    def _parameter(self, parameter: inspect.Parameter, known: dict[str, Any]) -> str:
        star = {KINDS.VAR_POSITIONAL: "*", KINDS.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = f"{star}{parameter.name}: {self.annotation(str(parameter.annotation), known)}"
        return text if parameter.default is KINDS.empty else f"{text} = {_default(parameter.default)}"


def _of_op(op: Op) -> list[inspect.Parameter]:
    """The parameters that a call of the op has: arrays as Tensors, attributes also by position, as `Op.bind` has it."""
    given = list(op.__signature__.parameters.values())
    made: list[inspect.Parameter] = []
    for parameter in given:
        if parameter.name not in op.inputs:
            made.append(parameter)
            continue
        kind = "Tensor | float" if _takes_number(op, parameter) else "Tensor"
        made.append(parameter.replace(annotation=f"{kind} | None" if parameter.default is None else kind))
    free = [parameter.replace(kind=KINDS.POSITIONAL_OR_KEYWORD) for parameter in made]
    defaults = [parameter.default is not KINDS.empty for parameter in free]
    # Python has no required parameter after an optional one, unless it is given by name.
    return free if op.star is None and defaults == sorted(defaults) else made


def _takes_number(op: Op, parameter: inspect.Parameter) -> bool:
    if op.inputs.index(parameter.name) in op.tensors:
        return False
    if isinstance(parameter.default, int | float) or "float" in str(parameter.annotation):
        return True
    return op.elementwise and (op.numbers or len(op.inputs) > 1)


def _globals(made: Callable[..., Any]) -> dict[str, Any]:
    return inspect.unwrap(made).__globals__


def _default(value: Any) -> str:
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        return "..."
    return repr(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
