"""Addresses of containers as people write them, and the names that files in them may have.

Theory of operation: a container is a folder (`DIR`), a bucket of S3 (`s3://BUCKET[/PREFIX]`) or a container of Azure
Blob Storage (`az://CONTAINER[/PREFIX]`). An address is read once, at the border, into its parts. It never holds
credentials, and an error about it never repeats what might be one. A prefix stands for a folder: whole parts, not the
beginning of a name.

A name that comes from outside (a request, a listing of somebody's bucket) may end up as a path on a disk, so it is
judged the same way everywhere, before anything is touched: relative, parts between single slashes, none of them
hidden, `.` or `..`, and nothing in it that cannot be shown on one line.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from millstream.errors import InvalidValueError, ObjectRefusedError

LONGEST_NAME_BYTES = 1024
"""What S3 and Azure allow."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", flags=re.DOTALL)
_PLACES = {
    "s3": (
        re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        "s3://BUCKET or s3://BUCKET/PREFIX, the bucket of 3 to 63 small letters, digits, dashes and dots",
    ),
    "az": (
        re.compile(r"\$root|\$web|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        "az://CONTAINER or az://CONTAINER/PREFIX, the container of 3 to 63 small letters, digits and single dashes",
    ),
}
_UNSEEN = (("\x7f", "\x9f"), ("\u2028", "\u202e"), ("\u2066", "\u2069"))
_SHOWN = 80


class StoreKind(StrEnum):
    """Where a container is."""

    FOLDER = "folder"
    S3 = "s3"
    AZURE = "az"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerAddress:
    """A container: `place` is the path of a folder, or the name of a bucket; `prefix` has no slash at its ends."""

    kind: StoreKind
    place: str
    prefix: str = ""

    def __str__(self) -> str:
        if self.kind is StoreKind.FOLDER:
            return self.place
        return f"{self.kind}://{self.place}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def is_folder(self) -> bool:
        """Whether it is on this machine."""
        return self.kind is StoreKind.FOLDER

    def named(self, name: str) -> str:
        """The address of a file in it."""
        return f"{str(self).rstrip('/')}/{name}"


def is_object_address(text: str) -> bool:
    """Whether it is meant as an address in S3 or Azure, right or wrong."""
    return text.lower().startswith(("s3:", "az:"))


def parse_container(text: str, *, name: str = "container") -> ContainerAddress:
    """Read the address of a container; raises InvalidValueError under that name.

    The path of a folder is taken as it is, whether it is there or not.
    """
    if not text or any(sign in text for sign in "\0\r\n"):
        raise _wrong(text, name=name, expected="a folder, s3://BUCKET[/PREFIX] or az://CONTAINER[/PREFIX]")
    found = _SCHEME.fullmatch(text)
    if found is None and not is_object_address(text):
        return ContainerAddress(kind=StoreKind.FOLDER, place=text)
    scheme = found["scheme"] if found is not None else text[:2].lower()
    if scheme not in _PLACES:
        raise _wrong(text, name=name, expected="a folder, s3://BUCKET[/PREFIX] or az://CONTAINER[/PREFIX]")
    shape, expected = _PLACES[scheme]
    place, _, prefix = found["rest"].partition("/") if found is not None else ("", "", "")
    if shape.fullmatch(place) is None:
        raise _wrong(text, name=name, expected=expected)
    prefix = prefix.removesuffix("/")
    reason = _objection(prefix) if prefix else None
    if reason is not None:
        raise _wrong(text, name=name, expected=f"a prefix of whole parts of names; this one {reason}")
    return ContainerAddress(kind=StoreKind(scheme), place=place, prefix=prefix)


def _wrong(text: str, *, name: str, expected: str) -> InvalidValueError:
    """What is wrong with an address, without what might be a credential: user, password, signature."""
    scheme, separator, rest = text.partition("://")
    place, slash, prefix = rest.partition("?")[0].partition("/")
    if "@" in place:
        place = "...@" + place.rpartition("@")[2]
        expected += " (credentials come from the environment or from a file)"
    elif "?" in rest:
        expected += " (without a query; credentials come from the environment or from a file)"
    found = f"{scheme}{separator}{place}{slash}{prefix}"
    return InvalidValueError(
        name=name, expected=expected, found=found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
    )


def check_name(name: str) -> str:
    """The name of a file in a container, as it is; raises ObjectRefusedError for one that no file may have."""
    reason = _objection(name) or ("is hidden" if is_hidden(name) else None)
    if reason is not None:
        raise ObjectRefusedError(name=name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...", reason=reason)
    return name


def is_hidden(name: str) -> bool:
    """Whether any part of it begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


def _objection(name: str) -> str | None:
    """Why neither a prefix nor a name may be like this; None when they may."""
    parts = name.split("/")
    reasons = {
        "is empty": not name,
        "is no text": not is_text(name),
        f"has more than {LONGEST_NAME_BYTES} bytes": len(name.encode(errors="replace")) > LONGEST_NAME_BYTES,
        "has a control character": any(_is_control(sign) for sign in name),
        "has a backslash": "\\" in name,
        "has an empty part": "" in parts,
        "has a part that is . or ..": "." in parts or ".." in parts,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), None)


def is_text(name: str) -> bool:
    """Whether it can be written as UTF-8; a name from a disk need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_control(sign: str) -> bool:
    """C0, DEL and C1, and what ends a line or turns its direction where it is shown."""
    return sign < " " or any(low <= sign <= high for low, high in _UNSEEN)
