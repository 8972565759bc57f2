"""Have Python's garbage collector look less often through a graph that only grows.

The collector looks through everything there is each time that it has grown by a quarter. Of a graph of a million ops it
finds nothing to collect in it, and that takes more time than the ops. So, while most of what lives on are nodes of a
graph, it is put off until there is four times as much as when it last looked. `gc.collect()` looks always, and a
program that calls `gc.freeze()` itself, or has set the collector to its own liking, is left alone.
"""

from __future__ import annotations

import functools
import gc

_GROWTH = 3  # times what was there, in addition
_SHARE = 8  # of the objects, every eighth or more is a node: each comes with tuples
_USUAL = (10, 10)  # how often Python, up to 3.13, looks through what is older; later ones go about it in another way


class _Collector:
    """What is known of the collector's last look; `gc` calls it before and after each."""

    def __init__(self, kind: type[object]) -> None:
        self.kind = kind
        self.left = 0  # objects that may still be added before the next look
        self.waits = False

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self.waits = self._may_wait()
            if self.waits:
                gc.freeze()  # out of its sight
        elif self.waits:
            gc.unfreeze()
        elif not gc.get_freeze_count():
            gc.freeze()
            self.left = _GROWTH * gc.get_freeze_count()  # which counts them
            gc.unfreeze()

    def _may_wait(self) -> bool:
        count, threshold = gc.get_count(), gc.get_threshold()
        by_itself = count[0] > threshold[0] and count[2] > threshold[2]  # else it was asked to, by `gc.collect()`
        if not by_itself or threshold[1:] != _USUAL or gc.get_freeze_count() or not gc.isenabled():
            return False
        young = gc.get_objects(generation=0)
        self.left -= (threshold[0] + 1) * (threshold[1] + 1) * count[2]  # as many as were added
        return self.left > 0 and sum(type(thing) is self.kind for thing in young) * _SHARE > len(young)


@functools.cache
def spare_graphs(kind: type[object]) -> None:
    """Do so from now on, where nodes are of this class."""
    if gc.get_threshold()[1:] == _USUAL:
        gc.callbacks.append(_Collector(kind))
