"""What is printed: a page that needs nothing else, and CSV that a spreadsheet reads."""

import csv
import io
from html.parser import HTMLParser

from millstream.tournament import Tournament, to_csv, to_html

VOID = {"meta"}


class Page(HTMLParser):
    """Collects text by class, and links to anything outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.outside: list[str] = []
        self.classes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.classes += [value or "" for name, value in attrs if name == "class"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def cup() -> Tournament:
    event = Tournament(
        ["<b>Ada</b>", 'Bob "B"', "Åse, Ö.", "=1+1", *map(str, range(5))], tables=2, seats=4, rounds=4, seconds=0.01
    )
    event.report({number: table[0] for number, table in event.next_round().tables.items()})
    event.next_round()
    return event


def test_the_page_shows_every_round_and_every_player() -> None:
    """Sheets of the rounds that are known and a card for each player; names are text, never markup."""
    event = cup()

    page = Page(to_html(event, title="Cup & Co"))

    assert page.outside == []
    assert page.classes.count("sheet") == 3
    assert page.classes.count("card") == 9
    assert page.classes.count("won") == 2
    assert "<b>Ada</b>" in page.texts
    assert any("round 4 is seated by the standings" in text for text in page.texts)


def test_a_final_is_marked() -> None:
    """The table where the championship is decided stands out."""
    event = cup()
    while not event.next_round().is_final:
        event.report({number: table[0] for number, table in event.next_round().tables.items()})

    page = Page(to_html(event, title="Cup"))

    assert page.classes.count("table contest") == 1
    assert any("the final" in text for text in page.texts)
    assert not any("by the standings" in text for text in page.texts)


def test_csv_has_a_line_for_each_player_in_each_round() -> None:
    """Filtered by player it is the card: table and company of every round, or none when sitting out."""
    rows = list(csv.DictReader(io.StringIO(to_csv(cup()))))

    assert len(rows) == 3 * 9
    for row in rows:
        company = [
            other["player"] for other in rows if other["round"] == row["round"] and other["table"] == row["table"]
        ]
        company.remove(row["player"])
        assert row["with"] == (", ".join(company) if row["table"] else "")
