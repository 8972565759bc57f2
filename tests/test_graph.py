"""The record of a computation as a graph: of a Tensor, of a Module, of what ran in a `record_graph` block."""

import sys
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn
from pellucid.record.graph import Graph, GraphNode, measure


def named(graph: Graph, name: str, phase: str = "forward") -> GraphNode:
    found = [node for node in graph.nodes if name in (node.name, node.variable) and node.phase == phase]
    assert len(found) == 1, f"{len(found)} nodes are called {name}: {[node.name for node in graph.nodes]}"
    return found[0]


def sources(graph: Graph, node: GraphNode) -> dict[str, str]:
    return {edge.argument: graph.nodes[edge.source].name for edge in graph.edges if edge.target == node.id}


def ops(graph: Graph, phase: str = "forward") -> list[str]:
    return [node.name for node in graph.nodes if node.kind == "op" and node.phase == phase]


def consistent(graph: Graph) -> None:
    """Ids are positions, edges and groups lead somewhere, no group is in itself, and no node waits for itself."""
    assert [node.id for node in graph.nodes] == list(range(len(graph.nodes)))
    assert [group.id for group in graph.groups] == list(range(len(graph.groups)))
    for edge in graph.edges:
        assert 0 <= edge.source < len(graph.nodes) and 0 <= edge.target < len(graph.nodes)
        assert edge.source != edge.target
    for group in graph.groups:
        seen, above = {group.id}, group.parent
        while above is not None:
            assert above not in seen
            seen.add(above)
            above = graph.groups[above].parent
    for node in graph.nodes:
        assert node.group is None or 0 <= node.group < len(graph.groups)
    assert all(0 <= number < len(graph.nodes) for number in graph.outputs)


# --- of a Tensor ---------------------------------------------------------------------------------------------------


def test_a_scalar_expression_with_its_values_gradients_and_names() -> None:
    a = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(-3.0, requires_grad=True)
    product = a * b
    result = (product + 10).tanh()
    graph = result.__graph__(backward=True)
    consistent(graph)
    assert ops(graph) == ["mul", "add", "tanh"]
    assert sources(graph, named(graph, "product")) == {"input": "a", "other": "b"}
    assert sources(graph, named(graph, "add")) == {"input": "mul"}
    assert named(graph, "a").value.numbers == 2.0
    assert named(graph, "product").value.numbers == -6.0
    assert graph.outputs == [named(graph, "result").id]
    slope = 1 - np.tanh(4.0) ** 2
    for name, expected in (("result", 1.0), ("add", slope), ("product", slope), ("a", -3 * slope), ("b", 2 * slope)):
        assert named(graph, name).gradient.numbers == pytest.approx(expected, rel=1e-3)
    assert a.grad is None
    assert b.grad is None
    result.backward()  # what was drawn can still be differentiated, and says what came of it
    assert a.grad.item() == pytest.approx(-3 * slope, rel=1e-3)
    assert named(result.__graph__(), "a").gradient.numbers == a.grad.item()


def test_an_op_says_its_formula_attributes_and_the_numbers_it_was_given() -> None:
    x = torch.ones(3, 4, requires_grad=True)
    scaled = x * 3
    total = scaled.sum(dim=1, keepdim=True)
    graph = total.__graph__()
    assert named(graph, "scaled").attributes == {"other": "3"}
    assert named(graph, "total").attributes == {"dim": "1", "keepdim": "True"}
    assert named(graph, "scaled").formula.startswith("Product of each pair of elements")
    assert named(graph, "total").shape == (3, 1)
    assert named(graph, "x").shape == (3, 4)
    assert named(graph, "x").dtype == "float32"


def test_data_that_backward_keeps_is_a_constant() -> None:
    weight = torch.ones(2, requires_grad=True)
    graph = (weight * torch.tensor([5.0, 7.0])).__graph__()
    (constant,) = [node for node in graph.nodes if node.kind == "constant"]
    assert constant.value.numbers == [5.0, 7.0]


def test_a_leaf_alone_and_a_parameter_by_its_name() -> None:
    lonely = torch.tensor([1.0, 2.0])
    graph = lonely.__graph__()
    assert [(node.kind, node.name, node.value.numbers) for node in graph.nodes] == [("leaf", "lonely", [1.0, 2.0])]
    assert graph.outputs == [0]
    model = nn.Linear(2, 1)
    graph = model(torch.ones(1, 2)).sum().__graph__()
    assert [node.name for node in graph.nodes if node.kind == "parameter"] == ["model.weight", "model.bias"]


def test_what_was_freed_keeps_its_shape_and_loses_its_value() -> None:
    x = torch.ones(5, requires_grad=True)
    loss = (x.exp().sin()).sum()
    loss.backward()
    graph = loss.__graph__()
    assert ops(graph) == ["exp", "sin", "sum"]
    assert named(graph, "exp").value is None
    assert named(graph, "exp").shape == (5,)
    with pytest.raises(RuntimeError, match="a second time"):
        loss.__graph__(backward=True)


def test_a_retained_gradient_is_shown_and_hooks_are_left_as_they_were() -> None:
    x = torch.ones(2, requires_grad=True)
    middle = x * 2
    middle.retain_grad()
    called: list[Any] = []
    middle.register_hook(called.append)
    loss = middle.sum()
    before = dict(middle.grad_fn.hooks)
    loss.__graph__(backward=True)
    assert middle.grad_fn.hooks == before
    assert middle.grad is None or middle.grad.tolist() == [1.0, 1.0]
    middle.grad = None
    loss.backward()
    assert named(loss.__graph__(), "middle").gradient.numbers == [1.0, 1.0]


def test_a_long_history_needs_no_recursion_and_is_folded_and_cut() -> None:
    y = torch.tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y * 1.0
    graph = y.__graph__(limit=400)
    consistent(graph)
    assert len(ops(graph)) == 400
    assert graph.left_out == 19_600
    assert [node.name for node in graph.nodes if node.kind == "cut"] == ["19,600 earlier ops"]
    assert [group.name for group in graph.groups if group.kind == "loop"] == ["400 rounds"]


def test_a_function_of_the_user_is_one_node() -> None:
    class Twice(torch.autograd.Function):
        """2 · x"""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return 2 * g + 3 * h

    x = torch.ones(2, requires_grad=True)
    first, second = Twice.apply(x)
    graph = (first * second).sum().__graph__(backward=True)
    consistent(graph)
    assert ops(graph) == ["Twice", "mul", "sum"]
    assert named(graph, "Twice").formula == "2 · x"
    assert named(graph, "x").gradient.numbers == [12.0, 12.0]


def test_changes_in_place_of_a_view() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    y[0] = 5.0
    y[1:].mul_(2)
    graph = y.sum().__graph__(backward=True)
    consistent(graph)
    assert named(graph, "x").gradient.numbers == [0.0, 2.0, 2.0]


# --- values --------------------------------------------------------------------------------------------------------


def test_few_numbers_are_kept_and_many_are_measured() -> None:
    few = measure(np.arange(6.0).reshape(2, 3))
    assert few.numbers == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    many = measure(np.concatenate([np.arange(1000.0), [0.0, np.nan, np.inf]]))
    assert many.numbers is None
    assert (many.minimum, many.maximum, many.not_finite) == (0.0, 999.0, 2)
    assert many.mean == pytest.approx(np.arange(1000.0).sum() / 1001)
    assert many.zeros == pytest.approx(2 / 1003)
    assert sum(many.counts) == 1001


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)), np.array(np.nan), np.array(True), np.zeros(100, bool), np.full(70, np.inf),
        np.full(70, 3.0e38, np.float32), np.array([1.7e308, -1.7e308] * 40), np.arange(70, dtype=np.int8),
    ],
    ids=["empty", "nan", "bool", "bools", "infinite", "equal", "widest", "int8"],
)  # fmt: skip
def test_any_array_can_be_measured(array: Any) -> None:
    value = measure(array)
    assert value.shape == array.shape
    assert value.dtype == str(array.dtype)
    assert value.not_finite == array.size - np.isfinite(array.astype(float)).sum()


# --- of a Module ---------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, x: Any) -> Any:
        return self.inner(x) + x


def test_the_nodes_groups_and_parameters_of_a_network() -> None:
    model = nn.Sequential(nn.Linear(4, 3), Residual(3), nn.Linear(3, 2))
    graph = model.__graph__(torch.ones(5, 4))
    consistent(graph)
    modules = {group.path: group for group in graph.groups if group.kind == "module"}
    assert list(modules) == ["", "0", "1", "1.inner", "1.inner.0", "1.inner.1", "1.inner.2", "2"]
    assert modules["1.inner.0"].type == "Linear"
    assert modules["1.inner.0"].detail == "in_features=3, out_features=3, bias=True"
    assert modules["1.inner.0"].parent == modules["1.inner"].id
    assert modules["1.inner.0"].outputs == [(5, 3)]
    added = named(graph, "add")
    assert graph.groups[added.group].path == "1"
    assert sources(graph, added) == {"input": "relu", "other": "linear"}
    weight = named(graph, "1.inner.0.weight")
    assert (weight.kind, weight.shape, weight.trainable) == ("parameter", (3, 3), True)
    assert graph.groups[weight.group].path == "1.inner.0"
    assert named(graph, "1.inner.1.running_mean").kind == "buffer"
    assert [parameter.name for parameter in graph.parameters if not parameter.buffer] == [
        name for name, _ in model.named_parameters()
    ]
    assert [(node.kind, node.name, node.shape) for node in graph.nodes if node.kind in ("input", "output")] == [
        ("input", "input", (5, 4)),
        ("output", "output", (5, 2)),
    ]
    linear = [node for node in graph.nodes if node.name == "linear"]
    assert [node.multiply_adds for node in linear] == [5 * 4 * 3, 5 * 3 * 3, 5 * 3 * 2]
    assert all(node.line for node in linear)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.hidden, self.out = nn.Linear(3, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(x.shape[0], 4)
        for t in range(x.shape[1]):
            h = torch.tanh(self.inputs(x[:, t]) + self.hidden(h))
        return self.out(h)


def test_a_loop_is_a_group_with_a_group_for_each_round() -> None:
    graph = Recurrent().__graph__(torch.ones(2, 40, 3))  # long enough that Python specialises the code meanwhile
    consistent(graph)
    (loop,) = [group for group in graph.groups if group.kind == "loop"]
    rounds = [group for group in graph.groups if group.kind == "step"]
    assert loop.name == "40 rounds"
    assert [group.name for group in rounds] == [f"round {i} of 40" for i in range(1, 41)]
    assert all(group.parent == loop.id for group in rounds)
    assert "torch.tanh" in loop.line
    of_first = [node.name for node in graph.nodes if node.group == rounds[0].id]
    assert of_first == ["part", "add", "tanh"]
    calls = [group.call for group in graph.groups if group.path == "hidden"]
    assert calls == list(range(1, 41))
    weight = named(graph, "hidden.weight")
    assert weight.group == loop.id  # all its users are in the loop, in different rounds
    assert sum(edge.source == weight.id for edge in graph.edges) == 40


def test_loops_in_loops() -> None:
    x = torch.ones(2)
    with torch.record_graph() as record:
        for _ in range(4):
            for _ in range(3):
                x = x * 2
            x = x.exp()
    loops = [group for group in record.graph.groups if group.kind == "loop"]
    assert [(group.name, group.parent is None) for group in loops] == [("4 rounds", True)] + [("3 rounds", False)] * 4


def test_calls_on_one_line_are_no_loop() -> None:
    x = torch.ones(2)
    with torch.record_graph() as record:
        (x * 2 * 3 * 4 * 5).softmax(0)
    assert record.graph.groups == []


class Tangled(nn.Module):
    """Several inputs and outputs, keyword arguments, one module used twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.unused = nn.Linear(2, 2), nn.Linear(9, 9)

    def forward(self, pair: Any, *, scale: Any, flag: bool = True) -> Any:
        first, second = pair
        return {"a": self.shared(first) * scale, "b": (self.shared(second), first)}


def test_many_inputs_and_outputs() -> None:
    first, two, scale = torch.ones(1, 2), torch.zeros(1, 2), torch.tensor(3.0)
    graph = Tangled().__graph__((first, two), scale=scale)
    consistent(graph)
    assert [node.name for node in graph.nodes if node.kind == "input"] == ["pair[0]", "pair[1]", "scale"]
    outputs = [node.name for node in graph.nodes if node.kind == "output"]
    assert outputs == ["output['a']", "output['b'][0]", "output['b'][1]"]
    assert [group.call for group in graph.groups if group.path == "shared"] == [1, 2]
    assert [parameter.name for parameter in graph.parameters] == [
        "shared.weight",
        "shared.bias",
        "unused.weight",
        "unused.bias",
    ]


def test_wrong_inputs_are_told_with_the_signature() -> None:
    with pytest.raises(TypeError, match=r"Linear\.forward\(input.*cannot be called with \(\): missing a required"):
        nn.Linear(2, 2).__graph__()


def test_the_gradients_of_a_module_are_those_of_backward() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    x = torch.randn(4, 3)
    graph = model.__graph__(x, backward=True)
    consistent(graph)
    assert all(parameter.grad is None for parameter in model.parameters())
    middle = model[1](model[0](x))
    middle.retain_grad()
    model[2](middle).sum().backward()
    for name, parameter in model.named_parameters():
        shown = named(graph, name).gradient
        assert np.array_equal(np.array(shown.numbers, np.float32), parameter.grad.numpy())
    assert np.array_equal(np.array(named(graph, "tanh").gradient.numbers, np.float32), middle.grad.numpy())
    arrived = [node.name for node in graph.nodes if node.kind == "gradient"]
    assert sorted(arrived) == sorted(f"gradient of {name}" for name, _ in model.named_parameters())
    groups = {node.group for node in graph.nodes if node.phase == "backward"} - {None}
    behind = {graph.groups[group].path for group in groups if group is not None}
    assert behind == {"0", "1", "2"}


def test_backward_without_anything_to_differentiate() -> None:
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(RuntimeError, match="no output depends on a tensor that requires a gradient"):
        model.__graph__(torch.ones(1, 2), backward=True)


class Stateful(nn.Module):
    """Everything that a forward can leave behind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.words = nn.Embedding(6, 4, max_norm=0.1)  # rescales its weight when it is read
        self.register_buffer("memory", torch.zeros(4))
        self.generator = torch.Generator()
        self.calls, self.last = 0, None
        self.carried = torch.ones(4)

    def forward(self, x: Any, words: Any, fails: bool = False) -> Any:
        self.calls += 1
        self.memory[1:].add_(1)
        self.memory = self.memory * 2
        self.carried.mul_(self.words(words).sum(0))
        x.mul_(2)
        x = self.drop(self.norm(x)) + torch.rand(4, generator=self.generator) + torch.rand(4)
        self.last = x
        self.train(not self.training)
        if fails:
            raise ValueError("on purpose")
        return x


def state_of(model: Stateful, x: Any) -> list[Any]:
    tensors = [*model.parameters(), *model.buffers(), model.carried, x]
    return [
        *(tensor.detach().numpy().tobytes() for tensor in tensors),
        *(tensor._version for tensor in tensors),
        *((tensor.requires_grad, tensor.is_leaf) for tensor in tensors),
        *(None if parameter.grad is None else parameter.grad.numpy().tobytes() for parameter in model.parameters()),
        *(id(tensor) for tensor in tensors[:-1]),
        torch.get_rng_state().numpy().tobytes(),
        np.asarray(model.generator.get_state()).tobytes(),
        (model.calls, model.last, model.training, model.norm.training, list(model.__dict__)),
    ]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("mode", ["train", "eval", "no_grad", "fails"])
def test_the_model_is_left_as_it_was(mode: str, backward: bool) -> None:
    model = Stateful().train(mode != "eval")
    for parameter in model.parameters():
        parameter.grad = torch.ones(*parameter.shape)
    x, words = torch.randn(3, 4), torch.tensor([1, 2])
    before = state_of(model, x)
    if mode == "fails":
        with pytest.raises(ValueError, match="on purpose"):
            model.__graph__(x, words, fails=True, backward=backward)
    elif mode == "no_grad":
        with torch.no_grad():
            graph = model.__graph__(x, words, backward=backward)
    else:
        graph = model.__graph__(x, words, backward=backward)
    if mode != "fails":
        consistent(graph)
        assert "dropout_mask" in ops(graph) or mode == "eval"
    assert state_of(model, x) == before
    assert torch.ones(2).add_(1).tolist() == [2.0, 2.0]  # nothing listens any more


def test_a_module_called_inside_of_another_thread_is_not_recorded() -> None:
    import threading

    model, other = nn.Linear(2, 2), nn.Linear(3, 3)

    class Starts(nn.Module):
        def forward(self, x: Any) -> Any:
            thread = threading.Thread(target=lambda: other(torch.ones(1, 3)))
            thread.start()
            thread.join()
            return model(x)

    graph = Starts().__graph__(torch.ones(1, 2))
    assert [group.type for group in graph.groups] == ["Starts", "Linear"]
    assert ops(graph) == ["linear"]


# --- of what runs in a block ---------------------------------------------------------------------------------------


def test_a_training_step_with_its_lines_values_and_gradients() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x, target = torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1])
    with torch.record_graph("a step") as record:
        scores = model(x)
        loss = nn.functional.cross_entropy(scores, target)
        loss.backward()
    graph = record.graph
    consistent(graph)
    assert graph.title == "a step"
    assert record.__graph__() is graph
    assert named(graph, "loss").name == "cross_entropy"
    assert named(graph, "loss").value.numbers == loss.item()
    here = sys._getframe().f_code.co_name
    assert f"in {here}: loss = nn.functional.cross_entropy(scores, target)" in named(graph, "loss").line
    assert "test_graph.py:" in named(graph, "loss").line
    assert (named(graph, "x").kind, named(graph, "target").kind) == ("input", "input")
    assert named(graph, "x").group is None
    gradient = named(graph, "scores").gradient
    expected = (nn.functional.softmax(scores, 1) - nn.functional.one_hot(target, 2)).detach().numpy() / 5
    assert np.allclose(gradient.numbers, expected, atol=1e-7)
    assert "cross_entropy_backward" in ops(graph, "backward")
    assert np.array_equal(named(graph, "2.weight").gradient.numbers, model[2].weight.grad.tolist())
    assert not loss.grad_fn.hooks
    assert "loss = nn.functional" in named(loss.__graph__(), "loss").line  # autograd kept the line


def test_a_record_is_whole_when_its_block_has_ended() -> None:
    with torch.record_graph() as record:
        torch.ones(2) + 1
        with pytest.raises(RuntimeError, match="when its `with` block has ended"):
            _ = record.graph
    assert ops(record.graph) == ["full", "add"]


def test_the_block_ends_with_the_error_in_it() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match="cannot be multiplied"), torch.record_graph() as record:
        model(torch.ones(1, 2))
    assert ops(record.graph) == ["full", "linear"]
    assert all(not hooks for hooks in (model._forward_hooks, model._forward_pre_hooks))
    before = len(record.graph.nodes)
    model[0](torch.ones(1, 2))
    assert len(record.graph.nodes) == before


def test_two_models_in_one_block_have_their_own_parameters() -> None:
    from pellucid.viz.graph_view import GraphView

    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    with torch.record_graph() as record:
        second(first(torch.ones(1, 2)))
    view = GraphView(record.graph)
    assert [view.parameters_of(group) for group in record.graph.groups] == [9, 4]


def test_second_derivatives_can_be_recorded() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with torch.record_graph() as record:
        (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, x)
    consistent(record.graph)
    assert curvature.item() == 12.0
    assert ops(record.graph) == ["pow"]
    assert named(record.graph, "slope", "backward").value.numbers == 12.0


def test_a_name_for_an_input() -> None:
    with torch.record_graph() as record:
        data = [torch.ones(2)]
        record.name(data[0], "pixels")
        data[0] + 1
    assert [node.name for node in record.graph.nodes if node.kind == "input"] == ["pixels"]
