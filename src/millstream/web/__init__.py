"""The HTTP API and its page: what a client may ask, over an engine that is handed in."""

from millstream.web.app import create_app
from millstream.web.keys import digest_of, new_key
from millstream.web.service import Part, PoolStatus, Service, Wanted
from millstream.web.settings import LOOPBACK_HOSTS, ApiKey, WebSettings

__all__ = [
    "LOOPBACK_HOSTS",
    "ApiKey",
    "Part",
    "PoolStatus",
    "Service",
    "Wanted",
    "WebSettings",
    "create_app",
    "digest_of",
    "new_key",
]
