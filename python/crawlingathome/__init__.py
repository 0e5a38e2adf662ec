"""The client of Crawling@Home: what a worker says to its tracker.

The loop of a worker::

    import crawlingathome as cah

    client = cah.init(url="http://127.0.0.1:8080", nickname="me")
    while client.jobCount() > 0 and client.isAlive():
        client.newJob()
        client.downloadShard()  # ./shard.wat
        client.log("Completed x / y images")
        client.completeJob(pairs_found)
    client.bye()
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from . import core, errors
from ._ext import version as __version__
from .core import Client, CPUClient, FullWATClient, GPUClient, HybridClient

__all__ = [
    "CPUClient",
    "Client",
    "FullWATClient",
    "GPUClient",
    "HybridClient",
    "__version__",
    "core",
    "dump",
    "errors",
    "init",
    "load",
]

_CLASSES: dict[str, type[Client]] = {
    "HYBRID": HybridClient,
    "CPU": CPUClient,
    "GPU": GPUClient,
    "FULLWAT": FullWATClient,
}


def _find_class(type: str | type[Client]) -> type[Client]:
    if isinstance(type, str):
        found = _CLASSES.get(type.upper())
        if found is not None:
            return found
    elif inspect.isclass(type) and issubclass(type, Client) and type is not Client:
        return type
    raise ValueError(
        f"type {type!r} is unknown: it is one of {', '.join(_CLASSES)}"
        " or a class of crawlingathome.core"
    )


def init(
    url: str | None = None,
    nickname: str | None = None,
    type: str | type[Client] = "HYBRID",
    **options: Any,
) -> Any:
    """Registers a new worker with a tracker and returns its client.

    ``url`` is the tracker's address, with or without a final slash; without
    one, the environment's CAH_TRACKER, else http://127.0.0.1:8080. ``nickname``
    is shown on the leaderboard; without one, the environment's CAH_NICKNAME.
    ``type`` is "HYBRID", "CPU", "GPU" or "FULLWAT", in any case, or a class of
    ``crawlingathome.core``. The options are those of ``core.Client``.
    """
    return _find_class(type)(url, nickname, **options)


def dump(client: Client) -> dict[str, Any]:
    """The whole state of a client as a dict that JSON and pickle take."""
    if not isinstance(client, Client):
        raise errors.DumpError(f"{client!r} is not a client")
    return client.dump()


def load(**kwargs: Any) -> Any:
    """The client of which ``dump`` gave these keywords.

    Says nothing to the tracker. Options of ``core.Client`` may stand among the
    keywords; they are no part of a dump.
    """
    options = {name: kwargs.pop(name) for name in core.OPTIONS if name in kwargs}
    type_name = kwargs.pop("_type", None)
    type_name = kwargs.pop("type", type_name)
    try:
        found = _find_class(type_name)
        state = json.dumps({**kwargs, "type": found._WIRE_TYPE}, default=int)
    except (TypeError, ValueError) as error:
        raise errors.DumpError(f"load: {error}") from None
    return found._from_json(state, options)
