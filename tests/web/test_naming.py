"""Names of files and containers."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from millstream.web.naming import FILE_NAME, wrong_container, wrong_file_name

NAMES = st.text(st.sampled_from("ab./\\ \x00\n\x85é\u2028\u202e-"), max_size=8) | st.text(max_size=12)


@given(NAMES)
@example("a/../b")
@example("a\n")
def test_the_document_says_what_is_checked(name: str) -> None:
    """A short name fits the pattern of the OpenAPI document exactly if it is accepted."""
    fits = re.fullmatch(FILE_NAME.removeprefix("^").removesuffix("$"), name) is not None

    assert fits == (wrong_file_name(name) is None)


@given(NAMES)
def test_no_name_leads_out(name: str) -> None:
    """What is accepted is a relative path without any step upwards, and can be shown on a line."""
    if wrong_file_name(name) is None:
        assert not name.startswith("/")
        assert not {"..", ".", ""} & set(name.split("/"))
        assert "\\" not in name
        assert len(f"{name}.".splitlines()) == 1


@given(st.text(st.sampled_from("ab0-:/.@[]%A\n"), max_size=70))
def test_a_container_is_no_address(name: str) -> None:
    """What is accepted as the name of a container has nothing that an address needs."""
    if wrong_container(name) is None:
        assert not set(name) & set(":/.@[]%\n")
        assert len(name) <= 63
