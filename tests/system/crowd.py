"""Many clients at one time, each of which keeps a diary; then the diaries are laid
beside each other: no job had two holders, each completion counts once, and no answer
on the way told of more or less than was done.

Where an answer never came, its client asks on as deployed ones do, and so learns
what became of it.
"""

import bisect
import itertools
import json
import random
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from book_model import STATES, rows
from calls import wait_until
from conftest import store_uri
from model_check import Connection, Lost
from worlds import Violation

DOZES = 0.02  # of the rounds a client sleeps, maybe until it is timed out
TYPES = ("HYBRID", "HYBRID", "CPU", "GPU")
NICKNAMES = ("ann", "bob", "cid", "dora", "eve")
LIST_MAX = 1000  # jobs of one `cah jobs list`
NEVER = float("inf")
PAUSE_S = 0.02  # where there is no job, or no tracker


class Away(Exception):
    """The answer was 503: nothing has changed, and it is to be tried again."""


class Held(NamedTuple):
    """A job that certainly was one worker's."""

    number: int
    asked: float
    since: float
    until: float
    who: str


class Done(NamedTuple):
    """A completion. `came` is infinite where nobody was told, `is_sure` false
    where nobody ever learnt."""

    number: int
    type: str
    nickname: str
    pairs: int
    sent: float
    came: float
    is_sure: bool


class Seen(NamedTuple):
    """What an answer told of pairs: of all, or of each nickname."""

    sent: float
    came: float
    pairs: dict


class Member:
    """One client: newJob, updateProgress, markAsDone, as the deployed ones."""

    def __init__(self, crowd, number, seed):
        self.crowd = crowd
        self.rng = random.Random(seed)
        self.who = f"client {number}"
        self.nickname = NICKNAMES[number % len(NICKNAMES)]
        self.type = TYPES[number % len(TYPES)]
        self.trackers = itertools.cycle(
            crowd.trackers[number % len(crowd.trackers) :]
            + crowd.trackers[: number % len(crowd.trackers)]
        )
        self.connection = None
        self.token = None
        self.held = []
        self.done = []
        self.heard = 0.0  # at the earliest

    def call(self, name, **fields):
        """Status and text, and when it was sent and answered."""
        body = {"token": self.token, "type": self.type, **fields}
        body = json.dumps(body).encode()
        if self.connection is None:
            self.connection = Connection(next(self.trackers).address)
        sent = time.monotonic()
        try:
            if name == "new":
                path = f"/api/new?nickname={self.nickname}&type={self.type}"
                status, text = self.connection.exchange("GET", path, b"")
            else:
                path = f"/api/{name}"
                status, text = self.connection.exchange("POST", path, body)
        except Lost:
            self.connection.close()
            self.connection = None
            raise
        if status == 503:
            self.crowd.note_away(self.connection.head)
            raise Away
        if status == 200 and name != "bye":
            self.heard = sent
        return status, text, sent, time.monotonic()

    def live(self):
        while not self.crowd.is_over.is_set():
            try:
                if self.token is None:
                    status, text, *_ = self.call("new")
                    self.expect(status == 200, status, text)
                    self.token = json.loads(text)["token"]
                self.round()
            except (Lost, Away):
                time.sleep(PAUSE_S)
        if self.connection:
            self.connection.close()

    def round(self):
        status, text, asked, since = self.call("newJob")
        if status == 404:
            self.forget(since)
        if status != 200:
            self.expect(status in (403, 404), status, text)
            time.sleep(PAUSE_S)
            return
        number = json.loads(text)["number"]
        try:
            self.work()
        finally:
            # What follows may take the job from it, if it had it until then.
            until = min(time.monotonic(), self.heard + self.crowd.idle_s)
            self.held.append(Held(number, asked, since, until, self.who))
        self.give(number)

    def work(self):
        for _ in range(self.rng.randrange(3)):
            status, text, *_ = self.call("updateProgress", progress="half")
            self.expect(status == 200, status, text)
        if self.rng.random() < DOZES:
            self.crowd.is_over.wait(self.rng.uniform(0, 2 * self.crowd.idle_s))

    def give(self, number):
        """Hands the result in, or the job back."""
        chance = self.rng.random()
        if chance < 0.05:
            return  # the next newJob gives it back
        if chance < 0.1:
            self.leave()
        elif chance < 0.15 and self.type == "GPU":
            self.call("gpuInvalidDownload")
        else:
            self.finish(number)

    def leave(self):
        try:
            self.call("bye")
        finally:
            self.token = None

    def finish(self, number):
        pairs = 0 if self.type == "CPU" else self.rng.randrange(1000)
        fields = {"count": pairs}
        if self.type == "CPU":
            fields = {"url": f"http://store.test/{number}.tar"}
        begun = time.monotonic()
        was_lost = False
        while True:
            try:
                status, text, sent, came = self.call("markAsDone", **fields)
                break
            except Lost:
                was_lost = True
            except Away:
                was_lost |= self.crowd.is_unsure_when_away
            if self.crowd.is_over.is_set():
                if was_lost:
                    self.note(number, pairs, begun, NEVER, False)
                return
            time.sleep(PAUSE_S)
        self.expect(status in (200, 403, 404), status, text)
        if status == 200:
            self.note(number, pairs, sent, came, True)
        elif status == 404:
            self.forget(came)
            if was_lost:
                self.note(number, pairs, begun, NEVER, False)
        else:
            # It was done by the call whose answer never came.
            self.expect(was_lost, status, f"{text}: {number}")
            self.note(number, pairs, begun, came, True)

    def forget(self, came):
        """It was told that it timed out."""
        silence = came - self.heard
        self.expect(silence > self.crowd.idle_s, 404, f"after {silence} s")
        self.token = None

    def note(self, number, pairs, sent, came, is_sure):
        self.done.append(
            Done(number, self.type, self.nickname, pairs, sent, came, is_sure)
        )

    def expect(self, holds, status, text):
        if not holds:
            raise Violation(f"{self.who} was told {status} {text[:200]}")


class Observer:
    """Looks at the numbers all the time."""

    def __init__(self, crowd, tracker):
        self.crowd = crowd
        self.tracker = tracker
        self.totals = []  # Seen
        self.leaders = []

    def watch(self):
        connection = None
        while not self.crowd.is_over.is_set():
            try:
                connection = connection or Connection(self.tracker.address)
                self.look(connection)
            except Lost:
                connection = None
            time.sleep(PAUSE_S)

    def look(self, connection):
        sent = time.monotonic()
        status, text = self.ask(connection, "/data")
        if status == 200:
            data = json.loads(text)
            pairs = {"all": data["total_pairs_scraped"]}
            self.totals.append(Seen(sent, time.monotonic(), pairs))
            check_data(data, self.crowd.total)
        sent = time.monotonic()
        status, text = self.ask(connection, "/leaderboard")
        if status == 200:
            upper, _, _ = text.partition('<h2 id="cpu">')
            pairs = {nickname: pairs for nickname, _, pairs in rows(upper)}
            self.leaders.append(Seen(sent, time.monotonic(), pairs))

    def ask(self, connection, path):
        status, text = connection.exchange("GET", path, b"")
        if status == 503:
            self.crowd.note_away(connection.head)
        elif status != 200:
            raise Violation(f"{path}: {status} {text[:200]}")
        return status, text


def check_data(data, total):
    """What one answer tells of jobs, within itself."""
    jobs = data["jobs"]
    if (
        sum(jobs.values()) != 2 * total  # itself among them
        or jobs["total"] != total
        or min(jobs.values()) < 0
        or data["closed_jobs"] != jobs["done"]
        or data["completion_str"] != f"{jobs['done']:,} / {total:,}"
        or data["total_connected_workers"] != sum(data["workers"].values())
    ):
        raise Violation(f"/data: {data}")


class Crowd:
    def __init__(self, trackers, total, idle_s, seed, members=48):
        self.trackers = trackers
        self.total = total  # jobs
        self.idle_s = idle_s
        self.rng = random.Random(seed)
        self.is_over = threading.Event()
        self.members = [Member(self, n, self.rng.random()) for n in range(members)]
        self.may_be_away = False  # the store
        # A database that is lost amid a commit may have done it.
        self.is_unsure_when_away = False
        self.away = 0  # times that it was
        self.observers = [Observer(self, tracker) for tracker in trackers]
        self.troubles = 0

    def note_away(self, head):
        if not self.may_be_away or b"\r\nretry-after: " not in head:
            raise Violation(f"503: {head}")
        self.away += 1

    def run(self, seconds, trouble, every_s=1):
        """All of them for so long; `trouble` comes over a tracker now and then."""
        tasks = [*(m.live for m in self.members), *(o.watch for o in self.observers)]
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(len(tasks)) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                while time.monotonic() < until and not any(f.done() for f in futures):
                    left = until - time.monotonic()
                    pause = self.rng.uniform(0, 2 * every_s)
                    time.sleep(max(0, min(pause, left)))
                    if pause < left:
                        trouble(self.rng.choice(self.trackers), self.rng)
                        self.troubles += 1
            finally:
                self.is_over.set()
            for future in futures:
                future.result()

    # ---- what the diaries say together ----

    def check(self, run_cah):
        """All of it, when all is quiet."""
        self.check_holders()
        self.check_sightings()
        for tracker in self.trackers:
            wait_until(lambda tracker=tracker: tracker.get("/data").status == 200)
            before = None
            # Workers that nobody speaks for any more go meanwhile.
            while before != (data := tracker.get("/data").json()):
                before = data
                jobs = list_jobs(run_cah, tracker.store)
                page = tracker.get("/leaderboard").text
            self.check_end(jobs, data, page)

    @property
    def done(self):
        return [done for member in self.members for done in member.done]

    def check_holders(self):
        """No job was two workers' at one moment, nor handed out once it was done."""
        held = defaultdict(list)
        for member in self.members:
            for one in member.held:
                if one.since < one.until:
                    held[one.number].append(one)
        for all_of_one in held.values():
            all_of_one.sort(key=lambda one: one.since)
            for a, b in itertools.pairwise(all_of_one):
                if b.since < a.until:
                    raise Violation(f"two holders: {a} and {b}")
        closed = {d.number: d for d in self.done if d.type != "CPU" and d.is_sure}
        for number, done in closed.items():
            for one in held[number]:
                if one.asked > done.came:
                    raise Violation(f"handed out when done: {one} and {done}")

    def check_sightings(self):
        """Each number shown is at least what had been told by then, and at most
        what had been asked for."""
        for observer in self.observers:
            self.check_seen(observer.totals, {"all": self.done})
            by_name = defaultdict(list)
            for done in self.done:
                by_name[done.nickname].append(done)
            self.check_seen(observer.leaders, by_name)

    def check_seen(self, sightings, dones):
        for name, all_of_one in dones.items():
            least = Sum((d.came, d.pairs) for d in all_of_one if d.is_sure)
            most = Sum((d.sent, d.pairs) for d in all_of_one)
            for seen in sightings:
                low, high = least.at(seen.sent), most.at(seen.came)
                if not low <= seen.pairs.get(name, 0) <= high:
                    raise Violation(f"{name}: {low} to {high} pairs, but {seen}")

    def check_end(self, jobs, data, page):
        """`jobs` as `cah jobs list --json` has them, when all is quiet."""
        check_data(data, self.total)
        states = Counter(job["state"] for job in jobs)
        assert {s: states[s] for s in STATES}.items() <= data["jobs"].items()
        pairs = sum(job["pairs"] for job in jobs)
        assert data["total_pairs_scraped"] == pairs, (data, pairs)
        upper, _, lower = page.partition('<h2 id="cpu">')
        for text, who in ((upper, "done_by"), (lower, "made_by")):
            number = Counter(job[who] for job in jobs if job[who])
            found = Counter()
            for job in jobs:
                if who == "done_by":
                    found[job[who]] += job["pairs"]
            wanted = {(n, number[n], found[n]) for n in number}
            assert set(rows(text)) == wanted
        self.check_each(jobs)

    def check_each(self, jobs):
        """Every completion that was acknowledged is there, and none besides."""
        done = {d.number: d for d in self.done if d.type != "CPU" and d.is_sure}
        sure = [d.number for d in self.done if d.type != "CPU" and d.is_sure]
        if len(sure) != len(done):
            twice = [n for n, count in Counter(sure).items() if count > 1]
            raise Violation(f"done twice: {twice}")
        may_be = {(d.number, d.nickname, d.pairs) for d in self.done if d.type != "CPU"}
        for job in jobs:
            mine = done.get(job["number"])
            is_mine = (job["number"], job["done_by"], job["pairs"]) in may_be
            if mine and (job["done_by"], job["pairs"]) != (mine.nickname, mine.pairs):
                raise Violation(f"lost: {mine}: {job}")
            if job["state"] == "done" and not is_mine:
                raise Violation(f"nobody did {job}")


def kill(tracker, rng):
    """The trouble of a crash."""
    tracker.kill()
    time.sleep(rng.uniform(0, 0.1))
    tracker.start()


def list_jobs(run_cah, store):
    """All jobs, as `cah jobs list --json` has them."""
    jobs = []
    while True:
        args = ["--limit", LIST_MAX, "--offset", len(jobs), "--json"]
        args += ["--store", store_uri(store)]
        lines = run_cah("jobs", "list", *args, check=True).stdout.splitlines()
        jobs += map(json.loads, lines)
        if len(lines) < LIST_MAX:
            return jobs


class Sum:
    """Of what had come by a time."""

    def __init__(self, events):
        events = sorted(events)
        self.times = [at for at, _ in events]
        self.sums = [0, *itertools.accumulate(n for _, n in events)]

    def at(self, time):
        return self.sums[bisect.bisect_right(self.times, time)]
