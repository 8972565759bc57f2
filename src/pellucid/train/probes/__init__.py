"""Measurements that train or compute for a moment, and leave everything as it was to the bit."""
