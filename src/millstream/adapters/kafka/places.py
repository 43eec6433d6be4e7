"""Where reading a topic stands, as the ledger keeps it."""

import json
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Places:
    """The next offset of each partition of one topic; a topic that is made again under its name has another id."""

    topic_id: str
    offsets: dict[int, int]

    @classmethod
    def loads(cls, position: str) -> "Places":
        """What `dumps` wrote."""
        found = json.loads(position)
        offsets = {int(partition): int(offset) for partition, offset in found["offsets"].items()}
        return cls(topic_id=found["topic_id"], offsets=offsets)

    def dumps(self) -> str:
        """As one line of JSON."""
        return json.dumps({"topic_id": self.topic_id, "offsets": self.offsets}, separators=(",", ":"))

    def add(self, partitions: int) -> dict[int, int]:
        """Take in those of so many partitions that are new, each from its first record; returns them."""
        added = {each: 0 for each in range(partitions) if each not in self.offsets}
        self.offsets.update(added)
        return added

    def reach(self, ends: dict[int, int]) -> bool:
        """Go on to the ends of partitions, over marks of transactions; returns whether that moved anything."""
        further = {each: end for each, end in ends.items() if end > self.offsets.get(each, end)}
        self.offsets.update(further)
        return bool(further)
