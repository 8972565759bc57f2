"""Einstein summation: `einsum("bij,bjk->bik", a, b)`."""

from __future__ import annotations

import string
from typing import Any

from pellucid.core import Tensor
from pellucid.declare import function, op
from pellucid.declare.arguments import spread

from .axes import permute
from .node_names import contraction


@op(public=False, method=False, reference="torch.einsum", node="ViewBackward0")
def contract(xp: Any, *operands: Any, inputs: tuple[str, ...], output: str) -> Any:
    """Products of all operands summed over every label that is not in `output`; no label twice in one operand."""
    if len(operands) == 2:
        (a, b), (left, right) = operands, inputs
        return _pair(xp, a, b, left, right, output)
    result = xp.einsum(",".join(inputs) + "->" + output, *operands, optimize=len(operands) > 2)
    if len(operands) == 1 and result.dtype.kind in "iub" and len(output) < len(inputs[0]):
        return operands[0].sum(tuple(i for i, label in enumerate(inputs[0]) if label not in output), dtype=xp.int64)
    return result


def _pair(xp: Any, a: Any, b: Any, left: str, right: str, output: str) -> Any:
    """Two operands as one batched matrix product, so that BLAS does the work."""
    for label in [name for name in left if name not in right and name not in output]:
        a, left = _summed(xp, a, left.index(label)), left.replace(label, "")
    for label in [name for name in right if name not in left and name not in output]:
        b, right = _summed(xp, b, right.index(label)), right.replace(label, "")
    batch = [name for name in left if name in right and name in output]
    inner = [name for name in left if name in right and name not in output]
    rows = [name for name in left if name not in right]
    columns = [name for name in right if name not in left]
    size = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))

    def count(labels: list[str]) -> int:
        total = 1
        for label in labels:
            total *= size[label]
        return total

    a = a.transpose([left.index(entry) for entry in (*batch, *rows, *inner)]).reshape(
        count(batch), count(rows), count(inner)
    )
    b = b.transpose([right.index(entry) for entry in (*batch, *inner, *columns)])
    product = xp.matmul(a, b.reshape(count(batch), count(inner), count(columns)))
    labels = [*batch, *rows, *columns]
    return product.reshape([size[entry] for entry in labels]).transpose([labels.index(entry) for entry in output])


def _summed(xp: Any, x: Any, axis: int) -> Any:
    """A sum, of integers as int64."""
    return x.sum(axis, dtype=x.dtype if x.dtype.kind in "fc" else xp.int64)


def _rule(m: Any, g: Any, index: int, operands: Any, inputs: tuple[str, ...], output: str) -> Any:
    """The same contraction with the gradient in the operand's place; labels that were only there repeat it."""
    target = inputs[index]
    others = [(operand, labels) for i, (operand, labels) in enumerate(zip(operands, inputs, strict=True)) if i != index]
    seen = set(output).union(*(labels for _, labels in others)) if others else set(output)
    kept = "".join(label for label in target if label in seen)
    part = m.contract(
        g, *(tensor for tensor, _ in others), inputs=(output, *(labels for _, labels in others)), output=kept
    )
    if kept == target:
        return part
    shape = operands[index].shape
    absent = tuple(i for i, label in enumerate(target) if label not in seen)
    return m.spread(part, shape=tuple(shape), dim=absent)


contract.vjp(operands=lambda m, g, index, operands, inputs, output: _rule(m, g, index, operands, inputs, output))


@function(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products of the operands' elements, by labels of their dimensions.

    `equation` is `"ij,jk->ik"`: a label for each dimension of each operand, and those of the result; labels absent
    there are summed over. Without `->` the result has the labels that occur once, in alphabetical order. `...` stands
    for any further dimensions, which broadcast. A label twice in one operand takes its diagonal. Raises RuntimeError
    where labels and dimensions do not agree.

    >>> import pellucid
    >>> einsum("ij,j->i", pellucid.ones(2, 3), pellucid.arange(3.0))
    tensor([3., 3.])
    """
    if not isinstance(equation, str):  # the sublist format: einsum(a, [0, 1], b, [1, 2], [0, 2])
        return _sublists(equation, *operands)
    operands = spread(operands)
    inputs, output = _labels(equation, operands)
    size: dict[str, int] = {}
    for place, (labels, operand) in enumerate(zip(inputs, operands, strict=True)):
        for label, length in zip(labels, operand.shape, strict=True):
            if size.setdefault(label, length) in (1, length):
                size[label] = max(size[label], length) if length != 0 else 0
            elif length != 1:
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {length} for operand {place} which does not broadcast with "
                    f"previously seen size {size[label]}: {equation!r} of shapes "
                    f"{', '.join(str(tuple(o.shape)) for o in operands)}"
                )
    ready: list[Tensor] = []
    names: list[str] = []
    for labels, operand in zip(inputs, operands, strict=True):
        operand, labels = _diagonals(operand, labels)
        stretched = [d for d, label in enumerate(labels) if operand.shape[d] == 1 and size[label] != 1]
        if stretched:  # a dimension of 1 that broadcasts: leave it out, the others carry the label
            operand = operand.reshape(*[n for d, n in enumerate(operand.shape) if d not in stretched])
            labels = "".join(label for d, label in enumerate(labels) if d not in stretched)
        ready.append(operand)
        names.append(labels)
    if len(ready) == 1 and len(names[0]) == len(output):  # no sum: a view, as in PyTorch
        out = permute(ready[0], tuple(map(names[0].index, output)))
    else:
        out = contract(*ready, inputs=tuple(names), output=output)
    if out.grad_fn is not None:
        out.grad_fn.called = contraction(set("".join(inputs)) - set(output), len(inputs))
    return out


def _diagonals(tensor: Tensor, labels: str) -> tuple[Tensor, str]:
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if tensor.shape[first] != tensor.shape[second]:
                raise RuntimeError(
                    f"einsum: label {label!r} is repeated for dimensions of size {tensor.shape[first]} and "
                    f"{tensor.shape[second]}; a diagonal needs equal sizes"
                )
            tensor = tensor.diagonal(dim1=first, dim2=second)
            labels = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + label
    return tensor, labels


def _labels(equation: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, `...` replaced by letters that are free."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise RuntimeError(
            f"einsum({equation!r}): the equation names {len(parts)} operands, but {len(operands)} were provided"
        )
    for part in (*parts, right):
        bare = part.replace("...", "", 1)
        if bare and not all(entry in string.ascii_letters for entry in bare):
            raise RuntimeError(f"einsum({equation!r}): labels must be letters [a-zA-Z], got {part!r}")
    free = [entry for entry in string.ascii_letters[::-1] if entry not in text]
    extra = [entry.ndim - len(part.replace("...", "")) for entry, part in zip(operands, parts, strict=True)]
    for operand, part, more in zip(operands, parts, extra, strict=True):
        if more < 0 or (more and "..." not in part):
            raise RuntimeError(
                f"einsum({equation!r}): the number of subscripts in {part!r} does not match the number of dimensions "
                f"of an operand of shape {tuple(operand.shape)}"
            )
    widest = max((more for more, part in zip(extra, parts, strict=True) if "..." in part), default=0)
    dots = "".join(free[:widest])
    inputs = [
        part.replace("...", dots[widest - more :] if more else "") for part, more in zip(parts, extra, strict=True)
    ]
    if not arrow:
        every = "".join(part.replace("...", "") for part in parts)
        return inputs, dots + "".join(sorted(entry for entry in set(every) if every.count(entry) == 1))
    output = right.replace("...", dots)
    for label in output:
        if output.count(label) > 1:
            raise RuntimeError(f"einsum({equation!r}): output subscript {label!r} appears more than once in the output")
        if not any(label in labels for labels in inputs):
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand: "
                f"{equation!r}"
            )
    return inputs, output


def _sublists(*mixed: Any) -> Tensor:
    operands, lists = list(mixed[0 : len(mixed) // 2 * 2 : 2]), list(mixed[1::2])
    text = [_letters(group) for group in lists]
    equation = ",".join(text) + ("->" + _letters(mixed[-1]) if len(mixed) % 2 else "")
    return einsum(equation, *operands)


def _letters(labels: Any) -> str:
    return "".join("..." if label is ... else string.ascii_letters[label] for label in labels)
