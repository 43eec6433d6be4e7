"""How ingestions are kept in tables: every operation and query of them as steps, the same for every ledger.

`steps_of` is what an operation does, `answer_of` what a query asks. `finish` belongs to the end of every attempt;
`started` and `with_task` to a claim; `revived`, `cancelled` and `pruned` to what operators do to batches.
"""

from millstream.adapters.sql.ingesting.claiming import find_task, start, task_of, with_task
from millstream.adapters.sql.ingesting.dispatch import OPERATIONS, QUERIES, answer_of, steps_of
from millstream.adapters.sql.ingesting.finishing import finish, may_concern
from millstream.adapters.sql.ingesting.operating import cancelled, prune, revived
from millstream.adapters.sql.ingesting.standing import KINDS

__all__ = [
    "KINDS",
    "OPERATIONS",
    "QUERIES",
    "answer_of",
    "cancelled",
    "find_task",
    "finish",
    "may_concern",
    "prune",
    "revived",
    "start",
    "steps_of",
    "task_of",
    "with_task",
]
