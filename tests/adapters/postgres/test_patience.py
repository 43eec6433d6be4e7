"""What people hear of a database that is away."""

from millstream.adapters.postgres.patience import Outage


def test_an_outage_is_told_now_and_then() -> None:
    """At once, then every ten seconds, and when it is over; a new one begins anew."""
    told: list[str] = []
    now = 100.0
    outage = Outage("db", tell=told.append, now=lambda: now)
    outage.back()
    for second in range(25):
        now = 100.0 + second
        outage.away("refused")
    outage.back()
    outage.back()
    outage.away("gone")

    assert told == [
        "ledger: db: refused; trying again",
        "ledger: db: refused; away for 10 s, trying again",
        "ledger: db: refused; away for 20 s, trying again",
        "ledger: db is there again after 24 s",
        "ledger: db: gone; trying again",
    ]
