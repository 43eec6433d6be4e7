"""Whether the compiled scanner can be tested here."""

import os
import shutil

import pytest

from millstream.counting.frames.choosing import native_problem


def need_native(*, at_import: bool = False) -> None:
    """Skip by name without it; fail where CI is set and it could have been built."""
    problem = native_problem()
    if problem is None:
        return
    if os.environ.get("CI") and shutil.which("cargo"):
        pytest.fail(str(problem))
    pytest.skip(str(problem), allow_module_level=at_import)
