"""The two towers of the demo model."""

import torch
from torch import nn
from torch.nn import functional as F

SIDE = 64
CONTEXT = 32
DIM = 256  # of what the model gives; one of them is the constant, see Calibrated
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.na = nn.BatchNorm2d(width)
        self.b = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.nb = nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(x + self.nb(self.b(F.relu(self.na(self.a(x))))))


def down(a, b, kernel):
    return nn.Sequential(
        nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(b),
        nn.ReLU(),
    )


class ImageTower(nn.Module):
    """64 x 64 -> 4 x 4 by strided convolutions; the map is flattened, not
    pooled, which keeps left and right apart."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            down(3, 40, 5),
            down(40, 80, 3),
            Residual(80),
            down(80, 160, 3),
            Residual(160),
            down(160, 224, 3),
            Residual(224),
        )
        self.head = nn.Linear(224 * 16, DIM - 1)

    def forward(self, pixels):
        return self.head(self.body(pixels).flatten(1))


class Block(nn.Module):
    """One causal transformer layer. Written out, since nn.TransformerEncoder
    exports with the sequence's length fixed."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 3 * width)
        self.down = nn.Linear(3 * width, width)

    def forward(self, x, mask):
        batch, n, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, n, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        weights = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5 + mask
        mixed = weights.softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, n, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class TextTower(nn.Module):
    """Two causal layers, read at the first end token, as CLIP does."""

    def __init__(self, vocab, width=128, layers=2, heads=4):
        super().__init__()
        self.end = vocab - 1
        self.token = nn.Embedding(vocab, width)
        self.place = nn.Parameter(torch.randn(CONTEXT, width) * 0.02)
        self.body = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, DIM - 1)
        # Not -inf: float16 and some engines do not like it.
        mask = torch.full((CONTEXT, CONTEXT), -1e4).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, ids):
        n = ids.shape[1]
        x = self.token(ids) + self.place[:n]
        for block in self.body:
            x = block(x, self.mask[:n, :n])
        at = (ids == self.end).to(torch.int32).argmax(1)
        return self.head(self.norm(x[torch.arange(ids.shape[0]), at]))


class Calibrated(nn.Module):
    """Moves the decision to a cosine of 0.3, where workers put their threshold.

    With one more dimension, [sqrt(a) z, sqrt(1 - a)] for images and
    [sqrt(a) z, -sqrt(1 - a)] for texts have unit length again and the cosine
    a * cos - (1 - a): the order of pairs stays, the scale moves."""

    def __init__(self, tower, share, sign):
        super().__init__()
        self.tower, self.share, self.sign = tower, share, sign

    def forward(self, x):
        z = F.normalize(self.tower(x).float(), dim=-1) * self.share**0.5
        constant = torch.full_like(z[:, :1], self.sign * (1 - self.share) ** 0.5)
        return torch.cat((z, constant), -1)
