"""A tracker whose disk may be full and whose wall clock may step (tests/shim), and
which is none the wiser."""

import os
import struct

from conftest import BUILD, Tracker

SHIM = BUILD / "tests/shim/trouble.so"


class TroubledTracker(Tracker):
    def __init__(self, cah, store, args=()):
        super().__init__(cah, store, args)
        self.control = store.with_suffix(".trouble")
        self.clock_ahead_s = 0
        self.is_full = False
        self.tell()

    def tell(self):
        """What is to hold from now on; no restart is needed."""
        data = struct.pack("=qq", self.clock_ahead_s, self.is_full)
        with open(self.control, "r+b" if self.control.exists() else "w+b") as file:
            file.write(data)

    def set_clock(self, ahead_s):
        self.clock_ahead_s = ahead_s
        self.tell()

    def fill_disk(self, is_full=True):
        self.is_full = is_full
        self.tell()

    def start(self, **kwargs):
        assert SHIM.exists(), f"{SHIM} is missing: build first (make)"
        env = {**os.environ, "LD_PRELOAD": str(SHIM), "CAH_TROUBLE": str(self.control)}
        return super().start(env=env, **kwargs)
