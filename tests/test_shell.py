"""Printed commands: taken apart by the rules of each shell, they hold the words that went in."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid import shell
from pellucid.experiments import options
from pellucid.train import RunFolder, RunFolderError

SRC = Path(shell.__file__).parent

WORDS = [
    "runs/digits", "my runs", "it's", 'a "b" c', "a&b|c>d", "$HOME", "`x`", "a;b", "(x)", "#1", "", "é ü", "a,b", "@x",
    "C:\\my runs\\x", "C:\\end here\\", 'back\\"slash', "‘curly’", "lr=0.1", "--out", "mlp:128,64", "!x", "~", "*.csv",
]  # fmt: skip


def cmd_words(line: str) -> list[str]:
    """As the C runtime takes a command line apart, after cmd.exe left its quotation marks alone."""
    words, word, inside, k = [], None, False, 0
    while k < len(line):
        slashes = re.compile(r"\\*").match(line, k)
        assert slashes
        count = len(slashes.group())
        if count and line[k + count : k + count + 1] == '"':
            word = (word or "") + "\\" * (count // 2)
            k += count
            if count % 2:
                word, k = word + '"', k + 1
        elif line[k] == '"' and inside and line[k + 1 : k + 2] == '"':
            word, k = (word or "") + '"', k + 2
        elif line[k] == '"':
            word, inside, k = word or "", not inside, k + 1
        elif line[k] == " " and not inside:
            words, word, k = [*words, word], None, k + 1
        else:
            assert inside or line[k] not in "&|<>^()%!,;*?"
            word, k = (word or "") + line[k], k + 1
    return [*(each for each in words if each is not None), *([] if word is None else [word])]


def powershell_words(line: str) -> list[str]:
    """As PowerShell takes words without variables: bare, or between apostrophes, straight or curly, doubled inside."""
    mark = "['‘’‚‛]"
    found = re.findall(rf"{mark}((?:[^'‘’‚‛]|{mark}{{2}})*){mark}(?: |$)|([\w./:\\+=-][\w./:\\@+=-]*)(?: |$)", line)
    return [bare or re.sub(f"({mark}){mark}", r"\1", quoted) for quoted, bare in found]


@pytest.mark.parametrize(
    ("name", "apart"), [("posix", shlex.split), ("cmd", cmd_words), ("powershell", powershell_words)]
)
def test_the_words_come_out_as_they_went_in(name: str, apart: Callable[[str], list[str]]) -> None:
    for word in WORDS:
        assert apart(f"pellucid {shell.quote(word, name)} --end") == ["pellucid", word, "--end"]
    assert apart(shell.join(WORDS, name)) == WORDS


THREE = r"C:\Users\me\Documents\PowerShell\Modules;C:\Program Files\PowerShell\Modules;C:\Windows\Modules"


@pytest.mark.parametrize(
    ("system", "environment", "found"),
    [
        ("posix", {"SHELL": "/bin/bash"}, "posix"),
        ("posix", {"PSModulePath": THREE}, "posix"),
        ("nt", {}, "cmd"),
        ("nt", {"PSModulePath": r"C:\Program Files\WindowsPowerShell\Modules;C:\Windows\Modules;"}, "cmd"),
        ("nt", {"PSModulePath": THREE}, "powershell"),
        ("nt", {"PSModulePath": THREE, "MSYSTEM": "MINGW64"}, "posix"),
    ],
)
def test_the_shell_in_use_is_known_by_its_environment(system: str, environment: dict[str, str], found: str) -> None:
    assert shell.current(system, environment) == found


@pytest.mark.parametrize(("name", "quoted"), [("posix", "'a run'"), ("cmd", '"a run"'), ("powershell", "'a run'")])
def test_what_is_printed_is_for_the_shell_in_use(
    name: str, quoted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shell, "current", lambda: name)
    monkeypatch.chdir(tmp_path)
    folder = RunFolder("a run")
    folder.create({})
    with pytest.raises(RunFolderError, match=re.escape(f"--resume {quoted}")):
        folder.check_free()
    assert options.command({"dataset": "a run"}) == f"pellucid train {quoted}"


def test_no_other_module_quotes_for_a_shell() -> None:
    others = [path for path in SRC.rglob("*.py") if path.name != "shell.py"]
    assert not [path for path in others if re.search(r"shlex\.(quote|join)|list2cmdline", path.read_text("utf-8"))]


def test_packages_are_asked_for_as_every_shell_takes_it() -> None:
    """cmd.exe knows no apostrophes: `pip install 'pellucid[onnx]'` asks it for a package of that name."""
    found = [*SRC.rglob("*.py"), SRC.parent / "pellucid_command.py", *SRC.parents[1].glob("docs/**/*.md")]
    assert not [path for path in found if "pip install '" in path.read_text("utf-8")]
