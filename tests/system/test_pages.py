"""The pages: well-formed, escaped, reachable, and quiet in a browser."""

import html.parser
import subprocess
import urllib.parse

import pytest
from conftest import SECRET, Tracker

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "&lt;b&gt; & ' \" <!-- ]]> </title></table>",
    "javascript:alert(3)",
    "\u202eright to left",
    "日本語 𝒳 é",
]
VOID = {"meta", "link", "br", "img", "hr", "input"}
MOST_PAIRS = 2**31 - 1  # that one job may have
PAGES = ["/", "/?all=true", "/?page=2", "/leaderboard", "/install"]


class Checker(html.parser.HTMLParser):
    """Keeps what is on a page; complains about tags that do not match."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.tags = []  # (name, attributes) of each
        self.text = []
        self.faults = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.faults.append(f"an attribute is twice in {tag}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes another")

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def check(text):
    page = Checker()
    page.feed(text)
    page.close()
    assert not page.faults
    assert not page.open
    return page


@pytest.fixture(scope="module")
def hostile(cah, tmp_path_factory):
    """A tracker whose workers, leaders and banner are all hostile; only read."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret").write_text(SECRET)
    listing = folder / "wat.paths"
    listing.write_text("".join(f"wat/{k}.warc.wat.gz\n" for k in range(50)))
    store = folder / "tracker.db"
    subprocess.run(
        [cah, "jobs", "import", listing, "--store", f"sqlite:{store}", "--quiet"],
        check=True,
    )
    args = ["--admin-token-file", folder / "secret", "--quiet"]
    tracker = Tracker(cah, store, args).start()
    fill(tracker)
    yield tracker
    assert tracker.stop() == 0


def fill(tracker):
    for i in range(60):
        text = HOSTILE[i % len(HOSTILE)]
        type = ("HYBRID", "CPU")[i // len(HOSTILE) % 2]
        token = tracker.new_worker(type, nickname=text)
        worker = {"token": token, "type": type}
        assert tracker.post("/api/newJob", worker).status == 200
        progress = {**worker, "progress": text}
        assert tracker.post("/api/updateProgress", progress).status == 200
        if i < 36:
            done = {**worker, "count": MOST_PAIRS, "url": "http://a.test/<x>"}
            assert tracker.post("/api/markAsDone", done).status == 200
    banner = {"password": SECRET, "text": HOSTILE[0]}
    assert tracker.post("/admin/set-banner", banner).status == 200


def worker_links(page):
    return [a["href"] for a in page.all("a") if a["href"].startswith("/worker/")]


def test_pages_are_well_formed_and_escape_everything(hostile):
    links = worker_links(check(hostile.get("/").text))
    assert len(links) == 50
    for path in [*PAGES, links[0], links[-1]]:
        answer = hostile.get(path)
        assert answer.status == 200, path
        page = check(answer.text)
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "b"}), path
        for _, attrs in page.tags:
            assert not any(name.startswith("on") for name in attrs), path
            assert "javascript:" not in attrs.get("href", ""), path
        assert HOSTILE[0] in page.text, "the banner"


def test_hostile_texts_are_shown_as_they_are(hostile):
    shown = check(hostile.get("/?all=true").text).text
    leaders = check(hostile.get("/leaderboard").text).text
    for text in HOSTILE:
        assert shown.count(text) >= 20, "a nickname and a progress each"
        assert text in leaders
    assert leaders.count(f"{3 * MOST_PAIRS:,}") == len(HOSTILE), "three jobs of each"


def test_pages_can_be_used_without_seeing_them(hostile):
    first = worker_links(check(hostile.get("/").text))[0]
    for path in [*PAGES, first]:
        page = check(hostile.get(path).text)
        assert page.tags[0] == ("html", {"lang": "en"})
        assert len(page.all("title")) == 1
        assert len(page.all("h1")) == 1
        assert len(page.all("main")) == 1
        assert all("scope" in attrs for attrs in page.all("th")), path
        viewport = [m for m in page.all("meta") if m.get("name") == "viewport"]
        assert len(viewport) == 1
    page = check(hostile.get("/").text)
    assert len(page.all("progress")) == 1
    assert page.all("progress")[0]["aria-label"]
    assert [a["href"] for a in page.all("a") if a.get("aria-current")] == ["/"]


def test_workers_come_in_pages_or_all_at_once(hostile):
    first = worker_links(check(hostile.get("/").text))
    second = worker_links(check(hostile.get("/?page=2").text))
    everything = worker_links(check(hostile.get("/?all=true").text))
    assert (len(first), len(second)) == (50, 10)
    assert sorted(first + second) == sorted(everything)
    assert len(set(everything)) == 60
    assert worker_links(check(hostile.get("/?page=3").text)) == []


def test_more_than_a_long_page_holds_come_in_long_pages(import_jobs, start_tracker):
    import_jobs(1)
    tracker = start_tracker("--quiet", "--no-limits")
    for _ in range(1001):
        tracker.new_worker()
    first = check(tracker.get("/?all=true").text)
    assert len(worker_links(first)) == 1000
    (following,) = [a["href"] for a in first.all("a") if a.get("rel") == "next"]
    assert following == "/?all=true&page=2"
    second = worker_links(check(tracker.get(following).text))
    assert len(second) == 1
    assert second[0] not in worker_links(first)


def test_every_link_leads_somewhere(hostile):
    seen, todo = set(), ["/"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = hostile.get(path)
        assert answer.status == 200, path
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        page = check(answer.text)
        links = [a["href"] for tag in ("a", "link") for a in page.all(tag)]
        todo += [urllib.parse.urljoin(path, link) for link in links]
    assert {"/install", "/leaderboard", "/data", "/style.css", "/icon.svg"} <= seen


def test_a_browser_is_told_to_load_nothing_else(hostile):
    for path in PAGES:
        headers = hostile.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert hostile.get("/style.css").headers["Content-Type"].startswith("text/css")
    assert hostile.get("/icon.svg").headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Host": "cah.example.org"}, "http://cah.example.org/"),
        ({"Host": "[::1]:8080"}, "http://[::1]:8080/"),
        (
            {"Host": "cah.example.org", "X-Forwarded-Proto": "https"},
            "https://cah.example.org/",
        ),
        ({"Host": "a.test", "X-Forwarded-Proto": "ftp"}, "http://a.test/"),
        ({"Host": "x; rm -rf ~"}, None),
        ({"Host": "$(reboot)"}, None),
        ({"Host": '"><script>'}, None),
        ({"Host": "x" * 300}, None),
        ({"Host": ""}, None),
    ],
)
def test_install_shows_the_address_by_which_it_was_reached(hostile, headers, url):
    page = check(hostile.get("/install", headers=headers).text)
    text = "".join(page.text)
    assert f"--tracker {url or hostile.url + '/'}\n" in text + "\n"
    assert f'url="{url or hostile.url + "/"}"' in text
    assert "rm -rf" not in text
    assert "reboot" not in text


def test_empty_pages_say_so(import_jobs, start_tracker, tmp_path):
    tracker = start_tracker("--quiet", store=tmp_path / "empty.db")
    assert "No worker here." in tracker.get("/").text
    assert tracker.get("/leaderboard").text.count("Nobody here.") == 2
    assert tracker.get("/data").json()["completion_float"] == 100


def browse(tmp_path, *args):
    """Chromium's output for `args`, and what its pages wrote to the console."""
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            *args,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def test_a_browser_shows_the_pages_without_a_complaint(hostile, tmp_path):
    for path in ("/?all=true", "/leaderboard"):
        dom, console = browse(tmp_path, "--dump-dom", hostile.url + path)
        assert console == []
        page = Checker()
        page.feed(dom)
        assert page.all("script") == []
        assert page.all("img") == []
        assert len(page.all("tr")) > 5


@pytest.mark.parametrize("width", [500, 1280])
def test_a_browser_draws_the_pages(hostile, tmp_path, width):
    picture = tmp_path / "page.png"
    _, console = browse(
        tmp_path,
        f"--screenshot={picture}",
        f"--window-size={width},900",
        hostile.url + "/",
    )
    assert console == []
    assert picture.stat().st_size > 10_000


# Names every element that is wider than its place, but for those in a box that
# scrolls.
OVERFLOWING = """
<script>
const wide = [...document.querySelectorAll("body, body *")].filter(e =>
	!e.closest(".scroll") && e.scrollWidth > e.clientWidth + 1 && e.clientWidth);
document.body.innerHTML = "<ul></ul>";
for (const e of wide) {
	const item = document.createElement("li");
	item.className = "wide";
	item.textContent = e.tagName;
	document.querySelector("ul").append(item);
}
</script>"""


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_of_its_place(hostile, tmp_path, width):
    style = hostile.get("/style.css").text
    for path in ("/", "/leaderboard", "/install", worker_page(hostile)):
        text = hostile.get(path).text
        # The page's own policy forbids the script that measures.
        text = text.replace("</head>", f"<style>{style}</style></head>")
        copy = tmp_path / "copy.html"
        copy.write_text(text.replace("</body>", OVERFLOWING + "</body>"))
        dom, _ = browse(
            tmp_path, f"--window-size={width},900", "--dump-dom", copy.as_uri()
        )
        assert "<ul>" in dom
        assert dom.count('class="wide"') == 0, (path, dom)


def worker_page(tracker):
    page = Checker()
    page.feed(tracker.get("/").text)
    return worker_links(page)[0]
