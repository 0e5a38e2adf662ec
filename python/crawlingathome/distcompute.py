"""The worker of a project with stages, as distcompute_client has it.

Its loop::

    from crawlingathome import distcompute as dc

    client = dc.init(url="http://127.0.0.1:8080", stage="b", nickname="me")
    while client.is_alive() and client.job_count() > 0:
        client.new_job()
        client.log("Analysed x / y images")
        client.complete_job({"file": "s3://results/1.tar"})  # for stage c
    client.bye()
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable, Dict, List, Sequence, Union

from . import _ext, errors
from .errors import WorkerTimedOutError, ZeroJobError

__all__ = ["Client", "errors", "init"]

#: What a job is about: text, or what JSON made of it.
Data = Union[str, List[Any], Dict[str, Any]]

#: Text that begins so is JSON behind it.
JSON_PREFIX = "<!json!>"


def _milliseconds(seconds: float) -> int:
    # 0 would mean the default.
    return max(1, round(seconds * 1000))


class Client:
    """A worker of one stage; ``init`` makes it.

    Every call waits without the GIL, tries again when the tracker is away, and
    ends with KeyboardInterrupt on Ctrl-C. One client serves one thread at a
    time; others wait.

    ``verbose`` tells on standard error what happens. Options, as those of
    ``crawlingathome.core.Client``: ``retry_s`` (-1: for ever),
    ``connect_timeout``, ``call_timeout``, ``user_agent``, ``resolve``,
    ``ca_file``.
    """

    _native: _ext.Stage

    def __init__(
        self,
        url: str | None,
        stage: str,
        nickname: str,
        verbose: bool = True,
        *,
        retry_s: int = 600,
        connect_timeout: float = 10.0,
        call_timeout: float = 60.0,
        user_agent: str | None = None,
        resolve: Sequence[str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.verbose = verbose
        #: What the job that is held is about, and its number; None without one.
        self.job: Data | None = None
        self.job_id: int | None = None
        self.stage = stage
        self._native = _ext.Stage(
            url,
            stage,
            nickname,
            user_agent=user_agent,
            ca_file=ca_file,
            resolve=resolve,
            connect_timeout_ms=_milliseconds(connect_timeout),
            call_timeout_ms=_milliseconds(call_timeout),
            retry_s=max(1, retry_s) if retry_s >= 0 else -1,
        )
        about = self._native.about()
        self.url = about["url"]
        self.token = about["token"]
        self.nickname = about["nickname"]
        self.display_name = about["display_name"]
        self.project = about["project"]
        self.stage_name = about["stage_name"]
        self._say(f"{self.display_name} works at stage {stage} ({self.stage_name})")

    def __repr__(self) -> str:
        return f"<distcompute.Client {self.display_name!r} at {self.url}>"

    @property
    def project_name(self) -> str:
        """The same as ``project``."""
        return self.project

    @property
    def job_number(self) -> int | None:
        """The same as ``job_id``."""
        return self.job_id

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"[{self.project}] {text}", file=sys.stderr)

    def _drop_job(self) -> None:
        self.job = None
        self.job_id = None

    def _let_go(self, call: Callable[..., None], *args: Any) -> None:
        """Where the tracker knows of no job none is held; else one may try again."""
        try:
            call(*args)
        except (ZeroJobError, WorkerTimedOutError):
            self._drop_job()
            raise
        self._drop_job()

    def job_count(self) -> int:
        """How many jobs are open at this stage."""
        return self._native.job_count()

    def new_job(self) -> None:
        """Takes a job: ``job`` and ``job_id``. ZeroJobError where none is open.

        ValueError where it says that it is JSON and is not: then ``job`` is the
        text, and the job is held; ``flag_invalid_data`` gives it back.
        """
        self._drop_job()
        self.job_id, text = self._native.new_job()
        self.job = text
        self._say(f"job {self.job_id}")
        if text.startswith(JSON_PREFIX):
            self.job = json.loads(text[len(JSON_PREFIX) :])

    def complete_job(self, data: Data) -> None:
        """The job is done; the next stage gets ``data``: a str, list or dict."""
        if isinstance(data, (list, dict)):
            data = JSON_PREFIX + json.dumps(data)
        elif not isinstance(data, str):
            # As distcompute_client does.
            raise ValueError("data must be a str, list or dict")  # noqa: TRY004
        number = self.job_id
        self._let_go(self._native.complete, data)
        self._say(f"job {number} is done")

    def flag_invalid_data(self) -> None:
        """``job`` is of no use; gives the job back.

        The fifth report sends it back to the stage before.
        """
        number = self.job_id
        self._let_go(self._native.flag_invalid)
        self._say(f"job {number} is flagged")

    def log(self, progress: str) -> None:
        """Tells people what the worker does, in up to 255 characters."""
        self._native.log(str(progress))

    def is_alive(self) -> bool:
        """Whether the tracker still knows the worker."""
        return self._native.is_alive()

    def bye(self) -> None:
        """The worker leaves; its job is open again.

        One that the tracker no longer knows has left already.
        """
        try:
            self._native.bye()
        except WorkerTimedOutError:
            pass
        self._drop_job()

    def cancel(self, is_cancelled: bool = True) -> None:
        """Ends what the client waits for in another thread.

        Until it is set to False again, each call raises KeyboardInterrupt.
        """
        self._native.cancel(is_cancelled)


def init(
    url: str | None = None,
    stage: str = "a",
    nickname: str = "anonymous",
    verbose: bool = True,
    **options: Any,
) -> Client:
    """Registers a new worker of a stage with a tracker and returns its client.

    ``url`` is the tracker's address, with or without a final slash; None: the
    environment's CAH_TRACKER, else http://127.0.0.1:8080. ``stage`` is a letter
    from a to e in any case; of a longer word its first letter counts. The
    options are those of ``Client``.
    """
    return Client(url, stage.lower()[:1], nickname, verbose, **options)
