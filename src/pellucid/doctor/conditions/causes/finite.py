"""non-finite-data: NaN or infinity among the inputs or labels."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.probes.data import Data
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    return not_finite(case.data) if case.data is not None else None


def not_finite(data: Data) -> Finding | None:
    """NaN or infinity among the inputs or labels."""
    for what in ("inputs", "labels"):
        values = data.all(what)
        if values is not None and not np.isfinite(values).all():
            bad = ~np.isfinite(values)
            return error(
                "non-finite-data",
                0.97,
                f"{int(bad.any(1).sum())} of {len(values)} rows of the {what} hold NaN or infinity.",
                "One NaN in the data turns every parameter into NaN.",
                "remove these rows, or fill them: X = np.nan_to_num(X)",
            )
    return None
