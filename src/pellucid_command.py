"""The program `pellucid` before the library is loaded: help at once, and well behaved from the first moment.

It lies beside the package and not in it because `import pellucid.anything` loads the whole engine first, and NumPy:
a person who asks for help, or who presses Ctrl-C while it loads, need not wait for that. So here are the names of the
commands, each with its line of help; only the one that is asked for is imported.
"""

import codecs
import io
import os
import signal
import sys
import unicodedata
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    import typer

# What the command line needs beyond NumPy: the extra `standard`.
_NEEDED = ("typer", "rich", "safetensors", "matplotlib")

# Each command is the function of its name in the module of its name in `pellucid.cli`. Its help begins with this line.
COMMANDS = {
    "run": "Run SCRIPT, a program written for PyTorch, with ARGS: torch and torchvision are pellucid for it.",
    "launch": "Run SCRIPT with ARGS as several processes, which find each other by MPI and torch.distributed.",
    "train": "Train a network on DATASET.",
    "find-lr": "Find a learning rate for training on DATASET: train for a moment with ever larger ones, look at the "
    "loss, and try what it suggests.",
    "predict": "Predict with the network of RUN for each sample in FILE.",
    "sample": "Write text with the network of RUN, which learned from text.",
    "export": "Write the network of RUN as an ONNX file, for other runtimes and languages.",
    "runs": "Show the runs below FOLDER, the newest first: data, model, figures, and how each ended.",
    "watch": "Watch RUN, the newest one by default, while it trains: progress, curves, and how it ends.",
    "compare": "Compare runs: the settings that differ, the figures, the curves laid over each other.",
    "sweep": "Train on DATASET with many settings, and say which did best.",
    "report": "Write RUN as one HTML page: settings, curves, predictions, statistics, the network's graph.",
    "graph": "Draw the network that `pellucid train DATASET` would train, and print what it consists of.",
    "check": "Check the gradients of SCRIPT.py, or of the layers in DIR, and name the mistake where they are wrong.",
    "doctor": "Run SCRIPT as it is, with ARGS, and say why it does not learn: the line, the mistake, the proof.",
    "playground": "Open a page on this machine where a small network trains live, and where mistakes can be planted "
    "and found.",
    "exercise": "Write a backward pass, an engine, an optimiser, or find a fault; a hidden check says what is right.",
    "explain": "Show how the gradient of an operation follows: formula, Jacobian, vector-Jacobian product, "
    "differences, source.",
    "info": "Say what is installed: versions, BLAS and its threads, devices, caches, Graphviz.",
}
# Options that are not their own, these hand to the program that they run; `run` all that come after its name.
_SETTINGS: dict[str, dict[str, Any]] = {
    "doctor": {"ignore_unknown_options": True},
    "run": {"ignore_unknown_options": True, "allow_interspersed_args": False},
    "launch": {"ignore_unknown_options": True, "allow_interspersed_args": False},
}


def main() -> None:
    """Run `pellucid`, or say what to install for it."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"pellucid: the command line needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed.\n"
            'Install it with: pip install "pellucid[standard]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    _write_legibly()
    # While modules load, Ctrl-C ends the program as the system does it: there is nothing to save, and no trace to show.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    completing = f"{os.environ.get('COMP_WORDS', '')} {os.environ.get('_TYPER_COMPLETE_ARGS', '')}"
    app = program({word for word in [*sys.argv[1:], *completing.split()] if word in COMMANDS})
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _watch_pipes()
        if len(sys.argv) == 1 or {"--help", "-h"} & set(sys.argv):
            _spare_markdown()
        app(prog_name="pellucid")
    finally:
        _flush()


def program(wanted: Collection[str] = tuple(COMMANDS)) -> "typer.Typer":
    """The program; of the commands that are not wanted it knows the name and the line of help alone."""
    import typer
    import typer.core

    app = typer.Typer(
        help="Deep learning one can see through.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def version(asked: bool) -> None:
        if asked:
            from pellucid.version import __version__

            print(f"pellucid {__version__}")
            raise typer.Exit

    @app.callback()
    def pellucid(  # pyright: ignore[reportUnusedFunction]
        version: Annotated[
            bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and exit.")
        ] = False,
    ) -> None:
        """Deep learning one can see through."""

    class Plain(typer.core.TyperCommand):
        """A command that says in plain words which value it cannot take."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            try:
                return super().parse_args(ctx, args)
            except typer.BadParameter as error:
                error.message = _in_plain_words(error)
                raise

    for name, line in COMMANDS.items():
        how = _loaded(name) if name in wanted else _named(line)
        app.command(name, cls=Plain, context_settings=_SETTINGS.get(name))(how)
    return app


# Typer has Pydantic read the values. Its messages speak of an input that should be a valid something.
_WANTED = {
    "float": "is not a number",
    "finite_number": "is not a finite number",
    "int": "is not a whole number",
    "bool": "is neither true nor false",
    "greater_than_equal": "is too small: it must be at least {ge}",
    "greater_than": "is too small: it must be above {gt}",
    "less_than_equal": "is too large: it must be at most {le}",
    "less_than": "is too large: it must be below {lt}",
    "enum": "is not one of {expected}",
    "literal_error": "is not one of {expected}",
}


def _in_plain_words(error: "typer.BadParameter") -> str:
    """The message of an error about a value, in words that need no knowledge of what reads it."""
    found = getattr(error.__cause__, "errors", list)()  # of a Typer that does without Pydantic there are none
    if not found:
        return error.message
    kind, context = str(found[0]["type"]), found[0].get("ctx", {})
    wanted = _WANTED.get(kind) or _WANTED.get(kind.partition("_")[0])
    if wanted is None:  # mostly Typer's own words
        return str(found[0]["msg"]).removeprefix("Value error, ").replace("Input should be", "It must be")
    return f"{str(found[0]['input'])!r} {wanted.format(**context)}."


def _loaded(name: str) -> Callable[..., None]:
    from pellucid.cli.errors import command

    own = name.replace("-", "_")
    return command(getattr(import_module(f"pellucid.cli.{own}"), own))


def _named(line: str) -> Callable[..., None]:
    def unloaded() -> None:
        raise AssertionError("a command that is run has been loaded")

    unloaded.__doc__ = line
    return unloaded


class _Unused:
    """What stands for a class of Rich's that the help is not made of; whoever makes one gets the real one."""

    module = name = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(cls.module), cls.name)(*args, **kwargs)


def _spare_markdown() -> None:
    """Load Typer's help without Rich's Markdown and tracebacks.

    It imports both where it is loaded, and no help of pellucid's is in Markdown: they are half of the time that
    `pellucid --help` would take.
    """
    classes = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
    added = {module: name for module, name in classes.items() if module not in sys.modules}
    for module, name in added.items():
        stand_in = ModuleType(module)
        setattr(stand_in, name, type(name, (_Unused,), {"module": module, "name": name}))
        sys.modules[module] = stand_in
    try:
        with suppress(ImportError):  # a Typer without it has another way to show help
            import_module("typer.rich_utils")
    finally:
        for module in added:
            del sys.modules[module]


# Terminals ----------------------------------------------------------------------------------------------------------

# What is written in a character's place where the terminal has only ASCII; most other letters lose their accents.
_PLAIN = {
    "–": "-", "—": "-", "−": "-", "·": "*", "×": "x", "…": "...", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~", "±": "+-", "∞": "inf", "█": "#", "▇": "#", "•": "*", "“": '"', "”": '"', "‘": "'", "’": "'", "∂": "d",
    "░": ".", "∏": "prod", "Π": "Pi", "Γ": "Gamma", "∝": "~", "∓": "-+",
    "∇": "grad ", "Σ": "sum", "∑": "sum", "√": "sqrt", "ᵀ": "^T", "¹": "^1", "²": "^2", "³": "^3", "⁻": "^-", "ⁿ": "^n",
    "∈": "in", "⊙": "*", "⋅": "*", "ε": "eps", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "λ": "lambda",
    "μ": "mu", "σ": "sigma", "θ": "theta", "π": "pi", "Δ": "Delta", "η": "eta", "ρ": "rho", "τ": "tau", "φ": "phi",
    "│": "|", "─": "-", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "✓": "ok", "✗": "no", "¬": "not ",
    "⋮": ":", "⋯": "...", "∘": "o", "ß": "ss", "°": " deg",
    "⎡": "[", "⎢": "|", "⎣": "[", "⎤": "]", "⎥": "|", "⎦": "]", "═": "=", "Φ": "Phi", "∫": "integral ", "⌊": "floor(",
    "⌋": ")", "‖": "||", "ζ": "zeta", "↦": "->", "′": "'", "₋": "_-", "↑": "^", "↓": "v", "⏎": "\\n",
    "↵": "\\n", "⇥": "\\t", "␣": "_",
    "▁": "_", "▂": ".", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "✕": "x", "‰": " per mille", "ʹ": "'", "ʼ": "'",
}  # fmt: skip


def _legible(error: UnicodeError) -> tuple[str, int]:
    """For `codecs`: a replacement that can be read for each character that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(mark) or _unaccented(mark) for mark in text), error.end


def _unaccented(mark: str) -> str:
    if "\udc80" <= mark <= "\udcff":  # a byte of a file's name that is no text
        return f"\\x{ord(mark) - 0xDC00:02x}"
    if unicodedata.category(mark) == "Sc":  # a currency: EURO SIGN
        return unicodedata.name(mark).lower().removesuffix(" sign")
    parts = (_PLAIN.get(part, part) for part in unicodedata.normalize("NFKD", mark))
    plain = "".join(parts).encode("ascii", "ignore").decode()
    return plain or ("" if unicodedata.combining(mark) else "?")


def _write_legibly() -> None:
    """Have no character that the terminal lacks end the program."""
    codecs.register_error("legible", _legible)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="legible")


PIPE_CLOSED = 128 + 13  # what a shell expects of a program that SIGPIPE ended


def nobody_reads() -> int:
    """After a BrokenPipeError: have nothing more said at the exit. The exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return PIPE_CLOSED


def _watch_pipes() -> None:
    """Have Rich, too, end the program as a closed pipe does: by itself it exits with 1."""
    from rich.console import Console

    def on_broken_pipe(self: Console) -> None:
        raise SystemExit(nobody_reads())

    Console.on_broken_pipe = on_broken_pipe


def _flush() -> None:
    """What print() left in its buffer, while there is still somebody to say so if it cannot be written."""
    stream: Any = sys.stdout
    if stream is None:  # it was closed before the program began
        return
    try:
        stream.flush()
    except BrokenPipeError:
        raise SystemExit(nobody_reads()) from None
    except OSError as error:
        print(f"pellucid: what was printed could not be written: {error.strerror}.", file=sys.stderr)
        nobody_reads()
        raise SystemExit(2) from None
