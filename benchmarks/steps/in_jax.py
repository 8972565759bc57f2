"""The same steps by JAX's jit, from the weights of the model: forward, gradients and update in one, weights donated."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

Weights = dict[str, Any]


def linear(weights: Weights, name: str, x: Any) -> Any:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def convolution(weights: Weights, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    places = ("NCHW", "OIHW", "NCHW")
    weight = weights[f"{name}.weight"]
    found = lax.conv_general_dilated(x, weight, (stride, stride), [(padding, padding)] * 2, dimension_numbers=places)
    return found + weights[f"{name}.bias"][:, None, None] if f"{name}.bias" in weights else found


def batch_norm(weights: Weights, name: str, x: Any, seen: Weights) -> Any:
    """Normalise over the batch; the running statistics that follow from it are put into `seen`."""
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    count = x.size // x.shape[1]
    for kind, found in (("running_mean", mean), ("running_var", variance * count / (count - 1))):
        seen[f"{name}.{kind}"] = 0.9 * weights[f"{name}.{kind}"] + 0.1 * found
    scale = weights[f"{name}.weight"] * lax.rsqrt(variance + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{name}.bias"][:, None, None]


def layer_norm(weights: Weights, name: str, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred * lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def mlp(weights: Weights, x: Any, seen: Weights) -> Any:
    return linear(weights, "2", jax.nn.relu(linear(weights, "0", x)))


def cnn(weights: Weights, x: Any, seen: Weights) -> Any:
    x = jax.nn.relu(convolution(weights, "0", x))
    x = jax.nn.relu(convolution(weights, "2", x))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return linear(weights, "8", jax.nn.relu(linear(weights, "6", x.reshape(len(x), -1))))


def residual(weights: Weights, x: Any, seen: Weights) -> Any:
    x = jax.nn.relu(batch_norm(weights, "1", convolution(weights, "0", x, padding=1), seen))
    for name, stride in (("3", 1), ("4", 2), ("5", 2)):
        inner = convolution(weights, f"{name}.first", x, stride, 1)
        inner = jax.nn.relu(batch_norm(weights, f"{name}.norms.0", inner, seen))
        inner = batch_norm(weights, f"{name}.norms.1", convolution(weights, f"{name}.second", inner, 1, 1), seen)
        past = convolution(weights, f"{name}.past", x, stride) if f"{name}.past.weight" in weights else x
        x = jax.nn.relu(inner + past)
    return linear(weights, "8", x.mean((2, 3)))


def gpt(weights: Weights, x: Any, seen: Weights) -> Any:
    batch, context = x.shape
    past = jnp.tril(jnp.ones((context, context), bool))
    x = weights["letters.weight"][x] + weights["places.weight"]
    for name in (f"blocks.{block}" for block in range(4)):
        parts = jnp.split(linear(weights, f"{name}.attend", layer_norm(weights, f"{name}.norms.0", x)), 3, axis=2)
        q, k, v = (part.reshape(batch, context, 4, -1).transpose(0, 2, 1, 3) for part in parts)
        scores = jnp.where(past, q @ k.swapaxes(2, 3) / q.shape[-1] ** 0.5, -jnp.inf)
        mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + linear(weights, f"{name}.project", mixed)
        inner = linear(weights, f"{name}.think.0", layer_norm(weights, f"{name}.norms.1", x))
        x = x + linear(weights, f"{name}.think.2", jax.nn.gelu(inner, approximate=False))
    return linear(weights, "head", layer_norm(weights, "blocks.4", x)).reshape(batch * context, -1)


def lstm(weights: Weights, x: Any, seen: Weights) -> Any:
    x = weights["letters.weight"][x]
    inputs = x @ weights["past.weight_ih_l0"].T + weights["past.bias_ih_l0"] + weights["past.bias_hh_l0"]
    recurrent = weights["past.weight_hh_l0"].T

    def step(state: Any, row: Any) -> Any:
        hidden, cell = state
        enter, forget, new, leave = jnp.split(row + hidden @ recurrent, 4, axis=1)
        cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
        hidden = jax.nn.sigmoid(leave) * jnp.tanh(cell)
        return (hidden, cell), hidden

    nothing = jnp.zeros((len(x), recurrent.shape[0]))
    hidden = lax.scan(step, (nothing, nothing), inputs.swapaxes(0, 1))[1].swapaxes(0, 1)
    return linear(weights, "head", hidden).reshape(hidden.shape[0] * hidden.shape[1], -1)


def sgd(rate: float) -> Callable[..., Any]:
    return lambda weight, slope, state, count: (weight - rate * slope, ())


def with_momentum(rate: float, momentum: float, decay: float) -> Callable[..., Any]:
    def update(weight: Any, slope: Any, state: Any, count: Any) -> Any:
        speed = momentum * state[0] + slope + decay * weight
        return weight - rate * speed, (speed,)

    return update


def adam(rate: float, decay: float = 0.0) -> Callable[..., Any]:
    def update(weight: Any, slope: Any, state: Any, count: Any) -> Any:
        first, second = 0.9 * state[0] + 0.1 * slope, 0.999 * state[1] + 0.001 * slope * slope
        root = jnp.sqrt(second / (1 - 0.999**count)) + 1e-8
        return weight * (1 - rate * decay) - rate / (1 - 0.9**count) * first / root, (first, second)

    return update


STEPS: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {  # how many arrays an update keeps a weight
    "MLP, batch 16": (mlp, sgd(0.1), 0),
    "MLP, batch 64": (mlp, sgd(0.1), 0),
    "MLP, batch 512": (mlp, sgd(0.1), 0),
    "CNN": (cnn, sgd(0.01), 0),
    "residual net": (residual, with_momentum(0.05, 0.9, 5e-4), 1),
    "char-GPT": (gpt, adam(1e-3, 0.01), 2),
    "LSTM": (lstm, adam(1e-3), 2),
}


def step_of(name: str, model: Any, x: Any, y: Any) -> Callable[[], Any]:
    forward, rule, kept = STEPS[name]
    weights = {name: jnp.array(value.detach().numpy()) for name, value in model.named_parameters()}
    fixed = {name: jnp.array(value.numpy()) for name, value in model.named_buffers()}
    states = {name: tuple(jnp.zeros_like(weight) for _ in range(kept)) for name, weight in weights.items()}
    x, y = jnp.asarray(x.numpy()), jnp.asarray(y.numpy())

    def loss_of(weights: Weights, fixed: Weights) -> Any:
        seen: Weights = {}
        scores = jax.nn.log_softmax(forward({**weights, **fixed}, x, seen))
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean(), seen

    def update(weights: Weights, fixed: Weights, states: Any, count: Any) -> Any:
        (loss, seen), slopes = jax.value_and_grad(loss_of, has_aux=True)(weights, fixed)
        new = {name: rule(weight, slopes[name], states[name], count) for name, weight in weights.items()}
        return {k: v[0] for k, v in new.items()}, {**fixed, **seen}, {k: v[1] for k, v in new.items()}, loss

    compiled, count = jax.jit(update, donate_argnums=(0, 1, 2)), 0

    def step() -> Any:
        nonlocal weights, fixed, states, count
        count += 1
        weights, fixed, states, loss = compiled(weights, fixed, states, float(count))
        return loss.block_until_ready()

    return step
