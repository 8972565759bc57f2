"""Where in the source an output gets its last activation, and a weight its first values."""

import pytest

from pellucid.doctor.process import origins, outputs

LAYERS = """layers = [Dense(1, 32, "tanh"),
          Dense(32, 1, "relu")]
out = x
for layer in layers:
    out = layer.forward(out)
"""
OWN = """def sig(z):
    return 1.0 / (1.0 + np.exp(-z))

def forward(p, X):
    h = np.tanh(X @ p["W1"])
    pred = sig(h @ p["W2"])
    return h, pred

forward(p, X)
"""
RETURNED = """def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def predict(x, w):
    h = np.tanh(x @ w)
    return sigmoid(h @ w)

def step(x, y):
    dz = sigmoid(x) * (1 - sigmoid(x))
    yhat = predict(x, w)

step(x, y)
"""
MODULES = """net = [Linear(2, 8), Tanh(), Linear(8, 1), Sigmoid()]
o = run(net, x)
"""


@pytest.mark.parametrize(
    ("source", "key", "line"),
    [
        (LAYERS, ("", "out"), 2),
        (OWN, ("forward", "pred"), 6),
        (RETURNED, ("step", "yhat"), 6),
        (RETURNED, ("predict", "return"), 6),
        (MODULES, ("", "o"), 1),
        ("z = x @ w\no = z * 2\n", ("", "o"), 2),
    ],
)
def test_where_an_output_is_activated(source: str, key: tuple[str, str], line: int) -> None:
    place = outputs.activation({"a.py": source}, key)
    assert place is not None and place.line == line


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("self.wi = matrix(2, 3)\nfor i in a:\n    for j in b:\n        self.wi[i][j] = rand(-1, 1)\n", 4),
        ("self.wi = matrix(2, 3)\nself.wi[0][0] = 1.0\n", 1),
        ("self.wi = matrix(2, 3)\nself.wi[i][j] = self.wi[i][j] + rand() * g\n", 1),  # an update of it
    ],
)
def test_a_matrix_that_is_filled_by_draws_begins_there(source: str, line: int) -> None:
    place = origins.first_values({"a.py": source}, "n.wi")
    assert place is not None and place.line == line
