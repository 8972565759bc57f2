"""What is declared of an op, and the table of all ops; `operation` makes an op of it that can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .domain import Domain
from .node import ATTRIBUTE, AUX, OUT, SHAPE, SHARED, VALUE, Arguments, Attributes, Plan, Rule

Forward = Callable[..., Any]

REQUIRED = inspect.Parameter.empty  # the default of an attribute that has none

TABLE: dict[str, Declaration] = {}
"""Every op by name, in order of declaration."""


class Declaration:
    """What is declared of an op: all that the engine, the tools and the tests know of it.

    Attributes are the declaration: `name`, `forward`, `inputs` (names of the array arguments), `star` (the position of
    a starred one, for an op over a list, else None), `attributes` (name to default), `rules`, `kind` (how dtypes mix,
    see `core.promotion`), `elementwise`, `mutates` (positions of inputs that it overwrites), `view` (its result shares
    memory with its input), `any_dtype` (its forward takes bfloat16 as it is, see `core.narrow`), `aux`, `domain`,
    `reference` (PyTorch's name), `method` and `public` (how it is exported), `aliases` (its other names). `like` is the
    function whose arguments the op has, where forward only says `*others, **attributes`. `node` is what PyTorch calls
    the recorded application, where that does not follow from the op's name: a name, or a function from the arguments
    and attributes to one. `holomorphic` says that the rules are those of real numbers, linear in `g`: for complex
    numbers the engine then takes conj(rule(conj(g))). Where it is False the rules conjugate by themselves.
    """

    # What the door reads at each call has slots: Python finds no attribute of an object with more than thirty as fast.
    __slots__ = (
        "__dict__", "__weakref__", "any_dtype", "elementwise", "forward", "inputs", "kind", "mutates", "name",
        "piecewise", "plans", "refuses", "required", "rules", "star", "tensors", "view",
    )  # fmt: skip

    def __init__(
        self,
        forward: Forward,
        *,
        name: str | None = None,
        kind: str | None = None,
        elementwise: bool = False,
        domain: Domain | None = None,
        reference: str | None = None,
        aux: tuple[str, ...] = (),
        mutates: tuple[int, ...] = (),
        view: bool = False,
        any_dtype: bool = False,
        method: bool = True,
        public: bool = True,
        promotes: tuple[str, ...] | None = None,
        check: Callable[..., None] | None = None,
        tensors: tuple[str, ...] = (),
        numbers: bool = False,
        like: Forward | None = None,
        aliases: tuple[str, ...] = (),
        piecewise: bool = False,
        holomorphic: bool = True,
        node: str | Callable[[Arguments, Attributes], str] | None = None,
    ) -> None:
        self.name = name or forward.__name__
        self.declared = like or forward  # the function whose arguments these are
        self.forward = forward
        self.kind = kind
        self.elementwise = elementwise
        self.domain = domain
        self.reference = reference or f"torch.{self.name}"
        self.aux = aux
        self.mutates = mutates
        self.view = view
        self.any_dtype = any_dtype
        self.method = method
        self.public = public
        self.node = node
        self.piecewise = piecewise
        self.holomorphic = holomorphic
        self.refuses: frozenset[object] = frozenset()  # NumPy's dtypes; ops say so of a whole chapter at once
        self.aliases = aliases
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = forward.__module__
        # Read off the code object: inspect.signature, 400 times, would double the time that importing pellucid takes.
        given: Any = inspect.unwrap(self.declared)
        code = given.__code__
        positional, keyword = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        starred = bool(code.co_flags & inspect.CO_VARARGS)
        self.inputs: tuple[str, ...] = names[1:positional] + names[positional + keyword :][:starred]
        self.star: int | None = positional - 1 if starred else None
        self.optional: Arguments = given.__defaults__ or ()  # what the last inputs are if not given
        self.required = positional - 1 - len(self.optional)
        defaults: Attributes = given.__kwdefaults__ or {}
        self.attributes = {name: defaults.get(name, REQUIRED) for name in names[positional : positional + keyword]}
        self.check = check  # called with arguments of mixed dtypes before they are promoted, to refuse some
        self.tensors = tuple(self.inputs.index(name) for name in tensors)  # where a Python number will not do
        self.numbers = numbers  # whether all arguments may be numbers
        self.promotes = None if promotes is None else frozenset(self.inputs.index(name) for name in promotes)
        if "out" in self.inputs:
            raise ValueError(f"{self.name}: no input may be called 'out', a rule means the op's result by it")
        self.rules: dict[int, Rule] = {}
        self.recompute: dict[str, Rule] = {}
        self.shared: dict[str, Rule] = {}
        self.composition: Forward | None = None
        self.plans: dict[int, Plan] = {}  # by mask, made when first needed
        if self.name in TABLE:
            raise ValueError(f"op {self.name!r} is declared twice")
        TABLE[self.name] = self

    def vjp(self, **rules: Rule) -> None:
        """Declare the rules of the backward pass, one for each differentiable input, by its name."""
        for name, rule in rules.items():
            self.rules[self.inputs.index(name)] = rule

    def recomputes(self, **rules: Rule) -> None:
        """Say how a differentiable by-product follows from the inputs: `log_probs=lambda m, input: …`.

        The first-order backward uses the array that forward left. A backward that is itself differentiated must see
        how the by-product depends on the inputs, and calls the rule.
        """
        self.recompute.update(rules)

    def shares(self, **rules: Rule) -> None:
        """Say what several rules of the backward pass need: `delta=lambda m, g, out: …`.

        It is computed once for a backward through the op, and handed to each rule that asks for it by name.
        """
        self.shared.update(rules)

    def composes(self, composition: Forward) -> None:
        """Say what ops the op consists of, as a function of the vocabulary: for an op without rules.

        A backward that is itself differentiated applies them in its place; any other applies the op.
        """
        self.composition = composition

    def usage(self) -> str:
        """How the op is called: `sum(input, *, dim=None, keepdim=False)`."""
        signature = self.__signature__
        plain = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
        return self.name + str(inspect.Signature(plain))

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.declared)
        return signature.replace(parameters=list(signature.parameters.values())[1:])  # without xp

    def plan(self, mask: int) -> Plan:
        """What to keep and which rules to call when the inputs whose bits are set in `mask` require gradients."""
        tracked = tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
        slots: dict[tuple[int, Any], int] = {}
        rules: list[tuple[int, Rule, tuple[int, ...]]] = []
        shared: dict[str, tuple[Rule, tuple[int, ...]]] = {}
        for name, rule in self.shared.items():
            keys = [key for wanted in list(inspect.signature(rule).parameters)[2:] for key in self._slot(wanted, 0)]
            shared[name] = (rule, tuple(slots.setdefault(key, len(slots)) for key in keys))
        for position in tracked:
            rule = self.rules.get(position if self.star is None else min(position, self.star))
            if rule is None:
                continue
            names = list(inspect.signature(rule).parameters)[2:]
            keys = [key for name in names for key in self._slot(name, position)]
            rules.append((position, rule, tuple(slots.setdefault(key, len(slots)) for key in keys)))
        # What is shared follows what is saved.
        place = {key: slot for slot, key in enumerate(sorted(slots, key=lambda key: key[0] == SHARED))}
        moved = [place[key] for key in slots]
        plan = self.plans[mask] = Plan(
            tracked,
            tuple(key for key in place if key[0] != SHARED),
            tuple((position, rule, tuple(moved[slot] for slot in own)) for position, rule, own in rules),
            tuple(
                (rule, tuple(moved[slot] for slot in own))
                for rule, own in (shared[key[1]] for key in place if key[0] == SHARED)
            ),
        )
        return plan

    def _slot(self, name: str, position: int) -> Iterator[tuple[int, Any]]:
        if name == "out":
            yield OUT, 0
        elif name in self.shared:
            yield SHARED, name
        elif self.star is not None and name == "index":
            yield ATTRIBUTE, ("", position - self.star)
        elif self.star is not None and name == self.inputs[self.star]:
            yield VALUE, None
        elif self.star is not None and name == self.inputs[self.star] + "_shape":
            yield SHAPE, None
        elif name in self.inputs:
            yield VALUE, self.inputs.index(name)
        elif name in self.aux:
            yield AUX, self.aux.index(name)
        elif name in self.attributes:
            yield ATTRIBUTE, (name, self.attributes[name])
        elif name.removesuffix("_shape") in self.inputs:
            yield SHAPE, self.inputs.index(name.removesuffix("_shape"))
        else:
            raise TypeError(f"the backward rule of {self.name} asks for {name!r}, which the op does not have")

    def __repr__(self) -> str:
        return f"<op {self.usage()}>"
