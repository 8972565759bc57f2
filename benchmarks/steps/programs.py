"""The programs whose steps are measured, written for PyTorch: what `torch` is, the caller says."""

from collections.abc import Callable
from typing import Any


def mlp(torch: Any, batch: int) -> Any:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, torch.rand(batch, 784), torch.randint(0, 10, (batch,)), torch.optim.SGD(model.parameters(), lr=0.1)


def cnn(torch: Any) -> Any:
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model, torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)), torch.optim.SGD(model.parameters(), lr=0.01)


def residual(torch: Any) -> Any:
    nn, relu = torch.nn, torch.nn.functional.relu

    class Block(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(out), nn.BatchNorm2d(out)])
            self.past = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            inner = relu(self.norms[0](self.first(x)))
            return relu(self.norms[1](self.second(inner)) + self.past(x))

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Block(16, 16, 1), Block(16, 32, 2),
        Block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    return model, torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,)), optimizer


def gpt(torch: Any) -> Any:
    nn = torch.nn
    width, heads, context, batch, letters = 128, 4, 64, 12, 65

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
            self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            parts = self.attend(self.norms[0](x)).split(width, dim=2)
            q, k, v = (part.view(batch, context, heads, -1).transpose(1, 2) for part in parts)
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(seen.transpose(1, 2).contiguous().view(batch, context, width))
            return x + self.think(self.norms[1](x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)], nn.LayerNorm(width))
            self.head = nn.Linear(width, letters)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.letters(x) + self.places(torch.arange(context)))).view(-1, letters)

    model = GPT()
    x, y = torch.randint(0, letters, (batch, context)), torch.randint(0, letters, (batch * context,))
    return model, x, y, torch.optim.AdamW(model.parameters(), lr=1e-3)


def lstm(torch: Any) -> Any:
    nn = torch.nn

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.past = nn.Embedding(65, 64), nn.LSTM(64, 128, batch_first=True)
            self.head = nn.Linear(128, 65)

        def forward(self, x: Any) -> Any:
            return self.head(self.past(self.letters(x))[0]).reshape(-1, 65)

    model = Letters()
    x, y = torch.randint(0, 65, (32, 64)), torch.randint(0, 65, (32 * 64,))
    return model, x, y, torch.optim.Adam(model.parameters(), lr=1e-3)


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "MLP, batch 16": lambda torch: mlp(torch, 16),
    "MLP, batch 64": lambda torch: mlp(torch, 64),
    "MLP, batch 512": lambda torch: mlp(torch, 512),
    "CNN": cnn,
    "residual net": residual,
    "char-GPT": gpt,
    "LSTM": lstm,
}
