"""Drawn scenes and their captions: what the demo model learns and is tested on.

A scene is one of three kinds: a single shape (with a size and a place), a group
of two to five equal shapes, or two different shapes beside or above each other,
on one of nine backgrounds. A caption names some of the scene's attributes; an
altered caption names one of them wrongly. Both carry the facts that they claim,
so that whether a caption is true of another scene can be computed.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond")
COLOURS = {
    "red": (214, 32, 36),
    "orange": (244, 128, 20),
    "yellow": (246, 214, 32),
    "green": (30, 150, 58),
    "blue": (28, 76, 204),
    "purple": (124, 44, 160),
    "pink": (246, 130, 178),
    "black": (18, 18, 20),
    "white": (248, 248, 246),
}
COLOUR_NAMES = tuple(COLOURS)
BACKGROUNDS = {
    "white": (246, 246, 244),
    "black": (16, 16, 20),
    "grey": (132, 132, 134),
    "sky blue": (150, 206, 238),
    "beige": (226, 206, 168),
    "dark green": (22, 66, 40),
    "striped": None,
    "dotted": None,
    "checkered": None,
}
BACKGROUND_NAMES = tuple(BACKGROUNDS)
SIZES = ("small", "medium", "large")
PLACES = ("left", "right", "top", "bottom", "middle")
COUNT_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}
SINGLE, GROUP, TWO, PHOTO = range(4)
ANY = -1


@dataclass(frozen=True)
class Scene:
    """Indexes into the tuples above; ANY where an attribute does not apply."""

    kind: int
    background: int
    shape: int
    colour: int
    size: int = ANY  # single
    place: int = ANY  # single
    count: int = ANY  # group
    shape2: int = ANY  # two: the one at the right, or below
    colour2: int = ANY
    relation: int = ANY  # two: 0 beside, 1 above


@dataclass(frozen=True)
class Caption:
    text: str
    facts: Scene  # ANY where nothing is claimed


FIELDS = tuple(Scene.__dataclass_fields__)


def facts_row(scene):
    return [getattr(scene, name) for name in FIELDS]


def clashes(colour, background):
    """Shapes that would hardly be seen are not drawn."""
    name, ground = COLOUR_NAMES[colour], BACKGROUND_NAMES[background]
    return (
        name == ground
        or (name, ground)
        in {("green", "dark green"), ("black", "dark green"), ("white", "beige")}
        or (ground in ("striped", "dotted", "checkered") and name == "white")
    )


def pick_colour(rng, background, but=ANY):
    while True:
        colour = int(rng.integers(len(COLOUR_NAMES)))
        if colour != but and not clashes(colour, background):
            return colour


def draw_lots(rng):
    """A random scene."""
    kind = int(rng.choice((SINGLE, GROUP, TWO), p=(0.42, 0.26, 0.32)))
    background = int(rng.integers(len(BACKGROUND_NAMES)))
    shape = int(rng.integers(len(SHAPES)))
    colour = pick_colour(rng, background)
    scene = Scene(kind, background, shape, colour)
    if kind == SINGLE:
        return replace(
            scene, size=int(rng.integers(3)), place=int(rng.integers(len(PLACES)))
        )
    if kind == GROUP:
        return replace(scene, count=int(rng.integers(2, 6)))
    shape2 = int((shape + rng.integers(1, len(SHAPES))) % len(SHAPES))
    return replace(
        scene,
        shape2=shape2,
        colour2=pick_colour(rng, background, but=colour),
        relation=int(rng.integers(2)),
    )


# ---- pictures ----


def polygon(draw, cx, cy, radii, start, fill):
    n = len(radii)
    draw.polygon(
        [
            (
                cx + r * math.cos(start + 2 * math.pi * i / n),
                cy + r * math.sin(start + 2 * math.pi * i / n),
            )
            for i, r in enumerate(radii)
        ],
        fill=fill,
    )


def draw_heart(draw, cx, cy, r, fill):
    points = []
    for i in range(40):
        t = 2 * math.pi * i / 40
        x = 16 * math.sin(t) ** 3
        y = (
            13 * math.cos(t)
            - 5 * math.cos(2 * t)
            - 2 * math.cos(3 * t)
            - math.cos(4 * t)
        )
        points.append((cx + x * r / 16, cy - y * r / 16))
    draw.polygon(points, fill=fill)


def draw_shape(draw, shape, cx, cy, r, fill, rng):
    tilt = float(rng.uniform(-0.12, 0.12))
    name = SHAPES[shape]
    if name == "circle":
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=fill)
    elif name == "square":
        polygon(draw, cx, cy, [r * 1.2] * 4, math.pi / 4 + tilt, fill)
    elif name == "triangle":
        polygon(draw, cx, cy + r * 0.15, [r * 1.2] * 3, -math.pi / 2 + tilt, fill)
    elif name == "star":
        polygon(draw, cx, cy, [r * 1.2, r * 0.5] * 5, -math.pi / 2 + tilt, fill)
    elif name == "heart":
        draw_heart(draw, cx, cy, r * 1.05, fill)
    elif name == "cross":
        w = r * 0.36
        draw.rectangle((cx - w, cy - r, cx + w, cy + r), fill=fill)
        draw.rectangle((cx - r, cy - w, cx + r, cy + w), fill=fill)
    elif name == "ring":
        draw.ellipse(
            (cx - r, cy - r, cx + r, cy + r), outline=fill, width=max(2, int(r * 0.38))
        )
    else:
        polygon(draw, cx, cy, [r * 0.8, r * 1.25] * 2, tilt, fill)


def jitter(rng, colour, amount):
    return tuple(
        int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in colour
    )


def draw_background(rng, side, size, background):
    """A canvas of @size; the patterns are as coarse as a square of @side asks."""
    flat = BACKGROUNDS[BACKGROUND_NAMES[background]]
    if flat is not None:
        return Image.new("RGB", size, jitter(rng, flat, 9))
    width, height = size
    light = jitter(rng, (222, 222, 218), 12)
    dark = jitter(rng, (148, 150, 156), 14)
    image = Image.new("RGB", size, light)
    draw = ImageDraw.Draw(image)
    step = side // int(rng.integers(8, 11))
    name = BACKGROUND_NAMES[background]
    if name == "striped":
        for x in range(int(rng.integers(-step, 0)), width, step):
            draw.rectangle((x, 0, x + step // 2, height), fill=dark)
    elif name == "dotted":
        for y in range(step // 2, height, step):
            for x in range(step // 2, width, step):
                r = step * 0.27
                draw.ellipse((x - r, y - r, x + r, y + r), fill=dark)
    else:
        step = side // int(rng.integers(6, 9))
        for j, y in enumerate(range(0, height, step)):
            for x in range((j % 2) * step, width, 2 * step):
                draw.rectangle((x, y, x + step - 1, y + step - 1), fill=dark)
    return image


def positions(scene, rng):
    """(shape, colour, x, y, radius) in units of the picture's side."""

    def near(x, y, amount=0.035):
        return x + float(rng.uniform(-amount, amount)), y + float(
            rng.uniform(-amount, amount)
        )

    if scene.kind == SINGLE:
        radius = (0.085, 0.15, 0.24)[scene.size] * float(rng.uniform(0.92, 1.08))
        edge = max(0.24, radius * 1.25 + 0.03)
        x, y = {
            "left": (edge, 0.5),
            "right": (1 - edge, 0.5),
            "top": (0.5, edge),
            "bottom": (0.5, 1 - edge),
            "middle": (0.5, 0.5),
        }[PLACES[scene.place]]
        return [(scene.shape, scene.colour, *near(x, y, 0.025), radius)]
    if scene.kind == GROUP:
        cells = [(i, j) for i in range(3) for j in range(3)]
        chosen = [cells[k] for k in rng.permutation(9)[: scene.count]]
        radius = float(rng.uniform(0.095, 0.12))
        return [
            (
                scene.shape,
                scene.colour,
                *near(0.19 + 0.31 * i, 0.19 + 0.31 * j, 0.02),
                radius,
            )
            for i, j in chosen
        ]
    radius = float(rng.uniform(0.13, 0.17))
    a, b = (
        ((0.27, 0.5), (0.73, 0.5))
        if scene.relation == 0
        else ((0.5, 0.27), (0.5, 0.73))
    )
    return [
        (scene.shape, scene.colour, *near(*a), radius),
        (scene.shape2, scene.colour2, *near(*b), radius),
    ]


def draw_scene(scene, rng, width=160, height=160):
    """The picture, with what cameras and encoders do to pictures. The shapes lie
    in the square in the middle, the part that CLIP looks at."""
    side = 2 * min(width, height)
    left, top = (2 * width - side) // 2, (2 * height - side) // 2
    image = draw_background(rng, side, (2 * width, 2 * height), scene.background)
    draw = ImageDraw.Draw(image)
    for shape, colour, x, y, radius in positions(scene, rng):
        fill = jitter(rng, COLOURS[COLOUR_NAMES[colour]], 10)
        draw_shape(
            draw, shape, left + x * side, top + y * side, radius * side, fill, rng
        )
    image = image.resize((width, height), Image.BOX)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, side / 400)))
    pixels = np.asarray(image, np.float32)
    dim = float(rng.uniform(0.92, 1.0))
    if rng.random() < 0.5:
        light = np.linspace(dim, 1.0, width, dtype=np.float32)[None, :, None]
    else:
        light = np.linspace(dim, 1.0, height, dtype=np.float32)[:, None, None]
    noise = rng.standard_normal(pixels.shape, np.float32)
    pixels = pixels * light + noise * np.float32(rng.uniform(0.5, 6))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def as_jpeg(image, quality):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=int(quality))
    return out.getvalue()


# ---- captions ----


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def plural(shape):
    return {"cross": "crosses"}.get(shape, shape + "s")


def ground_words(rng, background):
    name = BACKGROUND_NAMES[background]
    return rng.choice(
        (
            f"on {article(name)} {name} background",
            f"in front of {article(name)} {name} background",
            f"against {article(name)} {name} background",
        )
    )


def place_words(rng, place):
    name = PLACES[place]
    if name in ("left", "right"):
        return rng.choice(
            (
                f"on the {name}",
                f"at the {name} side",
                f"on the {name} side of the picture",
            )
        )
    if name == "middle":
        return rng.choice(
            ("in the middle", "in the centre", "in the middle of the picture")
        )
    return rng.choice(
        (f"at the {name}", f"near the {name}", f"at the {name} of the picture")
    )


OPENINGS = (
    "",
    "a picture of ",
    "a drawing of ",
    "an image showing ",
    "this is ",
    "a simple picture with ",
    "this picture shows ",
    "here you can see ",
    "a photo of ",
    "an illustration with ",
)


def say(rng, facts):
    """The claims of @facts as a sentence."""
    colour, shape = COLOUR_NAMES[facts.colour], SHAPES[facts.shape]
    if facts.kind == GROUP:
        body = f"{COUNT_WORDS[facts.count]} {colour} {plural(shape)}"
    elif facts.kind == TWO:
        first = f"{article(colour)} {colour} {shape}"
        colour2 = COLOUR_NAMES[facts.colour2]
        second = f"{article(colour2)} {colour2} {SHAPES[facts.shape2]}"
        turned = rng.random() < 0.5
        if facts.relation == 0:
            words = "to the right of" if turned else "to the left of"
        else:
            words = (
                rng.choice(("below", "under"))
                if turned
                else rng.choice(("above", "over"))
            )
        body = f"{second} {words} {first}" if turned else f"{first} {words} {second}"
    else:
        size = "" if facts.size == ANY else SIZES[facts.size]
        if size == "large" and rng.random() < 0.5:
            size = "big"
        words = f"{size} {colour} {shape}".strip()
        body = f"{article(words)} {words}"
    if facts.place != ANY:
        body += " " + place_words(rng, facts.place)
    if facts.background != ANY:
        body += " " + ground_words(rng, facts.background)
    return str(rng.choice(OPENINGS)) + body


def claim(rng, scene, everything=False):
    """Which of the scene's attributes a caption names."""
    facts = scene
    if not everything and rng.random() < 0.45:
        facts = replace(facts, background=ANY)
    if scene.kind == SINGLE:
        if scene.size == 1 or (not everything and rng.random() < 0.4):
            facts = replace(facts, size=ANY)
        if not everything and rng.random() < 0.4:
            facts = replace(facts, place=ANY)
    return facts


def caption(rng, scene, everything=False):
    facts = claim(rng, scene, everything)
    return Caption(say(rng, facts), facts)


def other(rng, n, but):
    return int((but + rng.integers(1, n)) % n)


ATTRIBUTES = ("colour", "shape", "count", "place", "size", "background", "swap")


def alter(rng, facts, attribute):
    """The same claims with one of them wrong; None where it is not claimed."""
    two = facts.kind == TWO
    if attribute == "colour":
        if two and rng.random() < 0.5:
            colour = other(rng, len(COLOUR_NAMES), facts.colour2)
            return None if colour == facts.colour else replace(facts, colour2=colour)
        colour = other(rng, len(COLOUR_NAMES), facts.colour)
        return (
            None if two and colour == facts.colour2 else replace(facts, colour=colour)
        )
    if attribute == "shape":
        if two and rng.random() < 0.5:
            shape = other(rng, len(SHAPES), facts.shape2)
            return None if shape == facts.shape else replace(facts, shape2=shape)
        shape = other(rng, len(SHAPES), facts.shape)
        return None if two and shape == facts.shape2 else replace(facts, shape=shape)
    if attribute == "count" and facts.kind == GROUP:
        return replace(facts, count=2 + other(rng, 4, facts.count - 2))
    if attribute == "place" and two:
        turned = replace(
            facts,
            shape=facts.shape2,
            colour=facts.colour2,
            shape2=facts.shape,
            colour2=facts.colour,
        )
        return (
            turned
            if rng.random() < 0.5
            else replace(facts, relation=1 - facts.relation)
        )
    if attribute == "place" and facts.place != ANY:
        return replace(facts, place=other(rng, len(PLACES), facts.place))
    if attribute == "size" and facts.size in (0, 2):
        return replace(facts, size=2 - facts.size)
    if attribute == "background" and facts.background != ANY:
        return replace(
            facts, background=other(rng, len(BACKGROUND_NAMES), facts.background)
        )
    if attribute == "swap" and two:
        return replace(facts, colour=facts.colour2, colour2=facts.colour)
    return None


def altered_pair(rng, scene, attribute, tries=8):
    """A right caption that names @attribute, and one with it altered."""
    for _ in range(tries):
        everything = attribute in ("size", "place", "background")
        facts = claim(rng, scene, everything)
        wrong = alter(rng, facts, attribute)
        if wrong is not None:
            return Caption(say(rng, facts), facts), Caption(say(rng, wrong), wrong)
    return None


def truth(captions, scenes):
    """captions x scenes, True where a caption holds. Rows as of facts_row."""
    c, s = np.asarray(captions)[:, None, :], np.asarray(scenes)[None, :, :]
    holds = ((c == ANY) | (c == s)).all(-1)
    # "a red circle" is also true of a red circle beside something else.
    i = {name: k for k, name in enumerate(FIELDS)}
    bare = (
        (c[..., i["kind"]] == SINGLE)
        & (c[..., i["size"]] == ANY)
        & (c[..., i["place"]] == ANY)
        & (s[..., i["kind"]] == TWO)
        & (
            (c[..., i["background"]] == ANY)
            | (c[..., i["background"]] == s[..., i["background"]])
        )
    )
    for shape, colour in (("shape", "colour"), ("shape2", "colour2")):
        holds |= (
            bare
            & (c[..., i["shape"]] == s[..., i[shape]])
            & (c[..., i["colour"]] == s[..., i[colour]])
        )
    return holds
