"""How well the demo model tells right captions from wrong ones.

    python tools/demo_model/evaluate.py                 newly drawn scenes
    python tools/demo_model/evaluate.py --world DIR     a world of make_world.py

Needs onnxruntime or openvino, numpy and Pillow; with --photos (and for making a
world) also the wheel scikit-image, for its pictures.
"""

import argparse
import io
import json
import re
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import scenes
from PIL import Image
from runtime import Model

ROOT = Path(__file__).resolve().parents[2]
SEED = 20260401  # of scenes that no training has drawn
THRESHOLD = 0.3


def auc(right, wrong):
    """The probability that a right pair scores higher than a wrong one."""
    order = np.argsort(np.concatenate((right, wrong)), kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    total = ranks[: len(right)].sum() - len(right) * (len(right) + 1) / 2
    return float(total / (len(right) * len(wrong)))


def rates(right, wrong):
    return {
        "pairs": len(right),
        "wrong_pairs": len(wrong),
        "auc": round(auc(right, wrong), 4),
        "right_lost": round(float((right < THRESHOLD).mean()), 4),
        "wrong_kept": round(float((wrong >= THRESHOLD).mean()), 4),
    }


def encoded(image, rng):
    data = scenes.as_jpeg(image, rng.integers(55, 96))
    return Image.open(io.BytesIO(data))


def draw(count, seed):
    rng = np.random.default_rng(seed)
    drawn = [scenes.draw_lots(rng) for _ in range(count)]
    sizes = rng.integers(120, 260, size=(count, 2))
    images = [
        encoded(scenes.draw_scene(s, rng, int(w), int(h)), rng)
        for s, (w, h) in zip(drawn, sizes)
    ]
    return rng, drawn, images


def of_other_scenes(model, rng, drawn, images, captions):
    """Each picture with the captions of others, where these are not true of it."""
    holds = scenes.truth(
        [scenes.facts_row(c.facts) for c in captions],
        [scenes.facts_row(s) for s in drawn],
    )
    cosines = images @ model.embed_texts([c.text for c in captions]).T
    return rates(cosines.diagonal(), cosines[~holds.T])


def of_altered(model, rng, drawn, images, attribute):
    """Captions that name an attribute, and the same with this one altered."""
    kept, right, wrong = [], [], []
    for k, scene in enumerate(drawn):
        pair = scenes.altered_pair(rng, scene, attribute)
        if pair is not None:
            kept.append(k)
            right.append(pair[0].text)
            wrong.append(pair[1].text)
    pictures = images[kept]
    return [(pictures * model.embed_texts(t)).sum(1) for t in (right, wrong)]


def on_scenes(model, count, seed=SEED):
    rng, drawn, pictures = draw(count, seed)
    images = model.embed_images(pictures)
    captions = [scenes.caption(rng, s) for s in drawn]
    report = {
        "scenes": count,
        "other_scenes": of_other_scenes(model, rng, drawn, images, captions),
    }
    altered = {a: of_altered(model, rng, drawn, images, a) for a in scenes.ATTRIBUTES}
    report["altered"] = rates(
        np.concatenate([r for r, _ in altered.values()]),
        np.concatenate([w for _, w in altered.values()]),
    )
    for attribute, (right, wrong) in altered.items():
        report[f"altered_{attribute}"] = rates(right, wrong)
    return report


def on_photos(model, views=20, seed=SEED):
    """Views of the demo world's photographs, with the captions of all."""
    import photos

    rng = np.random.default_rng(seed)
    report = {}
    shots = photos.load()
    texts = [(k, c) for k, (_, captions) in enumerate(shots) for c in captions]
    text = model.embed_texts([c for _, c in texts])
    owner = np.asarray([k for k, _ in texts])
    for name, hard in (("photos", False), ("photos_distorted", True)):
        images = [
            photos.view(image, rng, hard=hard)
            for image, _ in shots
            for _ in range(views)
        ]
        cosines = model.embed_images(images) @ text.T
        own = np.repeat(np.arange(len(shots)), views)[:, None] == owner
        report[name] = rates(cosines[own], cosines[~own])
    return report


def picture_of(world, url):
    """The file behind a URL of a demo world."""
    parts = urlsplit(url)
    path = re.sub(r"^/(redir|slow/[0-9]+)/", "/", unquote(parts.path))
    return world / "site" / parts.hostname / path[1:]


def on_world(model, world):
    """What the threshold does to the pairs of a demo world that get so far."""
    lines = (world / "truth.jsonl").read_text("utf-8").splitlines()
    links = [json.loads(line) for line in lines]
    links = [k for k in links if k["want"] == "kept" or k["stage"] == "clip"]
    images = model.embed_images(
        [Image.open(picture_of(world, link["url"])) for link in links]
    )
    cosines = (images * model.embed_texts([k["text"] for k in links])).sum(1)
    keep = cosines >= THRESHOLD
    want = np.asarray([link["want"] == "kept" for link in links])
    report = {
        "pairs": len(links),
        "right": int(want.sum()),
        "wrongly_kept": int((keep & ~want).sum()),
        "wrongly_lost": int((want & ~keep).sum()),
        "precision": round(float((keep & want).sum() / keep.sum()), 4),
        "recall": round(float((keep & want).sum() / want.sum()), 4),
        "kinds": {},
    }
    for kind in sorted({link["kind"] for link in links}):
        of_kind = np.asarray([link["kind"] == kind for link in links])
        wrong = int((of_kind & (keep != want)).sum())
        report["kinds"][kind] = {"pairs": int(of_kind.sum()), "misjudged": wrong}
    return report


def world_table(report):
    print(
        f"{report['pairs']} pairs, {report['right']} right: "
        f"{report['wrongly_kept']} wrongly kept, {report['wrongly_lost']} wrongly lost,"
        f" precision {report['precision']:.3f}, recall {report['recall']:.3f}"
    )
    for kind, row in report["kinds"].items():
        print(f"{kind:20} {row['pairs']:4} pairs, {row['misjudged']} misjudged")


def table(report):
    print(f"{'':22} {'right':>6} {'wrong':>8} {'AUC':>7} {'lost':>7} {'kept':>7}")
    for name, row in report.items():
        if isinstance(row, dict) and "auc" in row:
            print(
                f"{name:22} {row['pairs']:6} {row['wrong_pairs']:8} {row['auc']:7.4f}"
                f" {row['right_lost']:7.2%} {row['wrong_kept']:7.2%}"
            )


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--model", default=ROOT / "models" / "demo")
    p.add_argument("--scenes", type=int, default=1000)
    p.add_argument("--seed", type=int, default=SEED)
    p.add_argument("--photos", action="store_true", help="also the photographs")
    p.add_argument("--world", type=Path, help="instead: a folder of make_world.py")
    p.add_argument("--json", action="store_true")
    args = p.parse_args()

    start = time.monotonic()
    model = Model(args.model)
    if args.world is not None:
        report = on_world(model, args.world)
    else:
        report = on_scenes(model, args.scenes, args.seed)
        if args.photos:
            report |= on_photos(model)
    report["seconds"] = round(time.monotonic() - start, 1)
    if args.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    elif args.world is not None:
        world_table(report)
    else:
        table(report)
        print(f"{args.scenes} scenes, threshold {THRESHOLD}, {report['seconds']} s")


if __name__ == "__main__":
    main()
