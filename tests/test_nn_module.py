"""`Module` and the containers: registration, walking, state, hooks and text, against PyTorch where it has a say."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn
from pellucid.core import Tensor


def net(library: Any) -> Any:
    """A network with everything in it: nesting, sharing, a buffer, a reserved name, containers."""
    n = library.nn

    class Block(n.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = n.Conv2d(1, 2, 3)
            self.norm = n.BatchNorm2d(2)
            self.register_parameter("nothing", None)

        def forward(self, x: Any) -> Any:
            return self.norm(self.conv(x))

    class Net(n.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = n.Parameter(library.ones(1))
            self.block = Block()
            self.again = self.block
            self.register_buffer("mask", library.zeros(2))
            self.register_buffer("scratch", library.zeros(3), persistent=False)
            self.layers = n.ModuleList([n.Linear(2, 2), n.Linear(2, 2), n.ReLU(), n.ReLU(True)])
            self.named = n.ModuleDict({"a": n.Linear(1, 1), "b": n.Sequential(n.Tanh(), n.Sequential())})
            self.values = n.ParameterList([library.ones(2, 3), library.zeros(2)])
            self.pairs = n.ParameterDict({"left": library.ones(2), "right": library.zeros(1)})
            self.seq = n.Sequential(OrderedDict(first=n.Linear(2, 3), last=n.ELU()))
            self.head = None

    return Net()


@pytest.fixture
def pair() -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return net(pellucid), net(torch)


def shape_of(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else type(value).__name__


def text(module: Any) -> str:
    """PyTorch's text with pellucid's names of dtypes."""
    return repr(module).replace("torch.FloatTensor", "torch.float32")


WALKS: dict[str, Any] = {
    "named_parameters": lambda m: [(name, shape_of(p)) for name, p in m.named_parameters()],
    "of the module alone": lambda m: [name for name, _ in m.named_parameters(recurse=False)],
    "with a prefix": lambda m: [name for name, _ in m.named_parameters(prefix="net")],
    "with duplicates": lambda m: [name for name, _ in m.named_parameters(remove_duplicate=False)],
    "parameters": lambda m: [shape_of(p) for p in m.parameters()],
    "named_buffers": lambda m: [(name, shape_of(b)) for name, b in m.named_buffers()],
    "buffers": lambda m: [shape_of(b) for b in m.buffers()],
    "named_modules": lambda m: [(name, type(module).__name__) for name, module in m.named_modules()],
    "all named modules": lambda m: [name for name, _ in m.named_modules(remove_duplicate=False)],
    "modules": lambda m: [type(module).__name__ for module in m.modules()],
    "named_children": lambda m: [(name, type(module).__name__) for name, module in m.named_children()],
    "children": lambda m: [type(module).__name__ for module in m.children()],
    "state_dict": lambda m: [(name, shape_of(value)) for name, value in m.state_dict().items()],
    "state_dict with a prefix": lambda m: list(m.state_dict(prefix="p.")),
    "versions": lambda m: dict(m.state_dict()._metadata),
    "text": text,
    "apply": lambda m: (seen := [], m.apply(lambda module: seen.append(type(module).__name__)))[0],
    "eval": lambda m: [module.training for module in m.eval().modules()],
    "frozen": lambda m: [p.requires_grad for p in m.requires_grad_(False).parameters()],
    "double": lambda m: [str(p.dtype).split(".")[1] for p in m.double().state_dict().values()],
    "half": lambda m: [str(p.dtype).split(".")[1] for p in m.half().state_dict().values()],
    "get_submodule": lambda m: repr(m.get_submodule("named.b.0")),
    "get_parameter": lambda m: shape_of(m.get_parameter("layers.1.weight")),
    "get_buffer": lambda m: shape_of(m.get_buffer("block.norm.running_mean")),
    "set_submodule": lambda m: (m.set_submodule("named.b.0", type(m.layers[2])()), repr(m.named))[1],
    "deep copy": lambda m: [name for name, _ in copy.deepcopy(m).named_parameters()],
    "without a layer": lambda m: (delattr(m, "layers"), list(m.state_dict()))[1],
    "list": lambda m: [repr(m.layers[1:3]), len(m.layers), repr(m.layers[-1])],
    "list changed": lambda m: (
        m.layers.append(m.layers[2]).insert(0, m.layers[3]),
        repr(m.layers.extend([m.layers[0]])),
    )[1],
    "list shortened": lambda m: [repr(m.layers.pop(1)), m.layers.__delitem__(slice(0, 2)), repr(m.layers)],
    "list replaced": lambda m: (m.layers.__setitem__(0, m.layers[2]), repr(m.layers))[1],
    "list added": lambda m: repr(m.layers + m.layers[:1]),
    "dict": lambda m: [list(m.named), len(m.named), "a" in m.named, "x" in m.named, list(m.named.keys())],
    "dict changed": lambda m: (m.named.update({"c": m.layers[2]}), m.named.pop("a"), repr(m.named))[2],
    "sequence": lambda m: [repr(m.seq[1:]), repr(m.seq[0]), len(m.seq), repr(m.seq + m.seq), repr(m.seq * 2)],
    "sequence changed": lambda m: repr(m.named["b"].append(m.layers[2]).insert(0, m.layers[3])),
    "sequence shortened": lambda m: (delattr(m, "seq"), m.named["b"].__delitem__(0), repr(m.named))[2],
    "values": lambda m: [
        len(m.values),
        shape_of(m.values[1]),
        [shape_of(entry) for entry in m.values],
        text(m.values[:1]),
    ],
    "values changed": lambda m: text(m.values.append(m.scale).extend([m.mask, 3])),
    "pairs": lambda m: [list(m.pairs), len(m.pairs), "left" in m.pairs, shape_of(m.pairs["left"])],
    "pairs changed": lambda m: (m.pairs.update({"more": m.mask}), m.pairs.pop("left"), text(m.pairs))[2],
    "pairs asked": lambda m: [
        m.pairs.get("x"),
        shape_of(m.pairs.get("left")),
        shape_of(m.pairs.setdefault("n", m.mask)),
    ],
}


@pytest.mark.parametrize("name", WALKS)
def test_the_same_as_pytorch(name: str, pair: Any) -> None:
    ours, theirs = pair
    assert WALKS[name](ours) == WALKS[name](theirs)


# ---------------------------------------------------------------------------------------------- registering


def test_registered_things_are_plain_attributes() -> None:
    layer = nn.Linear(2, 3)
    assert vars(layer)["weight"] is layer._parameters["weight"] is layer.weight
    other = nn.Parameter(pellucid.ones(3, 2))
    layer._parameters["weight"] = other
    assert layer.weight is other
    del layer._parameters["weight"]
    assert not hasattr(layer, "weight")
    layer.weight = other
    assert list(layer._parameters) == ["bias", "weight"]
    layer._parameters.update(weight=None)
    assert layer.weight is None
    assert layer._parameters.setdefault("bias") is layer.bias
    assert layer._parameters.setdefault("extra", other) is layer.extra
    assert layer._parameters.pop("extra") is other
    assert layer._parameters.pop("extra", 1) == 1
    with pytest.raises(KeyError):
        layer._parameters.pop("extra")
    layer._parameters |= {"more": other}
    assert layer._parameters.popitem() == ("more", other)
    assert layer._parameters.copy() == {"bias": layer.bias, "weight": None}
    layer._parameters.clear()
    assert not hasattr(layer, "bias")


def test_a_name_changes_its_kind() -> None:
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(pellucid.ones(1))
    assert list(module._parameters) == ["x"] and "x" in vars(module)
    module.x = nn.ReLU()
    assert (list(module._parameters), list(module._modules)) == ([], ["x"])
    module.x = nn.Buffer(pellucid.ones(1), persistent=False)
    assert (list(module._modules), list(module._buffers)) == ([], ["x"])
    assert module._non_persistent_buffers_set == {"x"}
    module.x = pellucid.zeros(2)
    assert module._buffers["x"] is module.x
    module.x = None
    assert module._buffers == {"x": None}
    del module.x
    assert not hasattr(module, "x") and not module._non_persistent_buffers_set
    module.y = 1
    del module.y
    assert not hasattr(module, "y")


def test_reassigning_keeps_the_place() -> None:
    layer = nn.Linear(2, 3)
    layer.weight = nn.Parameter(pellucid.zeros(3, 2))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert layer.weight.tolist() == [[0.0, 0.0]] * 3


def test_a_module_is_freed_when_it_is_let_go() -> None:
    gc.disable()
    try:
        module = net(pellucid)
        gone = weakref.ref(module)
        del module
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_stand_alone(how: Any) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    twin = how(module)
    assert repr(twin) == repr(module)
    assert type(twin[0].weight) is nn.Parameter and twin[0].weight.requires_grad
    assert twin[0].weight.tolist() == module[0].weight.tolist()
    with pellucid.no_grad():
        twin[0].weight.copy_(pellucid.zeros(3, 2))
    twin[0].weight = twin[0].weight
    twin[0].extra = nn.Parameter(pellucid.ones(1))
    assert "extra" in twin[0]._parameters and not hasattr(module[0], "extra")
    assert module[0].weight.tolist() != twin[0].weight.tolist()


def test_tied_parameters_stay_tied_in_a_copy() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    twin = copy.deepcopy(module)
    assert twin[1].weight is twin[0].weight
    assert len(list(twin.parameters())) == 3


# --------------------------------------------------------------------------------------------------- state


def test_a_state_goes_from_one_to_the_other() -> None:
    source, target = net(pellucid), net(pellucid)
    with pellucid.no_grad():
        for value in source.state_dict().values():
            value.copy_(pellucid.ones(value.shape) * 7)
    weight = target.layers[0].weight
    assert repr(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    assert all((value.numpy() == 7).all() for value in target.state_dict().values())
    assert target.layers[0].weight is weight  # in place: an optimiser holds it


def test_state_shares_memory_and_is_detached() -> None:
    layer = nn.Linear(2, 3)
    state = layer.state_dict()
    assert not state["weight"].requires_grad
    assert state["weight"].data_ptr() == layer.weight.data_ptr()
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


BROKEN: dict[str, Any] = {
    "missing": lambda n, state: state.pop("0.weight"),
    "unexpected": lambda n, state: state.update({"0.extra": state["0.weight"], "2.weight": state["0.weight"]}),
    "both": lambda n, state: (state.pop("0.bias"), state.update({"x": state["0.weight"]})),
    "mismatch": lambda n, state: state.update({"0.weight": n.zeros(2, 2), "1.weight": n.zeros(4)}),
    "no tensor": lambda n, state: state.update({"0.weight": 3}),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("strict", [True, False])
def test_what_does_not_fit_is_listed_as_pytorch_does(name: str, strict: bool) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (pellucid, torch):
        module = library.nn.Sequential(library.nn.Linear(2, 3), library.nn.BatchNorm1d(3))
        state = OrderedDict(module.state_dict())
        BROKEN[name](library, state)
        try:
            found.append(repr(module.load_state_dict(state, strict=strict)))
        except RuntimeError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_assign_puts_the_given_tensors_in_place() -> None:
    layer = nn.Linear(2, 3)
    layer.bias.requires_grad_(False)
    state = {"weight": pellucid.zeros(3, 2), "bias": pellucid.ones(3)}
    layer.load_state_dict(state, assign=True)
    assert layer.weight.data_ptr() == state["weight"].data_ptr()
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (True, False)
    assert list(layer._parameters) == ["weight", "bias"]


def test_old_checkpoints_of_batch_norm() -> None:
    module = nn.BatchNorm1d(2)
    state = dict(module.state_dict())
    del state["num_batches_tracked"]
    module.load_state_dict(state)


def test_extra_state_and_state_hooks() -> None:
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    module = nn.Sequential(Counting(), nn.Linear(1, 1))
    module[0].count = 5
    calls: list[Any] = []
    module.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(("pre", prefix, keep)))
    module.register_state_dict_post_hook(lambda m, state, prefix, meta: calls.append(("post", list(state))))
    state = module.state_dict()
    assert state["0._extra_state"] == {"count": 5}
    assert calls == [("pre", "", False), ("post", ["0._extra_state", "1.weight", "1.bias"])]
    module[0].count = 0
    module.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("surplus"))
    module.register_load_state_dict_post_hook(lambda m, keys: calls.append(keys.missing_keys))
    module.load_state_dict({**state, "surplus": 1})
    assert module[0].count == 5
    assert calls[-1] == []
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\._extra_state"'):
        module.load_state_dict({**state, "surplus": 1})
    with pytest.raises(RuntimeError, match="has no extra state"):
        nn.ReLU().get_extra_state()
    with pytest.raises(RuntimeError, match="has no extra state"):
        nn.ReLU().set_extra_state(1)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "_extra_state"'):
        nn.ReLU().load_state_dict({"_extra_state": 1})


def test_pytorchs_weights_are_loaded_and_given_back(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    from pellucid.serialize import load, save

    theirs, ours = net(torch), net(pellucid)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    ours.load_state_dict(load(tmp_path / "theirs.pt"))
    for key, value in theirs.state_dict().items():
        assert ours.state_dict()[key].numpy().tobytes() == value.numpy().tobytes()
    save(ours.state_dict(), tmp_path / "ours.pt")
    net(torch).load_state_dict(torch.load(tmp_path / "ours.pt", weights_only=True))


# --------------------------------------------------------------------------------------------------- hooks


def hooked(library: Any, register: Any) -> Any:
    """One call and one backward of two layers with hooks: what the hooks saw, the result and the gradients."""
    seen: list[Any] = []
    library.manual_seed(0)
    module = library.nn.Sequential(library.nn.Linear(3, 2), library.nn.Tanh())
    handles = register(module, seen)
    x = library.arange(6.0).reshape(2, 3).requires_grad_()
    result = module(x * 1)
    result.sum().backward()
    grads = [x.grad, *(p.grad for p in module.parameters())]
    for handle in handles:
        handle.remove()
    count = len(seen)
    module(x)
    assert len(seen) == count
    return rounded([seen, result, grads])


def rounded(value: Any) -> Any:
    if hasattr(value, "detach"):
        return np.round(value.detach().numpy(), 4).tolist()
    if isinstance(value, (list, tuple)):
        return [rounded(entry) for entry in value]
    return value if isinstance(value, (str, type(None))) else type(value).__name__


HOOKS: dict[str, Any] = {
    "forward": lambda m, seen: [m[0].register_forward_hook(lambda module, args, out: seen.append((module, args, out)))],
    "forward that replaces": lambda m, seen: [m[0].register_forward_hook(lambda module, args, out: out * 2)],
    "forward with keywords": lambda m, seen: [
        m[0].register_forward_hook(lambda module, args, kwargs, out: seen.append(out), with_kwargs=True)
    ],
    "before": lambda m, seen: [m[0].register_forward_pre_hook(lambda module, args: seen.append(args))],
    "before, replacing": lambda m, seen: [m[0].register_forward_pre_hook(lambda module, args: args[0] * 3)],
    "before, with keywords": lambda m, seen: [
        m[0].register_forward_pre_hook(lambda module, args, kwargs: ((args[0] + 1,), kwargs), with_kwargs=True)
    ],
    "order": lambda m, seen: [
        m[0].register_forward_hook(lambda *_: seen.append("first")),
        m[0].register_forward_hook(lambda *_: seen.append("second")),
        m[0].register_forward_hook(lambda *_: seen.append("zeroth"), prepend=True),
    ],
    "backward": lambda m, seen: [m[0].register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))],
    "backward of all": lambda m, seen: [
        m.register_full_backward_hook(lambda module, gin, gout: seen.append(("all", gin, gout))),
        m[1].register_full_backward_hook(lambda module, gin, gout: seen.append(("tanh", gin, gout))),
    ],
    "backward that replaces": lambda m, seen: [
        m[0].register_full_backward_hook(lambda module, gin, gout: (gin[0] * 2,))
    ],
    "before backward": lambda m, seen: [m[1].register_full_backward_pre_hook(lambda module, gout: seen.append(gout))],
    "before backward, replacing": lambda m, seen: [
        m[1].register_full_backward_pre_hook(lambda module, gout: (gout[0] * 2,))
    ],
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert hooked(pellucid, HOOKS[name]) == hooked(torch, HOOKS[name])


def test_a_backward_hook_where_no_input_wants_a_gradient() -> None:
    layer = nn.Linear(2, 3)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout[0].tolist())))
    layer(pellucid.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0, 1.0, 1.0]])]
    layer.register_full_backward_hook(lambda module, gin, gout: gout)
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        layer(pellucid.ones(1, 2)).sum().backward()


def test_hooks_that_return_too_much() -> None:
    layer = nn.Tanh()
    handle = layer.register_full_backward_hook(lambda module, gin, gout: (gin[0], gin[0]))
    x = pellucid.ones(2).requires_grad_()
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        layer(x).sum().backward()
    handle.remove()
    layer.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        layer(x)
    with pytest.raises(TypeError, match="a hook is a function, but got int"):
        layer.register_forward_hook(3)


def test_hooks_on_every_module() -> None:
    from pellucid.nn.modules import hooks

    seen: list[str] = []
    module = nn.Sequential(nn.Tanh(), nn.Identity())
    registered = [
        hooks.register_module_forward_pre_hook(lambda layer, args: seen.append(f"before {type(layer).__name__}")),
        hooks.register_module_forward_hook(lambda layer, args, out: seen.append(f"after {type(layer).__name__}")),
        hooks.register_module_full_backward_pre_hook(lambda layer, gout: seen.append(f"into {type(layer).__name__}")),
        hooks.register_module_full_backward_hook(
            lambda layer, gin, gout: seen.append(f"out of {type(layer).__name__}")
        ),
    ]
    try:
        module(pellucid.ones(2).requires_grad_()).sum().backward()
    finally:
        for handle in registered:
            handle.remove()
    assert seen[:6] == [
        "before Sequential", "before Tanh", "after Tanh", "before Identity", "after Identity", "after Sequential",
    ]  # fmt: skip
    assert seen[6:] == [
        "into Sequential", "into Identity", "out of Identity", "into Tanh", "out of Tanh", "out of Sequential",
    ]  # fmt: skip
    count = len(seen)
    module(pellucid.ones(2))
    assert len(seen) == count


def test_a_hook_that_is_always_called() -> None:
    class Failing(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("forward")

    module = Failing()
    seen: list[Any] = []
    module.register_forward_hook(lambda *args: seen.append(args[2]), always_call=True)
    module.register_forward_hook(lambda *args: seen.append("never"))
    with pytest.raises(KeyError, match="forward"):
        module(1)
    assert seen == [None]

    def failing(*args: Any) -> None:
        raise ValueError("hook")

    module.register_forward_hook(failing, always_call=True)
    with pytest.warns(UserWarning, match="silenced.*hook"), pytest.raises(KeyError):
        module(1)


def test_a_handle_is_a_context() -> None:
    module = nn.Identity()
    seen: list[Any] = []
    with module.register_forward_hook(lambda *args: seen.append(1)):
        module(1)
    module(1)
    assert seen == [1]


# -------------------------------------------------------------------------------------------------- errors


class Bare(nn.Module):
    def __init__(self, what: Any) -> None:
        self.x = what


L = nn.Linear(2, 2)
P = nn.Parameter(pellucid.ones(1))
ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "module before init": (lambda: Bare(nn.ReLU()), AttributeError, r"cannot assign module before Module\.__init__"),
    "parameter before init": (lambda: Bare(P), AttributeError, "cannot assign parameter before"),
    "arguments for init": (lambda: nn.Module(3), TypeError, "handed 1 positional"),
    "keywords for init": (lambda: nn.Module(a=3), TypeError, "keyword argument 'a'"),
    "no forward": (lambda: nn.Module()(1), NotImplementedError, 'missing the required "forward" function'),
    "tensor for a parameter": (lambda: setattr(L, "weight", pellucid.ones(2, 2)), TypeError, "as parameter 'weight'"),
    "number for a module": (lambda: setattr(nn.Sequential(L), "0", 3), TypeError, "as child module '0'"),
    "number for a buffer": (
        lambda: setattr(nn.BatchNorm1d(2), "running_mean", 3),
        TypeError,
        "as buffer 'running_mean'",
    ),
    "registering a number": (lambda: L.register_parameter("x", 3), TypeError, "wrap the tensor"),  # type: ignore[arg-type]
    "a computed parameter": (lambda: L.register_parameter("x", computed()), ValueError, "non-leaf Tensor"),
    "a name with a dot": (lambda: L.register_buffer("a.b", None), KeyError, "name can.*t contain"),
    "no name": (lambda: L.add_module("", nn.ReLU()), KeyError, "name can.*t be empty"),
    "a number as a name": (lambda: L.register_buffer(3, None), TypeError, "should be a string"),  # type: ignore[arg-type]
    "a taken name": (lambda: L.register_buffer("forward", None), KeyError, "attribute 'forward' already exists"),
    "a buffer of words": (lambda: L.register_buffer("b", "x"), TypeError, "cannot assign 'str' object to buffer"),  # type: ignore[arg-type]
    "a class as a module": (lambda: L.register_module("r", nn.ReLU), TypeError, "is not a Module subclass"),  # type: ignore[arg-type]
    "no such attribute": (lambda: L.weigth, AttributeError, "'Linear' object has no attribute 'weigth'"),
    "no such path": (lambda: L.get_submodule("a.b"), AttributeError, "Linear has no attribute `a`"),
    "a path to a number": (lambda: L.get_submodule("in_features"), AttributeError, "not an nn.Module"),
    "no such parameter": (lambda: L.get_parameter("x"), AttributeError, "has no attribute `x`"),
    "a number for a parameter": (lambda: L.get_parameter("in_features"), AttributeError, "not an nn.Parameter"),
    "a parameter for a buffer": (lambda: L.get_buffer("weight"), AttributeError, "not a buffer"),
    "setting nothing": (lambda: L.set_submodule("", nn.ReLU()), ValueError, "without a target name"),
    "setting a number": (lambda: L.set_submodule("x", 3), ValueError, "not an nn.Module"),  # type: ignore[arg-type]
    "setting strictly": (lambda: L.set_submodule("x", nn.ReLU(), strict=True), AttributeError, "no attribute `x`"),
    "setting over a number": (lambda: L.set_submodule("in_features", nn.ReLU()), AttributeError, "not an nn.Module"),
    "train with a word": (lambda: L.train("yes"), ValueError, "expected to be boolean"),  # type: ignore[arg-type]
    "to an integer type": (lambda: L.to(pellucid.int64), TypeError, "only accepts floating point"),
    "to a list": (lambda: L.to([1]), TypeError, "takes a device, a dtype or a tensor"),
    "to an unknown word": (lambda: L.to(colour=1), TypeError, "unknown keyword argument 'colour'"),
    "a list for a state": (lambda: L.load_state_dict([1]), TypeError, "dict-like"),  # type: ignore[arg-type]
    "beyond the list": (lambda: nn.ModuleList([L])[1], IndexError, "index 1 is out of range"),
    "a list of numbers": (lambda: nn.ModuleList([1]), TypeError, "not a Module subclass"),  # type: ignore[list-item]
    "inserting a number": (lambda: nn.ModuleList().insert(0, 3), TypeError, "should be of type"),  # type: ignore[arg-type]
    "extending by a number": (lambda: nn.ModuleList().extend(3), TypeError, "iterable of modules"),  # type: ignore[arg-type]
    "adding a layer": (lambda: nn.Sequential() + L, ValueError, "use append"),  # type: ignore[operator]
    "half a sequence": (lambda: nn.Sequential(L) * 0.5, TypeError, "whole number of times"),  # type: ignore[operator]
    "no sequence": (lambda: nn.Sequential(L) * 0, ValueError, "at least once"),
    "a dict of a number": (lambda: nn.ModuleDict(3), TypeError, "takes a dict or pairs"),  # type: ignore[arg-type]
    "a dict of triples": (lambda: nn.ModuleDict([(1, 2, 3)]), ValueError, "not a pair"),  # type: ignore[list-item]
    "a list of one tensor": (lambda: nn.ParameterList(pellucid.ones(2)), TypeError, r"write \[value\]"),
    "calling a list": (lambda: nn.ParameterList()(1), RuntimeError, "computes nothing"),
    "a dict with numbers": (lambda: nn.ParameterDict({1: P}), TypeError, "not a string: 1"),
    "an unknown key": (lambda: nn.ParameterDict()["x"], KeyError, "x"),
    "a parameter of a list": (lambda: nn.Parameter([1.0]), TypeError, r"write Parameter\(torch.tensor"),  # type: ignore[arg-type]
    "an integer parameter": (lambda: nn.Parameter(pellucid.tensor([1])), RuntimeError, "floating point"),
    "a vector of numbers": (lambda: nn.utils.vector_to_parameters(3, []), TypeError, "expected torch.Tensor"),  # type: ignore[arg-type]
}


def computed() -> Any:
    made = nn.Parameter(pellucid.ones(1))
    made._node = (pellucid.ones(1).requires_grad_() * 2).grad_fn
    return made


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_do(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


# ------------------------------------------------------------------------------------------------ nn.utils


def graded(library: Any) -> list[Any]:
    params = [library.nn.Parameter(library.ones(*shape)) for shape in ((2, 3), (4,), (1,))]
    for place, param in enumerate(params[:2]):
        param.grad = library.arange(float(param.numel())).reshape(param.shape) * (place + 1) - 3
    return params


CLIPS: dict[str, Any] = {
    "norm": lambda n, params: n.nn.utils.clip_grad_norm_(params, 1.0),
    "norm that is small": lambda n, params: n.nn.utils.clip_grad_norm_(params, 1000.0),
    "1-norm": lambda n, params: n.nn.utils.clip_grad_norm_(iter(params), 1.0, norm_type=1.0),
    "largest": lambda n, params: n.nn.utils.clip_grad_norm_(params, 1.0, norm_type=float("inf")),
    "one tensor": lambda n, params: n.nn.utils.clip_grad_norm_(params[0], 1.0),
    "nothing": lambda n, params: n.nn.utils.clip_grad_norm_(params[2], 1.0),
    "value": lambda n, params: n.nn.utils.clip_grad_value_(params, 1.5),
    "total": lambda n, params: n.nn.utils.get_total_norm([p.grad for p in params[:2]]),
}


@pytest.mark.parametrize("name", CLIPS)
def test_clipping_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (pellucid, torch):
        params = graded(library)
        result = CLIPS[name](library, params)
        found.append([None if array is None else array.numpy() for array in [result, *(p.grad for p in params)]])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_norm_that_is_not_finite() -> None:
    params = graded(pellucid)
    params[0].grad = params[0].grad * float("nan")
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert np.isnan(nn.utils.clip_grad_norm_(params, 1.0).item())


def test_parameters_as_a_vector_and_back() -> None:
    params = graded(pellucid)
    vector = nn.utils.parameters_to_vector(params)
    assert vector.tolist() == [1.0] * 11
    vector.sum().backward()
    nn.utils.vector_to_parameters(pellucid.arange(11.0), params)
    assert [p.tolist() for p in params] == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], [6.0, 7.0, 8.0, 9.0], [10.0]]


def test_parameters_and_buffers() -> None:
    data = pellucid.ones(2)
    param = nn.Parameter(data)
    assert repr(param) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert param.data_ptr() == data.data_ptr() and param.is_leaf
    assert isinstance(param, Tensor)
    assert type(param * 1) is Tensor
    assert nn.Parameter().shape == (0,)
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    buffer = copy.deepcopy(nn.Buffer(data, persistent=False))
    assert type(buffer) is nn.Buffer and not buffer.persistent and not buffer.requires_grad
    assert nn.Parameter(param * 2).is_leaf


def test_gradients_are_forgotten() -> None:
    layer = nn.Linear(2, 1)
    layer(pellucid.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None


def test_a_change_in_place_behind_a_backward_hook_is_refused_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for T in (torch, pellucid):
        net = T.nn.Sequential(T.nn.Linear(2, 2), T.nn.ReLU(inplace=True))
        net[0].register_full_backward_hook(lambda *given: None)
        with pytest.raises(RuntimeError, match="Output 0 of BackwardHookFunction is a view and is being modified"):
            net(T.ones(1, 2))
        with T.no_grad():
            assert net(T.ones(1, 2)).shape == (1, 2)


def test_parameters_in_lists_and_dicts_print_as_pytorch_does() -> None:
    torch = pytest.importorskip("torch")

    def shown(library: Any) -> list[str]:
        values = [library.ones(1, 2), library.nn.Parameter(library.zeros(3).double()), 3]
        return [
            repr(library.nn.ParameterList(values)),
            repr(library.nn.ParameterDict(dict(zip("abc", values, strict=True)))),
        ]

    assert shown(pellucid) == shown(torch)


def test_blank_lines_of_a_description_stay_empty():
    def shown(nn):
        class Described(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(1, 2)

            def extra_repr(self):
                return "first\n\nlast\n"

        return repr(nn.Sequential(nn.Sequential(Described())))

    real = pytest.importorskip("torch")
    assert shown(nn) == shown(real.nn)
