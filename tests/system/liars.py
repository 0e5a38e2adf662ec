"""Trackers that lie: each breaks one rule now and then, on the way between a tracker
and who checks it. `send` makes the call in earnest."""

import json
import random

from conftest import SECRET
from model_check import PATHS, Connection

RARELY = 0.2  # of the calls that it could lie about


class Liar:
    """Makes connections that lie."""

    def __init__(self, lie, seed):
        self.lie = lie
        self.rng = random.Random(seed)
        self.memory = {}
        self.count = 0

    def __call__(self, address):
        return LyingConnection(self, address)

    def wants(self, path, name):
        """Whether to lie about this call of that name."""
        return path.split("?")[0] == PATHS[name] and self.rng.random() < RARELY


class LyingConnection(Connection):
    def __init__(self, liar, address):
        super().__init__(address)
        self.liar = liar

    def exchange(self, method, path, body):
        def send(path=path, body=body):
            return Connection.exchange(self, method, path, body)

        return self.liar.lie(self.liar, send, path, body)


def hand_out_a_leased_job(liar, send, path, body):
    if liar.wants(path, "newJob") and "job" in liar.memory:
        liar.count += 1
        return liar.memory.pop("job")
    answer = send()
    if path == PATHS["newJob"] and answer[0] == 200:
        liar.memory["job"] = answer
    return answer


def count_a_completion_twice(liar, send, path, body):
    """An organiser's call in the worker's name does what a second count would."""
    answer = send()
    if liar.wants(path, "markAsDone") and answer[0] == 200:
        liar.count += 1
        again = {"shards": [1, 2, 3, 4, 5, 6], "nickname": "ann", "count": 1}
        send(PATHS["markasdone"], json.dumps({**again, "password": SECRET}).encode())
    return answer


def forget_a_completion(liar, send, path, body):
    if liar.wants(path, "markAsDone") and "count" in json.loads(body):
        liar.count += 1
        return 200, "success"
    return send()


def complete_and_deny(liar, send, path, body):
    answer = send()
    if liar.wants(path, "markAsDone") and answer[0] == 200:
        liar.count += 1
        return 403, "the worker holds no job"
    return answer


def time_out_at_once(liar, send, path, body):
    answer = send()
    if liar.wants(path, "newJob") and answer[0] == 200:
        liar.count += 1
        send(PATHS["bye"])
    return answer


def leave_a_job_out(liar, send, path, body):
    answer = send()
    if liar.wants(path, "newJob") and answer[0] == 200:
        liar.count += 1
        answer = send()
    return answer


def answer_from_memory(name):
    """What it answered before, without a look at the book."""

    def lie(liar, send, path, body):
        if liar.wants(path, name) and "answer" in liar.memory:
            liar.count += 1
            return liar.memory["answer"]
        answer = send()
        if path == PATHS[name]:
            liar.memory.setdefault("answer", answer)
        return answer

    lie.__name__ = f"answer_{name}_from_memory"
    return lie


LIES = [
    hand_out_a_leased_job,
    count_a_completion_twice,
    forget_a_completion,
    complete_and_deny,
    time_out_at_once,
    leave_a_job_out,
    answer_from_memory("data"),
    answer_from_memory("leaderboard"),
]
