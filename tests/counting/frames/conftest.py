"""Every test about frames runs on both scanners."""

from collections.abc import Callable
from functools import partial

import pytest

from counting.frames.kinds import need_native
from millstream.counting.frames.choosing import make_scanner
from millstream.counting.frames.scanner import FrameScanner


@pytest.fixture(scope="session", params=["python", "native"])
def kind(request: pytest.FixtureRequest) -> Callable[..., FrameScanner]:
    """Makes scanners of one kind: `kind(uid="uid", ts="ts")`."""
    if request.param == "native":
        need_native()
    fields = {"uid": "uid", "ts": "ts"}
    return lambda **other: partial(make_scanner, request.param)(**fields | other)
