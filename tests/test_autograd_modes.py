"""no_grad, enable_grad, set_grad_enabled and inference_mode: as context, decorator and call, against PyTorch."""

from typing import Any

import pytest
import torch

import pellucid
from tests.twins import same


def recorded(library: Any) -> bool:
    """Whether an op records itself now; the flag and what happens agree."""
    x = library.ones(2, requires_grad=True)
    assert (x * 2).requires_grad == library.is_grad_enabled()
    return library.is_grad_enabled()


def contexts(library: Any) -> Any:
    seen = [recorded(library)]
    with library.no_grad():
        seen.append(recorded(library))
        with library.enable_grad():
            seen.append(recorded(library))
            with library.set_grad_enabled(False):
                seen.append(recorded(library))
            seen.append(recorded(library))
        seen.append(recorded(library))
    return [*seen, recorded(library)]


def autograd_has_them(library: Any) -> Any:
    with library.autograd.no_grad():
        inside = recorded(library)
        with library.autograd.enable_grad():
            return inside, recorded(library)


def decorators(library: Any) -> Any:
    @library.no_grad()
    def off() -> bool:
        return recorded(library)

    @library.no_grad
    def off_undecorated() -> bool:
        """Its text."""
        return recorded(library)

    @library.enable_grad()
    def on() -> bool:
        return recorded(library)

    @library.inference_mode()
    def inference() -> bool:
        return library.is_grad_enabled()

    @library.no_grad()
    def recursive(depth: int) -> list[bool]:
        return [recorded(library), *(recursive(depth - 1) if depth else []), recorded(library)]

    with library.no_grad():
        inner = on()
    names = off_undecorated.__name__, off_undecorated.__doc__
    return off(), off_undecorated(), on(), inner, inference(), recursive(2), recorded(library), names


def set_as_decorator(library: Any) -> Any:
    """To decorate with set_grad_enabled(False) leaves the mode outside of the function as it is."""

    @library.set_grad_enabled(False)
    def off() -> bool:
        return recorded(library)

    outside = recorded(library)
    return outside, off(), recorded(library)


def set_as_call(library: Any) -> Any:
    seen = []
    try:
        library.set_grad_enabled(False)
        seen.append(recorded(library))
        library.set_grad_enabled(True)
        seen.append(recorded(library))
    finally:
        library.set_grad_enabled(True)
    return seen


def inference_modes(library: Any) -> Any:
    seen = []
    with library.inference_mode():
        seen += [library.is_grad_enabled(), library.is_inference_mode_enabled()]
        with library.inference_mode(False):
            seen += [library.is_inference_mode_enabled()]
    with library.inference_mode(mode=False):
        seen += [recorded(library)]
    with library.no_grad():
        seen += [library.is_inference_mode_enabled()]
    return [*seen, recorded(library)]


def exceptions(library: Any) -> Any:
    @library.no_grad()
    def fails() -> None:
        raise KeyError

    seen = []
    for way in (library.no_grad, library.inference_mode):
        try:
            with way():
                raise KeyError
        except KeyError:
            seen.append(recorded(library))
    try:
        fails()
    except KeyError:
        seen.append(recorded(library))
    return seen


def generators(library: Any) -> Any:
    """A decorated generator runs in its mode, its caller does not."""
    seen = []

    @library.no_grad()
    def numbers() -> Any:
        try:
            got = yield recorded(library)
            seen.append(("got", got, recorded(library)))
            try:
                yield 2
            except ValueError:
                seen.append(("thrown", recorded(library)))
            yield 3
        finally:
            seen.append(("closed", recorded(library)))
        return

    generator = numbers()
    seen += [
        next(generator),
        recorded(library),
        generator.send("sent"),
        recorded(library),
        generator.throw(ValueError()),
    ]
    generator.close()
    seen.append(recorded(library))
    seen += [list(numbers()), recorded(library)]

    @library.no_grad()
    def returning() -> Any:
        yield 1
        return "value"

    def outer() -> Any:
        seen.append((yield from returning()))

    return [*list(outer()), *seen]


def generator_begun_in_another_mode(library: Any) -> Any:
    @library.enable_grad()
    def numbers() -> Any:
        while True:
            yield recorded(library)

    generator = numbers()
    seen = [next(generator)]
    with library.no_grad():
        seen += [next(generator), recorded(library)]
    return [*seen, next(generator), recorded(library)]


def reused(library: Any) -> Any:
    mode = library.no_grad()
    with mode:
        inside = recorded(library)
    with mode:
        other = recorded(library)
    return inside, other, recorded(library)


def backward_inside_no_grad(library: Any) -> Any:
    x = library.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with library.no_grad():
        y.backward()
    return x.grad


def backward_keeps_the_mode(library: Any) -> Any:
    x = library.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward(create_graph=True)
    after = recorded(library)
    try:
        (x * x).backward()
    except RuntimeError:
        return after, recorded(library)


def requires_grad_under_no_grad(library: Any) -> Any:
    """A leaf made under no_grad may ask for a gradient."""
    with library.no_grad():
        x = library.ones(2, requires_grad=True)
        y = library.ones(2).requires_grad_()
    return (x * y).requires_grad, x.is_leaf


@pytest.mark.parametrize("program", [
    contexts, autograd_has_them, decorators, set_as_decorator, set_as_call, inference_modes, exceptions, generators,
    generator_begun_in_another_mode, reused, backward_inside_no_grad, backward_keeps_the_mode,
    requires_grad_under_no_grad,
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph:UserWarning")
def test_program(program: Any) -> None:
    same(program)
    assert pellucid.is_grad_enabled()


# --- tensors of inference mode ----------------------------------------------------------------------------------------


def made_in_inference(library: Any) -> Any:
    """A tensor that inference mode made, and one of before."""
    with library.inference_mode():
        return library.ones(2, 3), library.ones(2, requires_grad=True)


def of_what_ops_make(library: Any) -> Any:
    w = library.ones(3, requires_grad=True)
    normal = w.clone()
    with library.inference_mode():
        found = [w * 2, normal.view(3, 1), library.zeros(2).sort()[0], library.rand(2), library.tensor([1.0])]
        normal.add_(1)
        library.ones(2).mul_(3)
    held, _ = made_in_inference(library)
    found += [held, held[0], held + 1, held.clone(), normal, library.nn.Parameter(library.ones(1))]
    return [(x.is_inference(), x.requires_grad, x.is_leaf) for x in found]


INFERENCE: dict[str, Any] = {
    "saved": lambda library: made_in_inference(library)[0] * library.ones(3, requires_grad=True),
    "not saved": lambda library: (made_in_inference(library)[0] + library.ones(3, requires_grad=True)).sum(),
    "changed": lambda library: made_in_inference(library)[0].add_(1),
    "a view changed": lambda library: made_in_inference(library)[0].view(6).add_(1),
    "stored in": lambda library: library.add(library.ones(2, 3), 1, out=made_in_inference(library)[0]),
    "wanted": lambda library: made_in_inference(library)[0].requires_grad_(),
    "counted": lambda library: made_in_inference(library)[0]._version,
    "copied": lambda library: made_in_inference(library)[0].clone().requires_grad_(),
    "of ops": of_what_ops_make,
    "a decorator": lambda library: library.inference_mode()(library.neg)(library.ones(1)).is_inference(),
    "unchanged": lambda library: made_in_inference(library)[0],
}


@pytest.mark.parametrize("name", INFERENCE)
def test_tensors_of_inference_mode(name: str) -> None:
    """They are neither saved for backward nor changed in place outside; the errors have PyTorch's words."""

    def result(library: Any) -> Any:
        try:
            return repr(INFERENCE[name](library))
        except RuntimeError as failure:
            return str(failure)[:60]

    assert result(pellucid) == result(torch)
