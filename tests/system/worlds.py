"""Which books a tracker may have, after what its clients saw.

Calls that overlap may have been carried out in any order, one whose answer never
came may have been or not, and a worker that is silent for long may be gone or not:
all books that agree with every answer so far are kept, and when none is left, some
answer was wrong. This is linearizability, tested just in time (G. Lowe, "Testing
for linearizability", Concurrency and Computation 29(4), 2017).
"""

WORLDS_MAX = 20_000


class Violation(AssertionError):
    """The tracker answered what it cannot have."""


class TooMany(Exception):
    """Too little is known to go on; nobody's fault."""


class Worlds:
    def __init__(self, book, idle_s):
        self.books = {book}
        self.idle_s = idle_s

    @property
    def book(self):
        """One of them: for choosing what to ask next."""
        return next(iter(self.books))

    def take(self, calls, until):
        """What clients saw between two moments, the later at `until`, when none
        had a call under way."""
        answered = sorted((c for c in calls if c.answer), key=lambda call: call.came)
        # Each call that was carried out, but whose answer is yet to come.
        worlds = {(frozenset(), book) for book in self.books}
        pending = sorted(calls, key=lambda call: call.sent)
        for call in answered:
            others = [o for o in pending if o.sent < call.came and o is not call]
            worlds, before = self.after(call, worlds, others), worlds
            if not worlds:
                raise Violation(explain(call, before, calls))
            pending.remove(call)
        self.books = self.with_lost(worlds, pending, until)

    def after(self, call, worlds, others):
        """The worlds in which `call` has been carried out and answered so."""
        found = set()
        seen = set(worlds)
        todo = list(worlds)
        while todo:
            done, book = todo.pop()
            if call in done:
                found.add((done - {call}, book))
                continue
            after = book.step(call)
            if after is not None:
                found.add((done, after))
            # What changes nothing need not wait for anything else.
            if after is book:
                continue
            for world in self.nexts(done, book, others, call.came):
                if world not in seen:
                    seen.add(world)
                    todo.append(world)
            if len(seen) > WORLDS_MAX:
                raise TooMany(call)
        return found

    def nexts(self, done, book, others, until):
        """What else may have come before a call that was answered at `until`."""
        for other in others:
            if other in done:
                continue
            after = book.step(other)
            if after is book and other.answer:
                yield done | {other}, book
                return
            if after is not None and after is not book:
                yield done | {other}, after
        for key, worker in book.workers.items():
            if until - worker.heard > self.idle_s:
                yield done, book.without(key)

    def with_lost(self, worlds, lost, until):
        """The books with each call done or not whose answer never came."""
        seen = set(worlds)
        todo = list(worlds) if lost else []
        while todo:
            for world in self.nexts(*todo.pop(), lost, until):
                if world not in seen:
                    seen.add(world)
                    todo.append(world)
            if len(seen) > WORLDS_MAX:
                raise TooMany(lost)
        return {book for _, book in seen}

    def settle(self, calls):
        """Answers that came one after the other, each about one worker alone.

        The same as take(), but quick where many may have timed out meanwhile.
        """
        for call in calls:
            after = {book.step(call) for book in self.books}
            for book in self.books:
                worker = book.workers.get(call.worker)
                if worker and call.came - worker.heard > self.idle_s:
                    after.add(book.without(call.worker).step(call))
            after.discard(None)
            if not after:
                raise Violation(explain(call, {((), b) for b in self.books}, calls))
            self.books = after


def explain(call, worlds, calls):
    lines = ["no book gives this answer:", repr(call), "it would be one of:"]
    wanted = {repr(book.wanted(call))[:2000] for _, book in worlds}
    lines += sorted(wanted)[:5]
    lines.append("what came before or meanwhile:")
    near = [c for c in calls if c.sent < call.came and c is not call]
    lines += map(repr, sorted(near, key=lambda c: c.came)[-40:])
    return "\n".join(lines)
