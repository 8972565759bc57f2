"""Mutants that are not noticed, and why that is right."""

# (op, where, a part of what was changed) -> why no test can or need notice. "*" stands for any.
NO_MISTAKE: dict[tuple[str, str, str], str] = {}


def explained(table: dict[tuple[str, str, str], str], op: str, where: str, what: str) -> str | None:
    """The reason that a table has for a mutant."""
    for (own, input, part), reason in table.items():
        if own in ("*", op) and input in ("*", where) and (part == "*" or part in what):
            return reason
    return None
