"""Requests of many clients share a transaction (src/tracker/desk.h): what clients
see of that, which is nothing."""

import http.client
import threading

from calls import finish, jobs, state, take

CLIENTS = 12
WATS = 1000
ENOUGH = 150  # answers before the kill
PAIRS = 7


class Client(threading.Thread):
    """Does jobs until the tracker is gone; counts those that were acknowledged."""

    def __init__(self, tracker, enough):
        super().__init__()
        self.tracker = tracker
        self.token = tracker.new_worker(nickname=f"client {id(self)}")
        self.enough = enough
        self.done = []
        self.wrong = []

    def run(self):
        try:
            while True:
                number = take(self.tracker, self.token)["number"]
                answer = finish(self.tracker, self.token, count=PAIRS)
                if answer.status != 200:
                    self.wrong.append(answer)
                    return
                self.done.append(number)
                self.enough.release()
        except (OSError, http.client.HTTPException):
            pass  # the tracker is gone


def test_what_was_acknowledged_survives_a_kill(import_jobs, start_tracker):
    import_jobs(WATS)
    tracker = start_tracker("--quiet")
    enough = threading.Semaphore(0)
    clients = [Client(tracker, enough) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(ENOUGH):
        assert enough.acquire(timeout=30)
    tracker.kill()
    for client in clients:
        client.join()
    assert [wrong for client in clients for wrong in client.wrong] == []
    done = [number for client in clients for number in client.done]
    assert len(set(done)) == len(done), "a job was done twice"
    tracker.start()
    # Each client may have been one answer short of what was committed.
    assert len(done) <= jobs(tracker)["done"] <= len(done) + CLIENTS
    assert state(tracker)["total_pairs_scraped"] == PAIRS * jobs(tracker)["done"]
    for client in clients:
        assert finish(tracker, client.token, count=0).status in (200, 403)


def test_many_clients_get_a_job_each_at_one_time(import_jobs, start_tracker):
    import_jobs(WATS)
    tracker = start_tracker("--quiet")
    tokens = [tracker.new_worker() for _ in range(CLIENTS)]
    got = []
    barrier = threading.Barrier(CLIENTS)

    def run(token):
        for _ in range(10):
            barrier.wait()
            got.append(take(tracker, token)["number"])
            assert finish(tracker, token, count=1).status == 200

    threads = [threading.Thread(target=run, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 10 * CLIENTS + 1))
