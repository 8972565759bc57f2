"""`torch.utils._pytree`: nests of containers as a list of leaves and a description of the nest."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid.torch_names import absent

__all__ = [
    "LeafSpec", "PyTree", "SUPPORTED_NODES", "TreeSpec", "register_pytree_node", "tree_all", "tree_any", "tree_flatten",
    "tree_iter", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_structure", "tree_unflatten",
]  # fmt: skip

PyTree = Any
IsLeaf = Callable[[Any], bool] | None


class _Kind(NamedTuple):
    """How a container comes apart: into (children, context), and together again."""

    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Any, Any], Any]


def _dict(given: Any) -> tuple[list[Any], Any]:
    return list(given.values()), list(given)


_NAMED = _Kind(lambda given: (list(given), type(given)), lambda children, kind: kind(*children))
SUPPORTED_NODES: dict[Any, _Kind] = {
    namedtuple: _NAMED,
    tuple: _Kind(lambda given: (list(given), None), lambda children, _: tuple(children)),
    list: _Kind(lambda given: (list(given), None), lambda children, _: list(children)),
    dict: _Kind(_dict, lambda children, keys: dict(zip(keys, children, strict=True))),
    OrderedDict: _Kind(_dict, lambda children, keys: OrderedDict(zip(keys, children, strict=True))),
    defaultdict: _Kind(
        lambda given: (list(given.values()), (given.default_factory, list(given))),
        lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
    ),
    deque: _Kind(lambda given: (list(given), given.maxlen), lambda children, length: deque(children, length)),
}


def register_pytree_node(
    cls: type, flatten_fn: Callable[[Any], Any], unflatten_fn: Callable[[Any, Any], Any], **ignored: Any
) -> None:
    """Make a class a container: `flatten_fn(object)` is (children, context), `unflatten_fn(children, context)` back.

    Raises:
        ValueError: it is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = _Kind(flatten_fn, unflatten_fn)


def _kind(tree: Any) -> _Kind | None:
    return SUPPORTED_NODES.get(_get_node_type(tree))


def _get_node_type(tree: Any) -> Any:
    """The class of a container, `namedtuple` for all of that kind (under PyTorch's name)."""
    return namedtuple if isinstance(tree, tuple) and hasattr(tree, "_fields") else type(tree)


class TreeSpec:
    """The nest without its leaves."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_leaves = sum(child.num_leaves for child in children_specs) if type is not None else 1
        self.num_children = len(children_specs)

    def is_leaf(self) -> bool:
        """Whether it is that of a single leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The specs of what it contains."""
        return list(self.children_specs)

    def _parts(self) -> tuple[Any, Any, list[TreeSpec]]:
        return self.type, self.context, self.children_specs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self, indent: int = 0) -> str:
        if self.is_leaf():
            return "*"
        inner = [child.__repr__(indent + 2) for child in self.children_specs]
        between = ",\n" + " " * (indent + 2)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{between.join(inner)}])"


def LeafSpec() -> TreeSpec:
    """The spec of a leaf."""
    return TreeSpec(None, None, [])


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves from left to right, and the nest without them.

    >>> tree_flatten({"a": 1, "b": [2, 3]})
    ([1, 2, 3], TreeSpec(dict, ['a', 'b'], [*,
      TreeSpec(list, None, [*,
        *])]))
    """
    kind = _kind(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        return [tree], LeafSpec()
    children, context = kind.flatten_fn(tree)
    leaves: list[Any] = []
    specs: list[TreeSpec] = []
    for child in children:
        found, spec = tree_flatten(child, is_leaf)
        leaves += found
        specs.append(spec)
    return leaves, TreeSpec(type(tree), context, specs)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> PyTree:
    """The nest with these leaves.

    Raises:
        ValueError: another number of leaves.
    """
    given = list(leaves)
    if len(given) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(given)} but the spec refers to a pytree that "
            f"holds {treespec.num_leaves} items ({treespec})."
        )
    if treespec.type is None:
        return given[0]
    children: list[Any] = []
    for spec in treespec.children_specs:
        children.append(tree_unflatten(given[: spec.num_leaves], spec))
        given = given[spec.num_leaves :]
    kind = SUPPORTED_NODES.get(treespec.type, _NAMED)
    return kind.unflatten_fn(children, treespec.context)


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Any:
    """The leaves, one after the other."""
    return iter(tree_leaves(tree, is_leaf))


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """The nest without its leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """The nest with `func(leaf, ...)` for each leaf; further nests of the same form give further arguments."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(rest, is_leaf) for rest in rests]
    return tree_unflatten([func(*each) for each in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Call `func` with each leaf, and return the nest itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Any, tree: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """`tree_map` of the leaves of a type (or several); others stay as they are."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are such."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether a leaf is such."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


__getattr__ = absent(__name__)
