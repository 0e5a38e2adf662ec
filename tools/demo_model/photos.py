"""The real photographs of the demo world, and views of them."""

import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

LIST = Path(__file__).resolve().parent.parent / "demo_world" / "photos.json"


def package_folder(package):
    """Where a wheel's files are: tools/install-deps puts the wheels into a folder
    of their own, for they are read, never imported."""
    beside = Path(sys.prefix) / "photos" / package
    if beside.is_dir():
        return beside
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SystemExit(
            f"the photographs of {package} are missing: tools/install-deps"
        )
    return Path(spec.submodule_search_locations[0])


def load():
    """[(PIL image, [captions])], in the order of photos.json."""
    out = []
    for photo in json.loads(LIST.read_text())["photos"]:
        image = Image.open(package_folder(photo["package"]) / photo["file"])
        out.append((image.convert("RGB"), photo["captions"]))
    return out


def view(image, rng, side=200, hard=True):
    """A random square crop with changes of light, colour and sharpness."""
    w, h = image.size
    crop = min(w, h) * float(rng.uniform(0.62 if hard else 0.8, 1.0))
    x, y = float(rng.uniform(0, w - crop)), float(rng.uniform(0, h - crop))
    out = image.resize((side, side), Image.BICUBIC, box=(x, y, x + crop, y + crop))
    if rng.random() < 0.5:
        out = out.transpose(Image.FLIP_LEFT_RIGHT)
    reach = 0.35 if hard else 0.15
    for enhancer in (
        ImageEnhance.Brightness,
        ImageEnhance.Contrast,
        ImageEnhance.Color,
    ):
        out = enhancer(out).enhance(float(rng.uniform(1 - reach, 1 + reach)))
    if hard and rng.random() < 0.15:
        out = out.convert("L").convert("RGB")
    if hard and rng.random() < 0.3:
        out = out.rotate(
            float(rng.uniform(-12, 12)),
            Image.BICUBIC,
            fillcolor=tuple(rng.integers(0, 256, 3)),
        )
    if rng.random() < 0.25:
        out = out.filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.6 if hard else 0.7)))
        )
    data = io.BytesIO()
    out.save(data, "JPEG", quality=int(rng.integers(45 if hard else 75, 95)))
    out = Image.open(io.BytesIO(data.getvalue())).convert("RGB")
    if hard and rng.random() < 0.3:
        pixels = np.asarray(out, np.float32) + rng.normal(
            0, float(rng.uniform(2, 14)), (side, side, 3)
        )
        out = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return out


def world_view(image, rng):
    """A crop as the demo world shows it, of most of the photograph."""
    w, h = image.size
    width, height = w * rng.uniform(0.82, 1.0), h * rng.uniform(0.82, 1.0)
    x, y = rng.uniform(0, w - width), rng.uniform(0, h - height)
    scale = float(rng.uniform(300, 480)) / max(width, height)
    size = (round(width * scale), round(height * scale))
    out = image.resize(size, Image.BICUBIC, box=(x, y, x + width, y + height))
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        out = enhancer(out).enhance(float(rng.uniform(0.88, 1.12)))
    return out
