"""Names of ingestions."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from millstream.core.ingestion import Compression, FileSpec, OnChange
from millstream.core.splitting import Dialect, Format, Policy
from millstream.ingest.accepting import new_message_id, path_message_id

SPEC = FileSpec(message_id="", container="/in", name="data.csv", sink="file:/out/data.jsonl")


@given(st.floats(0, 2e9), st.floats(0, 2e9))
def test_new_ids_sort_by_time(one, other):
    """The beginning of an id is its time, in letters and digits only."""
    ids = [new_message_id(at, draw_bytes=lambda size: b"\xa5" * size) for at in (one, other)]

    assert all(re.fullmatch(r"[0-9a-f]{32}", message_id) for message_id in ids)
    assert (ids[0] < ids[1]) == (int(one * 1000) < int(other * 1000))


def test_the_same_has_the_same_name():
    """What is done to which version decides, and nothing else."""
    named = path_message_id(SPEC, version="1")

    assert re.fullmatch(r"[A-Za-z0-9-]{1,60}", named)
    assert path_message_id(replace(SPEC, message_id=named), version="1") == named


def test_anything_else_has_another_name():
    """Another version, turn, output or setting is another ingestion."""
    others = [
        replace(SPEC, container="/other"),
        replace(SPEC, name="b.csv"),
        replace(SPEC, sink="amqp://h/q"),
        replace(SPEC, policy=Policy.SKIP),
        replace(SPEC, chunk_bytes=1000),
        replace(SPEC, compression=Compression.NONE),
        replace(SPEC, on_change=OnChange.RESTART),
        replace(SPEC, dialect=Dialect(format=Format.LINES)),
        replace(SPEC, dialect=Dialect(delimiter=";")),
        replace(SPEC, dialect=Dialect(quote=None)),
        replace(SPEC, dialect=Dialect(header=False)),
        replace(SPEC, dialect=Dialect(encoding="latin-1")),
        replace(SPEC, dialect=Dialect(max_record_bytes=5)),
    ]
    names = [path_message_id(spec, version="1") for spec in [SPEC, *others]]
    names += [path_message_id(SPEC, version="2"), path_message_id(SPEC, version="1", turn=1)]

    assert len(set(names)) == len(names)
