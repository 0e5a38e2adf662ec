"""What bench_image does, with Pillow.

usage: peer_pillow.py EDGE < LIST
"""

import io
import json
import pathlib
import sys
import time

from PIL import Image, ImageOps

NAMES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


def decode(data, edge):
    image = Image.open(io.BytesIO(data))
    name = NAMES[image.format]
    # As image_decode: a fraction, but no side smaller than twice the edge.
    image.draft("RGB", (2 * edge, 2 * edge))
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return name, image.convert("RGB")


def fit(image, edge):
    scale = edge / min(image.size)
    width, height = (max(edge, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.BICUBIC)
    left, top = (width - edge) // 2, (height - edge) // 2
    return image.crop((left, top, left + edge, top + edge)).tobytes()


def main():
    edge = int(sys.argv[1])
    files = [pathlib.Path(name.strip()).read_bytes() for name in sys.stdin]
    costs = {name: {"count": 0, "cpu_s": 0.0} for name in NAMES.values()}
    for data in files:
        start = time.process_time()
        name, image = decode(data, edge)
        fit(image, edge)
        costs[name]["cpu_s"] += time.process_time() - start
        costs[name]["count"] += 1
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
