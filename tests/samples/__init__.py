"""Sample rows of the op table, a file for each chapter of `pellucid.ops`; see `tests.op_samples`."""
