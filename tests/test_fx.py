"""`torch.fx` against PyTorch's: what is noted, the text of graphs and code, and what comes of changes."""

import copy
import importlib
import math
import operator

import pytest
import torch as real

import pellucid
from pellucid.bridge.torch import fx

LIBRARIES = {"torch": (real, real.fx), "pellucid": (pellucid, fx)}


def both(make):
    """What `make(torch, fx)` gives under PyTorch and here."""
    theirs, ours = (make(*LIBRARIES[name]) for name in LIBRARIES)
    return ours, theirs


def network(torch):
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 4))
            self.linear = nn.Linear(4, 5)
            self.drop = nn.Dropout(0.1)
            self.layers = nn.Sequential(nn.Linear(5, 5), nn.ReLU())
            self.register_buffer("shift", torch.ones(5))

        def forward(self, x, factor=2.0):
            y = self.linear(x + self.scale).clamp(min=0.0, max=1.0)
            y = F.relu(y) + torch.relu(y) * factor
            y = self.layers(self.drop(y)) + self.shift
            y = F.dropout(y, 0.5, self.training)
            y = torch.cat([y, F.max_pool1d(y.unsqueeze(0), 1).squeeze(0)], dim=1)
            rows, _ = y.shape[0], y.size(1)
            y = F.conv1d(y.reshape(rows, 1, -1), torch.ones(1, 1, 1)).flatten(1)
            best = torch.sum(y[:, None], dim=-1).topk(1)
            return {"best": best[0], "rest": (-y, y / 3, 2 - y, y[1:3], y @ y.T, y**2, F.linear(y, y))}

    torch.manual_seed(0)
    return Net().eval()


FUNCTIONS = {
    "layers": lambda torch: lambda x: (
        torch.nn.functional.softmax(x, dim=1), torch.nn.functional.layer_norm(x, (3,)),
        torch.nn.functional.cross_entropy(x, x), torch.nn.functional.adaptive_avg_pool2d(x, 1),
        torch.nn.functional.pad(x, (1, 1)), torch.nn.functional.scaled_dot_product_attention(x, x, x),
        torch.nn.functional.embedding(x, x), torch.nn.functional.sigmoid(x), torch.nn.functional.gelu(x),
    ),
    "methods": lambda torch: lambda x: (x.T, x.dtype, x.transpose(0, 1).contiguous(), x.float(), x.to(torch.float32)),
    "operators": lambda torch: lambda x: (x**2, 2**x, abs(x), x > 0, ~x, x[:, 0], x[..., None], x @ x, x // 2, x % 3),
    "lists": lambda torch: lambda x: torch.stack([x, torch.zeros_like(x)]),
    "of a tensor": lambda torch: lambda x: torch.ones(3).mul(x),
    "getattr": lambda torch: lambda x: x.split(x.size(0) // 2)[0].mean(dim=(0, 1), keepdim=True),
}  # fmt: skip


def unpacking(x):
    first, second = x.chunk(2)
    x[0]
    x += 1
    return first * second


def starred(*rows, **others):
    return rows[0] + others["more"]


def annotated(x: int, n: int = 3) -> int:
    return x * n


class TestText:
    def test_a_module(self):
        ours, theirs = both(lambda torch, fx: fx.symbolic_trace(network(torch)))
        assert str(ours.graph) == str(theirs.graph)
        assert ours.code == theirs.code
        assert str(ours) == str(theirs)
        assert ours.print_readable(print_output=False) == theirs.print_readable(print_output=False)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_functions(self, name):
        ours, theirs = both(lambda torch, fx: fx.symbolic_trace(FUNCTIONS[name](torch)))
        assert str(ours.graph) == str(theirs.graph)
        assert ours.code == theirs.code

    @pytest.mark.parametrize("function", [unpacking, starred, annotated])
    def test_signatures(self, function):
        ours, theirs = both(lambda torch, fx: fx.symbolic_trace(function).code)
        assert ours == theirs

    def test_a_fixed_argument(self):
        ours, theirs = both(lambda torch, fx: fx.symbolic_trace(annotated, concrete_args={"n": 3}).code)
        assert ours == theirs

    @pytest.mark.parametrize("function", [
        lambda x: 1 if x.sum() > 0 else 2, lambda x: [y + 1 for y in x], lambda x: len(x), lambda x: int(x),
        lambda x: range(x), lambda x: {x: 1}.keys() and x + object(),
    ])  # fmt: skip
    def test_what_cannot_be_traced_says_so(self, function):
        said = []
        for _, library in LIBRARIES.values():
            with pytest.raises((ValueError, RuntimeError, TypeError, NotImplementedError)) as failure:
                library.symbolic_trace(function)
            said.append((failure.type.__name__, str(failure.value)))
        assert said[0] == said[1]


class TestRunning:
    def test_the_traced_module_gives_what_the_module_gives_and_has_its_gradients(self):
        model = network(pellucid)
        traced = fx.symbolic_trace(model)
        x = pellucid.randn(3, 4)
        expected, got = model(x), traced(x)
        assert pellucid.equal(got["best"], expected["best"])
        assert all(pellucid.equal(a, b) for a, b in zip(got["rest"], expected["rest"], strict=True))
        got["rest"][1].sum().backward()
        assert traced.linear.weight.grad is model.linear.weight.grad
        assert dict(traced.named_parameters()).keys() == dict(model.named_parameters()).keys()

    def test_node_by_node(self):
        traced = fx.symbolic_trace(network(pellucid))
        called = []

        class Watching(fx.Interpreter):
            def call_function(self, target, args, kwargs):
                called.append(target)
                return super().call_function(target, args, kwargs)

        x = pellucid.randn(3, 4)
        assert pellucid.equal(Watching(traced).run(x)["best"], traced(x)["best"])
        assert operator.add in called
        assert pellucid.nn.functional.relu in called

    def test_shapes(self):
        shapes = importlib.import_module("pellucid.bridge.torch.fx.passes.shape_prop")
        traced = fx.symbolic_trace(network(pellucid))
        shapes.ShapeProp(traced).propagate(pellucid.randn(3, 4))
        found = {node.name: node.meta.get("tensor_meta") for node in traced.graph.nodes}
        assert found["linear"].shape == (3, 5)
        assert found["x"].dtype is pellucid.float32
        assert found["topk"][1].shape == (3, 1)
        assert found["size"] is None

    def test_functions_of_math_are_noted_and_put_back(self):
        traced = fx.symbolic_trace(lambda x: math.sqrt(x) + 1)
        assert traced(16) == 5
        assert math.sqrt(9) == 3.0


class TestChanges:
    def test_inserting_replacing_and_erasing(self):
        def make(torch, fx):
            traced = fx.symbolic_trace(lambda x: torch.relu(x) * 2)
            for node in traced.graph.nodes:
                if node.op == "call_function" and node.target is torch.relu:
                    with traced.graph.inserting_after(node):
                        new = traced.graph.call_function(torch.neg, (node.args[0],))
                    node.replace_all_uses_with(new)
                    traced.graph.erase_node(node)
            traced.graph.lint()
            traced.recompile()
            return traced.code, traced(torch.ones(2)).tolist(), [str(node) for node in traced.graph.nodes]

        ours, theirs = both(make)
        assert ours == theirs

    def test_a_used_node_is_not_erased(self):
        traced = fx.symbolic_trace(lambda x: x + 1)
        with pytest.raises(RuntimeError, match="but it still had 1 users in the graph"):
            traced.graph.erase_node(next(iter(traced.graph.nodes)))

    def test_what_nobody_uses_goes(self):
        def make(torch, fx):
            def function(x):
                torch.relu(x)
                return x.sum()

            traced = fx.symbolic_trace(function)
            return traced.graph.eliminate_dead_code(), str(traced.graph), traced.graph.eliminate_dead_code()

        ours, theirs = both(make)
        assert ours == theirs

    def test_patterns(self):
        def make(torch, fx):
            traced = fx.symbolic_trace(lambda x: ((torch.relu(x) + 1) * 2, (torch.relu(-x) + 1) * 3))
            found = fx.replace_pattern(traced, lambda x: torch.relu(x) + 1, lambda x: torch.sigmoid(x))
            return len(found), traced.code, [y.tolist() for y in traced(torch.zeros(2))]

        ours, theirs = both(make)
        assert ours == theirs

    def test_transformer(self):
        def make(torch, fx):
            class Smooth(fx.Transformer):
                def call_function(self, target, args, kwargs):
                    return super().call_function(torch.tanh if target is torch.relu else target, args, kwargs)

            return Smooth(fx.symbolic_trace(lambda x: torch.relu(x) + 1)).transform().code

        ours, theirs = both(make)
        assert ours == theirs

    def test_fusing_a_normalisation_into_the_layer_before_it(self):
        nn = pellucid.nn
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        model(pellucid.randn(4, 1, 6, 6))
        model.eval()
        traced = copy.deepcopy(fx.symbolic_trace(model))
        modules = dict(traced.named_modules())
        for node in traced.graph.nodes:
            if isinstance(modules.get(node.target), nn.BatchNorm2d):
                conv, norm = modules[node.args[0].target], modules[node.target]
                factor = norm.weight / (norm.running_var + norm.eps).sqrt()
                conv.weight = nn.Parameter((conv.weight * factor[:, None, None, None]).detach())
                conv.bias = nn.Parameter(((conv.bias - norm.running_mean) * factor + norm.bias).detach())
                node.replace_all_uses_with(node.args[0])
                traced.graph.erase_node(node)
        traced.recompile()
        traced.delete_all_unused_submodules()
        x = pellucid.randn(2, 1, 6, 6)
        assert pellucid.allclose(traced(x), model(x), atol=1e-5)
        assert [type(child).__name__ for child in traced.children()] == ["Conv2d", "ReLU"]


class Scalar:
    """PyTorch's documentation has it: a number times the identity, which functions treat in their own way."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ == "mean":
            return ("mean of", args[0].value, types)
        return NotImplemented


def test_an_object_says_what_functions_do_with_it():
    assert pellucid.mean(Scalar(3)) == real.mean(Scalar(3)) == ("mean of", 3, (Scalar,))
    for library in (pellucid, real):
        with pytest.raises(TypeError, match="all __torch_function__ handlers returned NotImplemented"):
            library.add(Scalar(3), 2)
