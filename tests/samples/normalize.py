"""Rows for `ops/normalize.py`: layer and batch normalisation, and their common gradient."""

import torch

from tests.op_samples import positive, real, row

F = torch.nn.functional


def layer_norm(x, weight=None, bias=None, *, dims, eps=1e-5):
    return F.layer_norm(x, [x.shape[dim] for dim in dims], weight, bias, eps)


def batch_norm(x, weight=None, bias=None, *, dims, eps=1e-5):
    return F.batch_norm(x, None, None, weight, bias, True, 0.1, eps)


def backward(g, normal, scale, dims):
    return scale * (g - g.mean(dims, keepdim=True) - normal * (g * normal).mean(dims, keepdim=True))


def update(mean, var, new_mean, new_var, momentum, count):
    var.mul_(1 - momentum).add_(new_var * (count / (count - 1)) * momentum)
    return mean.mul_(1 - momentum).add_(new_mean * momentum)


def gradients(grad, weight, normal, scale, *, dims, channel):
    over = dims if channel else [i for i in range(grad.ndim) if i not in dims]
    wide = grad if weight is None else grad * (weight.view(-1, *[1] * (grad.ndim - 2)) if channel else weight)
    parts = backward(wide, normal, scale, dims=dims), (grad * normal).sum(over), grad.sum(over)
    return torch.cat([part.flatten() for part in parts])


SAMPLES = {
    "layer_norm": [
        row(real(3, 4), dims=(1,), reference=layer_norm),
        row(real(3, 4), real(4), real(4), dims=(1,), reference=layer_norm),
        row(real(2, 3, 4), real(3, 4), real(3, 4), dims=(1, 2), eps=0.1, reference=layer_norm),
    ],
    "batch_norm": [
        row(real(5, 3), dims=(0,), reference=batch_norm),
        row(real(5, 3), real(3), real(3), dims=(0,), reference=batch_norm),
        row(real(2, 3, 2, 2), real(3), real(3), dims=(0, 2, 3), eps=0.1, reference=batch_norm),
    ],
    "normalize_backward": [
        row(real(3, 4), real(3, 4), positive(3, 1), dims=(1,), reference=backward),
        row(real(3, 4, 2), real(3, 4, 2), positive(1, 4, 1), dims=(0, 2), reference=backward),
    ],
    "normalize_gradients": [
        row(real(3, 4), real(4), real(3, 4), positive(3, 1), dims=(1,), channel=False, reference=gradients),
        row(real(3, 4), None, real(3, 4), positive(3, 1), dims=(1,), channel=False, reference=gradients),
        row(real(3, 4, 2), real(4), real(3, 4, 2), positive(1, 4, 1), dims=(0, 2), channel=True, reference=gradients),
    ],
    "update_running_stats_": [
        row(real(3), positive(3), real(3), positive(3), momentum=0.1, count=8, reference=update, gradient=False),
    ],
}  # fmt: skip
