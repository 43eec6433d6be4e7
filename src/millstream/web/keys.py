"""Who calls: keys are random, so one SHA-256 is enough to keep them, and comparing takes the same time for each."""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from millstream.web.settings import EVERY_CONTAINER, ApiKey

PREFIX = "mk_"
LONGEST_KEY = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever made a request; `principal` is the name of the key, "" where there are no keys."""

    principal: str = ""
    containers: tuple[str, ...] = (EVERY_CONTAINER,)
    operator: bool = True

    def may_use(self, container: str, *, configured: Collection[str]) -> bool:
        """Whether it may read files of a container."""
        return container in configured and (EVERY_CONTAINER in self.containers or container in self.containers)

    @property
    def sees_only(self) -> str | None:
        """The principal whose jobs it sees, None for all."""
        return None if self.operator else self.principal

    def sees(self, principal: str) -> bool:
        """Whether it sees jobs of a principal."""
        return self.operator or principal == self.principal


class Keyring:
    """The keys that are known."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    @property
    def is_empty(self) -> bool:
        """Whether everybody who reaches the server may use it."""
        return not self._keys

    def find(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller with the key of these headers (names in lower case), None when there is no such key."""
        if self.is_empty:
            return Caller()
        given = _key_of(headers)
        if given is None or len(given) > LONGEST_KEY:
            return None
        digest = digest_of(given)
        found = None
        for key in self._keys:  # all of them, always: how long it takes tells nothing
            if hmac.compare_digest(key.sha256.lower(), digest):
                found = key
        if found is None:
            return None
        return Caller(principal=found.name, containers=found.containers, operator=found.operator)


def _key_of(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("x-api-key") or None


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    """A key that nobody can guess, of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)
