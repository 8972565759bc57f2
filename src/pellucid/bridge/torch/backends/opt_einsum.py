"""`torch.backends.opt_einsum`: `einsum` contracts in the order that is written."""

enabled, strategy = False, None


def is_available() -> bool:
    """False."""
    return False
