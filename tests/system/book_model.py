"""The tracker's book as docs/protocol.md tells it, in plain Python: lists and loops,
so simple that it is right. Counts are counted, sums are summed, each time anew.

A Book never changes: `step` gives the one after a call. Time is no part of it but
for when a worker was last heard of, at the earliest.
"""

import html
import json
import re
from collections import Counter
from typing import NamedTuple

TYPES = ("HYBRID", "CPU", "GPU")
STATES = ("open", "leased", "gpu_open", "gpu_leased", "done")
PROGRESS_MAX = 255  # characters
WAT_IDS = 1_000_000  # sample numbers of one WAT
ROW = re.compile(
    r'<tr><td class="number">([\d,]+)</td><td class="who"><bdi title="[^"]*">'
    r'([^<]*)</bdi></td><td class="number">([\d,]+)(?:</td><td class="number">'
    r"([\d,]+))?</td></tr>"
)
BANNER = re.compile(r'<p class="banner"[^>]*>([^<]*)</p>')


class Answer:
    """What a call gave."""

    def __init__(self, status, text):
        self.status = status
        self.text = text
        self.parsed = ...

    def json(self):
        if self.parsed is ...:
            self.parsed = json.loads(self.text)
        return self.parsed

    def __repr__(self):
        return f"{self.status} {self.text[:300]!r}"


class Call:
    """One call, and what came of it.

    `worker` is a number that the caller chose: the book knows no tokens. Between
    `sent` and `came`, seconds of the monotonic clock, it was carried out; `answer`
    is None where none came, and then it may have been or not.
    """

    def __init__(self, name, worker=0, type="HYBRID", **fields):
        self.name = name
        self.worker = worker
        self.type = type
        self.fields = fields
        self.client = None
        self.sent = 0.0
        self.came = float("inf")
        self.answer = None

    def __repr__(self):
        return (
            f"client {self.client}: {self.name} {self.worker} {self.type} "
            f"{self.fields} -> {self.answer} [{self.sent:.4f}, {self.came:.4f}]"
        )


class Refused(Exception):
    """The call is answered with this status, and changes nothing."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Job(NamedTuple):
    state: str = "open"
    holder: int = 0  # the worker
    url: str = ""  # what the CPU worker left
    pairs: int = 0
    maker: str = ""  # the nickname of the CPU worker
    closer: str = ""  # and of who closed it


class Worker(NamedTuple):
    type: str
    nickname: str
    name: str  # on its page; None where the answer to `new` was lost
    job: int = 0
    jobs_completed: int = 0
    progress: str = ""
    heard: float = 0.0  # at the earliest


class Book:
    def __init__(self, wats=(), jobs=(), workers=None, banner=""):
        self.wats = tuple(wats)  # URLs
        self.jobs = list(jobs)  # number 1 is the first
        self.workers = dict(workers or {})
        self.banner = banner
        self.made_key = None

    def copy(self):
        return Book(self.wats, self.jobs, self.workers, self.banner)

    def key(self):
        if self.made_key is None:
            workers = tuple(sorted(self.workers.items()))
            self.made_key = (len(self.wats), tuple(self.jobs), workers, self.banner)
        return self.made_key

    def __eq__(self, other):
        return self.key() == other.key()

    def __hash__(self):
        return hash(self.key())

    # ---- what a call does ----

    def step(self, call):
        """The book after `call`, None where its answer cannot have been given.

        The answer's free choices, such as a new worker's name, are taken from it.
        """
        after = self if call.name in QUESTIONS else self.copy()
        try:
            wanted = DEEDS[call.name](after, call)
        except Refused as refused:
            is_it = call.answer is None or call.answer.status == refused.status
            return self if is_it else None
        if call.answer is None:
            return after
        is_it = call.answer.status == 200 and is_same(wanted, call.answer)
        return after if is_it else None

    def wanted(self, call):
        """What the answer would be here; for people."""
        try:
            wanted = DEEDS[call.name](self.copy(), call)
        except Refused as refused:
            return refused.status
        return wanted if not callable(wanted) else "something else"

    # ---- small parts ----

    def job(self, number):
        return self.jobs[number - 1]

    def set_job(self, number, **changes):
        self.jobs[number - 1] = self.jobs[number - 1]._replace(**changes)

    def set_worker(self, key, **changes):
        self.workers[key] = self.workers[key]._replace(**changes)

    def wat_of(self, number):
        return self.wats[(number - 1) // 2]

    def find(self, call, type=None):
        """The worker of a call, which was heard of if the call succeeds."""
        worker = self.workers.get(call.worker)
        if worker is None or worker.type != (type or call.type):
            raise Refused(404)
        heard = max(worker.heard, call.sent)
        self.workers[call.worker] = worker._replace(heard=heard)
        return worker

    def give_back(self, worker):
        """Its job is open again."""
        if worker.job == 0:
            return
        state = "gpu_open" if worker.type == "GPU" else "open"
        self.set_job(worker.job, state=state, holder=0)

    def without(self, key):
        """The book after a worker timed out."""
        after = self.copy()
        after.take_out(key)
        return after

    def take_out(self, key):
        self.give_back(self.workers[key])
        del self.workers[key]

    def drop_holder(self, number):
        holder = self.job(number).holder
        if holder != 0:
            self.set_worker(holder, job=0)

    def count(self):
        """Jobs by state."""
        states = Counter(job.state for job in self.jobs)
        return {state: states[state] for state in STATES}

    def leaders(self):
        """Both lists, as on the page: (nickname, jobs, pairs)."""
        jobs, pairs, made = Counter(), Counter(), Counter()
        for job in self.jobs:
            if job.closer:
                jobs[job.closer] += 1
                pairs[job.closer] += job.pairs
            if job.maker:
                made[job.maker] += 1
        closers = [(name, jobs[name], pairs[name]) for name in jobs]
        makers = [(name, made[name], 0) for name in made]
        closers.sort(key=lambda row: (-row[2], -row[1], row[0].encode()))
        makers.sort(key=lambda row: (-row[1], row[0].encode()))
        return closers, makers


def is_same(wanted, answer):
    if callable(wanted):
        return wanted(answer)
    if isinstance(wanted, str):
        return answer.text == wanted
    return answer.json() == wanted


# ---- workers ----


def new(book, call):
    nickname = call.fields["nickname"]
    given = call.answer.json() if call.answer and call.answer.status == 200 else None
    name = given["display_name"] if given else None
    names = {worker.name for worker in book.workers.values()}
    is_free = name is None or name not in names
    book.workers[call.worker] = Worker(call.type, nickname, name, heard=call.sent)
    return lambda answer: (
        is_free
        and set(given)
        == {
            *("token", "display_name", "upload_address"),
        }
    )


def new_job(book, call):
    worker = book.find(call)
    book.give_back(worker)
    state = "gpu_open" if call.type == "GPU" else "open"
    fits = [n for n, job in enumerate(book.jobs, 1) if job.state == state]
    if not fits:
        raise Refused(403)
    # Whoever gives one back gets the next one.
    number = next((n for n in fits if n > worker.job), fits[0])
    leased = "gpu_leased" if call.type == "GPU" else "leased"
    book.set_job(number, state=leased, holder=call.worker)
    book.set_worker(call.worker, job=number)
    shard = piece(book, number)
    if call.type == "GPU":
        shard["url"] = book.job(number).url
    return {**shard, "number": number}


def piece(book, number):
    start = (number - 1) // 2 * WAT_IDS
    return {
        "url": book.wat_of(number),
        "start_id": str(start),
        "end_id": str(start + WAT_IDS),
        "shard": (number - 1) % 2,
    }


def update_progress(book, call):
    if call.worker in book.workers and book.workers[call.worker].type == call.type:
        book.find(call)
        text = call.fields["progress"][:PROGRESS_MAX]
        book.set_worker(call.worker, progress=text)
    return "success"


def mark_as_done(book, call):
    worker = book.find(call)
    if worker.job == 0:
        raise Refused(403)
    if call.type == "CPU":
        to_gpu(book, worker.job, worker.nickname, call.fields["url"])
    else:
        close(book, worker.job, worker.nickname, call.fields["count"])
    book.set_worker(call.worker, job=0, jobs_completed=worker.jobs_completed + 1)
    return "success"


def to_gpu(book, number, nickname, url):
    book.set_job(number, state="gpu_open", holder=0, url=url, maker=nickname)


def close(book, number, nickname, pairs):
    book.set_job(number, state="done", holder=0, pairs=pairs, closer=nickname)


def gpu_invalid(book, call):
    worker = book.find(call)
    if worker.job == 0:
        raise Refused(403)
    book.jobs[worker.job - 1] = Job()
    book.set_worker(call.worker, job=0)
    return "success"


def validate_worker(book, call):
    try:
        book.find(call)
    except Refused:
        return "False"
    return "True"


def bye(book, call):
    book.find(call)
    book.take_out(call.worker)
    return "success"


# ---- whole WATs, and the organiser ----


def get_cpu_wat(book, call):
    for at, url in enumerate(book.wats):
        if book.jobs[2 * at].state == book.jobs[2 * at + 1].state == "open":
            return url
    raise Refused(403)


def lookup_wat(book, call):
    url = call.fields["url"]
    numbers = range(1, len(book.jobs) + 1)
    numbers = [n for n in numbers if book.wat_of(n) == url]
    shards = [[n, piece(book, n)] for n in numbers if book.job(n).state == "open"]
    if shards:
        return {"status": "success", "shards": shards}
    return has_failed


def has_failed(answer):
    got = answer.json()
    return set(got) == {"status", "detail"} and got["status"] == "failed"


def mark_cpu(book, call):
    before = book.workers.get(call.worker)
    worker = book.find(call, "CPU")
    numbers = call.fields["shards"]
    for number in numbers:
        if not 1 <= number <= len(book.jobs) or book.job(number).state != "open":
            book.workers[call.worker] = before
            return has_failed
    for number in numbers:
        to_gpu(book, number, call.fields["nickname"], call.fields["urls"][number])
    total = worker.jobs_completed + len(numbers)
    book.set_worker(call.worker, jobs_completed=total)
    return {"status": "success", "completed": len(numbers)}


def mark_admin(book, call):
    numbers = sorted(call.fields["shards"])
    if numbers[-1] > len(book.jobs):
        raise Refused(400)
    pairs = call.fields["count"]
    for number in numbers:
        if book.job(number).state != "done":
            book.drop_holder(number)
            close(book, number, call.fields["nickname"], pairs)
            pairs = 0  # the first that it closes has them
    return {"status": "success"}


def set_banner(book, call):
    book.banner = call.fields["text"]
    return {"status": "success"}


def reset(book, call):
    """`cah jobs reset`."""
    number = call.fields["number"]
    if number > len(book.jobs):
        raise Refused(404)
    book.drop_holder(number)
    book.jobs[number - 1] = Job()
    return lambda answer: True


def add_wats(book, call):
    """`cah jobs import`."""
    book.wats += tuple(url for url in call.fields["urls"] if url not in book.wats)
    book.jobs += [Job()] * (2 * len(book.wats) - len(book.jobs))
    return lambda answer: True


# ---- questions ----


def refuse(book, call):
    """A call that is wrong whatever the book says."""
    raise Refused(call.fields["status"])


def job_count(book, call):
    return str(book.count()["gpu_open" if call.type == "GPU" else "open"])


def is_completed(book, call):
    return [a for a in call.fields["addresses"] if is_done(book, a)]


def is_done(book, address):
    here = [job for job in book.jobs if job.url == address]
    if not here and address in book.wats:
        at = book.wats.index(address)
        here = book.jobs[2 * at : 2 * at + 2]
    return bool(here) and all(job.state == "done" for job in here)


def data(book, call):
    count = book.count()
    total = len(book.jobs)
    done = count["done"]
    types = Counter(worker.type for worker in book.workers.values())
    facts = {
        "completion_str": f"{done:,} / {total:,}",
        "total_connected_workers": len(book.workers),
        "total_pairs_scraped": sum(job.pairs for job in book.jobs),
        "open_jobs": count["open"] + count["gpu_open"],
        "pending_jobs": count["leased"] + count["gpu_leased"],
        "closed_jobs": done,
        "workers": {type: types[type] for type in TYPES},
    }
    percent = 100 * done / total if total else 100

    def holds(answer):
        got = answer.json()
        return (
            facts.items() <= got.items()
            and {**count, "total": total}.items() <= got["jobs"].items()
            and sum(got["jobs"].values()) == 2 * total  # itself among them
            and abs(got["completion_float"] - percent) < 1e-6
            and got["finished_last_hour"] <= done
            and (got["eta"] == "Finished") == (done == total)
        )

    return holds


def worker_data(book, call):
    """By the name alone, which another may have once a worker is gone."""
    kin = [w for w in book.workers.values() if w.type == call.type]
    found = [page_of(w) for w in kin if w.name == call.fields["page"]]
    # One whose name got lost may have any.
    nameless = [page_of(w) for w in kin if w.name is None]
    if call.answer and call.answer.status == 200 and not found:
        found = nameless
    if not found:
        raise Refused(404)
    return lambda answer: any(f.items() <= answer.json().items() for f in found)


def page_of(worker):
    facts = {
        "shard_number": worker.job or "N/A",
        "progress": worker.progress,
        "jobs_completed": worker.jobs_completed,
        "user_nickname": worker.nickname,
        "type": worker.type,
    }
    return {**facts, "display_name": worker.name} if worker.name else facts


def leaderboard(book, call):
    closers, makers = book.leaders()

    def holds(answer):
        upper, _, lower = answer.text.partition('<h2 id="cpu">')
        return rows(upper) == closers and rows(lower) == makers

    return holds


def rows(text):
    """The rows of a leaderboard: (nickname, jobs, pairs)."""
    found = []
    for place, nickname, jobs, pairs in ROW.findall(text):
        jobs, pairs = (int((n or "0").replace(",", "")) for n in (jobs, pairs))
        found.append((html.unescape(nickname), jobs, pairs))
        assert int(place.replace(",", "")) == len(found)
    return found


def list_jobs(book, call):
    """`cah jobs list --json`."""
    facts = []
    for number, job in enumerate(book.jobs, 1):
        holder = book.workers.get(job.holder)
        facts.append(
            {
                "number": number,
                "state": job.state,
                "url": book.wat_of(number),
                "pairs": job.pairs,
                "gpu_url": job.url,
                "made_by": job.maker,
                "done_by": job.closer,
                # A name that got lost may be any.
                **({"holder": holder.name} if holder and holder.name else {}),
                **({"holder": ""} if holder is None else {}),
            }
        )

    def holds(answer):
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return len(lines) == len(facts) and all(
            fact.items() <= line.items()
            for fact, line in zip(facts, lines, strict=True)
        )

    return holds


def index(book, call):
    def holds(answer):
        shown = BANNER.search(answer.text)
        return (html.unescape(shown[1]) if shown else "") == book.banner

    return holds


DEEDS = {
    "new": new,
    "newJob": new_job,
    "updateProgress": update_progress,
    "markAsDone": mark_as_done,
    "gpuInvalidDownload": gpu_invalid,
    "validateWorker": validate_worker,
    "bye": bye,
    "isCompleted": is_completed,
    "get-cpu-wat": get_cpu_wat,
    "lookup-wat": lookup_wat,
    "markasdone-cpu": mark_cpu,
    "markasdone": mark_admin,
    "set-banner": set_banner,
    "reset": reset,
    "import": add_wats,
    "wrong": refuse,
    "jobCount": job_count,
    "data": data,
    "worker-data": worker_data,
    "leaderboard": leaderboard,
    "index": index,
    "list": list_jobs,
}
QUESTIONS = {
    *("isCompleted", "get-cpu-wat", "lookup-wat", "jobCount", "data"),
    *("worker-data", "leaderboard", "index", "list", "wrong"),
}
