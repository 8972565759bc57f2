"""`torch.backends.openmp`: OpenMP is not used here, unless NumPy does."""


def is_available() -> bool:
    """False."""
    return False
