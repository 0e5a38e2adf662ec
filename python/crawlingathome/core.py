"""The clients, one class for each type of worker."""

from __future__ import annotations

import json
import operator
import os
import warnings
from typing import Any, Mapping, Sequence, Union

import numpy as np

from . import _ext
from .errors import WorkerTimedOutError

__all__ = ["CPUClient", "Client", "FullWATClient", "GPUClient", "HybridClient"]

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

#: The keyword-only options of every client.
OPTIONS = (
    "retry_s",
    "connect_timeout",
    "call_timeout",
    "user_agent",
    "resolve",
    "ca_file",
    "allow_private",
)

_COUNT_MAX = 2**63 - 1


def _milliseconds(seconds: float) -> int:
    # 0 would mean the default.
    return max(1, round(seconds * 1000))


class Client:
    """What all types have in common; make one of a class below.

    Every call waits without the GIL, tries again when the tracker is away, and
    ends with KeyboardInterrupt on Ctrl-C. One client serves one thread at a
    time; others wait.

    Options: ``retry_s``, for how many seconds a call is tried again, -1 for
    ever; ``connect_timeout`` and ``call_timeout``, in seconds;
    ``user_agent``; ``resolve``, a list of "HOST:PORT:ADDRESS" as curl has it;
    ``ca_file``, the certificates to trust; ``allow_private``, whether a tracker
    of the internet may send downloads to addresses of private networks.
    """

    #: What the class is called in ``init(type=...)`` and in a dump.
    _TYPE = ""
    #: What it is to the tracker.
    _WIRE_TYPE = ""

    _native: _ext.Client
    _state: dict[str, Any]

    def __init__(
        self,
        url: str | None = None,
        nickname: str | None = None,
        **options: Any,
    ) -> None:
        nickname = nickname or os.environ.get("CAH_NICKNAME")
        if not nickname:
            raise ValueError("nickname is missing: give one, or set CAH_NICKNAME")
        self._open(None, url, nickname, **options)

    @classmethod
    def _from_json(cls, state: str, options: dict[str, Any]) -> Client:
        self = cls.__new__(cls)
        self._open(state, None, None, **options)
        return self

    def _open(
        self,
        state: str | None,
        url: str | None,
        nickname: str | None,
        *,
        retry_s: int = 600,
        connect_timeout: float = 10.0,
        call_timeout: float = 60.0,
        user_agent: str | None = None,
        resolve: Sequence[str] | None = None,
        ca_file: str | None = None,
        allow_private: bool = False,
    ) -> None:
        if not self._WIRE_TYPE:
            raise TypeError("make one of the classes of crawlingathome.core")
        self._native = _ext.Client(
            state,
            url,
            nickname,
            self._WIRE_TYPE,
            user_agent=user_agent,
            ca_file=ca_file,
            resolve=resolve,
            connect_timeout_ms=_milliseconds(connect_timeout),
            call_timeout_ms=_milliseconds(call_timeout),
            retry_s=max(1, retry_s) if retry_s >= 0 else -1,
            allow_private=allow_private,
        )
        self._refresh()

    def _refresh(self) -> None:
        self._state = json.loads(self._native.dump())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.display_name!r} at {self.url}>"

    @property
    def url(self) -> str:
        """The tracker's address, as it was given."""
        return self._state["url"]

    @property
    def token(self) -> str:
        """The worker's secret."""
        return self._state["token"]

    @property
    def nickname(self) -> str:
        """The name on the leaderboard."""
        return self._state["nickname"]

    @property
    def display_name(self) -> str:
        """The name that the tracker gave to this worker."""
        return self._state["display_name"]

    @property
    def upload_address(self) -> str:
        """Where results are to be put; may be empty."""
        return self._state["upload_address"]

    @property
    def type(self) -> str:
        """ "HYBRID", "CPU", "GPU" or "FULLWAT"."""
        return self._TYPE

    @property
    def shard(self) -> str | None:
        """The URL of the job's WAT (GPU: of its .tar); None without a job."""
        return self._state.get("shard")

    @property
    def start_id(self) -> np.int64 | None:
        """The first id that samples of the job's WAT may have."""
        return self._id("start_id")

    @property
    def end_id(self) -> np.int64 | None:
        """The id behind the last one."""
        return self._id("end_id")

    @property
    def shard_piece(self) -> int | None:
        """0 for the first half of the WAT, 1 for the second."""
        return self._state.get("shard_piece")

    def _id(self, key: str) -> np.int64 | None:
        value = self._state.get(key)
        return None if value is None else np.int64(value)

    def jobCount(self) -> int:
        """How many jobs are open for this type of worker."""
        return self._native.job_count()

    def newJob(self) -> None:
        """Takes a job; ZeroJobError where none is open."""
        try:
            self._native.new_job()
        finally:
            self._refresh()

    def log(self, progress: str, crashed: bool = False) -> None:
        """Tells people what the worker does, in up to 255 characters.

        ``crashed`` is there for older scripts and makes no difference.
        """
        self._native.log(str(progress))

    def isAlive(self) -> bool:
        """Whether the tracker still knows the worker."""
        return self._native.is_alive()

    def updateUploadServer(self) -> None:
        """Asks anew where results are to be put."""
        self._native.update_upload_server()
        self._refresh()

    def recreate(self) -> None:
        """Registers anew as another worker; the job is gone."""
        self._native.recreate()
        self._refresh()

    def bye(self) -> None:
        """The worker leaves; its job is open again.

        One that the tracker no longer knows has left already.
        """
        try:
            self._native.bye()
        except WorkerTimedOutError:
            pass
        finally:
            self._refresh()

    def cancel(self, is_cancelled: bool = True) -> None:
        """Ends what the client waits for in another thread.

        Until it is set to False again, each call raises KeyboardInterrupt.
        """
        self._native.cancel(is_cancelled)

    def dump(self) -> dict[str, Any]:
        """The whole state, for ``crawlingathome.load(**state)``."""
        state = json.loads(self._native.dump())
        return {**state, "type": self._TYPE, "_type": self._TYPE}

    def _download(self, path: Path) -> None:
        self._native.download_shard(path)

    def _complete(self, pairs: int, url: str | None) -> None:
        try:
            self._native.complete(pairs, url)
        finally:
            self._refresh()


def _count(value: Any) -> int:
    count = operator.index(value)
    if not 0 <= count <= _COUNT_MAX:
        raise ValueError(f"count: {count} is not between 0 and {_COUNT_MAX}")
    return count


def _warn_of_markjobasdone() -> None:
    warnings.warn(
        "_markjobasdone is deprecated: use completeJob",
        DeprecationWarning,
        stacklevel=3,
    )


class HybridClient(Client):
    """Does all of it: downloads, filters, completes with a count of pairs."""

    _TYPE = _WIRE_TYPE = "HYBRID"

    def downloadShard(self, path: Path = "./shard.wat") -> None:
        """Leaves the job's WAT, inflated, in the file ``path``.

        What was downloaded by a call that broke, or by a process that was
        killed, is not downloaded again.
        """
        self._download(path)

    def completeJob(self, total_scraped: Any) -> None:
        """The job is done, with so many pairs."""
        self._complete(_count(total_scraped), None)

    def _markjobasdone(self, total_scraped: Any) -> None:
        _warn_of_markjobasdone()
        self.completeJob(total_scraped)


class CPUClient(Client):
    """Stops after the download and completes with the URL of a .tar."""

    _TYPE = _WIRE_TYPE = "CPU"

    def downloadShard(self, path: Path = "./shard.wat") -> None:
        """As HybridClient.downloadShard."""
        self._download(path)

    def completeJob(self, download_url: str) -> None:
        """The job is done; its images lie at ``download_url``."""
        self._complete(0, download_url)

    def _markjobasdone(self, download_url: str) -> None:
        _warn_of_markjobasdone()
        self.completeJob(download_url)


class GPUClient(Client):
    """Takes the .tar that a CPU worker left, completes with a count of pairs."""

    _TYPE = _WIRE_TYPE = "GPU"

    def downloadShard(self, path: Path = "./images") -> None:
        """Unpacks the job's .tar into the folder ``path``, making it if need be.

        The .tar, plain or packed, comes by http(s) or is a local file. Nothing
        is ever written outside of ``path``.
        """
        self._download(path)

    def completeJob(self, total_scraped: Any) -> None:
        """The job is done, with so many pairs."""
        self._complete(_count(total_scraped), None)

    def invalidURL(self) -> None:
        """The job's .tar cannot be used; the job is a CPU worker's again."""
        try:
            self._native.invalid_url()
        finally:
            self._refresh()

    def _markjobasdone(self, total_scraped: Any) -> None:
        _warn_of_markjobasdone()
        self.completeJob(total_scraped)


class FullWATClient(CPUClient):
    """A CPU worker that takes all pieces of a WAT at once.

    The tracker does not keep them for it: whoever completes a piece first has
    it. ``shard``, ``start_id`` and so on are those of the first piece.
    """

    _TYPE = "FULLWAT"

    @property
    def shards(self) -> list[dict[str, Any]]:
        """The pieces, each with number, shard, start_id, end_id, shard_piece."""
        return [dict(piece) for piece in self._state.get("wat", [])]

    def newJob(self) -> None:
        """Looks for a WAT of which no piece is taken; else ZeroJobError."""
        try:
            self._native.new_wat()
        finally:
            self._refresh()

    def completeJob(self, urls: str | Sequence[str] | Mapping[int, str]) -> None:
        """The pieces are done: {number: url}, or urls in the order of shards.

        A single url stands for all of them.
        """
        numbers = [piece["number"] for piece in self.shards]
        if isinstance(urls, str):
            listed = [urls] * len(numbers)
        elif isinstance(urls, Mapping):
            missing = [n for n in numbers if n not in urls]
            if missing or len(urls) != len(numbers):
                raise ValueError(f"urls: the pieces are {numbers}")
            listed = [urls[n] for n in numbers]
        else:
            listed = list(urls)
        try:
            self._native.complete_wat(listed)
        finally:
            self._refresh()
