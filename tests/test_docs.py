"""The documentation does what it says: its Python runs, its commands parse, each op and each command has its page."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pellucid.declare import FUNCTIONS, TABLE, Op
from tests.pages import ROOT, blocks, check, commands
from tools import docstrings, reference

PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Blocks with a prompt are compared with the output they show; all share their names, as a notebook's cells do."""
    monkeypatch.chdir(tmp_path)
    declared = set(TABLE)
    names: dict[str, Any] = {"__name__": page.stem}
    try:
        for program in blocks(page, "python"):
            if ">>>" in program:
                output: list[str] = []
                test = doctest.DocTestParser().get_doctest(program, names, page.name, str(page), 0)
                runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
                assert runner.run(test, out=output.append, clear_globs=False).failed == 0, "".join(output)
                names.update(test.globs)
            else:
                exec(compile(program, f"{page.name}", "exec"), names)  # noqa: S102 (our own pages)
    finally:
        for name in set(TABLE) - declared:  # a page may show how an op is declared
            del TABLE[name]


@pytest.mark.parametrize(("page", "line"), [(page.stem, line) for page in PAGES for line in commands(page)])
def test_the_commands_parse(page: str, line: str) -> None:
    check(line)


def test_each_public_op_and_function_is_on_one_page() -> None:
    text = "\n".join(reference.op_pages().values())
    found = re.findall(r"\{ #(\w+?)(?:-op)? \}", text)
    for name, op in TABLE.items():
        if not reference._is_in_place(op):
            assert name in found, f"the op {name} has no entry"
    for name, made in FUNCTIONS.items():
        if not isinstance(made, Op) and made.__name__ == name:
            assert name in found, f"the function {name} has no entry"
    for page, text in reference.op_pages().items():
        anchors = re.findall(r"\{ #([\w-]+) \}", text)
        assert len(anchors) == len(set(anchors)), page


def test_an_entry_has_the_declaration_and_the_source_of_its_rule() -> None:
    page = reference.op_pages()["reference/ops/trigonometric.md"]
    entry = page[page.index("## tanh {") :].split("\n## ")[0]
    assert "tanh(input)" in entry
    assert "`torch.tanh`" in entry
    assert "domain: all real numbers" in entry
    assert "kept until backward: `out`" in entry
    assert "tanh.vjp(input=lambda m, g, out: g * (1 - out * out))" in entry


def test_every_op_with_a_rule_shows_it() -> None:
    for name, op in TABLE.items():
        if op.rules and not reference._is_in_place(op):
            source = reference.rule_source(op)
            assert "lambda" in source or "def " in source, name


def test_each_command_has_a_page_with_its_options() -> None:
    pages = reference.command_pages()
    assert set(pages) == {f"commands/{name}.md" for name in reference.commands()}
    assert "--learning-rate" in pages["commands/train.md"] or "--lr" in pages["commands/train.md"]
    for path, text in pages.items():
        assert "```sh\npellucid " in text, f"the help of {path} has no example"


def test_docstrings_are_taken_literally() -> None:
    text = """The mean of x * y over [0, 1) <without ends>; see `a_b`.

    Args:
        x, y: numbers,
            two of them.

    - one
    - two

        >>> 1 + 1
        2
    """
    assert docstrings.markdown(text) == (
        "The mean of x \\* y over \\[0, 1) &lt;without ends>; see `a_b`.\n\n"
        "**Args:**\n\n- `x`, `y`: numbers, two of them.\n\n"
        "- one\n- two\n\n"
        "```pycon\n>>> 1 + 1\n2\n```"
    )


def test_the_theme_goes_on_to_follow_the_system() -> None:
    """What matches first is what is kept for a reader who never chose: one palette of light or dark would stay."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r'media: "\((.*)\)"', text) == [
        "prefers-color-scheme",
        "prefers-color-scheme: light",
        "prefers-color-scheme: dark",
    ]


def test_the_notebooks_are_written_as_notebooks_too() -> None:
    """With the cells of the text that the build runs, and without outputs."""
    pytest.importorskip("jupytext", reason='jupytext is not installed: pip install "pellucid[test]"')
    found = reference.notebooks()
    assert sorted(found) == ["notebooks/circle.ipynb", "notebooks/from_the_foundations.ipynb"]
    for name, text in found.items():
        cells = json.loads(text)["cells"]
        source = (ROOT / "docs" / name).with_suffix(".py").read_text(encoding="utf-8")
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        assert len(code) == len(re.findall(r"^# %%$", source, flags=re.MULTILINE)) > 5
        assert all(line in source for line in code[3].splitlines())
        assert not any(cell.get("outputs") for cell in cells)
        assert f"({Path(name).name})" in (ROOT / "docs" / "notebooks" / "index.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circle", "from_the_foundations"])
def test_a_notebook_runs_as_it_is_handed_out(name: str, tmp_path: Path) -> None:
    """Every cell of the `.ipynb`, in Jupyter's kernel, in an empty folder; .ci/run does so beside the documentation."""
    nbclient = pytest.importorskip("nbclient", reason='nbclient is not installed: pip install "pellucid[docs]"')
    pytest.importorskip("ipykernel", reason='ipykernel is not installed: pip install "pellucid[docs]"')
    pytest.importorskip("jupytext", reason='jupytext is not installed: pip install "pellucid[docs]"')
    import nbformat  # pyright: ignore[reportMissingImports]  (of the extra docs)

    book = nbformat.reads(reference.notebooks()[f"notebooks/{name}.ipynb"], as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert cells and all(cell.execution_count for cell in cells)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
