"""What all ranks of a group do together with objects: broadcast, gather, scatter.

Objects are pickled, and unpickled where they arrive, which may execute code: the ranks must trust each other.
"""

from __future__ import annotations

from typing import Any

from pellucid.errors import with_line

from .collectives import root_of
from .group import member
from .ranks import ProcessGroup

__all__ = ["all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list"]


def _objects(group: ProcessGroup, what: str, name: str, value: Any, root: int | None = None) -> Any:
    group.agree(what).check()
    return group.wire.objects(name, value, root)


def broadcast_object_list(
    object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None,
    group_src: int | None = None,
) -> None:  # fmt: skip
    """Give all ranks the objects of rank `src`, in the list."""
    chosen = member(group, "broadcast_object_list")
    if chosen is None:
        return
    root = root_of(chosen, src, group_src, "src", 0)
    what = f"broadcast_object_list from rank {root} of {len(object_list)} objects"
    object_list[:] = _objects(chosen, what, "bcast", list(object_list), root)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Put the object of each rank into the list, by rank, at all ranks."""
    chosen = member(group, "all_gather_object")
    if chosen is None:
        return
    _check_length(object_list, chosen.size(), "object_list")
    object_list[: chosen.size()] = _objects(chosen, "all_gather_object", "allgather", obj)


def gather_object(
    obj: Any, object_gather_list: list[Any] | None = None, dst: int | None = None, group: Any = None,
    group_dst: int | None = None,
) -> None:  # fmt: skip
    """Put the object of each rank into the list of rank `dst`."""
    chosen = member(group, "gather_object")
    if chosen is None:
        return
    root = root_of(chosen, dst, group_dst, "dst", 0)
    if chosen.rank() == root:
        if object_gather_list is None:
            raise ValueError(with_line("Argument `object_gather_list` must be specified on destination rank."))
        _check_length(object_gather_list, chosen.size(), "object_gather_list")
    found = _objects(chosen, f"gather_object to rank {root}", "gather", obj, root)
    if object_gather_list is not None and found is not None:
        object_gather_list[: chosen.size()] = found


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None,
    src: int | None = None, group: Any = None, group_src: int | None = None,
) -> None:  # fmt: skip
    """Give each rank its object of the list of rank `src`, as the first of the list of outputs."""
    chosen = member(group, "scatter_object_list")
    if chosen is None:
        return
    root = root_of(chosen, src, group_src, "src", 0)
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError(with_line("Expected argument scatter_object_output_list to be a list of size at least 1."))
    if chosen.rank() == root:
        if scatter_object_input_list is None:
            raise ValueError(with_line("source rank must provide non-None scatter_object_input_list"))
        if len(scatter_object_input_list) != chosen.size():
            raise ValueError(
                with_line(
                    f"`scatter_object_input_list` has {len(scatter_object_input_list)} objects; it must have "
                    f"{chosen.size()}, one for each rank of the group"
                )
            )
    else:
        scatter_object_input_list = None
    given = scatter_object_input_list
    scatter_object_output_list[0] = _objects(chosen, f"scatter_object_list from rank {root}", "scatter", given, root)


def _check_length(given: list[Any], size: int, name: str) -> None:
    if len(given) < size:
        raise ValueError(with_line(f"`{name}` has {len(given)} places; it must have {size}, one for each rank"))
