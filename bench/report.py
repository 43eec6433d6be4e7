"""Tables of figures, in a terminal and as Markdown."""

from collections.abc import Sequence

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def markdown(table: Table) -> str:
    """A titled Markdown table."""
    title, head, rows = table
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float], *, digits: int = 0) -> str:
    """Median of several runs, with the lowest and the highest."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"{middle:,.{digits}f} ({ordered[0]:,.{digits}f} to {ordered[-1]:,.{digits}f})"
