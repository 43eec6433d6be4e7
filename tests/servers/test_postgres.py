"""PostgreSQL, as other tests stand on it."""

import psycopg
from dev import postgres as server
from psycopg.sql import SQL, Identifier

from servers.postgres import OwnPostgres, Postgres


def test_a_database_keeps_rows(postgres: Postgres) -> None:
    """What was committed in one session is read in another."""
    table = Identifier(postgres.name())

    with psycopg.connect(postgres.url) as connection:
        connection.execute(SQL("CREATE TABLE {} AS SELECT 1 AS one").format(table))

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute(SQL("SELECT one FROM {}").format(table)).fetchall() == [(1,)]


def test_a_killed_server_comes_back_with_its_data(own_postgres: OwnPostgres) -> None:
    """A server that was killed, with a session open, serves at the same address afterwards, with what it committed."""
    with psycopg.connect(own_postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        connection.commit()

        own_postgres.kill()
        was_gone = not server.answers(own_postgres.address)
        own_postgres.start()

    assert was_gone
    with psycopg.connect(own_postgres.url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]


def test_a_server_stops_although_somebody_is_connected(own_postgres: OwnPostgres) -> None:
    """Shutting it down in order ends the sessions."""
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        own_postgres.restart()
        try:
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            ended = True
        else:
            ended = False

    assert ended
    assert server.answers(own_postgres.address)


def test_a_frozen_server_goes_on_when_it_is_thawed(own_postgres: OwnPostgres) -> None:
    """A server that is frozen answers nobody, and answers again afterwards."""
    own_postgres.freeze()
    answered = server.answers(own_postgres.address)
    own_postgres.thaw()

    assert not answered
    assert server.answers(own_postgres.address)
