"""What goes into the network of a run and what comes out, in words for whoever has the network alone."""

from __future__ import annotations

from typing import Any

from pellucid.experiments.config import Config


def inputs_of(data: dict[str, Any]) -> list[str]:
    """For each column of the input, how it is made of a cell of the table; empty where the inputs are no columns.

    >>> facts = {
    ...     "feature_mean": {"age": 30.0, "day": 19000.0},
    ...     "feature_std": {"age": 10.0, "day": 50.0},
    ...     "categories": {"sex": ["f", "m"]},
    ...     "dates": {"day": "date"},
    ... }
    >>> for line in inputs_of({"features": ["age", "day", "sex=f", "sex=m"], "facts": facts}):
    ...     print(line)
    age: (number - 30) / 10; 0 where it is missing
    day: (days since 1970-01-01 - 19000) / 50; 0 where it is missing
    sex=f: 1 where sex is 'f', else 0
    sex=m: 1 where sex is 'm', else 0
    """
    facts, names = data["facts"], [str(name) for name in data["features"]]
    mean, std = facts.get("feature_mean", {}), facts.get("feature_std", {})
    if not isinstance(mean, dict):  # of points, whose columns are all alike
        return [f"{name}: (number - {m:.9g}) / {s:.9g}" for name, m, s in zip(names, mean, std, strict=True)]
    dates = facts.get("dates", {})
    made: dict[str, str] = {}
    for name in mean:
        unit = f" in {facts['units'][name]}" if name in facts.get("units", {}) else ""
        what = {"": f"number{unit}", "time": "hours since midnight"}.get(dates.get(name, ""), "days since 1970-01-01")
        made[name] = f"({what} - {mean[name]:.9g}) / {std[name]:.9g}; 0 where it is missing"
        made[f"{name} missing"] = f"1 where {name} is missing, else 0"
        turn = f"2 pi ({what}) / 24" if dates.get(name) == "time" else f"2 pi (part of the day of {name} that is over)"
        made[f"{name} (sine of the hour)"] = f"sin({turn})"
        made[f"{name} (cosine of the hour)"] = f"cos({turn})"
    for name, values in facts.get("categories", {}).items():
        made |= {f"{name}={value}": f"1 where {name} is {value!r}, else 0" for value in values}
    return [f"{name}: {made[name]}" for name in names if name in made]


def outputs_of(config: Config, data: dict[str, Any]) -> str:
    """What the numbers mean that the network puts out."""
    if config.source == "text":
        return "for each place a logit for each character, of the one that follows; their softmax are probabilities"
    if not data["classes"]:
        mean, std = data["facts"].get("target_mean", 0.0), data["facts"].get("target_std", 1.0)
        unit = data["facts"].get("target", {}).get("unit", "")
        return f"the target, standardised: {config.target or 'target'} = output * {std:.9g} + {mean:.9g}" + (
            f", in {unit} (of % and ‰ the share)" if unit else ""
        )
    if config.loss == "bce":
        one = len(data["classes"]) == 2
        what = f"a logit, of the class {data['classes'][1]!r}" if one else "a logit for each class"
        return f"{what}; its sigmoid is the probability"
    if config.loss == "mse":
        return "a score from 0 to 1 for each class; divided by their sum they are taken for probabilities"
    return "a logit for each class, in the order of classes; their softmax are the probabilities"
