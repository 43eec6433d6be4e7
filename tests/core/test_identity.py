"""Names of batches: the same work has the same name, other work another one."""

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from millstream.core.identity import bucket_id, minibatch_id
from millstream.core.model import FileRef

files = st.builds(
    FileRef,
    path=st.sampled_from(["/in/a", "/in/b", "/in/ä"]),
    size_bytes=st.integers(0, 2),
    mtime_ns=st.integers(0, 2),
    inode=st.integers(0, 2),
)
contents = st.lists(files, min_size=1, max_size=4, unique=True)


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_minibatches_are_named_by_number(one: int, other: int) -> None:
    """Each number has a name of its own, and names of up to 8 digits sort like their numbers."""
    names = [minibatch_id("clicks", seq=seq) for seq in (one, other)]

    assert (names[0] == names[1]) == (one == other)
    assert minibatch_id("clicks", seq=17) == "clicks-00000017"


@given(contents, contents, st.randoms())
def test_buckets_are_named_by_content(one: list[FileRef], other: list[FileRef], random: Random) -> None:
    """A bucket has the same name whatever the order of its files, and another one when any version differs."""
    shuffled = random.sample(one, len(one))

    assert bucket_id("nightly", files=shuffled) == bucket_id("nightly", files=one)
    assert (bucket_id("nightly", files=one) == bucket_id("nightly", files=other)) == (set(one) == set(other))
    assert re.fullmatch(r"nightly-[0-9a-f]{16}", bucket_id("nightly", files=one))


@given(contents)
def test_evicted_files_get_a_new_name(content: list[FileRef]) -> None:
    """However often the same files leave a bucket, the name of their next one was never used before."""
    names = [bucket_id("nightly", files=content)]
    for _ in range(5):
        names.append(bucket_id("nightly", files=content, evicted_from=names[-1]))

    assert len(set(names)) == len(names)
