"""Pictures decoded and resampled as Pillow does it, over formats, modes, sizes."""

import io
import itertools
import random
import struct
import subprocess
import zlib

import numpy as np
import pytest
from conftest import BUILD
from PIL import Image, ImageOps

FILTERS = {
    0: Image.Resampling.NEAREST,
    1: Image.Resampling.BILINEAR,
    2: Image.Resampling.BICUBIC,
    3: Image.Resampling.LANCZOS,
}
BICUBIC = 2


class Peer:
    """The C side, in batches: one process for many pictures."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def run(self, requests):
        """Each request: (bytes, min_side, (edge, width, height, filter) or None).
        Each answer: (fate, (width, height), original, extension, pixels)."""
        lines, outs = [], []
        for data, min_side, fit in requests:
            self.count += 1
            into = self.folder / f"{self.count}.in"
            out = self.folder / f"{self.count}.rgb"
            into.write_bytes(data)
            edge, width, height, filter = fit or (0, 1, 1, 0)
            lines.append(
                f"{into}\t{min_side}\t{edge}\t{width}\t{height}\t{filter}\t{out}\n"
            )
            outs.append((out, fit))
        done = subprocess.run(
            [BUILD / "tests" / "peer" / "image_peer"],
            check=False,
            input="".join(lines),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        answers = []
        for line, (out, fit) in zip(done.stdout.splitlines(), outs, strict=True):
            fate, width, height, *original, extension = line.split("\t")
            size = int(width), int(height)
            pixels = None
            if fate == "kept":
                shape = fit[1:3] if fit else size
                pixels = np.frombuffer(out.read_bytes(), np.uint8)
                pixels = pixels.reshape(shape[1], shape[0], 3).astype(int)
            answers.append((fate, size, tuple(map(int, original)), extension, pixels))
        return answers

    def decode(self, data, min_side=0):
        return self.run([(data, min_side, None)])[0]


@pytest.fixture
def peer(tmp_path):
    return Peer(tmp_path)


def scene(width, height, seed=1):
    """Slow waves, a few hard edges and a little noise, as photos have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 100 * np.sin(x / a + c) * np.cos(y / b)
        for c, (a, b) in enumerate([(37, 23), (19, 41), (53, 31)])
    ]
    pixels = np.stack(planes, axis=-1)
    pixels[height // 4 : height // 2, width // 3 : width // 2] = (250, 20, 40)
    pixels += rng.normal(0, 3, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def upright_rgb(data):
    """What Pillow makes of it, alpha laid on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB")).astype(int)


def chunk(kind, data):
    sum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", sum)


def png(array, bits, color, interlaced=False, extra=b"", level=6):
    """A PNG written here: Pillow writes neither 16-bit colour nor interlaced ones.
    `array` is height x width x samples, 8 or 16 bits each."""
    height, width = array.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: x start, y start, x step, y step
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
        passes += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x, y, dx, dy in passes:
        part = array[y::dy, x::dx]
        if part.size:
            big = part.astype(">u2" if bits == 16 else np.uint8)
            rows += b"".join(b"\0" + row.tobytes() for row in big)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows, level))
        + chunk(b"IEND", b"")
    )


def jpegs():
    photo = scene(301, 203)
    yield "plain", save(photo, "JPEG", quality=90)
    yield "444", save(photo, "JPEG", subsampling=0)
    yield "422", save(photo, "JPEG", subsampling=1)
    yield "progressive", save(photo, "JPEG", progressive=True)
    yield "restarts", save(photo, "JPEG", restart_marker_rows=1)
    yield "grey", save(photo.convert("L"), "JPEG")
    yield "cmyk", save(photo.convert("CMYK"), "JPEG", quality=95)
    yield "one pixel", save(photo.resize((1, 1)), "JPEG")
    yield "thin", save(photo.resize((500, 3)), "JPEG")


@pytest.mark.parametrize("data", [pytest.param(d, id=n) for n, d in jpegs()])
def test_jpeg_is_decoded_as_by_pillow(peer, data):
    fate, size, original, extension, pixels = peer.decode(data)
    want = upright_rgb(data)
    assert (fate, extension) == ("kept", "jpg")
    assert size == original == (want.shape[1], want.shape[0])
    assert np.abs(pixels - want).mean() < 1.5


def losslesses():
    photo = scene(67, 45)
    clear = photo.copy()
    clear.putalpha(scene(67, 45, 2).convert("L"))
    palette = photo.quantize(40)
    wide = (np.asarray(scene(61, 47)).astype(np.uint16) << 8) | 0x5A
    deep = wide[..., :1]
    for name, image in {
        "rgb": photo,
        "rgba": clear,
        "grey": photo.convert("L"),
        "grey alpha": clear.convert("LA"),
        "bits": photo.convert("1"),
        "palette": palette,
        "palette of 4": photo.quantize(4),
    }.items():
        yield name, save(image, "PNG"), "png"
    yield "clear palette", save(palette, "PNG", transparency=3), "png"
    yield "clear grey", save(photo.convert("L"), "PNG", transparency=100), "png"
    yield "16-bit rgb", png(wide, 16, 2), "png"
    yield "16-bit interlaced", png(wide, 16, 2, interlaced=True), "png"
    yield (
        "interlaced rgba",
        png(np.asarray(clear), 8, 6, interlaced=True),
        "png",
    )
    yield "interlaced grey", png(deep >> 8, 8, 0, interlaced=True), "png"
    yield "webp", save(photo, "WEBP", lossless=True), "webp"
    yield "webp rgba", save(clear, "WEBP", lossless=True, exact=True), "webp"
    frames = [scene(67, 45, s) for s in (5, 6)]
    yield (
        "animated",
        save(clear, "WEBP", lossless=True, save_all=True, append_images=frames),
        "webp",
    )
    yield "apng", save(photo, "PNG", save_all=True, append_images=frames), "png"


@pytest.mark.parametrize(
    ("data", "extension"), [pytest.param(d, e, id=n) for n, d, e in losslesses()]
)
def test_lossless_is_decoded_exactly(peer, data, extension):
    fate, size, original, got_extension, pixels = peer.decode(data)
    want = upright_rgb(data)
    assert (fate, got_extension) == ("kept", extension)
    assert size == original == (want.shape[1], want.shape[0])
    # Pillow's own rounding of alpha is off by one here and there.
    image = Image.open(io.BytesIO(data))
    is_clear = "A" in image.mode or "transparency" in image.info
    assert np.abs(pixels - want).max() <= (1 if is_clear else 0)


def test_what_pillow_cannot_do_with_16_bits(peer):
    """Grey keeps its high bytes, and a clear colour is compared in full."""
    deep = (np.asarray(scene(61, 47).convert("L")).astype(np.uint16) << 8) | 0x5A
    pixels = peer.decode(png(deep[..., None], 16, 0))[4]
    assert (pixels == (deep >> 8)[..., None]).all()
    wide = np.asarray(scene(61, 47)).astype(np.uint16) << 8
    trns = chunk(b"tRNS", struct.pack(">HHH", *map(int, wide[3, 5])))
    want = (wide >> 8).astype(int)
    want[(wide == wide[3, 5]).all(axis=-1)] = 255
    assert (peer.decode(png(wide, 16, 2, extra=trns))[4] == want).all()


def test_lossy_webp_is_decoded_as_by_pillow(peer):
    photo = scene(301, 203)
    clear = photo.copy()
    clear.putalpha(scene(301, 203, 2).convert("L"))
    for image in photo, clear:
        data = save(image, "WEBP", quality=80)
        pixels = peer.decode(data)[4]
        assert np.abs(pixels - upright_rgb(data)).mean() < 1.5


def orientation(value, order):
    """EXIF with nothing but the orientation, either endian."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0
    )


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_applied_as_by_pillow(peer, value):
    photo = scene(40, 24)
    for order, prefix in (("<", b"Exif\0\0"), (">", b"Exif\0\0")):
        exif = prefix + orientation(value, order)
        files = [
            save(photo, "JPEG", subsampling=0, exif=exif),
            save(photo, "PNG", exif=exif),
            save(photo, "WEBP", lossless=True, exif=exif),
        ]
        for data in files:
            _, size, original, _, pixels = peer.decode(data)
            want = upright_rgb(data)
            assert size == (want.shape[1], want.shape[0])
            assert original == (40, 24)
            assert np.abs(pixels - want).mean() < 1.5, (order, data[:4])


def fit_by_pillow(image, edge, width, height, filter):
    """As Hugging Face's CLIPImageProcessor: shortest edge, then the middle, with
    black around what is too small. In two steps, for Pillow begins with the side
    that is less work, and what that rounds differs by a little."""
    short = min(image.size)
    size = [int(edge * side / short) for side in image.size]
    if filter != 0:
        image = image.resize((image.width, size[1]), FILTERS[filter])
    image = image.resize(size, FILTERS[filter])
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.asarray(image.crop((x, y, x + width, y + height))).astype(int)


def test_fitted_as_by_pillow(peer):
    rng = random.Random(7)
    sizes = [(224, 224), (225, 224), (1, 1), (1, 300), (2, 2), (1024, 768)]
    sizes += [(rng.randint(1, 700), rng.randint(1, 700)) for _ in range(30)]
    sizes = [s for s in sizes if max(s) <= 60 * min(s)] + [(1, 300)]
    requests, wants = [], []
    for size, filter in itertools.product(sizes, FILTERS):
        image = scene(*size, seed=size[0])
        edge = rng.choice([224, 64, 97])
        crop = rng.choice([(edge, edge), (edge, edge // 2), (edge + 7, edge + 10)])
        fit = edge, *crop, filter
        requests.append((save(image, "PNG", compress_level=1), 0, fit))
        wants.append(fit_by_pillow(image, *fit))
    for (_, _, fit), want, answer in zip(
        requests, wants, peer.run(requests), strict=True
    ):
        difference = np.abs(answer[4] - want)
        where = answer[2], fit, difference.max(), difference.mean()
        assert difference.max() <= 1, where
        assert difference.mean() < 0.05, where


def test_scaled_decoding_stays_near(peer):
    """Half, quarter and eighth of a JPEG, then the same square as from all of it."""
    fit = 64, 64, 64, BICUBIC
    for size in ((257, 300), (513, 700), (1500, 1100)):
        data = save(scene(*size), "JPEG", quality=95)
        whole, scaled = peer.run([(data, 0, fit), (data, 64, fit)])
        assert scaled[2] == whole[2] == size
        assert scaled[1] != whole[1]
        assert min(scaled[1]) >= 128
        assert np.abs(whole[4] - scaled[4]).mean() < 1.5
    small = save(scene(200, 127), "JPEG")
    assert peer.decode(small, min_side=64)[1] == (200, 127)


def test_cut_files_are_broken(peer):
    photo = scene(160, 120)
    files = [
        save(photo, "JPEG"),
        save(photo, "JPEG", progressive=True),
        save(photo, "PNG"),
        save(photo, "WEBP"),
        save(photo, "WEBP", lossless=True),
    ]
    cuts = [d[: int(len(d) * part)] for d in files for part in (0.2, 0.5, 0.9, 0.99)]
    # Less than the whole of the pixels; PNG's last chunk has none.
    cuts += [d[:-1] for d in files if d[:4] != b"\x89PNG"]
    answers = peer.run([(d, m, None) for d in cuts for m in (0, 30)])
    for (data, _), answer in zip(
        itertools.product(cuts, (0, 30)), answers, strict=True
    ):
        # A JPEG whose header is whole; its pixels begin behind SOS.
        is_cut = data[:2] == b"\xff\xd8" and b"\xff\xda" in data[:-16]
        assert answer[0] == ("truncated_image" if is_cut else "broken_image")


def test_huge_headers_are_refused_before_decoding(peer):
    small = scene(16, 16)
    jpeg = bytearray(save(small, "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 60000, 60000)
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)
    png_huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    webp = bytearray(save(small, "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", 16382 | 16382 << 14)
    answers = peer.run([(bytes(d), 0, None) for d in (jpeg, png_huge, webp)])
    assert [a[0] for a in answers] == ["too_many_pixels"] * 3


def scans(data):
    """A progressive JPEG's head and its scans, each with its tables."""
    parts = [b""]
    at = 2
    while data[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        is_scan = data[at + 1] == 0xDA
        while is_scan and not (data[end] == 0xFF and data[end + 1] != 0):
            end += 1
        parts[-1] += data[at:end]
        if is_scan:
            parts.append(b"")
        at = end
    return parts[:-1]


@pytest.mark.parametrize(("most", "fate"), [(30, "kept"), (63, "broken_image")])
def test_a_jpeg_of_too_many_scans_is_broken(peer, most, fate):
    """Each scan may be a few bytes, but costs a walk over all blocks. Here: two
    for each coefficient of a picture of one block, all of them zero."""
    flat = save(Image.new("L", (8, 8), 77), "JPEG", progressive=True)
    first, zeros = scans(flat)[:2]
    at = zeros.index(b"\xff\xda") + 7  # first, last, high and low bit
    pieces = [b"\xff\xd8", first]
    for bits in (0x01, 0x10):
        for k in range(1, most + 1):
            pieces += [zeros[:at], bytes([k, k, bits]), zeros[at + 3 :]]
    assert peer.decode(b"".join([*pieces, b"\xff\xd9"]))[0] == fate


def test_large_chunks_of_png(peer):
    """One chunk of pixels may be as large as it likes; inflated texts may not."""
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (2400, 2400, 3), np.uint8)
    fate, _, _, _, pixels = peer.decode(png(noise, 8, 2, level=0))
    assert fate == "kept"
    assert (pixels == noise).all()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000), 9))
    assert peer.decode(png(noise[:50, :50], 8, 2, extra=text))[0] == "broken_image"


def test_other_things_are_no_image(peer):
    files = [b"", b"<html>", b"GIF89a" + bytes(6000), b"RIFF\0\0\0\0WAVE", b"\xff\xd8"]
    answers = peer.run([(d, 0, None) for d in files])
    assert {a[0] for a in answers} == {"not_an_image"}
