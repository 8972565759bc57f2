"""Classes derived from Tensor, and what they make of functions, beside PyTorch's."""

import copy

import pytest
import torch as real

import pellucid
from pellucid.bridge.torch import _C, overrides

LIBRARIES = {"torch": (real, real._C, real.overrides), "pellucid": (pellucid, _C, overrides)}


def both(make):
    """What `make(torch, _C, overrides)` gives here and under PyTorch."""
    return tuple(make(*LIBRARIES[name]) for name in ("pellucid", "torch"))


def names_of(results):
    return [names_of(part) if isinstance(part, tuple | list) else type(part).__name__ for part in results]


def test_results_are_of_the_class():
    def make(torch, _C, overrides):
        class Labelled(torch.Tensor):
            pass

        F = torch.nn.functional
        x = torch.tensor([[1.0, 2.0], [3.0, 5.0]]).as_subclass(Labelled)
        weight = torch.nn.Parameter(torch.ones(2, 2))
        leaf = x.clone().requires_grad_()
        (first,) = torch.autograd.grad((leaf**3).sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), leaf)
        results = [
            x + 1, 1 - x, x @ weight, weight @ x, x.sum(), x[0], x[:, 1], x[x > 2], x.T, x.max(0), x.split(1),
            x.clone(), x.detach(), x.data, x.add_(1), torch.stack([x, torch.ones(2, 2)]), torch.where(x > 2, x, 0),
            x.shape, x.tolist(), torch.einsum("ij,jk", x, x), F.linear(x, weight), F.softmax(x, -1),
            torch.zeros_like(x),
            torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())(x), first, second, torch.ones(2) * 2,
            weight * 2, list(x), copy.deepcopy(weight), x.as_subclass(torch.Tensor),
            torch.Tensor._make_subclass(Labelled, weight),
        ]  # fmt: skip
        values = [first.tolist(), second.tolist(), (x * 2).tolist(), repr(x * 2), repr(weight)]
        return names_of(results), values, x.requires_grad, (x @ weight).requires_grad

    ours, theirs = both(make)
    assert ours == theirs


def test_ways_to_begin():
    def make(torch, _C, overrides):
        class Named(torch.Tensor):
            @staticmethod
            def __new__(cls, data, names):
                return super().__new__(cls, data)

            def __init__(self, data, names):
                self.names_of_columns = names

        class Plain(torch.Tensor):
            pass

        class Weight(torch.nn.Parameter):
            pass

        named = Named([1.0, 2.0], ["a", "b"])
        weight = Weight(torch.ones(2))
        return (
            named.names_of_columns, repr(named), repr(named + 1), repr(Plain([1.0])), repr(weight), repr(weight + 1),
            copy.copy(named).names_of_columns,
        )  # fmt: skip

    ours, theirs = both(make)
    assert ours == theirs


def test_a_class_is_asked():
    def make(torch, _C, overrides):
        calls = []

        class Watched(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                calls.append((func.__name__.strip("_"), [kind.__name__ for kind in types]))
                if func.__name__ == "mean":
                    return "a mean"
                return super().__torch_function__(func, types, args, kwargs or {})

        class Finer(Watched):
            pass

        x = torch.ones(2, 3).as_subclass(Watched)
        calls.clear()
        y = torch.ones(3).as_subclass(Finer)
        calls.clear()
        results = [torch.add(1, x), torch.mean(x), torch.nn.functional.softmax(x, dim=1), torch.mul(x, y), x[0]]
        with _C.DisableTorchFunctionSubclass():
            results += [torch.mul(x, 2), torch.mean(x)]
        asked = [
            overrides.has_torch_function(given)
            for given in ((x,), (torch.ones(1),), (torch.nn.Parameter(torch.ones(1)),))
        ]
        return names_of(results), calls, asked

    ours, theirs = both(make)
    assert ours == theirs


def test_who_says_not_implemented():
    def make(torch, _C, overrides):
        class One(torch.Tensor):
            pass

        class Other(torch.Tensor):
            pass

        one, other = torch.ones(2).as_subclass(One), torch.ones(2).as_subclass(Other)
        with pytest.raises(TypeError, match="all __torch_function__ handlers returned NotImplemented"):
            torch.add(one, other)
        with pytest.raises(TypeError):
            one.as_subclass(int)
        return True

    assert both(make) == (True, True)


def test_functions_of_a_program_hand_over():
    def make(torch, _C, overrides):
        class Measured(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                return (
                    f"{func.__name__} of {args[1]}"
                    if func is area
                    else super().__torch_function__(func, types, args, kwargs)
                )

        def area(shape, times=1):
            if overrides.has_torch_function_unary(shape):
                return overrides.handle_torch_function(area, (shape,), shape, times)
            return "plain"

        return (
            area(torch.ones(1)),
            area(torch.ones(1).as_subclass(Measured), 3),
            overrides.is_tensor_like(torch.ones(1)),
        )

    ours, theirs = both(make)
    assert ours == theirs


def test_a_tensor_of_the_sizes_of_another():
    def make(torch, _C, overrides):
        shape = torch.ones(2, 3).shape
        return [tuple(torch.Tensor(given).shape) for given in (shape, torch.Size([]), (2, 3), [1.0])]

    ours, theirs = both(make)
    assert ours == theirs == [(2, 3), (), (2,), (1,)]


def test_a_mode_sees_functions_and_answers_for_them():
    def make(torch, _C, overrides):
        seen = []

        class Named(torch.Tensor):
            pass

        class Doubles(overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                made = func(*args, **(kwargs or {}))
                seen.append((func.__name__, [kind.__name__ for kind in types]))
                return made * 2 if func.__name__ in ("ones", "add") else made

        class Inner(overrides.BaseTorchFunctionMode):
            pass

        x = torch.zeros(2).as_subclass(Named)
        with Doubles():
            first = torch.ones(2).add(3)
            with Inner() as inner:
                second = torch.stack([x, x]).sum().add(1)
                own = overrides._get_current_function_mode() is inner
        with pytest.raises(NotImplementedError), overrides.TorchFunctionMode():
            torch.ones(2)
        after = torch.ones(2).add(3)
        return seen, first.tolist(), second.item(), type(second).__name__, own, after.tolist()

    ours, theirs = both(make)
    assert ours == theirs
