"""The functions of layers in `torch` itself, futures, and what counts for symbols: against PyTorch."""

import copy
import threading

import numpy as np
import pytest
import torch as real

import pellucid as torch
from pellucid.bridge.class_names import class_names_of_torch
from pellucid.bridge.torch import futures
from pellucid.errors import ShapeError


def here(value):
    """PyTorch's tensors as pellucid's, also in lists."""
    if isinstance(value, real.Tensor):
        return torch.tensor(value.numpy())
    return [here(one) for one in value] if isinstance(value, list) else value


def normal(*shape):
    return real.randn(*shape, generator=real.Generator().manual_seed(sum(shape)))


def cell(gates):
    return [
        normal(4, 3),
        normal(4, 5),
        normal(5 * gates, 3),
        normal(5 * gates, 5),
        normal(5 * gates),
        normal(5 * gates),
    ]


LSTM = cell(4)
CALLS = [
    ("batch_norm", [normal(4, 3), None, None, None, None, True, 0.1, 1e-5, False]),
    ("bilinear", [normal(4, 3), normal(4, 3), normal(2, 3, 3), normal(2)]),
    ("adaptive_max_pool1d", [normal(2, 3, 8), 2]),
    ("max_pool1d_with_indices", [normal(2, 3, 8), 2]),
    ("rnn_tanh_cell", cell(1)),
    ("rnn_relu_cell", cell(1)),
    ("gru_cell", cell(3)),
    ("lstm_cell", [LSTM[0], [LSTM[1], LSTM[1] + 1], *LSTM[2:]]),
    ("norm_except_dim", [normal(3, 4, 5), 2, 1]),
    ("norm_except_dim", [normal(3, 4, 5), 2, -1]),
    ("native_dropout", [normal(3, 4), 0.5, False]),
    *(
        (name, [normal(4, 3), *others, reduction])
        for reduction in (0, 1, 2)
        for name, others in (
            ("binary_cross_entropy_with_logits", [normal(4, 3).sigmoid(), None, None]),
            ("cosine_embedding_loss", [normal(4, 3) + 1, real.tensor([1, -1, 1, -1]), 0.1]),
            ("kl_div", [normal(4, 3).exp()]),
        )
    ),
    *(
        ("ctc_loss", [normal(6, 2, 5).log_softmax(-1), real.tensor([[1, 2], [3, 4]]), real.tensor([6, 5]),
                      real.tensor([2, 1]), 0, reduction])
        for reduction in (0, 1, 2)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), CALLS, ids=[name for name, _ in CALLS])
def test_values_are_pytorchs(name, args):
    theirs, ours = getattr(real, name)(*args), getattr(torch, name)(*map(here, args))
    several = isinstance(theirs, tuple)
    for a, b in zip(theirs if several else [theirs], ours if several else [ours], strict=True):
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=2e-6, atol=2e-6)


def test_native_dropout_says_what_it_kept():
    out, kept = torch.native_dropout(torch.ones(1000), 0.25, True)
    assert torch.equal(out, kept / 0.75)
    assert 700 < int(kept.sum()) < 800


@pytest.mark.parametrize("name", ["sym_max", "sym_min"])
@pytest.mark.parametrize("pair", [(1, 2.0), (2, 1.0), (3, 4)])
def test_the_larger_of_numbers_has_their_common_type(name, pair):
    ours, theirs = getattr(torch, name)(*pair), getattr(real, name)(*pair)
    assert (ours, type(ours)) == (theirs, type(theirs))


def test_check_says_what_the_program_said():
    torch._check(True)
    with pytest.raises(RuntimeError, match="too small"):
        torch._check(False, lambda: "too small")
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        torch._check(False)


def test_a_module_takes_dicts_that_a_program_assigns_for_its_parameters():
    # `higher` makes modules whose parameters are values of a computation, so.
    layer = torch.nn.Linear(2, 1)
    weight = layer.weight * 2
    layer._parameters = {"weight": weight, "bias": None}
    assert layer.weight is weight
    assert torch.equal(layer(torch.ones(1, 2)), weight.sum().reshape(1, 1))
    layer._parameters = {}
    assert not hasattr(layer, "weight")


def test_a_class_with_a_getattr_of_its_own_is_asked_for_what_is_registered():
    def make(library):
        asked = []

        class Watching(library.nn.Linear):
            def __getattr__(self, name):
                asked.append(name)
                return super().__getattr__(name)

        class Around(library.nn.Module):
            def __init__(self, module):
                super().__init__()
                self.module = module

            def __getattr__(self, name):
                try:
                    return super().__getattr__(name)
                except AttributeError:
                    return getattr(self.module, name)

        layer = Around(Watching(2, 3, bias=False))
        layer.module(library.ones(1, 2))
        copied = copy.deepcopy(layer)
        assert copied.weight is copied.module.weight
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = layer.nothing
        return layer.in_features, set(asked) >= {"weight", "bias", "nothing"}, list(layer.state_dict())

    assert make(torch) == make(real)


def test_a_class_may_call_the_getattr_of_modules_by_its_name():
    # gpytorch's modules look up what a name like "kernel.scale" says, so; the kernels among them are copied with all
    # that their `__dict__` holds.
    def make(library):
        class Named(library.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = library.nn.Linear(2, 1)
                self.register_buffer("kept", None)

            def __setstate__(self, state):
                self.__dict__ = state

            def named(self, name):
                return self.__getattr__(name)

            @property
            def first(self):
                return self.__getattr__("layer")

        class Derived(Named):
            pass

        seen = []
        for made in (Named(), Derived(), copy.deepcopy(Derived())):
            seen += [made.named("layer") is made.layer is made.first, made.kept, list(made.state_dict())]
            with pytest.raises(AttributeError, match="no attribute 'nothing'"):
                made.named("nothing")
        return seen

    assert make(torch) == make(real)


def test_the_error_of_a_program_names_pytorchs_class():
    with class_names_of_torch():
        for bad, kind in (
            (lambda: torch.ones(2) + torch.ones(3), RuntimeError),
            (lambda: torch.ones(2).sum(5), IndexError),
        ):
            with pytest.raises(kind) as failure:
                bad()
            assert failure.type.__name__ == kind.__name__
    assert ShapeError.__name__ == "ShapeError"


def test_results_of_linear_algebra_go_where_out_says():
    matrix = torch.tensor([[4.0, 2.0], [2.0, 3.0]])
    L, info = torch.empty(0), torch.empty(0, dtype=torch.int32)
    made = torch.linalg.cholesky_ex(matrix, out=(L, info))
    assert made.L is L
    assert torch.allclose(L @ L.T, matrix)
    assert torch.linalg.cholesky_ex(matrix, out=None).info.item() == 0


def test_the_inverse_error_function_of_float32_is_that_of_float64_rounded():
    numbers = np.concatenate([np.linspace(-1, 1, 200_001), 1 - np.logspace(-7, -2, 2001), np.logspace(-30, -1, 2001)])
    x = torch.tensor(numbers.astype(np.float32))
    single, double = torch.erfinv(x).numpy(), torch.erfinv(x.double()).numpy()
    np.testing.assert_allclose(single, double, rtol=5e-7)
    assert torch.erfinv(torch.tensor([1.0, -1.0, 1.5])).tolist()[:2] == [np.inf, -np.inf]


class TestFutures:
    def test_the_result_reaches_the_one_that_waits_in_another_thread(self):
        future, got = futures.Future(), []
        waiting = threading.Thread(target=lambda: got.append(future.wait()))
        waiting.start()
        assert not future.done()
        future.set_result(3)
        waiting.join()
        assert got == [3]
        with pytest.raises(RuntimeError, match="as complete again"):
            future.set_result(4)

    def test_then_goes_on_with_results_and_with_errors(self):
        future = futures.Future()
        after = future.then(lambda done: done.value() + 1)
        future.set_result(1)
        assert after.wait() == 2
        failed = futures.Future()
        failed.set_exception(KeyError("lost"))
        with pytest.raises(KeyError, match="lost"):
            failed.then(lambda done: done.wait()).wait()

    def test_all_of_several(self):
        several = [futures.Future() for _ in range(3)]
        together = futures.collect_all(several)
        for n, future in enumerate(several):
            assert not together.done()
            future.set_result(n)
        assert futures.wait_all(several) == [0, 1, 2]
        assert together.wait() == several
        assert futures.collect_all([]).wait() == []


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64"])
class TestWideUnsignedIntegers:
    """What programs do with them: files of 16-bit pictures, token numbers, hashes."""

    def test_values(self, name):
        array = np.arange(6, dtype=name).reshape(2, 3) + 7

        def make(library):
            x, kind = library.from_numpy(array), getattr(library, name)
            made = library.tensor([1, 2], dtype=kind)
            both = library.cat([x, x])
            return [repr(kind), str(x), str(x[1:]), str(x.float() / 3), str(x.to(library.int64)), str(made),
                    str(both), str(library.zeros(2, dtype=kind)), repr(library.iinfo(kind)), str(x * 2.0),
                    x.numpy().dtype, x[0, 0].item(), str(library.promote_types(kind, library.float16)),
                    kind.itemsize, kind.is_signed, str(x == x), str(x.sum())]  # fmt: skip

        assert make(torch) == make(real)

    def test_they_are_promoted_to_no_other_integer(self, name):
        for library in (torch, real):
            with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types is not supported"):
                library.promote_types(getattr(library, name), library.int32)
            with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types is not supported"):
                library.tensor([1], dtype=getattr(library, name)) + library.tensor([1])
