"""The base class of distributions: shapes, the check of arguments and values, what each may define."""

from __future__ import annotations

from typing import Any, ClassVar

from ..core import Size, Tensor, no_grad
from ..errors import warn
from . import constraints
from .utils import lazy_property, size
from .vocabulary import m

__all__ = ["Distribution"]


class Distribution:
    """A distribution over events of ``event_shape``, one for each element of ``batch_shape``.

    A subclass names its ``arg_constraints`` and its ``support``, and defines what it can of ``rsample`` (or
    ``sample``), ``log_prob``, ``mean``, ``variance``, ``entropy``, ``cdf``, ``icdf``, ``enumerate_support``.

    A subclass whose parameters are ``parameters``, each of the shape ``batch_shape`` followed by as many dimensions as
    the constraint of its argument asks for, need not define ``expand``.

    Raises:
        ValueError: a parameter violates its constraint (unless ``validate_args=False``); later, a value that is not in
            the support.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = True
    parameters: ClassVar[tuple[str, ...]] = ()
    arg_constraints: Any
    support: Any

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments and values are checked where nobody says otherwise."""
        if value not in (True, False):
            raise ValueError(f"value must be True or False, but got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if not self._validate_args:
            return
        if not hasattr(type(self), "arg_constraints"):
            warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize "
                "the distribution with `validate_args=False` to turn off validation."
            )
            return
        for name, constraint in self.arg_constraints.items():
            computed = name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or computed:
                continue
            value = getattr(self, name)
            if not constraints.satisfied(constraint, value):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with the batch expanded to ``batch_shape``; no memory is copied."""
        if not self.parameters:
            raise NotImplementedError(f"{type(self).__name__} must define expand(batch_shape)")
        new, batch_shape = self._get_checked_instance(self._defines_init(), _instance), Size(batch_shape)
        for name in self.parameters:
            if name in self.__dict__:
                value = self.__dict__[name]
                own = tuple(value.shape)[value.ndim - self._dims_of(name) :] if isinstance(value, Tensor) else None
                setattr(new, name, value if own is None else value.expand(size(batch_shape, own)))
        for name, value in self.__dict__.items():
            if name not in self.parameters and name.startswith("_") is False and not isinstance(value, Tensor):
                new.__dict__.setdefault(name, value)
        self._expand_more(new, batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _dims_of(self, name: str) -> int:
        """How many dimensions of a parameter are not of the batch."""
        return type(self).arg_constraints[name].event_dim if name in type(self).arg_constraints else 0

    def _expand_more(self, new: Any, batch_shape: Size) -> None:
        """Set what else an expanded instance needs."""

    def _defines_init(self) -> type:
        return next(kind for kind in type(self).__mro__ if "parameters" in vars(kind))

    @property
    def batch_shape(self) -> Size:
        """The shape over which the parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of a single sample, without batches."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples of the shape ``sample_shape + batch_shape + event_shape``, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Samples through which a gradient flows to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no samples with a gradient: use sample() and log_prob()")

    def sample_n(self, n: int) -> Tensor:
        """``sample((n,))``, deprecated as in PyTorch."""
        warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning)
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at ``value``."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most ``value``."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """Where `cdf` is ``value``."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first dimension: ``(cardinality,) + batch_shape + event_shape``."""
        raise NotImplementedError(f"{type(self).__name__} has no support that can be enumerated")

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def perplexity(self) -> Tensor:
        """e to the entropy."""
        return m.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return size(Size(sample_shape), self._batch_shape, self._event_shape)

    def _enumerated(self, values: Tensor, expand: bool) -> Tensor:
        """The values of a univariate support, spread over the batch."""
        values = values.reshape((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"The value argument to log_prob must be a Tensor, but got {type(value).__name__}")
        start = value.ndim - len(self._event_shape)
        if start < 0 or tuple(value.shape)[start:] != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}."
            )
        expected = size(self._batch_shape, self._event_shape)
        for i, j in zip(reversed(value.shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {expected}."
                )
        try:
            support = self.support
        except (NotImplementedError, AttributeError):
            warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation."
            )
            return
        if not constraints.satisfied(support, value):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _checked(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return value

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also "
                "define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def __repr__(self) -> str:
        named = [name for name in getattr(self, "arg_constraints", {}) if name in self.__dict__]
        shown = (
            f"{name}: {self.__dict__[name] if self.__dict__[name].numel() == 1 else self.__dict__[name].size()}"
            for name in named
        )
        return f"{type(self).__name__}({', '.join(shown)})"
