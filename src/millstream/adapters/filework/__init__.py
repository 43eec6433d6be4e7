"""The built-in work on buckets: verify files, copy them, merge them."""

from millstream.adapters.filework.copying import CopyTo
from millstream.adapters.filework.merging import MergeFormat, MergeTo
from millstream.adapters.filework.reading import Verify

__all__ = ["CopyTo", "MergeFormat", "MergeTo", "Verify"]
