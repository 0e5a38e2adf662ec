"""Makes the demo world whose truth is known: web pages with real photographs and
drawn scenes, the WAT files of a crawl of them, and what must become of each image
link. README.md beside this file describes what is written.

    python tools/demo_world/make_world.py --out DIR [--port 8124]

The same options write the same bytes. Needs Pillow, numpy and the photographs
(tools/requirements-demo.txt).
"""

import argparse
import html
import io
import json
import shutil
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "demo_model"))

import photos
import scenes

from wat import WatWriter

SEED = 4001  # of scenes that no training has drawn
SCENES = 196
VIEWS = 4  # of each photograph
WATS = 2
LINKS_A_PAGE = 11
MIN_BYTES = 5600  # the worker drops images of less than 5,000
TEXTS = json.loads((HERE / "texts.json").read_text())
OPENINGS = tuple(o for o in scenes.OPENINGS if o)

# How many links of each kind, beside the plain right ones.
TWISTS = {  # right pairs behind something that a crawler must cope with
    "relative": 30,
    "protocol_relative": 14,
    "entity": 16,
    "odd_url": 18,
    "white_space": 8,
    "slow_image": 12,
    "redirect": 12,
}
DROPPED = {  # kind: (how many, stage, fate)
    "wrong": (110, "clip", "low_similarity"),
    "altered": (20, "clip", "low_similarity"),
    "unrelated": (24, "clip", "low_similarity"),
    "empty_alt": (20, "wat", "no_candidate"),
    "blank_alt": (6, "wat", "no_candidate"),
    "no_alt": (8, "wat", "no_candidate"),
    "not_text": (8, "wat", ""),
    "foreign_language": (24, "wat", "language"),
    "svg": (6, "wat", "unwanted_type"),
    "gif": (5, "wat", "unwanted_type"),
    "data_uri": (5, "wat", "not_http"),
    "other_scheme": (3, "wat", "not_http"),
    "bad_url": (3, "wat", "bad_url"),
    "missing_image": (14, "fetch", "http_not_found"),
    "too_small": (10, "image", "too_small"),
    "broken_image": (12, "image", "broken_image"),
    "html_instead": (8, "image", "not_an_image"),
}
DUPLICATES = 18
LICENCES = (
    "https://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by-sa/3.0/",
    "https://creativecommons.org/licenses/by-nc/2.0/",
)
NO_LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
# Folders of the three sites; no page nor picture lies elsewhere.
HOSTS = {"photos.test": "photos", "scenes.test": "drawings", "shop.test": "img"}


@dataclass
class Picture:
    host: str
    path: str  # as it stands in a URL
    scene: scenes.Scene | None
    photo: int | None


@dataclass
class Link:
    """An image on a page; the fields of a line of truth.jsonl, see README.md."""

    kind: str
    url: str | None
    src: str
    alt: str | None
    text: str
    want: str
    stage: str
    fate: str
    page: str = ""
    license: str = "?"


class World:
    def __init__(self, out, port):
        self.site = out / "site"
        self.port = port
        self.rng = np.random.default_rng(SEED)
        self.shots = photos.load()
        self.pictures = []
        self.numbers = Counter()
        self.pairs = set()  # (URL, text) of all links

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def origin(self, host):
        return f"http://{host}" + (f":{self.port}" if self.port != 80 else "")

    def number(self, what):
        self.numbers[what] += 1
        return self.numbers[what]

    def write(self, host, name, data):
        path = self.site / host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    # ---- pictures ----

    def encode(self, image):
        """The bytes and the ending of a picture large enough to be kept."""
        ending = self.pick(("jpg",) * 8 + ("png", "webp"))
        kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[ending]
        for quality in (int(self.rng.integers(78, 92)), 95, 100):
            data = io.BytesIO()
            image.save(data, kind, quality=quality, compress_level=3, method=2)
            if data.tell() >= MIN_BYTES:
                break
        assert data.tell() >= MIN_BYTES, (ending, image.size)
        return data.getvalue(), ending

    def add_picture(self, host, image, scene=None, photo=None):
        data, ending = self.encode(image)
        folder = HOSTS[host]
        name = f"{self.number(host):04d}.{ending}"
        self.write(host, f"{folder}/{name}", data)
        self.pictures.append(Picture(host, f"/{folder}/{name}", scene, photo))

    def draw_pictures(self):
        for k in range(SCENES):
            scene = scenes.draw_lots(self.rng)
            width, height = (int(v) for v in self.rng.integers(220, 340, size=2))
            image = scenes.draw_scene(scene, self.rng, width, height)
            host = "shop.test" if k % 3 == 0 else "scenes.test"
            self.add_picture(host, image, scene=scene)
        for k, (image, _) in enumerate(self.shots):
            for _ in range(VIEWS):
                view = photos.world_view(image, self.rng)
                self.add_picture("photos.test", view, photo=k)

    # ---- texts ----

    def say(self, facts):
        """With an opening, for bare ones are too short to tell the language."""
        while True:
            text = scenes.say(self.rng, facts)
            if text.startswith(OPENINGS):
                return text

    def photo_text(self, photo):
        opening = self.pick(("", "", "a photo of ", "this picture shows "))
        return opening + self.pick(self.shots[photo][1])

    def right_text(self, picture):
        if picture.scene is None:
            return self.photo_text(picture.photo)
        return self.say(scenes.claim(self.rng, picture.scene))

    def wrong_text(self, picture):
        """A right text of another picture that is not true of this one."""
        while True:
            other = self.pick(self.pictures)
            if other.scene is None:
                if other.photo != picture.photo:
                    return self.photo_text(other.photo)
                continue
            claims = scenes.claim(self.rng, other.scene)
            rows = (
                [scenes.facts_row(claims)],
                [scenes.facts_row(picture.scene or claims)],
            )
            if picture.scene is None or not scenes.truth(*rows)[0, 0]:
                return self.say(claims)

    def altered_text(self, picture):
        while True:
            attribute = self.pick(scenes.ATTRIBUTES[:-1])
            pair = scenes.altered_pair(self.rng, picture.scene, attribute)
            if pair is not None:
                return self.say(pair[1].facts)

    # ---- links ----

    def src(self, picture, page, form="plain"):
        """(what the page says, what it means) for one of the ways to write a URL."""
        origin, path = self.origin(picture.host), picture.path
        folder, name = path.strip("/").split("/")
        url = origin + path
        if form == "relative":
            if page.base is not None:
                return name, url
            return self.pick((f"../{folder}/{name}", path)), url
        if form == "protocol_relative":
            return url.removeprefix("http:"), url
        if form == "entity":
            query = f"?id={self.number('id')}&size=large"
            return url + query, url + query
        if form == "slow_image":
            path = f"/slow/{self.pick((200, 500, 900, 1500))}{path}"
            return path, origin + path
        if form == "redirect":
            return f"/redir{path}", f"{origin}/redir{path}"
        if form == "odd_url":
            return self.odd_src(picture, origin)
        return url, url

    def odd_src(self, picture, origin):
        path = picture.path
        folder, name = path.strip("/").split("/")
        url = origin + path
        form = self.number("odd") % 6
        if form == 0:
            return f"/pages/.././{folder}/x/../{name}", url
        if form == 1:
            return url.replace(picture.host, picture.host.upper()), url
        if form == 2:
            return path.replace("/", "\\"), url
        if form == 3:
            return f"\n  {url[:12]}\t{url[12:]}  ", url
        if form == 4:
            return f"HTTP:{path}", url
        new = f"größe {name}"
        data = (self.site / picture.host / folder / name).read_bytes()
        self.write(picture.host, f"{folder}/{new}", data)
        return f"/{folder}/{new}", f"{origin}/{folder}/{quote(new)}"

    def right_link(self, picture, page, kind):
        src, url = self.src(picture, page, kind)
        text = alt = self.right_text(picture)
        if kind == "entity":
            k = int(self.rng.integers(len(text)))
            alt = f"{text[:k]}&#{ord(text[k])};{text[k + 1 :]}"
        elif kind == "white_space":
            alt = "\n\t " + text.replace(" ", "  ").replace("  ", "\n   ", 2) + " "
        self.pairs.add((url, text))
        return Link(kind, url, src, alt, text, "kept", "output", "kept")

    def dropped_link(self, kind, page):
        _, stage, fate = DROPPED[kind]
        picture = self.pick([p for p in self.pictures if p.host == page.host])
        src, url = self.src(picture, page, self.pick(("plain", "relative")))
        text = self.right_text(picture)
        if kind == "wrong":
            text = self.wrong_text(picture)
        elif kind == "unrelated":
            text = self.pick(TEXTS["unrelated"])
        elif kind == "altered":
            text = self.altered_text(picture)
        elif kind == "foreign_language":
            text = TEXTS["foreign"][self.number(kind) % len(TEXTS["foreign"])]
        elif kind == "not_text":
            text = self.pick(TEXTS["not_text"])
        alt = {"empty_alt": "", "blank_alt": " \n ", "no_alt": None}.get(kind, text)
        if fate == "no_candidate":
            text = ""
        if kind in FILES:
            src, url = FILES[kind](self, page.host)
        return Link(kind, url, src, alt, text, "dropped", stage, fate)

    def new_dropped_link(self, kind, page):
        """One whose URL and text do not stand together anywhere else, or else it
        would count as a duplicate."""
        while True:
            link = self.dropped_link(kind, page)
            if (link.url, link.text) not in self.pairs or not link.text:
                self.pairs.add((link.url, link.text))
                return link

    # ---- files and URLs that lead to no picture ----

    def put(self, host, name, data):
        self.write(host, name, data)
        return f"/{name}", f"{self.origin(host)}/{name}"

    def missing(self, host):
        name = f"/missing/{self.number('missing'):03d}.jpg"
        return name, self.origin(host) + name

    def tiny(self, host):
        image = scenes.draw_scene(scenes.draw_lots(self.rng), self.rng, 48, 48)
        name = f"{HOSTS[host]}/thumb-{self.number('tiny'):03d}.jpg"
        return self.put(host, name, scenes.as_jpeg(image, 80))

    def broken(self, host):
        """Right first bytes, then nonsense."""
        n = self.number("broken")
        noise = self.rng.bytes(9000)
        head, ending = (
            (
                b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
                "jpg",
            ),
            (
                b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00",
                "png",
            ),
            (b"RIFF" + len(noise).to_bytes(4, "little") + b"WEBPVP8 ", "webp"),
        )[n % 3]
        # No byte of a JPEG marker, which a lenient decoder would look for.
        data = head + noise.replace(b"\xff", b"\x00")
        return self.put(host, f"broken/{n:03d}.{ending}", data)

    def html_file(self, host):
        words = " ".join(TEXTS["unrelated"] * 8)
        page = f"<!DOCTYPE html><title>Please log in</title><p>{words}</p>\n"
        return self.put(host, f"html/{self.number('html'):03d}.jpg", page.encode())

    def vector(self, host):
        svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>\n'
        return self.put(host, f"icons/{self.number('svg'):03d}.svg", svg.encode())

    def animation(self, host):
        name = f"/icons/{self.number('gif'):03d}.gif"
        return name, self.origin(host) + name

    def data_uri(self, _):
        uri = f"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAA{self.number('data')}A"
        return uri, uri

    def ftp(self, host):
        url = f"ftp://{host}/{HOSTS[host]}/{self.number('ftp'):03d}.jpg"
        return url, url

    def bad_url(self, host):
        bad = (
            "http://[::1/a.jpg",
            f"http://{host}:99999/a.jpg",
            "http://a b.test/a.jpg",
        )
        return bad[self.number("bad") % len(bad)], None


FILES = {
    "missing_image": World.missing,
    "too_small": World.tiny,
    "broken_image": World.broken,
    "html_instead": World.html_file,
    "svg": World.vector,
    "gif": World.animation,
    "data_uri": World.data_uri,
    "other_scheme": World.ftp,
    "bad_url": World.bad_url,
}


# ---- pages ----


class Page:
    def __init__(self, world, host, number):
        self.host = host
        self.path = f"/pages/{number:03d}.html"
        self.url = world.origin(host) + self.path
        folder = HOSTS[host]
        forms = (
            f"/{folder}/",
            f"../{folder}/page.html",
            f"{world.origin(host)}/{folder}/",
        )
        self.base = forms[number // 4 % 3] if number % 4 == 1 else None
        self.links = []

    def parts(self, world):
        """The body in order: images, and other links between them. Sets the
        images' licences."""
        license = "?"
        changes = {}
        if world.rng.random() < 0.45:
            changes[int(world.rng.integers(len(self.links)))] = world.pick(LICENCES)
        if world.rng.random() < 0.3:
            changes[int(world.rng.integers(len(self.links)))] = world.pick(LICENCES)
        elif world.rng.random() < 0.2:
            changes[len(self.links) // 2] = NO_LICENCE
        for k, link in enumerate(self.links):
            if k in changes:
                yield ("a", changes[k], "licence of the pictures below")
                license = changes[k] if "/licenses/" in changes[k] else license
            link.license = license
            link.page = self.url
            yield ("img", link.src, link.alt)
            if k % 3 == 2:
                yield ("a", f"/pages/{k:03d}.html", f"page {k}")

    def write(self, world, wat):
        title = f"Page {self.path[7:10]} of {self.host}"
        body, links = [], []
        for tag, target, text in self.parts(world):
            if tag == "img":
                alt = "" if text is None else f' alt="{text}"'
                src = html.escape(target, quote=False)
                body.append(f'<p><img src="{src}"{alt}></p>')
                found = {"path": "IMG@/src", "url": target}
                links.append(found if text is None else {**found, "alt": text})
            else:
                body.append(f'<p><a href="{target}">{text}</a></p>')
                links.append({"path": "A@/href", "url": target, "text": text})
        base = "" if self.base is None else f'<base href="{self.base}">\n'
        text = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<title>{title}</title>\n{base}<link rel="stylesheet" href="/style.css">\n'
            "</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
        )
        head = {"Title": title}
        if self.base is not None:
            head["Base"] = self.base
        head["Metas"] = [{"charset": "utf-8"}]
        sheet = {"path": "LINK@/href", "url": "/style.css", "rel": "stylesheet"}
        head["Link"] = [sheet]
        data = text.encode()
        world.write(self.host, self.path[1:], data)
        wat.add_page(self.url, data, {"Head": head, "Links": links})


def fill_pages(world):
    """Pages with all links in them, in random order."""
    dropped = [kind for kind, (count, *_) in DROPPED.items() for _ in range(count)]
    twists = [kind for kind, count in TWISTS.items() for _ in range(count)]
    count = -(-(len(world.pictures) + len(dropped) + DUPLICATES) // LINKS_A_PAGE)
    share = {"photos.test": 0.3, "scenes.test": 0.45, "shop.test": 0.25}
    pages = {
        host: [Page(world, host, k) for k in range(max(2, round(count * part)))]
        for host, part in share.items()
    }
    every = [page for group in pages.values() for page in group]
    order = world.rng.permutation(len(world.pictures))
    for k, which in enumerate(order):
        picture = world.pictures[which]
        page = world.pick(pages[picture.host])
        kind = twists[k] if k < len(twists) else "right"
        page.links.append(world.right_link(picture, page, kind))
    for kind in dropped:
        # Only of a scene is it known what altering a text makes wrong.
        hosts = list(HOSTS)[1:] if kind == "altered" else list(HOSTS)
        page = world.pick([p for p in every if p.host in hosts])
        page.links.append(world.new_dropped_link(kind, page))
    pages = [page for page in every if page.links]
    for page in pages:
        page.links = [page.links[k] for k in world.rng.permutation(len(page.links))]
    add_duplicates(world, pages)
    return [pages[k] for k in world.rng.permutation(len(pages))]


def add_duplicates(world, pages):
    """Pairs that stand a second time on their page, with the URL in full."""
    left = DUPLICATES
    while left > 0:
        page = world.pick(pages)
        link = world.pick(page.links)
        if link.kind in ("right", "relative", "wrong", "protocol_relative"):
            twin = Link(
                *("duplicate", link.url, link.url, link.alt, link.text),
                *("dropped", "wat", "duplicate"),
            )
            page.links.append(twin)
            left -= 1


def make(out, port):
    world = World(out, port)
    world.draw_pictures()
    pages = fill_pages(world)
    for host in HOSTS:
        world.write(host, "style.css", b"img { max-width: 20em }\n")
    names, truth = [], []
    for k in range(WATS):
        name = f"crawl-{k:05d}"
        names.append(f"{name}.warc.wat.gz")
        wat = WatWriter(out / names[-1], name)
        for page in pages[k::WATS]:
            page.write(world, wat)
            truth += [{"wat": k, **asdict(link)} for link in page.links]
        wat.close()
    (out / "wat.paths").write_text("".join(f"{n}\n" for n in names))
    lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in truth]
    (out / "truth.jsonl").write_text("".join(lines), "utf-8")
    # Whose photographs these are goes where they go.
    shutil.copyfile(HERE / "photos.json", out / "photos.json")
    return pages, truth


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--out", required=True, type=Path, help="replaced if it exists")
    p.add_argument("--port", type=int, default=8124, help="in all URLs")
    p.add_argument("--quiet", action="store_true")
    args = p.parse_args()
    if args.out.exists():
        if not (args.out / "truth.jsonl").exists() and any(args.out.iterdir()):
            sys.exit(f"make_world: {args.out} holds something else than a demo world")
        shutil.rmtree(args.out)
    args.out.mkdir(parents=True)
    pages, truth = make(args.out, args.port)
    kept = sum(line["want"] == "kept" for line in truth)
    if not args.quiet:
        print(
            f"{len(pages)} pages, {len(truth)} image links, {kept} to be kept: {args.out}"
        )


if __name__ == "__main__":
    main()
