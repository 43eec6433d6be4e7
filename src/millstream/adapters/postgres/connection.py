"""Connections to the database of a ledger, and its schema."""

import logging

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from millstream.adapters.postgres.session import DIALECT, Connection
from millstream.adapters.sql import SCHEMA_VERSION, schema
from millstream.errors import InvalidValueError, LedgerUnusableError, LedgerVersionError

DEFAULTS: dict[str, str] = {
    "application_name": "millstream",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""A peer that is gone without a word is noticed after some ten seconds; what the address itself says comes first."""


class Database:
    """Where a ledger is: a database, and a schema in it."""

    def __init__(self, url: str, *, schema: str) -> None:
        try:
            words = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise InvalidValueError(
                name="ledger", expected="postgresql://USER@HOST:PORT/DATABASE", found=one_line(error)
            ) from None
        self._conninfo = make_conninfo(url, **{name: word for name, word in DEFAULTS.items() if name not in words})
        self.schema = schema
        # It warns of every connection that breaks, which the ledger itself tells, once and in its own words.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        port = f":{words['port']}" if "port" in words else ""
        self.address = f"postgresql://{words.get('host', 'localhost')}{port}/{words.get('dbname', '')}"
        """What people may see of the address."""

    async def connect(self) -> Connection:
        """Open a connection without transactions of its own, whose statements are prepared and find the schema."""
        connection = await AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=0, cursor_factory=AsyncRawCursor
        )
        try:
            await connection.execute(
                "SELECT set_config('search_path', $1, false), set_config('default_transaction_isolation', $2, false)",
                [f'"{self.schema}"', "read committed"],
            )
            # Whoever is told that a change took place may rely on it.
            await connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        except BaseException:
            await connection.close()
            raise
        return connection

    async def prepare(self, connection: Connection) -> None:
        """Create or check the schema.

        Raises LedgerVersionError when a newer Millstream wrote it, LedgerUnusableError when it is not allowed.
        """
        try:
            version = await self._version(connection)
            if version is None or version < SCHEMA_VERSION:
                version = await self._create(connection)
        except errors.InsufficientPrivilege as error:
            raise LedgerUnusableError(path=self.address, reason=one_line(error)) from error
        if version > SCHEMA_VERSION:
            raise LedgerVersionError(path=self.address, found=version, known=SCHEMA_VERSION)

    async def has_ledger(self, connection: Connection) -> bool:
        """Whether the schema is there; creates nothing."""
        return await self._known(connection) > 0

    async def _version(self, connection: Connection) -> int | None:
        try:
            row = await (await connection.execute("SELECT version FROM schema_version")).fetchone()
        except errors.UndefinedTable:
            return None
        return None if row is None else int(row[0])

    async def _known(self, connection: Connection) -> int:
        """The version inside of a transaction, which an error would end; 0 where there is none."""
        row = await (await connection.execute("SELECT to_regclass('schema_version')")).fetchone()
        return 0 if row is None or row[0] is None else await self._version(connection) or 0

    async def _create(self, connection: Connection) -> int:
        """Create the schema, or bring it up to date, in one transaction, unless somebody else was faster."""
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [self.schema])
            await connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(self.schema)))
            for number in range(await self._known(connection) + 1, SCHEMA_VERSION + 1):
                await connection.execute(schema(number, DIALECT), prepare=False)
                await connection.execute("DELETE FROM schema_version")
                await connection.execute("INSERT INTO schema_version VALUES ($1)", [number])
        version = await self._version(connection)
        return SCHEMA_VERSION if version is None else version


def one_line(error: BaseException) -> str:
    """What an error says, in one line; libpq likes to give advice in further ones."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return said[0] if said else type(error).__name__
