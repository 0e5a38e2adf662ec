"""Trains the demo model and writes it in the layout of the hub's ONNX exports.

    python tools/demo_model/train.py --out models/demo

Needs torch, onnx, Pillow, numpy and the wheel scikit-image (for its pictures);
two cores are enough. Everything is drawn from --seed.
"""

import argparse
import io
import time
from multiprocessing import Pool
from pathlib import Path

import export
import numpy as np
import photos
import scenes
import torch
from bpe import Tokenizer, learn
from model import CONTEXT, MEAN, SIDE, STD, ImageTower, TextTower
from PIL import Image
from torch.nn import functional as F

NEGATIVES = 2  # altered captions for each picture of a batch
SAYINGS = 8  # right and altered captions made for each scene
STRANGE = 24  # captions of a batch that are of nothing in it
PHOTO_SHARE = 0.12
SHIFT = 2  # pixels
ABSOLUTE = 0.3  # the share of the absolute loss
OPENINGS = ("", "", "a photo of ", "a picture of ", "this is ", "this picture shows ")
EDGE = 16.0  # how sharply the absolute loss tells right from wrong
WORDS = np.asarray((Path(__file__).parent / "words.txt").read_text().split())


def small(image):
    return np.asarray(image.resize((SIDE, SIDE), Image.BICUBIC), np.uint8)


def shifted(rng, pictures):
    """Each picture moved by up to SHIFT pixels, its edges repeated."""
    edge = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(pictures, edge, mode="edge")
    offsets = rng.integers(2 * SHIFT + 1, size=(len(pictures), 2))
    return np.stack(
        [p[y : y + SIDE, x : x + SIDE] for p, (y, x) in zip(padded, offsets)]
    )


def strange_caption(rng):
    """A text about something else, as most of the texts that a worker meets."""
    picked = [str(w) for w in rng.choice(WORDS, int(rng.integers(1, 10)))]
    if rng.random() < 0.3:
        letters = rng.integers(97, 123, size=int(rng.integers(2, 9)))
        picked.insert(
            int(rng.integers(len(picked) + 1)), bytes(letters.tolist()).decode()
        )
    opening = str(rng.choice(scenes.OPENINGS)) if rng.random() < 0.5 else ""
    return opening + " ".join(picked)


def captions_of(rng, scene, tokenizer):
    """Ids and facts of SAYINGS right and SAYINGS altered captions."""
    right = [scenes.caption(rng, scene) for _ in range(SAYINGS)]
    wrong = []
    while len(wrong) < SAYINGS:
        attribute = scenes.ATTRIBUTES[int(rng.integers(len(scenes.ATTRIBUTES)))]
        pair = scenes.altered_pair(rng, scene, attribute)
        if pair is not None:
            wrong.append(pair[1])
    both = right + wrong
    return [tokenizer(c.text) for c in both], [scenes.facts_row(c.facts) for c in both]


def draw_chunk(job):
    """Pictures, facts, caption ids and caption facts of @count scenes."""
    seed, count, tokenizer = job
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        scene = scenes.draw_lots(rng)
        side = int(rng.integers(96, 200))
        data = scenes.as_jpeg(
            scenes.draw_scene(scene, rng, side, side), rng.integers(55, 96)
        )
        ids, facts = captions_of(rng, scene, tokenizer)
        rows.append(
            (small(Image.open(io.BytesIO(data))), scenes.facts_row(scene), ids, facts)
        )
    types = (np.uint8, np.int8, np.int16, np.int8)
    return [np.asarray(column, kind) for column, kind in zip(zip(*rows), types)]


def view_chunk(job):
    seed, which, count = job
    rng = np.random.default_rng((seed, which))
    image = photos.load()[which][0]
    return np.stack([small(photos.view(image, rng)) for _ in range(count)])


def make_data(args, tokenizer):
    with Pool(2) as pool:
        jobs = [
            (args.seed * 1000 + i, 500, tokenizer) for i in range(args.scenes // 500)
        ]
        columns = [
            np.concatenate(c) for c in zip(*pool.map(draw_chunk, jobs, chunksize=1))
        ]
        count = len(photos.load())
        views = pool.map(view_chunk, [(args.seed, i, args.views) for i in range(count)])
    return columns, np.stack(views)


def learn_vocabulary(rng, shots):
    texts = [scenes.caption(rng, scenes.draw_lots(rng)).text for _ in range(6000)]
    for name in scenes.PLACES + scenes.SIZES + scenes.COLOUR_NAMES:
        texts += [name] * 20
    texts += [o + c for _, captions in shots for c in captions for o in OPENINGS]
    return Tokenizer(learn(texts, 1200), CONTEXT)


def photo_captions(shots, tokenizer):
    """Caption ids of each photograph, with and without an opening."""
    return [
        np.asarray([tokenizer(o + c) for c in captions for o in OPENINGS], np.int16)
        for _, captions in shots
    ]


class Batches:
    """Pictures, their captions, and altered captions as further negatives."""

    def __init__(self, args, rng, data, shots, tokenizer):
        (self.pictures, self.facts, self.ids, self.claims), self.views = data
        self.args, self.rng, self.tokenizer = args, rng, tokenizer
        self.photo_ids = photo_captions(shots, tokenizer)

    def draw_photos(self, n):
        which = self.rng.integers(len(self.photo_ids), size=n)
        pictures = self.views[which, self.rng.integers(self.views.shape[1], size=n)]
        facts = np.full((n, len(scenes.FIELDS)), scenes.ANY, np.int8)
        facts[:, 0], facts[:, 1] = scenes.PHOTO, which
        ids = [
            self.photo_ids[k][self.rng.integers(len(self.photo_ids[k]))] for k in which
        ]
        return pictures, facts, np.stack(ids)

    def draw(self):
        """Pixels, ids of the right captions then of altered ones, and which
        caption holds for which picture."""
        photos_n = int(self.args.batch * PHOTO_SHARE)
        n = self.args.batch - photos_n
        k = self.rng.choice(len(self.pictures), n, replace=False)
        pictures, facts, ids = self.draw_photos(photos_n)
        right = self.rng.integers(SAYINGS, size=n)
        wrong = SAYINGS + np.stack(
            [self.rng.permutation(SAYINGS)[:NEGATIVES] for _ in range(n)]
        )
        strange = [self.tokenizer(strange_caption(self.rng)) for _ in range(STRANGE)]
        wrong_ids = self.ids[k[:, None], wrong].reshape(-1, CONTEXT)
        wrong_claims = self.claims[k[:, None], wrong].reshape(-1, facts.shape[1])
        all_ids = np.concatenate((self.ids[k, right], ids, wrong_ids, strange))
        claims = np.concatenate((self.claims[k, right], facts, wrong_claims))
        holds = scenes.truth(claims, np.concatenate((self.facts[k], facts)))
        holds = np.pad(holds, ((0, STRANGE), (0, 0)))
        end = all_ids[:, -1:]  # the last one always is the end token
        longest = int((all_ids != end).sum(1).max()) + 1
        pixels = np.concatenate((self.pictures[k], pictures))
        pixels = self.augment(shifted(self.rng, pixels))
        return (
            pixels,
            torch.from_numpy(all_ids[:, :longest].astype(np.int64)),
            torch.from_numpy(holds),
        )

    def augment(self, pictures):
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        n = len(x)
        x = x * (1 + 0.12 * (torch.rand(n, 1, 1, 1) - 0.5)) + 0.06 * (
            torch.rand(n, 3, 1, 1) - 0.5
        )
        x = x + torch.randn_like(x) * 0.03 * torch.rand(n, 1, 1, 1)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        return ((x.clamp(0, 1) - mean) / std).contiguous(
            memory_format=torch.channels_last
        )


def loss_of(image, text, holds, scale, middle):
    """Two-way InfoNCE; another caption that happens to be true of a picture is
    no negative for it. To this comes how far pairs lie on the wrong side of the
    one cosine, @middle, that a worker's threshold will be: right pairs, altered
    captions and all wrong pairs weigh the same."""
    n = image.shape[0]
    cosines = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    right = holds.T
    own = torch.zeros_like(right)
    own[:, :n] = torch.eye(n, dtype=torch.bool)
    logits = (scale * cosines).masked_fill(right & ~own, float("-inf"))
    target = torch.arange(n)
    ranking = (
        F.cross_entropy(logits, target) + F.cross_entropy(logits[:, :n].T, target)
    ) / 2

    far = EDGE * (cosines - middle)
    scenes_n = (text.shape[0] - n - STRANGE) // NEGATIVES
    rows = torch.arange(scenes_n)[:, None]
    altered = far[rows, n + rows * NEGATIVES + torch.arange(NEGATIVES)]
    absolute = (
        F.softplus(-far[right]).mean()
        + F.softplus(altered).mean()
        + F.softplus(far[~right]).mean()
    )
    return ranking + ABSOLUTE * absolute


def train(args, batches, image_tower, text_tower):
    scale = torch.nn.Parameter(torch.tensor(2.6))
    middle = torch.nn.Parameter(torch.tensor(0.5))
    parameters = [*image_tower.parameters(), *text_tower.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": 0.05},
            {"params": [scale, middle], "weight_decay": 0},
        ],
        lr=args.rate,
    )
    start, step, smooth = time.monotonic(), 0, 0.0
    while True:
        # The schedule follows steps, so that a run with --steps is reproducible.
        done = step / args.steps
        if done >= 1:
            break
        rate = args.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels, ids, holds = batches.draw()
        with torch.autocast("cpu", torch.bfloat16):
            image = image_tower(pixels)
            text = text_tower(ids)
        loss = loss_of(
            image.float(), text.float(), holds, scale.exp().clamp(max=60), middle
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        smooth = 0.98 * smooth + 0.02 * loss.item() if step else loss.item()
        step += 1
        if step % 50 == 0:
            seconds = time.monotonic() - start
            print(
                f"step {step} loss {smooth:.3f} scale {scale.exp():.1f} middle {middle.item():.3f} {seconds:.0f} s",
                flush=True,
            )
        if args.save_every and step % args.save_every == 0:
            save(args, image_tower, text_tower, batches)


@torch.no_grad()
def calibrate(args, image_tower, text_tower, batches):
    """The cosine at which right and wrong captions are lost and kept equally."""
    image_tower.eval()
    text_tower.eval()
    right, wrong = [], []
    for _ in range(8):
        pixels, ids, holds = batches.draw()
        cosines = (
            F.normalize(image_tower(pixels), dim=-1)
            @ F.normalize(text_tower(ids), dim=-1).T
        )
        n, k = len(cosines), len(cosines[0])
        right.append(cosines[:, :n].diagonal())
        # As many altered captions as captions of other pictures.
        m = (k - n - STRANGE) // NEGATIVES
        wrong.append(torch.stack([cosines[i, n + i * NEGATIVES] for i in range(m)]))
        false = cosines[:, :n][~holds.T[:, :n]]
        wrong.append(false[torch.randperm(len(false))[:m]])
    image_tower.train()
    text_tower.train()
    right, wrong = torch.cat(right).sort().values, torch.cat(wrong).sort().values
    grid = torch.linspace(-0.2, 1, 601)
    lost = torch.searchsorted(right, grid) / len(right)
    kept = 1 - torch.searchsorted(wrong, grid) / len(wrong)
    return float(grid[int((lost - kept).abs().argmin())])


def save(args, image_tower, text_tower, batches):
    threshold = calibrate(args, image_tower, text_tower, batches)
    share = 1.3 / (1 + threshold)  # a * t - (1 - a) = 0.3
    print(f"decision at {threshold:.3f}, share {share:.3f}", flush=True)
    torch.save(
        {"image": image_tower.state_dict(), "text": text_tower.state_dict()},
        args.out + ".pt",
    )
    export.write(
        Path(args.out), image_tower, text_tower, batches.tokenizer, min(share, 1.0)
    )


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=1300)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--scenes", type=int, default=40000)
    p.add_argument("--views", type=int, default=320, help="of each photograph")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--save-every", type=int, default=1000)
    args = p.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    shots = photos.load()
    tokenizer = learn_vocabulary(rng, shots)
    data = make_data(args, tokenizer)
    print(f"{len(data[0][0])} scenes, {len(data[1])} photographs", flush=True)
    image_tower = ImageTower().to(memory_format=torch.channels_last)
    text_tower = TextTower(len(tokenizer.vocab))
    sizes = [sum(p.numel() for p in t.parameters()) for t in (image_tower, text_tower)]
    print(
        f"parameters: image {sizes[0]}, text {sizes[1]}; vocabulary {len(tokenizer.vocab)}",
        flush=True,
    )
    batches = Batches(args, rng, data, shots, tokenizer)
    train(args, batches, image_tower, text_tower)
    save(args, image_tower, text_tower, batches)


if __name__ == "__main__":
    main()
