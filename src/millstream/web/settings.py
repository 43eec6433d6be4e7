"""The limits and keys of the API, as values."""

from dataclasses import dataclass
from pathlib import Path

from millstream.core.ingestion import OnChange
from millstream.core.splitting import Policy

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
EVERY_CONTAINER = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that may use the API: the SHA-256 of it in hexadecimal digits, never the key itself.

    It sees its own jobs, and may name these containers (`*`: all). With `operator` it sees the whole engine and the
    jobs of all keys.
    """

    name: str
    sha256: str
    containers: tuple[str, ...] = ()
    operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What the API allows.

    `hosts` are the names that a request may call this server by, without port; None allows any. `requests_per_s` and
    `burst` limit each key, or each address where there are no keys. `jobs_per_key` are unfinished ones. `in_flight`
    requests are worked at once, `heads` of them ask a store. `body_bytes` is the largest request. `chunks_per_job`
    and `file_bytes` limit a file (None: any size). `request_s` is how long a request may take.
    `policy` and `on_change` are those of requests that say nothing of them.
    """

    keys: tuple[ApiKey, ...] = ()
    hosts: tuple[str, ...] | None = LOOPBACK_HOSTS
    requests_per_s: float = 1000.0
    burst: int = 2000
    jobs_per_key: int = 10_000
    in_flight: int = 256
    heads: int = 8
    streams: int = 64
    body_bytes: int = 65_536
    policy: Policy | None = None
    on_change: OnChange | None = None
    chunks_per_job: int = 100_000
    file_bytes: int | None = None
    request_s: float = 30.0
    heartbeat_s: float = 15.0
    look_every_s: float = 0.5
    static: Path | None = None
