"""What is printed for an event: a sheet for each round and a card for each player, as a web page or as CSV.

Theory of operation: both show the rounds that are known: played, being played, and ahead by plan. The page needs
nothing beside itself; every sheet begins a page of its own, and no card is torn by the end of one.
"""

import csv
import io
from collections.abc import Collection, Sequence
from html import escape

from millstream.tournament.event import Tournament
from millstream.tournament.rounds import Seating
from millstream.tournament.wishes import Player

_STYLE = """
@page { margin: 14mm }
* { box-sizing: border-box }
body { font: 12pt/1.35 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1c2430; margin: 0 auto;
  max-width: 190mm; padding: 0 4mm }
h1 { font-size: 18pt; margin: 6mm 0 1mm } h1 small { font-weight: 400; color: #5b6675; font-size: 12pt }
h2 { font-size: 13pt; margin: 0 0 1.5mm }
.sheet { break-after: page }
.tables { display: grid; grid-template-columns: repeat(auto-fill, minmax(55mm, 1fr)); gap: 4mm; margin-top: 4mm }
.table, .card { border: .3mm solid #9aa5b4; border-radius: 2mm; padding: 3mm 4mm; break-inside: avoid }
.table.contest { border: .8mm solid #b8860b }
.table ul { list-style: none; margin: 0; padding: 0 }
.table li::before { content: ""; display: inline-block; width: 3mm; height: 3mm; border: .3mm solid #5b6675;
  margin-right: 2mm }
.table li.won { font-weight: 700 } .table li.won::before { background: #1c2430 }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 4mm; margin-top: 4mm }
.card table { border-collapse: collapse; width: 100%; font-size: 10.5pt }
.card th { text-align: left; font-weight: 400; color: #5b6675; padding-right: 3mm }
.card td, .card th { border-top: .2mm solid #d5dbe3; padding: 1mm 2mm 1mm 0; vertical-align: top }
.note { color: #5b6675 }
""".strip()


_WON = ' class="won"'


def to_html(tournament: Tournament, *, title: str) -> str:
    """A page with a sheet for each known round and a card for each player who is there."""
    seatings = _known(tournament)
    winners = {turn.seating.number: turn.winners for turn in tournament.record.played}
    sheets = "\n".join(_sheet(seating, won=winners.get(seating.number, {}).values()) for seating in seatings)
    cards = "\n".join(_card(player, seatings=seatings) for player in tournament.record.active)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>
{_STYLE}
</style>
{sheets}
<section>
<h1>Cards <small>{escape(title)}{_rest(tournament, seatings=seatings)}</small></h1>
<div class="cards">
{cards}
</div>
</section>
</html>
"""


def to_csv(tournament: Tournament) -> str:
    """A line for each player in each known round: round, table (empty: sits out), player, the others at the table.

    Sorted by round and table it is the sheets, filtered by player the cards.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["round", "table", "player", "with"])
    for seating in _known(tournament):
        for number, table in seating.tables.items():
            for player in table:
                writer.writerow([seating.number, number, player, _others(player, table=table)])
        writer.writerows([seating.number, "", player, ""] for player in seating.sitting_out)
    return text.getvalue()


def _known(tournament: Tournament) -> list[Seating]:
    record = tournament.record
    return [
        *(turn.seating for turn in record.played),
        *([record.seated] if record.seated else []),
        *tournament.ahead(),
    ]


def _sheet(seating: Seating, *, won: Collection[Player]) -> str:
    tables = "\n".join(
        f'<div class="table{" contest" if number in seating.contest else ""}"><h2>{_heading(number, seating)}</h2><ul>'
        + "".join(f"<li{_WON if player in won else ''}>{escape(str(player))}</li>" for player in table)
        + "</ul></div>"
        for number, table in seating.tables.items()
    )
    out = ", ".join(escape(str(player)) for player in seating.sitting_out)
    note = f'<p class="note">Sitting out: {out}</p>' if out else ""
    return f"""<section class="sheet">
<h1>Round {seating.number} <small>tick the winner of each table</small></h1>
<div class="tables">
{tables}
</div>
{note}
</section>"""


def _heading(number: int, seating: Seating) -> str:
    if number not in seating.contest:
        return f"Table {number}"
    return f"Table {number} · {'the final' if seating.is_final else 'for the championship'}"


def _card(player: Player, *, seatings: Sequence[Seating]) -> str:
    lines = []
    for seating in seatings:
        number = seating.table_of(player)
        if number is not None:
            others = escape(_others(player, table=seating.tables[number]))
            lines.append(f"<tr><th>Round {seating.number}<td><b>Table {number}</b><td>{others}")
        elif player in seating.sitting_out:
            lines.append(f"<tr><th>Round {seating.number}<td colspan=2>sits out")
    return f'<div class="card"><h2>{escape(str(player))}</h2><table>{"".join(lines)}</table></div>'


def _others(player: Player, *, table: Sequence[Player]) -> str:
    return ", ".join(str(other) for other in table if other != player)


def _rest(tournament: Tournament, *, seatings: Sequence[Seating]) -> str:
    first, last = len(seatings) + 1, tournament.record.rounds
    if first > last:
        return ""
    rounds = f"round {last} is" if first == last else f"rounds {first} to {last} are"
    return f", {rounds} seated by the standings"
