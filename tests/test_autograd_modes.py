"""no_grad, enable_grad, set_grad_enabled and inference_mode: as context, decorator and call, against PyTorch."""

from typing import Any

import pytest

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
