"""Repairs of the rows that a network is given: prepared alike everywhere, drawn from all, their axis kept apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import assigned, bracketed, calls, last, loops, to_nn
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding
from pellucid.doctor.patches_scale import assigned_here, tables

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
CONVERSIONS = (
    r"from_numpy|tensor|as_tensor|Tensor|FloatTensor|LongTensor|Variable|float|double|long|int|astype|type|to|numpy|array|"
    r"asarray|view|reshape|flatten|squeeze|unsqueeze|permute|transpose|clone|copy|cuda|cpu|to_numpy|values"
)
STATISTICS = r"mean|std|var|min|max|amin|amax|median|norm|quantile|percentile|fit"


def _prepared_too(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`X_test = scaler.transform(X_test)` beside `X_train = scaler.transform(X_train)`, as the evaluation lacks it."""
    tree = ast.parse(text.source)
    given = list(dict.fromkeys(tables(tree, text)))
    stored, assignments = assigned(tree), [n for n in ast.walk(tree) if isinstance(n, ast.Assign)]
    changes = [n for n in assignments if any(_mentions(n.value, name) for name in assigned_here(n))]
    prepared = {name for n in changes if _is_preparation(n.value) for name in assigned_here(n)}
    for node in changes:
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name) or not _is_preparation(node.value):
            continue
        own = node.targets[0].id
        stem = own.split("_")[0]
        if not any(own == name or stem == name.split("_")[0] for name in given):
            continue
        beside = [name for name in sorted(stored) if name != own and name.split("_")[0] == stem and "_" in name]
        for other in dict.fromkeys([*(name for name in given if name != own), *beside]):
            if other in prepared:
                continue
            fitted = calls(node.value, "fit_transform")
            line = _for(node.value, own, other, text)
            yield text.after(node, f"{other} = {line}") if fitted else text.before(node, f"{other} = {line}")


def _is_preparation(value: ast.expr) -> bool:
    """Whether numbers change, and not only what holds them, as in `torch.from_numpy(x.astype("float32"))`."""
    if any(isinstance(n, ast.BinOp) for n in ast.walk(value)):
        return True
    return any(not re.fullmatch(CONVERSIONS, last(call)) for call in calls(value, r"\w+"))


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _for(value: ast.expr, own: str, other: str, text: Text) -> str:
    """An expression about one table, as it is for another: what is measured is measured of the first still."""
    measured: set[int] = set()
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and re.fullmatch(STATISTICS, last(node)):
            measured |= {id(inner) for inner in ast.walk(node)}
    inner = Text(text.of(value))
    again = ast.parse(inner.source, mode="eval").body
    pairs: list[tuple[ast.expr, str]] = []
    for old, new in zip(ast.walk(value), ast.walk(again), strict=True):
        if isinstance(new, ast.Name) and new.id == own and id(old) not in measured:
            pairs.append((new, other))
        elif isinstance(new, ast.Attribute) and new.attr == "fit_transform":
            pairs.append((new, f"{inner.of(new.value)}.transform"))
    return inner.with_expressions(pairs)


def _axis_apart(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`x.view(steps, rows, -1)`, which mixes rows, becomes `x.transpose(0, 1)`, or `x.view(rows, steps, -1)` is turned;
    an order of axes that moves the first one becomes one that does not; what is reshaped and turned at once is left as
    it is."""
    tree = ast.parse(text.source)
    inside = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    made: list[tuple[int, str]] = []  # the likeliest first
    for node in (n for around in [statement, *inside] for n in ast.walk(around)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        receiver = node.func.value
        numbers = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if node.func.attr == "permute" and len(numbers) == len(node.args) == 4 and numbers[0] != 0:
            for order in ((0, 2, 1, 3), (0, 1, 2, 3)):
                made.append((0, text.with_expression(node, f"{bracketed(receiver, text)}.permute{order}")))
        if node.func.attr in ("view", "reshape") and len(node.args) in (2, 3):
            swapped = f"{bracketed(receiver, text)}.transpose(0, 1)"
            sizes = [text.of(size) for size in node.args]
            if len(sizes) == 2:  # the last states, layers or directions first: `h_n.view(rows, -1)`
                made.append((2, text.with_expression(node, f"{swapped}.reshape({', '.join(sizes)})")))
            else:
                made.append((2, text.with_expression(node, swapped)))
                turned_back = f"{sizes[1]}, {sizes[0]}, {sizes[2]}).transpose(0, 1)"
                made.append((3, text.with_expression(node, f"{bracketed(receiver, text)}.reshape({turned_back}")))
        turned = isinstance(receiver, ast.Call) and last(receiver) in ("view", "reshape")
        if node.func.attr in ("transpose", "permute") and turned and isinstance(receiver, ast.Call):
            before = receiver.func.value if isinstance(receiver.func, ast.Attribute) else None
            made += [(1, text.with_expression(node, text.of(before)))] if before is not None else []
    yield from dict.fromkeys(changed for _, changed in sorted(made, key=lambda pair: pair[0]))


def _from_all_rows(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Rows that are drawn from the first few, `torch.randint(0, 40, (40,))`, or are always the same, drawn from all."""
    tree, path = ast.parse(text.source), to_nn(text).removesuffix("nn")
    around = loops(tree)[-1:]
    held = _indexed(around[0]) if around else {}
    for node in around[0].body if around else ():
        value = node.value if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else None
        name = next(iter(assigned_here(node)), "") if isinstance(node, ast.Assign) else ""
        if not isinstance(value, ast.Call) or name not in held:
            continue
        rows = f"len({held[name]})"
        if last(value) == "randint" and len(value.args) == 3:
            yield text.with_expression(value.args[1], rows)
        elif last(value) in ("arange", "range") and path and len(value.args) == 1:
            yield text.with_expression(value, f"{path}randint(0, {rows}, ({text.of(value.args[0])},))")
    yield from _always_the_first(tree, text)


def _indexed(loop: ast.AST) -> dict[str, str]:
    """By the name of an index, the first table that it is an index of."""
    found: dict[str, str] = {}
    subscripts = [node for node in ast.walk(loop) if isinstance(node, ast.Subscript)]
    for node in sorted(subscripts, key=lambda n: (n.lineno, n.col_offset)):
        if isinstance(node.slice, ast.Name) and isinstance(node.value, ast.Name):
            found.setdefault(node.slice.id, node.value.id)
    return found


def _always_the_first(tree: ast.Module, text: Text) -> Iterator[str]:
    """`x, y = next(iter(loader))` in a loop that is not over the loader: the loader's batches, one after the other."""
    for loop in loops(tree):
        for node in loop.body:
            call = node.value if isinstance(node, ast.Assign) else None
            inner = call.args[0] if isinstance(call, ast.Call) and last(call) == "next" and call.args else None
            if isinstance(call, ast.Call) and isinstance(inner, ast.Call) and last(inner) == "iter" and inner.args:
                loader = text.of(inner.args[0])
                changed = Text(text.with_expression(inner, "batches"))
                line = f"batches = (batch for _ in iter(int, 1) for batch in {loader})"
                yield changed.before(loop, line)


def _one_after_the_other(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`x[i : i + size]` of each `i` of `range(batches)`, which moves on by one row, as `x[i * size : (i + 1) * size]`;
    of `islice(loader, some)` all that the loader has."""
    tree = ast.parse(text.source)
    for loop in loops(tree)[::-1]:
        counter = loop.target.id if isinstance(loop, ast.For) and isinstance(loop.target, ast.Name) else ""
        counted = loop.iter if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Call) else None
        pairs: list[tuple[ast.expr, str]] = []
        for node in ast.walk(loop) if counter and counted and last(counted) in ("range", "trange") else ():
            cut = node.slice if isinstance(node, ast.Subscript) else None
            cut = cut.elts[0] if isinstance(cut, ast.Tuple) and cut.elts else cut
            if not isinstance(cut, ast.Slice) or cut.lower is None or text.of(cut.lower) != counter:
                continue
            end = cut.upper
            if isinstance(end, ast.BinOp) and isinstance(end.op, ast.Add) and text.of(end.left) == counter:
                size = bracketed(end.right, text)
                pairs.append((cut, f"{counter} * {size}:({counter} + 1) * {size}"))
        if pairs and counted is not None and len(counted.args) < 3:
            yield text.with_expressions(pairs)
    for call in calls(tree, "islice"):
        if call.args:
            yield text.with_expression(call, text.of(call.args[0]))


def _by_chance(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`order = labels.argsort()` becomes an order by chance; so do rows that are sorted before a loader has them."""
    path = to_nn(text).removesuffix("nn")
    for node in (n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.Assign)):
        value = node.value
        if not isinstance(value, ast.Call) or last(value) not in ("argsort", "sort", "lexsort") or not path:
            continue
        of_array = isinstance(value.func, ast.Attribute) and ast.unparse(value.func.value) in ("np", "numpy", "torch")
        if not value.args and of_array:
            continue
        sorted_one = value.args[0] if of_array else getattr(value.func, "value", None)
        if isinstance(sorted_one, ast.expr) and last(value) == "argsort":
            drawn = "np.random.permutation" if ast.unparse(value.func).startswith("np") else f"{path}randperm"
            yield text.with_expression(value, f"{drawn}(len({text.of(sorted_one)}))")


def _as_many_as_rows(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`len(self.x)` in the `__len__` of a data set whose `__getitem__` takes `self.x[i]`, or rows of a frame of it."""
    if "__len__" not in finding.fix:
        return
    for kind in ast.walk(ast.parse(text.source)):
        methods = (
            {n.name: n for n in kind.body if isinstance(n, ast.FunctionDef)} if isinstance(kind, ast.ClassDef) else {}
        )
        if not {"__len__", "__getitem__"} <= set(methods) or len(methods["__getitem__"].args.args) != 2:
            continue
        index = methods["__getitem__"].args.args[1].arg
        taken = [
            n for n in ast.walk(methods["__getitem__"]) if isinstance(n, ast.Subscript) and _mentions(n.slice, index)
        ]
        rows = [text.of(n.value).removesuffix(".iloc").removesuffix(".loc").removesuffix(".values") for n in taken]
        returned = [n.value for n in ast.walk(methods["__len__"]) if isinstance(n, ast.Return) and n.value is not None]
        if rows and len(returned) == 1:
            yield text.with_expression(returned[0], f"len({rows[0]})")


PATCHES: dict[str, tuple[Patch, ...]] = {
    "train-val-preprocessing-mismatch": (_prepared_too,),
    "samples-mixed": (_axis_apart,),
    "low-coverage": (_as_many_as_rows, _one_after_the_other, _from_all_rows),
    "unshuffled-data": (_by_chance,),
}
