"""The doctor: why a training program does not learn, found in the program as it is.

    pellucid doctor train.py

The program is run with hooks in its loops (`process`). A scout finds the loop that trains and the numbers it trains;
from the head of one of its passes, forks try things out: in a `Lab` the pass is repeated from one state, with
parameters moved a little, updates scaled, gradients replaced. `probes` measure and know no threshold, `rules` go from
what was measured to findings and measure nothing, `examination` asks one after the other, `report` is what comes out.

That is for programs that use no framework. For those that train with pellucid, under its own names or PyTorch's, there
is `observed`; in a session of Python it is reached by `examine`, `watch` and the `Doctor` of a Learner (`live`).

What a probe hands to a rule:

- `process.parameters.Parameters`: `groups` by name, the names of the `parameters`, the `memory` of an optimiser and its
  owner, `response` (the share of a change that is left after the pass), `signs` (which way a memory moves its owner);
- `probes.slopes.SlopeStudy`: `passes`, `candidates` for the loss, `seen` values by (place, name), `depends` (the keys
  of those that parameters move);
- `probes.slopes.StudiedPass`: `directions`, `given` (the program's own descent along them), `slopes` by candidate,
  `update`, `values` of the parameters, `losses` by candidate;
- `rules.gradient.Judgement`: the `candidate` that explains most, `ratio`, `verdicts` and `factors` by tensor, `cells`
  by tensor and pass;
- `probes.training.Curve`: the `losses` of a training in a fork, and `what` it was.

A `report.Finding` is one line of the verdict, a `report.Report` all of it: as text, JSON, a page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.doctor.find import NoProgram
    from pellucid.doctor.finding import Finding
    from pellucid.doctor.fix import Exists
    from pellucid.doctor.live.callback import Doctor
    from pellucid.doctor.live.watch import watch
    from pellucid.doctor.report import Report
    from pellucid.doctor.run import examine
    from pellucid.doctor.script import examine_script

__all__ = ["Doctor", "Exists", "Finding", "NoProgram", "Report", "examine", "examine_script", "watch"]

# Each is imported when it is first asked for: who starts an examination needs nothing of what examines.
_LATER = {
    "Doctor": "live.callback", "Exists": "fix", "Finding": "finding", "NoProgram": "find", "Report": "report",
    "examine": "run", "examine_script": "script", "watch": "live.watch",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
