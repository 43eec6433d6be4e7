"""Which names of files, containers and jobs a caller may use: by form alone, before anything is touched.

Theory of operation: a container is the name of a configured one, so no caller can name a URL, an address or a
credential. The name of a file is judged as everywhere; what stands here of it is the same rule for the OpenAPI
document. Whether anything is there, and whether it stays inside, the store says.
"""

import re

from millstream.core.container import check_name
from millstream.errors import ObjectRefusedError

CONTAINER = r"^[a-z0-9](-?[a-z0-9]){0,62}$"
MESSAGE_ID = r"^[A-Za-z0-9-]{1,64}$"
BATCH_ID = r"^[A-Za-z0-9._-]{1,128}$"
CURSOR = r"^[0-9]{1,18}$"
PLACE = r"^[0-9]{0,18}$"
IDEMPOTENCY_KEY = r'^("[!#-~]{1,253}"|[!#-~]{1,255})$'

_NEVER = r"/\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
FILE_NAME = rf"^[^.{_NEVER}][^{_NEVER}]*(/[^.{_NEVER}][^{_NEVER}]*)*$"
"""That a name has at most 1,024 bytes cannot be said in a pattern."""

_CONTAINER = re.compile(CONTAINER)


def wrong_file_name(name: str) -> str | None:
    """Why it cannot be the name of a file, or None."""
    try:
        check_name(name)
    except ObjectRefusedError as error:
        return f"expected the path of a file inside of its container, found one that {error.reason}"
    return None


def wrong_container(name: str) -> str | None:
    """Why it cannot be the name of a container, or None."""
    if _CONTAINER.fullmatch(name) is None:
        return "expected the name of a container: 1 to 63 lower-case letters, digits and single dashes between them"
    return None
