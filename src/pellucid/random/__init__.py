"""Random numbers equal to PyTorch's on a CPU: generators, and what seeds the default one.

Read `twister` (the words of the Mersenne twister, and its state), then `generator` (what is made of the words),
`box_muller` (normal numbers), and `seeding` (PyTorch's names for the default generator) and
`rewinding` (what was drawn is undone); `streams` finds the streams within objects. The ops that draw tensors
are in `ops.random`.
"""

from pellucid.torch_names import absent

from .generator import Generator, default_generator, sampler_seed
from .rewinding import global_streams, undrawn
from .seeding import fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "global_streams", "initial_seed", "manual_seed",
    "sampler_seed", "seed", "set_rng_state", "undrawn",
]  # fmt: skip

__getattr__ = absent(__name__)
