"""What is noted of a forward pass of the program, and of the backward that ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.nn import Parameter

from . import criterion, foresight, mixing, named, policy, written
from .arrays import array_of, given_to
from .batches import BatchNotes
from .composed import Called, Composed, compose, leaves
from .criterion import LossCall, SeenOp
from .extrema import highest_at_target
from .leftovers import Leftovers
from .overlaps import overlap_of
from .parameters import ParameterNotes
from .places import place
from .record import Place, ProgramRecord, StepRecord
from .rows import distinct, numbers
from .terms import terms_of

TAKING = ("part", "index", "index_select")  # ops that take rows
OTHERS = 4  # losses of a pass beside the last one, that are looked at
HEADS = 20  # rows that meet weights, which are kept of a pass
CALLED = 100  # calls of networks that are
MULTIPLYING = ("mul", "div", "true_divide", "neg")
FORESEEING = (20, 150, 400)  # backwards after which it is asked whether a network sees what it is to say
VIEWS = ("view", "reshape")  # and those that give numbers another shape, in their order


class PassNotes:
    """Enters passes in a record.

    Args:
        apart: does work that calls what the user wrote; it gives None where it cannot be done.
    """

    named = ""  # the variable that holds the loss, where the user says so

    def __init__(
        self,
        record: ProgramRecord,
        parameters: ParameterNotes,
        batches: BatchNotes,
        apart: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self.record, self.parameters, self.batches, self.apart = record, parameters, batches, apart
        self.seen: list[SeenOp] = []  # the ops of this pass, where it is looked at in full, or the loss is written out
        self.written = False  # whether the last loss was
        self.read = set[int]()  # tensors whose numbers were taken out
        self.loose: dict[int, tuple[Any, Place | None]] = {}  # what was detached in this pass, and where
        self.counts: Counter[str] = Counter()
        self.called: Counter[int] = Counter()  # how often a module was, by its id
        self.calls: list[LossCall] = []
        # what networks gave, what they were called with, and the losses until then
        self.heads: list[tuple[Any, tuple[Any, ...], Any, int]] = []
        self.made: list[Called] = []  # the same calls, with all that was given
        self.composed: Composed | None = None  # the network of the last pass that was looked at, where it is in parts
        self.given: tuple[Any, ...] = ()  # what the outermost network is called with
        self.met: list[Any] = []  # outside of networks, the first rows that meet weights
        self.first: Any = None  # … and the first weights that these meet
        self.network: Any = None  # the network that was given it
        self.output: Any = None  # what the outermost network gave last
        self.given_first: Any = None  # the same of the last pass
        self.mode: bool | None = None  # of the network
        self.edge: tuple[str, Place | None] | None = None  # an op at the edge of its domain
        # under no_grad(), the last op that left its domain, where, and at which step
        self.beside: tuple[str, Place | None, int] = ("", None, -1)
        self.last_call: LossCall | None = None
        self.last_batch: Any = None
        self.leftovers = Leftovers()

    @property
    def batch(self) -> Any:
        """The first of what the network is called with; None before it is."""
        return self.given[0] if self.given else None

    def is_other(self, network: Any, rows: Any) -> bool:
        """Whether a network that was called in this pass is called again with another number of rows.

        What it was called with before was evaluated then: rows of one pass come in one number.
        """
        if network is not self.network or self.batch is None or self.calls or not isinstance(rows, Tensor):
            return False
        return bool(rows.dim() and self.batch.dim() and len(rows) != len(self.batch))

    def note_first_weights(self, network: Any, args: tuple[Any, ...]) -> None:
        """Of a network that is not called with a tensor, but with a list or by keywords: the rows that meet its first
        weights."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        if tensors and any(a.requires_grad for a in tensors):
            rows = next((a for a in tensors if not a.requires_grad and a.dim()), None)
            self.given, self.network = ((rows,), network) if rows is not None else ((), self.network)

    def note_bare(self, name: str, args: tuple[Any, ...]) -> None:
        """An op outside of networks, whose rows are those of the batch where a program has none."""
        if len(self.met) < HEADS and (rows := criterion.rows_at_weights(name, args)) is not None:
            self.first = self.first if self.met else next(a for a in args if isinstance(a, Tensor) and a.requires_grad)
            self.met.append(rows)

    def note_asked(self, args: tuple[Any, ...]) -> None:
        """An op under no_grad(), outside of networks: whether rows meet the first weights, as in an evaluation."""
        if any(a is self.first for a in args if isinstance(a, Tensor)):
            rows = next((a for a in args if isinstance(a, Tensor) and a is not self.first and a.dim()), None)
            if rows is not None and tuple(rows.shape[1:]) == self.record.shape:
                self.record.afterwards = numbers((rows,))

    @contextmanager
    def backwards(self) -> Iterator[None]:
        """For the length of a block weights meet no rows, but gradients, which begin with as many ones."""
        given, network, met = self.given, self.network, len(self.met)
        yield
        self.given, self.network = given, network
        del self.met[met:]

    def note_beside(self, name: str, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """An op under no_grad(), as of those that make a target: whether it makes NaN of finite numbers."""
        seen = SeenOp((name, 0), args, kwargs, result, None, ())
        if not seen.finite and criterion.off_domain(seen) and all(criterion.finite(a) for a in args):
            self.beside = name, place(), len(self.record.steps)

    def note_time_first(self, layer: Any, args: tuple[Any, ...]) -> None:
        """A layer that takes its axis of time first is called: whether with that of the batch there."""
        given, at = args[0] if args else None, self.parameters.line_of(layer)
        if not isinstance(given, Tensor) or not isinstance(self.batch, Tensor) or at is None:
            return
        if given.dim() == 3 and self.batch.dim() >= 2 and given.shape[:2] == self.batch.shape[:2]:
            self.record.lines.setdefault("time first", at)

    def finish(self, roots: list[Any]) -> list[Any]:
        """Nothing more is to come: what a network was called with after the last backward, gradients and all. Gives the
        networks, or the one that those among them make up which are called one after the other."""
        if isinstance(self.batch, Tensor) and self.batch.dim():
            self.record.afterwards = numbers(self.given)
        known = self.composed is not None and roots and self._in_parts(roots, self.composed.prediction)
        return [self.composed] if known else roots

    def was_called(
        self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, losses: int, at: Place | None
    ) -> None:
        """The program called a network in this line, when there were as many losses in this pass."""
        if len(self.heads) < CALLED:
            self.heads.append((self.output, given_to(args, kwargs), module, losses))
            self.made.append(Called(module, args, kwargs, result, at))

    def _in_parts(self, networks: list[Any], prediction: Any) -> bool:
        """Whether there is not one network that gives its prediction first."""
        whole = len(networks) == 1 and isinstance(self.given_first, Tensor)
        return not whole or (self.given_first.numel() == 1 != prediction.numel())

    def _as_one(self, call: LossCall | None) -> list[Any]:
        """The networks of this pass, or what was done with the rows as one where they are in parts."""
        if call is None or not isinstance(call.prediction, Tensor) or not isinstance(self.batch, Tensor):
            return self._networks
        self.given_first = self.output
        if not self._looking or not self._in_parts(self._networks, call.prediction):
            return self._networks
        treated = [args[0] for _, args, module, _ in self.heads if args and module is self.network][:1]
        whole = compose(self.made, self.seen, [self.batch, *treated], call.prediction)
        self.composed = whole or self.composed
        return [whole] if whole is not None else self._networks

    def forget(self) -> None:
        """The next pass begins."""
        self.heads, self.met, self.made = [], [], []
        self.seen, self.calls, self.given, self.network, self.output = [], [], (), None, None
        self.counts.clear()
        self.called.clear()
        self.loose.clear()
        self.read.clear()

    def begin_at(self, first: int) -> None:
        """The calls of networks before this one were evaluations with a graph, which is known only now."""
        if first:
            _, args, self.network, losses = self.heads[first]
            self.given = args if args and not args[0].requires_grad else ()
            self.calls = self.calls[losses:]

    def end(self, root: Any, networks: list[Any], optimizers: int, looking: bool) -> None:
        """A backward from `root` is about to run, for these networks and as many optimisers."""
        record = self.record
        self._networks, self._optimizers, self._looking = networks, optimizers, looking
        loss = float(array_of(root).mean())
        if root.grad_fn is None:
            record.leaf_loss = True
        call = self.calls[-1] if self.calls else written.written_out(self.seen, root, self.output)
        step = StepRecord(loss, mode=self.mode)
        if len(self.calls) > 1:
            record.several = True
            self.batches.note_several(self.calls, loss)
        meant = named.find(self.named) if self.named else None
        if self.named and (value := named.number(meant)) is not None:
            record.named += 1
            turned = -1.0 if loss == -value != 0 else None  # more of a factor than the sign may be another term
            step = StepRecord(value, turned, mode=self.mode)
            self._note_step(root, self._call_of(meant, value) or call, step)
            return
        if self.named and not record.steps:
            record.numbers = named.candidates()
        self.written = call is not None and not self.calls
        if call is not None and not self.given:
            self.given = criterion.inputs_of(call, self.met)
        if call is not None and isinstance(call.prediction, Tensor) and not call.prediction.numel():
            record.lines |= {"no rows": call.place} if call.place is not None else {}
            call = None
        if call is not None:
            call.single = call.is_of_row(self.batch)
        if call is not None and call.value is not None and len(self.calls) < 2:
            step.factor = loss * call.unit / call.value if call.value else None
            step.loss = call.value
        self._note_step(root, call, step)

    def _call_of(self, meant: Any, value: float) -> LossCall | None:
        """The call of a loss that gave what the user named."""
        given = next((call for call in reversed(self.calls) if call.value == value), None)
        return given or (written.written_out(self.seen, meant) if isinstance(meant, Tensor) else None)

    def _note_step(self, root: Any, call: LossCall | None, step: StepRecord) -> None:
        record, parameters = self.record, self.parameters.all()
        if self._optimizers == 1 or "zero_grad" not in record.lines:  # one may clear what the other left
            self.leftovers.note(step)
        self.leftovers.before_backward(place())
        if not self._optimizers and record.steps:
            step.stale = any(p.grad is not None and bool((array_of(p.grad) != 0).any()) for p in parameters)
        if call is not None:
            step.accuracy = call.accuracy()
            self.batches.note(self.given, call, step)
        if self._looking:
            self._look(root, call)
        roots = self._as_one(call)
        if len(record.steps) == 5 and self.batch is not None:
            batch, before = self.batch, self.last_batch
            record.mixing = self.apart(lambda: mixing.measure(roots, batch, call, before)) or 0.0
        if len(record.steps) in (0, 5, 20) and self.batch is not None:
            batch = self.batch
            differs = self.apart(lambda: mixing.ignored(roots, batch, call))
            if differs is not None:  # what saturates later on, or stands still at first, does not ignore its input
                record.ignored = max(differs, record.ignored or 0.0)
        if len(record.steps) in FORESEEING and self.batch is not None:
            given = self.given
            seen = self.apart(lambda: foresight.foresees(roots, given, call))
            if seen is not None and seen.asked_for_itself:
                record.repeats = seen.own > foresight.AHEAD >= seen.effect
            elif seen is not None and seen.effect > record.foreseen:
                record.foreseen = seen.effect
                if seen.place is not None:
                    record.lines["looks ahead"] = seen.place
        self.last_call, self.last_batch = call or self.last_call, self.batch
        if not np.isfinite(step.loss) and not record.first_bad:
            record.first_bad, (name, at, made) = "loss", self.beside
            if record.bad_targets and name and made == len(record.steps):  # the program made this target so
                record.first_bad, record.bad_targets = name, False
                record.lines |= {"first bad": at} if at is not None else {}
        if record.first_bad and record.bad_at is None:
            record.bad_at = len(record.steps)
        record.steps.append(step)
        record.asked = record.without_grad

    def _look(self, root: Any, call: LossCall | None) -> None:
        """The forward pass in full: what the loss is made of, and which parameters it reaches."""
        record = self.record
        self.edge = None
        written_alone = call is not None and not self.calls
        rewarded, at = (0, None) if written_alone else policy.direction(self.seen, root)
        if found := terms_of(self.seen, root, self.parameters):
            record.terms[len(record.steps)] = found
        if call is None:
            record.weighed = record.weighed or policy.weighs(self.seen, root)
            top = self.apart(lambda: highest_at_target(root, self.seen, self.made))
            record.tops.append(top[0] if top is not None else False)
            record.lines |= {"top": top[1]} if top is not None and top[1] is not None else {}
        if record.weighed or rewarded:
            self._note_over_rows()
        if call is None:
            self._note_over_one()
        common, where = overlap_of(self.seen, root)
        if common:
            record.overlaps.append(common)
        if where is not None:
            record.lines["overlap"] = where
        if rewarded:
            record.rewarded.append(rewarded)
        if at is not None:
            record.lines["rewarded"] = at
        for leaf in criterion.leaves(root):
            bare = not self._optimizers or id(leaf) in self.parameters.known
            bare = bare and leaf.requires_grad and leaf.is_floating_point()
            if isinstance(leaf, Parameter) or bare or leaf in self.parameters:
                self.parameters.note(leaf).reached = True
        for seen in self.seen:
            for argument in criterion.tensors(seen.args):
                if argument in self.parameters:
                    self.parameters.note(argument).used = True
            if record.first_bad:
                continue
            if criterion.off_domain(seen):
                self.edge = (seen.key[0], seen.place)
            given = criterion.tensors(seen.args)
            if not seen.finite and given and all(criterion.finite(a) for a in given):
                record.first_bad = seen.key[0] if criterion.off_domain(seen) else f"growth of {seen.key[0]}"
                if seen.place:
                    record.lines["first bad"] = seen.place
        if self.calls and len(self.calls) == 1 and (last := criterion.producers(self.seen).get(id(root))) is not None:
            self._note_factor(last)
        self._note_unused(root)
        self._note_cut(root)
        self._note_left_out(root)
        for other in self.calls if record.steps else ():
            at = other.place if call is not None and other.place != call.place else None
            if at is not None and at not in record.others and len(record.others) < OTHERS:
                record.others[at] = criterion.describe(other, self.seen, self.parameters.names)
        if call is not None:
            described = criterion.describe(call, self.seen, self.parameters.names)
            if described.chain or described.body or not record.loss.kind:
                record.loss = described
                if record.start is not None and len(record.steps) == 1:
                    record.start = criterion.with_keys_of(record.start, described)
                record.start = record.start or described
            turned = next((s for s in self.seen if s.key[0] in VIEWS and s.args and s.args[0] is self.batch), None)
            if turned is not None and turned.place is not None and turned.output.shape[:1] != self.batch.shape[:1]:
                record.lines["turned"] = turned.place
            self._note_source()

    def _note_over_rows(self) -> None:
        """A softmax that a network ends with, over the rows that it is called with: of a policy, over its states."""
        given = {id(output): args[0] for output, args, _, _ in self.heads if args and isinstance(args[0], Tensor)}
        for seen in self.seen:
            rows = given.get(id(seen.output)) if seen.key[0] in ("softmax", "log_softmax") else None
            shape, dim = tuple(seen.output.shape), seen.kwargs.get("dim")
            if rows is None or seen.place is None or len(shape) != 2 or dim not in (0, -2) or shape[1] == 1:
                continue
            if rows.dim() == 2 and len(rows) == shape[0]:
                self.record.over_rows = max(self.record.over_rows, shape[0])
                self.record.lines.setdefault("softmax over rows", seen.place)

    def _note_over_one(self) -> None:
        """A softmax over an axis of one, of all that a network gives, whose result no weights take again as they do in
        attention: it is 1, whatever the loss is."""
        behind: dict[int, SeenOp] = {}
        for seen in self.seen:
            given = [behind[id(a)] for a in criterion.tensors(seen.args) if id(a) in behind]
            if seen.key[0] in criterion.WEIGHTED:
                for other in given:
                    behind = {key: value for key, value in behind.items() if value is not other}
            elif given or (_is_over_one(seen) and seen.output.numel() > 1 and seen.output.requires_grad):
                behind[id(seen.output)] = given[0] if given else seen
        for found in behind.values():
            if found.place is not None:
                self.record.lines.setdefault("softmax over one", found.place)

    def _note_factor(self, last: SeenOp) -> None:
        """Where the loss is multiplied, or its sign turned, before backward() is called on it."""
        if last.key[0] in MULTIPLYING and last.place is not None:
            self.record.lines["factor"] = last.place

    def _note_cut(self, root: Any) -> None:
        """What was detached, and leads to the loss."""
        made, todo, done = criterion.producers(self.seen), [root] if self.loose else [], set[int]()
        while todo:
            tensor = todo.pop()
            self.record.cut = self.record.cut or self._loosened(tensor)
            if id(tensor) not in done and id(tensor) in made:
                todo += criterion.tensors(made[id(tensor)].args)
            done.add(id(tensor))

    def _loosened(self, tensor: Any) -> Place | None:
        """Where a tensor was detached, or what it was made anew of, as in `Variable(code.data)`."""
        if id(tensor) in self.loose:
            return self.loose[id(tensor)][1]
        if tensor.grad_fn is not None or tensor in self.parameters:
            return None
        values = array_of(tensor)
        return next((at for cut, at in self.loose.values() if np.array_equal(array_of(cut), values)), None)

    def _note_left_out(self, root: Any) -> None:
        """What a layer gives, and nothing on the way to the loss takes: no cut, as the numbers are not read either."""
        made, todo, leads = criterion.producers(self.seen), [root], set[int]()
        while todo:
            seen = made.get(id(todo.pop()))
            if seen is not None and id(seen) not in leads:
                leads.add(id(seen))
                todo += criterion.tensors(seen.args)
        takers: dict[int, list[SeenOp]] = {}
        for seen in self.seen:
            for argument in criterion.tensors(seen.args):
                takers.setdefault(id(argument), []).append(seen)
        for seen in self.seen:
            weighted = any(a in self.parameters for a in criterion.tensors(seen.args))
            if id(seen) in leads or not weighted or not getattr(seen.output, "requires_grad", False):
                continue
            follow, done = [seen], set[int]()
            while follow:
                one = follow.pop()
                done.add(id(one.output))
                follow += [taker for taker in takers.get(id(one.output), []) if id(taker.output) not in done]
            if not done & (self.read | set(self.loose)) and (at := seen.called or seen.place) is not None:
                self.record.lines.setdefault("left out", at)
        for call in self.made:
            gave = [made[id(leaf)] for leaf in leaves(call.result) if id(leaf) in made]
            if call.place is not None and gave and not leads & {id(seen) for seen in gave}:
                self.record.left_out[call.place] = [
                    self.parameters.names.get(id(p), "") for p in call.module.parameters()
                ]

    def _note_unused(self, root: Any) -> None:
        """An activation within the network whose result nobody takes."""
        taken = {id(argument) for seen in self.seen for argument in criterion.tensors(seen.args)}
        taken |= {id(root), id(self.output)}
        activated = [s for s in self.seen if s.module and s.key[0] in criterion.ACTIVATIONS and s.output.requires_grad]
        used = {seen.called for seen in activated if id(seen.output) in taken}  # as the last of a recurrence is
        for seen in activated:
            if seen.called and seen.called not in used:
                self.record.lines.setdefault("unused activation", seen.called)

    def _note_source(self) -> None:
        """What the rows of the batch were taken from: a table that is indexed, or a long row that is cut in windows."""
        record = self.record
        source = next((s for s in self.seen if s.output is self.batch and s.key[0] in TAKING), None)
        if source is not None:
            if source.place is not None:
                record.lines["rows"] = source.place
            if len(source.args[0].shape) and len(source.args[0]) > record.available:
                record.available, record.distinct = len(source.args[0]), distinct(source.args[0])
            return
        stacked = next((s for s in self.seen if s.output is self.batch and s.key[0] == "stack"), None)
        made = criterion.producers(self.seen)
        windows = [a for a in criterion.tensors(stacked.args) if a.dim()] if stacked is not None else []
        cuts = [made.get(id(window)) for window in windows]
        if not cuts or any(cut is None or cut.key[0] != "part" for cut in cuts):
            return
        wholes = [cut.args[0] for cut in cuts if cut is not None]
        if len({id(whole) for whole in wholes}) == 1 and wholes[0].shape[1:] == windows[0].shape[1:]:
            length = max(len(windows[0]), 1)
            record.available = len(wholes[0]) // length
            record.distinct = distinct(wholes[0][: record.available * length].reshape(record.available, -1))
            if stacked is not None and stacked.place is not None:
                record.lines["rows"] = stacked.place

    def note_gradients(self, parameters: list[Any]) -> None:
        """A backward has run: how large its gradients are."""
        record = self.record
        if not record.steps:
            return
        record.steps[-1].norm = size = _norm(parameters)
        if not np.isfinite(size) and not record.first_bad:
            record.first_bad, record.bad_at = "backward", len(record.steps) - 1
            if self.edge is not None:
                record.first_bad = f"backward of {self.edge[0]}"
                if self.edge[1] is not None:
                    record.lines["first bad"] = self.edge[1]


def _is_over_one(seen: SeenOp) -> bool:
    """Whether an op is a softmax over an axis of one number, which is not the batch: that may be one of one row."""
    shape, dim = tuple(seen.output.shape), seen.kwargs.get("dim")
    if seen.key[0] not in ("softmax", "log_softmax") or not isinstance(dim, int) or not shape:
        return False
    return shape[dim] == 1 and (len(shape) == 1 or dim % len(shape) > 0)


def _norm(parameters: list[Any]) -> float:
    """That of all gradients together."""
    total = 0.0
    for parameter in parameters:
        if parameter.grad is not None:
            flat = array_of(parameter.grad).ravel().astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                total += float(flat @ flat)
    return float(np.sqrt(total))
