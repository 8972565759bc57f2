"""`torch.backends.mkldnn`: oneDNN is not used here, unless NumPy does."""

enabled = False


def is_available() -> bool:
    """False."""
    return False
