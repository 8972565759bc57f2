"""`pellucid.explain`: every op of the table, and walks whose contributions add up to what backward gives."""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import pellucid as torch
import pellucid.optim  # its ops join the table
from pellucid import nn
from pellucid.cli.program import app
from pellucid.declare import TABLE
from pellucid.derivation import Derivation, Walk
from pellucid.derivation.recorder import walk
from tests.browser import in_browser

F = nn.functional
NASTY = '</script><script>alert("x")</script> <b>&'


# One op ---------------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """JSON has no NaN."""
    return json.loads(json.dumps(value))


# Ops that have no example yet; a new one needs one, and one that has got it leaves the list.
WITHOUT_EXAMPLE = frozenset(
    """
    adafactor_ angle as_strided attention binomial_numbers cholesky_factor cholesky_solution cofactors conj
    cross_product det eig_packed eigh_packed fourier frexp from_half_spectrum future gamma_cdf gru_delta gru_scan
    half_spectrum igamma igamma_ igammac igammac_ imag inverse lstm_delta lstm_scan lu_packed make_complex matrix_exp
    muon_ phase piece piece_embed poisson_numbers pseudo_inverse qr_packed real rnn_delta rnn_scan slogdet_packed
    solution special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1
    special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v
    special_chebyshev_polynomial_w special_hermite_polynomial_h special_hermite_polynomial_he
    special_laguerre_polynomial_l special_legendre_polynomial_p special_modified_bessel_i0
    special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t
    special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v
    special_shifted_chebyshev_polynomial_w special_spherical_bessel_j0 special_zeta standard_gamma
    standard_gamma_slope strided_embed strided_read svd_packed svdvals triangular_solution view_as_complex
    view_as_real
    """.split()
)


@pytest.mark.parametrize("name", list(TABLE))
def test_every_op_is_explained(name: str) -> None:
    op = TABLE[name]
    if name in WITHOUT_EXAMPLE:
        with pytest.raises(LookupError, match="give one: explain"):
            torch.explain(op)
        return
    made = torch.explain(op)
    text = str(made)
    assert made.formula
    assert made.formula.split()[0] in text
    assert max(map(len, text.splitlines())) <= 80
    assert "Source: the op" in text
    assert plain(made.to_dict())["op"] == name
    page = made.html()
    assert html.escape(made.forward.splitlines()[0]) in page
    if not op.rules:
        assert not made.differentiable
        assert made.why.startswith("No gradient: ")
        assert made.why in made.html().replace("&#x27;", "'")
        return
    assert made.differentiable
    assert "Source: its gradient rule" in text
    for argument in made.differentiable:
        assert argument.jacobian is not None
        # The equation in matrix form, and the gradient as a row times the Jacobian, are the same.
        back = (made.g.ravel() @ argument.jacobian).reshape(argument.value.shape)
        np.testing.assert_allclose(argument.gradient, back, atol=1e-12)
        if made.random:
            assert "drawn at random" in text
            continue
        assert argument.difference is not None
        assert argument.difference < 1e-7
        assert argument.kinks is not None
        assert not argument.kinks.any(), "an example should not stand on a kink"


EQUATIONS = (
    "matmul", "linear", "softmax", "log_softmax", "cross_entropy", "nll_loss", "mean", "tanh", "mul", "reshape", "add",
    "transpose", "expand", "masked_fill",
)  # fmt: skip


def evaluated(terms: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """The right hand side of an equation, read off its terms."""
    names: dict[str, Any] = {"np": np}
    text = ""
    for i, term in enumerate(terms):
        if isinstance(term, str):
            text += " " + term
        else:
            names[f"m{i}"] = term.array
            text += f" m{i}"
    text = text.replace("⊙", "*").replace("·", "*").replace("−", "-")
    text = re.sub(r"Σ over the rows of (m\d+)", r"\1.sum(0)", text)
    text = re.sub(r"Σ over ax(?:is|es) ([\d, ]+) of \(", r"np.add.reduce(axis=(\1,), array=", text)
    text = re.sub(r"Σ over ax(?:is|es) ([\d, ]+) of (m\d+)", r"np.add.reduce(axis=(\1,), array=\2)", text)
    text = re.sub(r"(m\d+) transposed", r"\1.T", text)
    text = re.sub(r"(m\d+) laid out as .*", r"\1.reshape(-1)", text)
    text = re.sub(r" for each .*", "", text)
    result = np.asarray(eval(text, names))  # noqa: S307 (our own equations)
    if result.ndim == 1 and len(shape) == 2 and shape[0] == result.size:  # a row's mean goes to the row
        result = result[:, None]
    return np.broadcast_to(result, shape) if result.size != np.prod(shape) else result.reshape(shape)


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_equation_in_matrix_form_is_true(name: str) -> None:
    made = torch.explain(name)
    for argument in made.differentiable:
        assert argument.rule is not None
        np.testing.assert_allclose(
            evaluated(argument.rule.terms[2:], argument.value.shape), argument.gradient, atol=1e-12
        )


@pytest.mark.parametrize(
    ("shapes", "left", "right"),
    [
        (((2, 3), (3, 4)), "dA (2, 3) = dC (2, 4) @ Bᵀ (4, 3)", "dB (3, 4) = Aᵀ (3, 2) @ dC (2, 4)"),
        (((3,), (3,)), "dA (3,) = dC · B (3,)", "dB (3,) = dC · A (3,)"),
        (((2, 3), (3,)), "dA (2, 3) = dC (2, 1) @ Bᵀ (1, 3)", "dB (3,) = Aᵀ (3, 2) @ dC (2,)"),
        (((3,), (3, 2)), "dA (3,) = B (3, 2) @ dC (2,)", "dB (3, 2) = Aᵀ (3, 1) @ dC (1, 2)"),
        (((2, 2, 3), (3, 2)), "dA (2, 2, 3) = dC (2, 2, 2) @ Bᵀ (2, 3)",
         "dB (3, 2) = Σ over axis 0 of (Aᵀ (2, 3, 2) @ dC (2, 2, 2))"),
    ],
)  # fmt: skip
def test_matrix_products_of_every_rank(shapes: Any, left: str, right: str) -> None:
    made = torch.explain("matmul", shapes=list(shapes))
    rules = [one.rule for one in made.differentiable if one.rule is not None]
    assert [one.text for one in rules] == [left, right]
    for argument, rule in zip(made.differentiable, rules, strict=True):
        assert argument.difference is not None
        assert argument.difference < 1e-9
        np.testing.assert_allclose(evaluated(rule.terms[2:], argument.value.shape), argument.gradient, atol=1e-12)


def test_an_elementwise_op_has_its_derivative_at_each_element() -> None:
    x = np.array([[0.0, 1.0], [-2.0, 0.5]])
    made = torch.explain("tanh", x)
    (argument,) = made.differentiable
    np.testing.assert_allclose(argument.slopes, 1 - np.tanh(x) ** 2, atol=1e-15)
    assert argument.rule is not None
    assert argument.rule.code == "dx = dout·(1 - out·out)"
    assert argument.rule.entry.startswith("element [0, 0]: dx = 1·(1 - 0·0) = 1")
    assert [line.split()[0] for line in str(made).splitlines() if "e-1" in line and "[" in line][:1] == ["[0,"]
    assert "<svg" in made.html()
    assert "<svg" not in torch.explain("matmul").html()


def test_what_broadcasts_is_summed() -> None:
    made = torch.explain(torch.add, torch.ones(2, 3), torch.ones(3))
    texts = [argument.rule.text for argument in made.differentiable if argument.rule is not None]
    assert texts[1] == "dy (3,) = Σ over axis 0 of (dout (2, 3) ⊙ ∂out/∂y (2, 3))"


def test_a_kink_is_told() -> None:
    made = torch.explain("relu", torch.tensor([0.0, 1.0]))
    assert "1 of 4 entries have a kink here" in " ".join(str(made).split())
    assert made.differentiable[0].difference == 0.0
    assert "<td>kink</td>" in made.html()


def test_what_has_no_gradient_says_why() -> None:
    assert "whole numbers" in torch.explain("argmax").why
    assert "true or false" in torch.explain("lt_").why
    assert "drawn at random" in torch.explain("rand").why
    assert "no tensor" in torch.explain("arange").why
    assert "optimiser" in torch.explain("adam_").why
    (target,) = [argument for argument in torch.explain("cross_entropy").arguments if argument.name == "target"]
    assert target.no_gradient == "whole numbers, such as indices: no gradient"


def test_a_large_example_has_no_jacobian() -> None:
    made = torch.explain("tanh", torch.randn(20, 20))
    assert made.differentiable[0].jacobian is None
    assert "more than 64 numbers" in str(made)
    assert "A smaller example has one" in made.html()


@pytest.mark.parametrize(
    ("what", "op"),
    [
        ("tanh", "tanh"), (torch.tanh, "tanh"), ("torch.tanh", "tanh"), (torch.Tensor.tanh, "tanh"), (F.gelu, "gelu"),
        ("F.gelu", "gelu"), (nn.Tanh, "tanh"), (nn.Tanh(), "tanh"), (nn.Linear, "linear"), (nn.Linear(3, 2), "linear"),
        ("nn.Linear", "linear"), ("mm", "matmul"), (torch.max, "max"), (nn.CrossEntropyLoss(), "cross_entropy"),
        (nn.Conv2d, "convolution"), ("div", "true_divide"),
    ],
)  # fmt: skip
def test_a_name_an_op_a_function_a_layer(what: Any, op: str) -> None:
    made = torch.explain(what)
    assert isinstance(made, Derivation)
    assert made.op == op


def test_a_number_is_an_example_too() -> None:
    assert torch.explain("tanh", 0.5).arguments[0].value == 0.5
    assert torch.explain(lambda x: x * x, 3.0).gradients[0] == 6.0
    assert [argument.letter for argument in torch.explain("mul", 2.0, 3.0).differentiable] == ["x", "y"]


def test_functions_of_torch_stand_for_ours() -> None:
    import torch as pytorch

    made = torch.explain(pytorch.matmul, pytorch.ones(2, 2), np.ones((2, 2)))
    assert made.op == "matmul"
    assert torch.explain(pytorch.nn.Tanh).op == "tanh"


def test_a_composed_function_is_walked_through() -> None:
    made = torch.explain(F.mse_loss, torch.ones(3), torch.zeros(3))
    assert isinstance(made, Walk)
    assert [node.name for node in made.graph.nodes if node.kind == "op"] == ["sub", "square", "mean"]
    assert torch.explain(torch.cat, [torch.ones(2), torch.zeros(1)]).out.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.explain("tahn"), ValueError, r"called 'tahn'. Did you mean tan or tanh"),
        (lambda: torch.explain(torch.ones(2)), TypeError, r"received Tensor.*explain\(lambda x: …, x\)"),
        (lambda: torch.explain(lambda x: x), ValueError, r"give an example too"),
        (lambda: torch.explain(lambda x: 3, torch.ones(2)), TypeError, r"must return a tensor, received int"),
        (lambda: torch.explain(lambda x: x, torch.ones(2)), ValueError, r"no operation was recorded"),
        (lambda: torch.explain(lambda x, y: x * y, torch.ones(2)), TypeError, r"cannot be called with \(float32"),
        (lambda: torch.explain(nn.Linear(2, 1), torch.ones(2), loss=F.mse_loss), ValueError, r"give the input and the"),
        (lambda: torch.explain("matmul", shapes=[(2, 3)] * 3), ValueError, r"has 2 tensors.*received 3"),
        (lambda: torch.explain("tanh").save("tanh.png"), ValueError, r"write tanh.html"),
        (lambda: torch.explain(lambda x: sum((x * i for i in range(500)), x), torch.ones(1)), ValueError,
         r"more than 400 operations"),
    ],
)  # fmt: skip
def test_errors_say_what_to_write(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        call()


# Walks ----------------------------------------------------------------------------------------------------------------


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(4, 3, bias=False) for _ in range(3))

    def forward(self, x: Any) -> Any:
        mask = ~torch.ones(4, 4).tril().bool()
        scores = (self.q(x) @ self.k(x).T / 3**0.5).masked_fill(mask, float("-inf"))
        return scores.softmax(-1) @ self.v(x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.hidden = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(x.shape[0], 2)
        for t in range(x.shape[1]):
            h = torch.tanh(self.inputs(x[:, t]) + self.hidden(h))
        return h


def xor() -> tuple[Any, Any, Any]:
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), x, torch.tensor([[0.0], [1.0], [1.0], [0.0]])


CASES: dict[str, Any] = {
    "xor": lambda: (*xor(), F.mse_loss),
    "head": lambda: (Head(), torch.randn(4, 4), torch.randn(4, 3), nn.MSELoss()),
    "recurrent": lambda: (Recurrent(), torch.randn(2, 4, 3), torch.tensor([0, 1]), nn.CrossEntropyLoss()),
    "normalised": lambda: (
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.4), nn.Linear(4, 2)),
        torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1]), F.cross_entropy,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_contributions_add_up_to_what_backward_gives(name: str) -> None:
    torch.manual_seed(0)
    model, x, y, loss = CASES[name]()
    before = torch.default_generator.get_state()
    kept = [tensor.detach().numpy().copy() for tensor in (*model.parameters(), *model.buffers())]
    made = torch.explain(model, x, y, loss=loss)
    assert all(tensor.grad is None for tensor in (*model.parameters(), x, y))
    for tensor, array in zip((*model.parameters(), *model.buffers()), kept, strict=True):
        np.testing.assert_array_equal(tensor.detach().numpy(), array)
    np.testing.assert_array_equal(torch.default_generator.get_state(), before)
    value = loss(model(x), y)
    value.backward()
    assert made.values[made.result] == value.detach().numpy()
    number = {node.name: node.id for node in made.graph.nodes}
    for path, parameter in model.named_parameters():
        gradient = made.gradients[number[path]]
        np.testing.assert_array_equal(gradient, parameter.grad.numpy())
        uses = made.into(number[path])
        assert uses
        np.testing.assert_allclose(sum(use.array for use in uses), gradient, rtol=1e-5, atol=1e-7)
    for node, gradient in made.gradients.items():  # and so for every result between
        total = sum((use.array for use in made.into(node)), np.zeros(gradient.shape))
        if node != made.result:
            np.testing.assert_allclose(total, gradient, rtol=1e-4, atol=1e-7)
    assert not made.rest
    phases = [step.phase for step in made.steps]
    ops = [node for node in made.graph.nodes if node.kind == "op"]
    assert phases.count("forward") == len(ops)
    assert phases.index("seed") == len(ops) + 1
    assert {step.node for step in made.steps if step.phase == "backward"} == {
        node.id for node in ops if node.id in made.gradients
    }
    assert max(map(len, str(made).splitlines())) <= 80
    plain(made.to_dict())


def test_an_expression_and_its_names() -> None:
    w = torch.tensor([2.0, -1.0], requires_grad=True)

    def energy(x: Any) -> Any:
        z = x * w
        s = z.sigmoid()
        return (s * z).sum()

    x = torch.tensor([0.5, 1.5])
    made = torch.explain(energy, x)
    assert made.title == "energy"
    assert [made.name(node.id) for node in made.graph.nodes] == ["x", "w", "z", "s", "mul", "energy"]
    assert [made.name(use.target) for use in made.into(2)] == ["s", "mul"]
    assert x.grad is None
    assert w.grad is None
    assert not x.requires_grad
    x.requires_grad_()
    energy(x).backward()
    np.testing.assert_array_equal(made.gradients[0], x.grad.numpy())
    text = str(made)
    assert "d z = what s sent + what mul sent" in text
    assert "z = mul(x = x, y = w)" in text
    assert torch.explain(lambda x: (x.exp() * x).sum(), torch.ones(2)).title == "(x.exp() * x).sum()"


def test_wide_matrices_are_cut_to_the_terminal() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    made = torch.explain(model, torch.randn(3, 1, 8, 8), torch.tensor([0, 1, 2]), loss=F.cross_entropy)
    text = str(made)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" in text
    assert "too many numbers to show" in made.html()
    wide = torch.explain("tanh", 1000 * torch.randn(3, 12) + 0.123)
    assert max(map(len, str(wide).splitlines())) <= 80


def test_what_is_no_number_is_summed_and_what_has_no_gradient_ends() -> None:
    made = torch.explain(lambda x: x * x, torch.tensor([1.0, 2.0]))
    assert made.notes == ["The result has shape (2,); what is differentiated is its sum."]
    assert made.gradients[0].tolist() == [2.0, 4.0]
    made = torch.explain(lambda x: (x > 0).sum(), torch.tensor([1.0, 2.0]))
    assert made.notes[0].startswith("No gradient: ")
    assert [step.phase for step in made.steps] == ["start", "forward", "forward"]
    assert "No gradient" in str(made)


def test_what_a_function_of_ones_own_sends_is_told_as_such() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    made = torch.explain(lambda x: (Double.apply(x) * x).sum(), torch.tensor([1.0, 2.0]))
    assert made.gradients[0].tolist() == [4.0, 8.0]
    assert made.rest[0].tolist() == [2.0, 4.0]
    assert "a way that the record does not show" in str(made)


# Pages ----------------------------------------------------------------------------------------------------------------


def pages() -> dict[str, str]:
    torch.manual_seed(0)
    return {
        "op": torch.explain("tanh").html(),
        "product": torch.explain("matmul").html(),
        "walk": torch.explain(*xor(), loss=F.mse_loss).html(),
        "nasty": walk(lambda x: (x * x).sum(), (torch.ones(2),), None, NASTY).html(),
    }


def test_the_steps_of_the_text_are_those_of_the_page() -> None:
    made = torch.explain(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), torch.ones(4, 2))
    numbers = [int(found) for found in re.findall(r"^(\d+)\. ", str(made), re.M)]
    assert numbers == list(range(1, len(made.steps) + 1))
    assert "2. linear₁ = linear(X = input, W = 0.weight, b = 0.bias)" in str(made)


def test_pages_ask_for_nothing_and_text_stays_text() -> None:
    for name, page in pages().items():
        outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        assert not re.search(r"<(link|img|iframe)|@import|url\(|src=|https?://", outside), name
        assert "<script>alert" not in page
    assert html.escape(NASTY, quote=True) in pages()["nasty"]
    made = torch.explain("tanh")
    made.formula = NASTY
    assert "<script" not in made.html()
    assert "<script" not in made._repr_html_()


def test_the_pages_run_in_a_browser(tmp_path: Path) -> None:
    for name in ("op", "product", "nasty"):
        (tmp_path / name).mkdir()
        assert in_browser(pages()[name], tmp_path / name, "return document.title.length > 0")


def test_the_walk_is_walked_by_slider_keys_and_clicks(tmp_path: Path) -> None:
    script = """
    const root = document.querySelector(".pellucid-graph");
    const walk = root.pellucidWalk;
    const panel = root.querySelector(".panel");
    const slider = root.querySelector(".walk input");
    const drawing = root.querySelector("svg.drawing");
    const press = (key) => drawing.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const sketched = () => root.querySelectorAll(".node .plus, .node .minus").length;
    const told = { steps: walk.steps.length, max: Number(slider.max), first: panel.textContent, empty: sketched() };
    press("ArrowRight"); press("ArrowRight");
    told.third = walk.at();
    told.panel = panel.textContent;
    told.now = root.querySelector(".now").textContent;
    told.later = root.querySelectorAll(".later").length;
    press("ArrowLeft");
    told.second = walk.at();
    slider.value = 9;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    told.slid = walk.at();
    told.back = root.classList.contains("walk-back");
    press("End");
    told.last = walk.at();
    told.end = panel.textContent;
    told.full = sketched();
    const box = [...root.querySelectorAll(".node")].find((box) => box.textContent.startsWith("0.weight"));
    box.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    told.picked = panel.textContent;
    panel.querySelector("button").click();
    told.again = panel.textContent;
    root.querySelector(".walk .before").click();
    told.before = walk.at();
    press("Home");
    told.home = walk.at();
    return told;
    """
    told = in_browser(pages()["walk"], tmp_path, script)
    assert told["max"] == told["steps"] - 1
    assert "What is given" in told["first"]
    assert told["third"] == 2
    assert "tanh = tanh(x = linear₁)" in told["panel"]
    assert told["now"].startswith("tanh")
    assert told["later"] > 0
    assert told["second"] == 1
    assert told["slid"] == 9
    assert told["back"]
    assert told["last"] == told["steps"] - 1
    assert "0.weight" in told["end"]
    assert told["full"] > told["empty"] > 0
    assert "where its gradient comes from" in told["picked"]
    assert "from linear₁, where it is W: dW (3, 2) = dYᵀ (3, 4) @ X (4, 2)" in told["picked"]
    assert told["again"] == told["end"]
    assert told["before"] == told["steps"] - 2
    assert told["home"] == 0


def test_notebooks_and_rich(tmp_path: Path) -> None:
    made = torch.explain("tanh")
    assert made._repr_html_().startswith("<style>")
    assert str(made.__rich__()) == str(made) == repr(made)
    walked = torch.explain(*xor(), loss=F.mse_loss)
    assert walked._repr_html_().startswith("<iframe srcdoc=")
    assert str(walked.__rich__()) == str(walked)
    assert made.save(tmp_path / "tanh.html").read_text(encoding="utf-8") == made.html()
    assert walked.save(tmp_path / "walk.html").stat().st_size > 10_000


# The command ----------------------------------------------------------------------------------------------------------


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["explain", *words])


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    assert run("tanh").output == str(torch.explain("tanh")) + "\n"
    assert "dA (2, 3) = dC (2, 2) @ Bᵀ (2, 3)" in run("matmul", "--shape", "2,3", "--shape", "3,2").output
    assert run("matmul", "--out", str(tmp_path / "a.html")).exit_code == 0
    assert "pellucid-derivation" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert run("log", "--out", str(tmp_path / "a.json")).exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["op"] == "log"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tahn",), "Did you mean tan or tanh"),
        (("matmul", "--shape", "2,x"), "Write --shape 2,3"),
        (("matmul", "--shape", "2,0"), "each length is 1 or more"),
        (("matmul", "--shape", "2,3", "--shape", "2,3"), "cannot be multiplied"),
        (("tanh", "--out", "a.png"), "Write --out a.html"),
        (("nowhere.py",), "There is no file nowhere.py"),
    ],
)
def test_what_the_command_cannot_do_it_says(words: tuple[str, ...], message: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import pellucid\nmade = pellucid.explain('sigmoid')\n", "sigmoid(input)"),
        ("import pellucid\nw = pellucid.ones(2, requires_grad=True)\ndef loss():\n    return (w * w).sum()\n",
         "Backward through"),
        ("import pellucid as t\nmodel = t.nn.Linear(2, 1)\nx, y = t.ones(3, 2), t.ones(3, 1)\nloss = t.nn.MSELoss()\n",
         "MSELoss(Linear(x), target)"),
        ("import pellucid as t\nmodel = (lambda x: x * x + x)\nx = t.ones(3)\nloss = model(x).sum()\n",
         "The loss of the file is a tensor"),
    ],
)  # fmt: skip
def test_the_command_runs_a_file(program: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    assert expected in run(str(tmp_path / "program.py")).output


def test_a_file_with_nothing_to_explain(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("a = 1\n", encoding="utf-8")
    assert "holds nothing to explain" in run(str(tmp_path / "program.py")).output
