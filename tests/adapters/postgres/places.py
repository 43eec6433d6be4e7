"""Schemas for ledgers of tests: named by an address and a schema, which fit into one line for another process."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from millstream.adapters.postgres import PostgresLedger
from servers.postgres import Postgres


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where ledgers of one test are."""

    url: str
    schema: str

    def ledger(self, **options: Any) -> PostgresLedger:
        """A ledger there."""
        return PostgresLedger(self.url, schema=self.schema, **options)

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        """What the database says to a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SQL("SET search_path = {}").format(Identifier(self.schema)))
            cursor = connection.execute(SQL(text))  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def __str__(self) -> str:
        return f"{self.url} {self.schema}"


def place_of(line: str) -> Place:
    """The place that somebody wrote down."""
    url, schema = line.split()
    return Place(url=url, schema=schema)


@contextlib.contextmanager
def a_place(postgres: Postgres) -> Iterator[Place]:
    """A schema of nobody else; it is gone afterwards."""
    place = Place(url=postgres.url, schema=postgres.name())
    yield place
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(place.schema)))


@pytest.fixture
def place(postgres: Postgres) -> Iterator[Place]:
    """A schema in the database that all tests share."""
    with a_place(postgres) as place:
        yield place
