"""What goes wrong between a worker and its tracker.

Errors of other kinds are Python's own: ``ValueError`` for a value that is not
allowed (and for data that is not what it should be), ``OSError`` for files,
``FileNotFoundError`` for what is not there, ``KeyboardInterrupt`` for a call
that was cancelled. Every error raised by a call carries ``code`` (of
``cah/errors.def``) and ``http_status`` (0 where no tracker answered).
"""

__all__ = [
    "CrawlingAtHomeError",
    "DumpError",
    "InvalidURLError",
    "ServerError",
    "WorkerTimedOutError",
    "ZeroJobError",
]


class CrawlingAtHomeError(Exception):
    """The base of the errors below."""

    code: int = 0
    http_status: int = 0


class ServerError(CrawlingAtHomeError):
    """The tracker answered with an error, or not at all."""


class ZeroJobError(CrawlingAtHomeError):
    """No job is open, or the worker holds none."""


class WorkerTimedOutError(CrawlingAtHomeError):
    """The tracker does not know the worker, or no longer."""


class InvalidURLError(CrawlingAtHomeError):
    """The job's URL is not one that can be downloaded."""


class DumpError(CrawlingAtHomeError):
    """This is no client that was dumped, or it cannot be."""
