"""`torch.backends.mps`: no GPU of Apple's is used here."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False."""
    return False


is_macos13_or_newer = is_built
