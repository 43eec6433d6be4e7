"""What takes several statements, said once for every ledger.

Theory of operation: such a change is a generator. It yields the statements that it wants to have executed, gets their
rows back, and goes on; it never meets a database. Statements that are yielded together need no answer of each other,
so a ledger that is far away sends them in one go.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

Row = Mapping[str, Any]
Rows = Sequence[Row]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Execute the statement `name` with `values`, of which it takes those that it mentions.

    `chosen` are the words that stand for `{chosen}` in its text, none of them from outside.
    """

    name: str
    values: Mapping[str, object] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()


Steps = Generator[Sequence[Ask], Sequence[Rows], Result]


def ask(name: str, /, **values: object) -> Ask:
    """A statement to execute."""
    return Ask(name=name, values=values)


def choose(text: str, *, chosen: tuple[str, ...]) -> str:
    """The text of a statement with its chosen words filled in."""
    return text.replace("{chosen}", ", ".join(f"'{word}'" for word in chosen)) if chosen else text
