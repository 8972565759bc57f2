"""Algorithms on top of the collectives, at PyTorch's path."""
