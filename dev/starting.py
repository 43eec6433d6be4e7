"""Starting a server of a folder of its own, at free ports, for the first time and again."""

import http.client
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from dev.places import ServerError, free_ports
from dev.process import RECORD, Running

ATTEMPTS = 3


def in_a_new_folder(
    name: str, *, root: Path, ports: int, port: int | None, begin: Callable[[Path, list[int]], Running]
) -> Running:
    """Make a folder in `root` and have `begin` start a server there, at `ports` free ports, or the first at `port`.

    When it does not start, most often somebody took a port in between: then again with others, and a fresh folder.
    """
    attempt = 1
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
        free = free_ports(ports)
        try:
            return begin(folder, free if port is None else [port, *free[1:]])
        except ServerError:
            shutil.rmtree(folder, ignore_errors=True)
            if attempt == ATTEMPTS or port is not None:
                raise
        attempt += 1


def address_of(folder: Path) -> str:
    """The address at which the server of that folder serves, or did."""
    address: str = json.loads((folder / RECORD).read_text())["address"]
    return address


def answers_http(address: str, path: str = "/") -> bool:
    """Whether anything that speaks HTTP answers there."""
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()
