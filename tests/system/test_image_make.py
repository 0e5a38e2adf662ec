"""The files that a dataset stores, beside Pillow, exifread and the papers' sums."""

import io
import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD, ROOT
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import IFDRational
from test_image_peer import save, scene, upright_rgb

sys.path.append(str(ROOT / ".venv" / "peers"))
import exifread

LANCZOS = Image.Resampling.LANCZOS
BICUBIC = Image.Resampling.BICUBIC


class Maker:
    """The C side, in batches: one process for many pictures."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def run(self, requests):
        """Each request: (bytes, resize, size, format, quality, letters), see
        tests/peer/make_peer.c. Each answer: a dict."""
        lines, outs = [], []
        for data, *rest in requests:
            self.count += 1
            into = self.folder / f"{self.count}.in"
            out = self.folder / f"{self.count}.out"
            into.write_bytes(data)
            lines.append("\t".join(map(str, (into, *rest, out))) + "\n")
            outs.append(out)
        done = subprocess.run(
            [BUILD / "tests" / "peer" / "make_peer"],
            check=False,
            input="".join(lines),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        answers = []
        for line, out in zip(done.stdout.splitlines(), outs, strict=True):
            fate, w, h, ow, oh, extension, cut, phash, exif = line.split("\t")
            answers.append(
                {
                    "fate": fate,
                    "size": (int(w), int(h)),
                    "original": (int(ow), int(oh)),
                    "extension": extension,
                    "is_truncated": cut == "1",
                    "phash": phash,
                    "exif": json.loads(exif) if exif else None,
                    "file": out.read_bytes() if fate == "kept" else None,
                }
            )
        return answers

    def make(self, data, resize="no", size=0, format="png", quality=1, letters="-"):
        return self.run([(data, resize, size, format, quality, letters)])[0]


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path)


def pixels(answer):
    image = Image.open(io.BytesIO(answer["file"]))
    assert image.size == answer["size"]
    return np.asarray(image.convert("RGB")).astype(int)


def by_pillow(image, resize, size, only_if_bigger):
    """What img2dataset's resizer does, with albumentations' rounding."""
    if resize == "no":
        return image
    by_short = resize in ("keep_ratio", "center_crop")
    side = min(image.size) if by_short else max(image.size)
    if only_if_bigger and side <= size:
        return image
    scale = size / side
    width, height = (max(1, round(s * scale)) for s in image.size)
    filter = BICUBIC if side > size else LANCZOS
    # In two steps: Pillow would begin with the side that is less work.
    image = image.resize((image.width, height), filter).resize((width, height), filter)
    if resize == "center_crop":
        left, top = (width - size) // 2, (height - size) // 2
        return image.crop((left, top, left + size, top + size))
    if resize == "border":
        square = Image.new("RGB", (size, size), "white")
        square.paste(image, ((size - width) // 2, (size - height) // 2))
        return square
    return image


MODES = ("no", "border", "keep_ratio", "keep_ratio_largest", "center_crop")


def test_modes_are_those_of_img2dataset(maker):
    rng = random.Random(5)
    sizes = [(64, 64), (65, 64), (300, 200), (200, 300), (1, 90), (90, 1), (501, 333)]
    sizes += [(rng.randint(2, 400), rng.randint(2, 400)) for _ in range(9)]
    requests, wants = [], []
    for shape, mode, only in itertools.product(sizes, MODES, (False, True)):
        size = rng.choice((64, 65, 97))
        image = scene(*shape, seed=shape[0])
        data = save(image, "PNG", compress_level=1)
        requests.append((data, mode, size, "png", 1, "b" if only else "-"))
        wants.append(by_pillow(image, mode, size, only))
    for request, want, answer in zip(requests, wants, maker.run(requests), strict=True):
        where = request[1:], answer["original"]
        assert answer["fate"] == "kept", where
        assert answer["size"] == want.size, where
        difference = np.abs(pixels(answer) - np.asarray(want).astype(int))
        assert difference.max() <= 1, where
        assert difference.mean() < 0.05, where


def kinds():
    photo = scene(301, 203)
    clear = photo.copy()
    clear.putalpha(scene(301, 203, 2).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "jpeg", save(photo, "JPEG", quality=90)
    yield "progressive", save(photo, "JPEG", progressive=True)
    yield "grey jpeg", save(photo.convert("L"), "JPEG")
    yield "cmyk jpeg", save(photo.convert("CMYK"), "JPEG", quality=95)
    yield "turned", save(photo, "JPEG", exif=exif)
    yield "png", save(photo, "PNG")
    yield "palette", save(photo.quantize(64), "PNG")
    yield "rgba", save(clear, "PNG")
    yield "grey alpha", save(clear.convert("LA"), "PNG")
    yield "webp", save(photo, "WEBP", quality=80)
    yield "webp rgba", save(clear, "WEBP", quality=80)


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_each_kind_to_each_format(maker, format):
    """Encoding costs a little; without, they are Pillow's pixels."""
    names, files = zip(*kinds(), strict=True)
    quality = 1 if format == "png" else 95
    requests = [(d, "border", 128, format, quality, "e") for d in files]
    for name, data, answer in zip(names, files, maker.run(requests), strict=True):
        want = by_pillow(
            Image.fromarray(upright_rgb(data).astype(np.uint8)), "border", 128, False
        )
        got = Image.open(io.BytesIO(answer["file"]))
        assert got.format == {"jpg": "JPEG"}.get(format, format.upper())
        mean = np.abs(pixels(answer) - np.asarray(want).astype(int)).mean()
        assert mean < (1.5 if format == "png" else 4), (name, mean)


def test_jpeg_as_others_write_it(maker):
    """Baseline, colours at half the resolution, the standard's tables."""
    data = save(scene(300, 200), "PNG")
    file = maker.make(data, "border", 256, "jpg", 90)["file"]
    image = Image.open(io.BytesIO(file))
    pillow = Image.open(io.BytesIO(save(image, "JPEG", quality=90)))
    assert "progressive" not in image.info
    assert image.quantization == pillow.quantization
    assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]
    better = maker.make(data, "border", 256, "jpg", 97)["file"]
    assert len(better) > len(file)


def test_what_need_not_change_stays(maker):
    jpeg = save(scene(120, 80), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(scene(120, 80), "JPEG", exif=exif)
    png = save(scene(120, 80), "PNG")
    assert maker.make(jpeg, "no", 0, "jpg", 95, "s")["file"] == jpeg
    assert maker.make(jpeg, "border", 200, "jpg", 95, "sb")["file"] == jpeg
    assert maker.make(jpeg, "border", 100, "jpg", 95, "sb")["file"] != jpeg
    assert maker.make(jpeg, "border", 200, "jpg", 95, "s")["file"] != jpeg
    assert maker.make(png, "no", 0, "jpg", 95, "s")["file"] != png
    # Its tag turns the file's pixels; a new file has them turned.
    kept = maker.make(turned, "no", 0, "jpg", 95, "s")
    assert (kept["file"], kept["size"]) == (turned, (120, 80))
    assert maker.make(turned, "no", 0, "jpg", 95)["size"] == (80, 120)
    for data in jpeg, png, jpeg[:200]:
        kept = maker.make(data, "border", 64, "jpg", 95, "k")
        assert (kept["file"], kept["size"]) == (data, (0, 0))
    assert maker.make(b"<html>", letters="k")["fate"] == "not_an_image"


def test_cut_jpegs_are_dropped_or_kept(maker):
    photo = scene(200, 160)
    for options in {}, {"progressive": True}:
        data = save(photo, "JPEG", quality=90, **options)
        cut = data[: len(data) * 6 // 10]
        assert maker.make(cut)["fate"] == "truncated_image"
        kept = maker.make(cut, letters="t")
        assert kept["is_truncated"]
        top = np.abs(pixels(kept) - np.asarray(photo).astype(int))[:80]
        assert top.mean() < 12
        assert not maker.make(data, letters="t")["is_truncated"]
    # Nothing to keep before the first row.
    assert maker.make(data[:100], letters="t")["fate"] == "broken_image"
    # What is damaged is not cut.
    broken = bytearray(save(photo, "JPEG", quality=90))
    broken[len(broken) // 2 : len(broken) // 2 + 3] = b"\xff\x55\xff"
    assert maker.make(bytes(broken), letters="t")["fate"] == "broken_image"


def phash(image):
    """imagehash.phash(image), by its definition."""
    small = np.asarray(image.convert("L").resize((32, 32), LANCZOS)).astype(float)
    n = np.arange(32)
    waves = 2 * np.cos(np.pi * n[:8, None] * (2 * n + 1) / 64)
    low = waves @ small @ waves.T
    return (low > np.median(low)).flatten()


def test_perceptual_hash_is_that_of_imagehash(maker):
    rng = random.Random(3)
    requests, wants = [], []
    for seed in range(40):
        image = scene(rng.randint(20, 500), rng.randint(20, 500), seed)
        image = image.rotate(rng.random() * 90)
        wants.append(phash(image))
        requests.append(
            (save(image, "PNG", compress_level=1), "border", 64, "jpg", 90, "p")
        )
    total = 0
    for want, answer in zip(wants, maker.run(requests), strict=True):
        bits = np.array([int(b) for b in f"{int(answer['phash'], 16):064b}"])
        apart = (bits != want).sum()
        assert apart <= 2
        total += apart
    assert total <= 8
    # As imagehash prints its own; of a picture at a fraction it hardly differs.
    image = scene(900, 700, 7)
    data = save(image, "JPEG", quality=90)
    for letters in "p", "pe":
        bits = int(maker.make(data, "border", 64, "jpg", 90, letters)["phash"], 16)
        want = int("".join("01"[int(b)] for b in phash(image)), 2)
        assert (bits ^ want).bit_count() <= 4


def photo_exif():
    exif = Image.Exif()
    exif[0x010E] = 'a caf\u00e9 "at" night\\ \u4f60\U0001f600 '
    exif[0x010F] = "Camera"
    exif[0x0110] = "Model 5"
    exif[0x0112] = 6
    exif[0x011A] = IFDRational(72, 1)
    exif[0x0128] = 2
    exif[0x0132] = "2024:05:06 07:08:09"
    exif[0x4242] = (1, 2, 3)
    sub = exif.get_ifd(0x8769)
    sub[0x829A] = IFDRational(10, 2500)
    sub[0x829D] = IFDRational(28, 10)
    sub[0x8822] = 3
    sub[0x8827] = 400
    sub[0x9000] = b"0232"
    sub[0x9101] = b"\x01\x02\x03\x00"
    sub[0x9204] = IFDRational(-1, 3)
    sub[0x9209] = 16
    sub[0x9286] = b"ASCII\0\0\0a comment"
    sub[0x927C] = b"made by" * 30
    sub[0x9C9D] = b"a\0b\0"
    sub[0xA001] = 65535
    sub[0xA300] = b"\x03"
    sub[0xA432] = tuple(IFDRational(n, 1) for n in (24, 70, 0, 0))
    gps = exif.get_ifd(0x8825)
    gps[0] = b"\x02\x03\x00\x00"
    gps[1] = "N"
    gps[2] = (IFDRational(52, 1), IFDRational(31, 1), IFDRational(1234, 100))
    gps[5] = b"\x00"
    return exif


def test_exif_is_shown_as_exifread_does(maker):
    exif = photo_exif()
    photo = scene(120, 90)
    for format in "JPEG", "PNG", "WEBP":
        data = save(photo, format, exif=exif)
        got = maker.make(data, letters="x")["exif"]
        if format == "WEBP":  # exifread looks 6 bytes too far in it
            data = save(photo, "JPEG", exif=exif)
        tags = exifread.process_file(io.BytesIO(data), details=False)
        want = {k: str(v).strip() for k, v in tags.items()}
        assert len(want) > 20
        assert got == want
    assert maker.make(save(photo, "JPEG"), letters="x")["exif"] is None
    assert maker.make(data)["exif"] is None


def profiles():
    """Other colours than sRGB's, made of nothing but Pillow."""
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    return {
        "lab": ImageCms.ImageCmsProfile(lab).tobytes(),
        "srgb": ImageCms.ImageCmsProfile(srgb).tobytes(),
    }


def wide_profile():
    """sRGB's with the red and the blue column exchanged: nobody can miss it."""
    data = bytearray(profiles()["srgb"])
    count = int.from_bytes(data[128:132], "big")
    at = {}
    for i in range(count):
        entry = 132 + 12 * i
        at[bytes(data[entry : entry + 4])] = entry
    red, blue = (bytes(data[at[n] + 4 : at[n] + 12]) for n in (b"rXYZ", b"bXYZ"))
    data[at[b"rXYZ"] + 4 : at[b"rXYZ"] + 12] = blue
    data[at[b"bXYZ"] + 4 : at[b"bXYZ"] + 12] = red
    return bytes(data)


def test_profiles_become_srgb_where_that_is_wanted(maker):
    photo = scene(120, 90)
    wide = wide_profile()
    srgb = ImageCms.createProfile("sRGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(wide))
    for format, options in (
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"subsampling": 0, "quality": 95}),
    ):
        data = save(photo, format, icc_profile=wide, **options)
        plain = Image.open(io.BytesIO(data)).convert("RGB")
        want = ImageCms.profileToProfile(plain, source, srgb)
        want = np.asarray(want).astype(int)
        as_is = pixels(maker.make(data))
        assert np.abs(as_is - np.asarray(plain).astype(int)).mean() < 1.5
        assert np.abs(as_is - want).mean() > 20
        assert np.abs(pixels(maker.make(data, letters="c")) - want).mean() < 1.5
    # sRGB's own changes nothing at all; what is none, or for no pixels, neither.
    for profile in (
        profiles()["srgb"],
        profiles()["lab"],
        b"nonsense" * 99,
        wide[:300],
    ):
        data = save(photo, "PNG", icc_profile=profile)
        assert (pixels(maker.make(data, letters="c")) == np.asarray(photo)).all()
        data = save(photo, "JPEG", icc_profile=profile)
        assert maker.make(data, letters="c")["fate"] == "kept"


def test_scaled_decoding_stays_near(maker):
    """At least 40 dB, for pictures of many sizes and half, quarter and eighth."""
    requests = []
    for i, shape in enumerate([(700, 500), (1100, 800), (2300, 1500), (64, 1100)]):
        data = save(scene(*shape, seed=i), "JPEG", quality=92)
        for mode in "border", "keep_ratio", "center_crop":
            requests += [(data, mode, 128, "png", 1, x) for x in ("-", "e")]
    answers = maker.run(requests)
    is_scaled = False
    for scaled, exact in zip(answers[::2], answers[1::2], strict=True):
        assert scaled["size"] == exact["size"]
        difference = pixels(scaled) - pixels(exact)
        is_scaled = is_scaled or difference.any()
        noise = (difference**2).mean()
        assert noise == 0 or 10 * np.log10(255**2 / noise) > 40
    assert is_scaled


def test_upright_is_what_people_see(maker):
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        data = save(scene(80, 60), "JPEG", subsampling=0, exif=exif)
        want = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        want = by_pillow(want, "keep_ratio", 40, False)
        answer = maker.make(data, "keep_ratio", 40)
        assert answer["size"] == want.size
        assert answer["original"] == (80, 60)
        assert np.abs(pixels(answer) - np.asarray(want).astype(int)).mean() < 1.5
