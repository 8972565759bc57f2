"""scaled_dot_product_attention and what is built on it, against PyTorch: results, gradients, masks, dropout, errors."""

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.compile.tracer import trace
from pellucid.kernels import table

torch = pytest.importorskip("torch")

CALLS: dict[str, Any] = {
    "plain": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v),
    "causal": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
    "scale": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, scale=0.1),
    "dropout": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.4),
    "dropout and causal": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(
        q, k, v, dropout_p=0.4, is_causal=True
    ),
    "boolean mask": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=t.ones(4, 5, dtype=t.bool).tril(1)
    ),
    "mask of one head": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=t.arange(20.0).reshape(1, 1, 4, 5)
    ),
    "nothing to see": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=t.arange(4)[:, None].expand(4, 5) > 0
    ),
    "grouped queries": lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(
        t.cat([q, q], 1), k, v, enable_gqa=True
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_attention(call: Any) -> None:
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        inputs = [library.randn(2, 3, length, 6).requires_grad_() for length in (4, 5, 5)]
        library.manual_seed(1)
        out = call(library, *inputs)
        (out * library.arange(float(out.numel())).reshape(out.shape)).sum().backward()
        found.append([out, *(tensor.grad for tensor in inputs)])
    for expected, got in zip(*found, strict=True):
        expected, got = expected.detach().numpy(), got.detach().numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def headed(library: Any, *shape: int) -> Any:
    return library.randn(shape).requires_grad_().transpose(-2, -3)


def whole(library: Any, batch: int, length: int, heads: int, width: int) -> Any:
    return library.randn(batch, heads, length, width).requires_grad_() * 1


@pytest.mark.parametrize("native", [True, False], ids=["kernels", "lines"])
@pytest.mark.parametrize("kinds", [(headed,) * 3, (whole,) * 3, (headed, whole, headed), (whole, headed, whole)])
def test_the_result_and_the_gradients_lie_as_in_pytorch(
    kinds: Any, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that heads that were parts of a row become a row again without a copy."""
    if not native:
        monkeypatch.setattr(table.Kernel, "function", lambda self, *key: None)
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        given = [kind(library, 2, 64, 3, 8) for kind in kinds]
        grads: list[Any] = []
        for each in given:
            each.register_hook(grads.append)
        out = library.nn.functional.scaled_dot_product_attention(*given)
        out.sin().sum().backward()
        found.append([out.detach(), *grads])
    assert found[0][0].stride() == found[1][0].stride()
    assert sorted(each.stride() for each in found[1][1:]) == sorted(
        (1536, 8, 24, 1) if kind is headed else (1536, 512, 8, 1) for kind in kinds
    )


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": True}], ids=str)
@pytest.mark.parametrize("length", [5, 64])
def test_backward_in_one_op_is_what_it_consists_of(length: int, options: dict[str, Any]) -> None:
    """attention_gradients: as the ops that are differentiated in its place, and one op in a trace."""
    pellucid.manual_seed(0)
    leaves = [pellucid.randn(2, length, 8, requires_grad=True) for _ in range(3)]
    given = {**options}
    if given.pop("attn_mask", False):
        leaves.append(pellucid.randn(2, length, length, requires_grad=True))

    def loss(*tensors: Any) -> Any:
        out = pellucid.nn.functional.scaled_dot_product_attention(*tensors, **given)
        return (out * out).sum()

    plain: Any = pellucid.autograd.grad(loss(*leaves), leaves)
    composed: Any = pellucid.autograd.grad(loss(*leaves), leaves, create_graph=True)
    for whole, parts in zip(plain, composed, strict=True):
        whole, parts = whole.numpy(), parts.detach().numpy()
        np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5 * np.abs(whole).max())
    program = trace(lambda *tensors: pellucid.autograd.grad(loss(*tensors), tensors)[0], *leaves)
    assert [step.op.name for step in program.steps].count("attention_gradients") == 1
    if length < 6:
        wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
        assert pellucid.autograd.gradgradcheck(loss, wide)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_encoder_without_gradient_leaves_zeros_for_padding() -> None:
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        layer = library.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        encoder = library.nn.TransformerEncoder(layer, 2).eval()
        padding = library.arange(5) >= library.tensor([[5], [3]])
        with library.no_grad():
            found.append(encoder(library.randn(2, 5, 8), src_key_padding_mask=padding).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert not found[1][1, 3:].any()


REFUSED = {
    "mask and causal": lambda t, q: t.nn.functional.scaled_dot_product_attention(
        q, q, q, attn_mask=t.ones(3, 3), is_causal=True
    ),
    "dtypes": lambda t, q: t.nn.functional.scaled_dot_product_attention(q, q.double(), q),
    "shapes": lambda t, q: t.nn.functional.scaled_dot_product_attention(q, q[..., :2], q),
    "integers for a mask": lambda t, q: t.nn.functional.scaled_dot_product_attention(q, q, q, t.ones(3, 3).long()),
    "heads": lambda t, q: t.nn.MultiheadAttention(7, 2),
    "width": lambda t, q: t.nn.MultiheadAttention(6, 2)(q, q, q),
    "causal without a mask": lambda t, q: t.nn.MultiheadAttention(4, 2)(q, q, q, is_causal=True),
    "shape of the mask": lambda t, q: t.nn.MultiheadAttention(4, 2)(q, q, q, attn_mask=t.zeros(2, 3)),
    "activation": lambda t, q: t.nn.TransformerEncoderLayer(4, 2, activation="selu"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refusals(call: Any) -> None:
    with pytest.raises(Exception, match=".") as theirs:
        call(torch, torch.randn(2, 3, 4))
    with pytest.raises(theirs.type):
        call(pellucid, pellucid.randn(2, 3, 4))
