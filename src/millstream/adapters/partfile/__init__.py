"""A folder as a sink: a part file for each attempt on a chunk, and one file of each ingestion that they go into.

`PartFolder` is what workers write to; `JoinedFolder` is what the one joiner of the folder works with; `EventMark`
remembers how far that has listened.
"""

from millstream.adapters.partfile.joined import JoinedFolder
from millstream.adapters.partfile.mark import EventMark
from millstream.adapters.partfile.parts import PARTS, Receipt
from millstream.adapters.partfile.sink import PartFolder

__all__ = ["PARTS", "EventMark", "JoinedFolder", "PartFolder", "Receipt"]
