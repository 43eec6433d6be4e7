"""The number of unfinished ingestions of a principal, which nobody counts any more: it is always the counted one."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.ingestion import Acceptance, Act, Action, Answered
from millstream.core.operations import Prune
from millstream.testing.ledger_suite.driver import NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import accept, bury, claim_ours

LIMIT = 3
PRINCIPALS = ("", "alice")

HERE = ("accept", "", 0, True)
ELSEWHERE = ("accept", "", 0, False)
ENDED = ("bury", "", 0, True)
AGAIN = ("retry", "", 0, True)
GONE = ("prune", "", 0, True)
FAILED = ("spoiled", "", 0, True)

step = st.tuples(
    st.sampled_from([*["accept"] * 6, "cancel", "bury", "retry", "prune", "spoiled", "reopen"]),
    st.sampled_from(PRINCIPALS),
    st.integers(0, 5),
    st.booleans(),
)


class Site:
    """Two processes at one ledger, `here` being the service, and somebody who counts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.here, self.elsewhere = (Driver(self._open) for _ in range(2))
        self.made: list[str] = []

    def _open(self) -> SqliteLedger:
        return SqliteLedger(self.path, synchronous="OFF", inline=True)

    def counted(self, principal: str) -> int:
        """How many there are, by counting."""
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            query = "SELECT COUNT(*) FROM ingestion WHERE principal = ? AND ended_at IS NULL"
            found: int = db.execute(query, (principal,)).fetchone()[0]
            return found

    def accept(self, by: Driver, principal: str) -> None:
        """Take one on, unless there are enough; what is answered is by the number there is."""
        name = f"m{len(self.made)}"
        is_full = self.counted(principal) >= LIMIT
        answer: Acceptance = by.do(accept(name, principal=principal, limit=LIMIT))
        assert (answer.answered is Answered.FULL) == is_full
        if not is_full:
            self.made.append(name)

    def act(self, by: Driver, action: Action, number: int) -> None:
        """An operator acts on one of them."""
        if number < len(self.made):
            by.do(Act(message_id=self.made[number], action=action, at=NOON))

    def bury(self, by: Driver) -> None:
        """Everything that is ready is worked in vain, for the last time."""
        for job in by.do(claim_ours()):
            by.do(bury(job))

    def close(self) -> None:
        """Let go of it."""
        self.here.close()
        self.elsewhere.close()


def spoil(by: Driver, principal: str) -> None:
    """A call that takes one on and then fails changes nothing."""
    with contextlib.suppress(TypeError):
        by.apply(accept("spoiled", principal=principal, limit=LIMIT + 10), "no operation")  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(st.lists(step, max_size=40))
@example([HERE, ELSEWHERE, ELSEWHERE, HERE])
@example([HERE, HERE, ENDED, HERE, HERE, AGAIN, HERE, GONE, HERE])
@example([HERE, FAILED, FAILED, HERE, HERE, HERE])
def test_the_limit_is_by_the_number_there_is(steps: list[tuple[str, str, int, bool]]) -> None:
    """Whatever happens to ingestions, in this process or another, the limit holds exactly."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Site(Path(folder))) as site:
        for what, principal, number, is_here in steps:
            by = site.here if is_here else site.elsewhere
            match what:
                case "accept":
                    site.accept(by, principal)
                case "cancel" | "retry":
                    site.act(by, Action(what), number)
                case "bury":
                    site.bury(by)
                case "prune":
                    by.do(Prune(before=NOON + 1))
                case "spoiled":
                    spoil(by, principal)
                case _:
                    by.reopen()
        for principal in PRINCIPALS:
            site.accept(site.here, principal)


def test_accepting_does_not_read_what_is_there(tmp_path: Path) -> None:
    """Taking one on costs as many steps of the database with a thousand unfinished ones as with ten."""

    def cost(count: int) -> int:
        site = Driver(lambda: SqliteLedger(tmp_path / f"{count}.db", synchronous="OFF", inline=True))
        site.apply(*(accept(f"m{number}", limit=1_000_000) for number in range(count)))
        steps = 0

        def tick() -> None:
            nonlocal steps
            steps += 1

        site.ledger._db.set_progress_handler(tick, 1)  # type: ignore[attr-defined]
        site.do(accept("one more", limit=1_000_000))
        site.close()
        return steps

    assert cost(1_000) < 1.5 * cost(10)
