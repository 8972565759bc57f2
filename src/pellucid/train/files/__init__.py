"""Files of a run: each whole or absent, and read without executing anything."""
