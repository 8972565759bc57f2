"""How a tree of modules becomes a flat ``{name: tensor}`` dict and comes back from one."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import Any

from ...core import Tensor, no_grad
from ..parameter import Parameter
from .registry import TENSORS

Module = Any  # `module.Module`, which is above this file


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What ``load_state_dict`` returns: the names it lacked and the names it had no use for."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    __str__ = __repr__


def save_tree(module: Module, destination: dict[str, Any] | None, prefix: str, keep_vars: bool) -> dict[str, Any]:
    """Collect ``module`` and all below it into ``destination``."""
    found: Any = destination
    if found is None:
        found = OrderedDict()  # which carries the version of each module in `_metadata`, as in PyTorch
        found._metadata = OrderedDict()
    local_metadata = {"version": module._version}
    metadata = getattr(found, "_metadata", None)
    if metadata is not None:
        metadata[prefix[:-1]] = local_metadata
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(found, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in module._state_dict_hooks.values():
        replaced = hook(module, found, prefix, local_metadata)
        found = found if replaced is None else replaced
    return found


def load_tree(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Walk the tree, loading each module's own names; then say at once all that went wrong."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    metadata = getattr(state_dict, "_metadata", None) or {}
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []

    def load(module: Module, state: dict[str, Any], prefix: str) -> None:
        local_metadata = dict(metadata.get(prefix[:-1], {}))
        if assign:
            local_metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                load(child, {key: value for key, value in state.items() if key.startswith(below)}, below)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, IncompatibleKeys(missing, unexpected)) is not None:
                raise TypeError("a load_state_dict post hook edits the two lists of keys in place and returns None")

    load(module, OrderedDict(state_dict), "")
    if strict:
        errors[:0] = [_listed(kind, keys) for kind, keys in (("Missing", missing), ("Unexpected", unexpected)) if keys]
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(errors))
    return IncompatibleKeys(missing, unexpected)


def _listed(kind: str, keys: list[str]) -> str:
    return f"{kind} key(s) in state_dict: " + ", ".join(f'"{key}"' for key in keys) + ". "


def load_into(
    module: Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Load the parameters and buffers that ``module`` itself holds (not its children's)."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
    assign = local_metadata.get("assign_to_params_buffers", False)
    own: dict[str, Tensor] = {
        name: tensor
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]
        if tensor is not None and name not in module._non_persistent_buffers_set
    }
    for name, tensor in own.items():
        key = prefix + name
        if key in state_dict:
            problem = _load_one(module, name, key, tensor, state_dict[key], assign)
            if problem:
                error_msgs.append(problem)
        elif strict:
            missing_keys.append(key)

    extra = prefix + "_extra_state"
    if module._has_extra_state():
        if extra in state_dict:
            module.set_extra_state(state_dict[extra])
        elif strict:
            missing_keys.append(extra)
    elif strict and extra in state_dict:
        unexpected_keys.append(extra)
    if strict:
        for key in state_dict:
            if key.startswith(prefix) and key != extra:
                name, *below = key[len(prefix) :].split(".", 1)
                if name not in (module._modules if below else own):
                    unexpected_keys.append(key)


def _load_one(module: Module, name: str, key: str, tensor: Tensor, given: Any, assign: bool) -> str | None:
    """Put one value in place; the text of what is wrong, or None."""
    if not isinstance(given, TENSORS):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(given)}"
        )
    if tensor.ndim == 0 and given.shape == (1,):  # checkpoints from before PyTorch 0.4
        given = given[0]
    if given.shape != tensor.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, "
            f"the shape in current model is {tensor.shape}."
        )
    try:
        with no_grad():
            if not assign:
                tensor.copy_(given)
            elif isinstance(tensor, Parameter):
                setattr(module, name, Parameter(given, requires_grad=tensor.requires_grad))
            else:
                setattr(module, name, given)
    except Exception as error:  # noqa: BLE001
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are {tensor.shape} and '
            f"whose dimensions in the checkpoint are {given.shape}, an exception occurred : {error.args}."
        )
    return None
