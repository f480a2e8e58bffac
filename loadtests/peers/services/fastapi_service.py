"""What a team would write first: FastAPI, and a table of accounts and one of payments in SQLite or PostgreSQL.

`$STORE` is the address of the database, as `sqlite:PATH` or `postgresql://…`. Each update is one transaction, durable
before it is answered; a request id that is there already is answered with what it came to.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header
from pydantic import BaseModel

SQLITE = "sqlite:"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, balance BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS payments (request_id TEXT PRIMARY KEY, account TEXT NOT NULL, balance BIGINT NOT NULL)",
)
ADD = (
    "INSERT INTO accounts (account, balance) VALUES ($1, $2) "
    "ON CONFLICT (account) DO UPDATE SET balance = accounts.balance + excluded.balance RETURNING balance"
)
RECORD = "INSERT INTO payments (request_id, account, balance) VALUES ($1, $2, $3)"
FIND = "SELECT balance FROM payments WHERE request_id = $1"
READ = "SELECT balance FROM accounts WHERE account = $1"
POOL = 10


class Payment(BaseModel):
    """What is paid."""

    amount: int


class Balance(BaseModel):
    """What an account holds."""

    balance: int


RequestId = Annotated[str, Header(alias="idempotency-key")]


class Sqlite:
    """One connection for each worker process, under a lock: SQLite has one writer."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")

    def pay(self, account: str, request_id: str, amount: int) -> int:
        """One transaction."""
        with self._lock:
            ask = self._connection.execute
            ask("BEGIN IMMEDIATE")
            try:
                if known := ask(FIND, (request_id,)).fetchone():
                    return int(known[0])
                (balance,) = ask(ADD, (account, amount)).fetchone()
                ask(RECORD, (request_id, account, balance))
                return int(balance)
            except BaseException:
                ask("ROLLBACK")
                raise
            finally:
                if self._connection.in_transaction:
                    ask("COMMIT")

    def balance(self, account: str) -> int:
        """What it holds."""
        with self._lock:
            found = self._connection.execute(READ, (account,)).fetchone()
            return int(found[0]) if found else 0


def sqlite_app(path: str) -> FastAPI:
    """The service over SQLite; its handlers block, so FastAPI runs them on its threads."""
    app, store = FastAPI(), Sqlite(path)

    @app.post("/Account/{account}/pay")
    def pay(account: str, payment: Payment, request_id: RequestId) -> Balance:
        return Balance(balance=store.pay(account, request_id, payment.amount))

    @app.post("/Account/{account}/balance")
    def balance(account: str) -> Balance:
        return Balance(balance=store.balance(account))

    return app


async def _pay(pool: asyncpg.Pool, account: str, request_id: str, amount: int) -> int:
    try:
        async with pool.acquire() as connection, connection.transaction():
            balance = await connection.fetchval(ADD, account, amount)
            await connection.execute(RECORD, request_id, account, balance)
            return int(balance)
    except asyncpg.UniqueViolationError:  # done before; what was added just now is rolled back
        return int(await pool.fetchval(FIND, request_id))


def postgres_app(address: str) -> FastAPI:
    """The service over PostgreSQL, with a pool of connections."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(address, min_size=POOL, max_size=POOL) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/Account/{account}/pay")
    async def pay(account: str, payment: Payment, request_id: RequestId) -> Balance:
        return Balance(balance=await _pay(app.state.pool, account, request_id, payment.amount))

    @app.post("/Account/{account}/balance")
    async def balance(account: str) -> Balance:
        return Balance(balance=await app.state.pool.fetchval(READ, account) or 0)

    return app


def served() -> FastAPI:
    """The service over `$STORE`, as uvicorn asks for it."""
    store = os.environ["STORE"]
    return sqlite_app(store.removeprefix(SQLITE)) if store.startswith(SQLITE) else postgres_app(store)


async def make_tables(store: str) -> None:
    """Before any worker starts."""
    if store.startswith(SQLITE):
        connection = sqlite3.connect(store.removeprefix(SQLITE))
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in SCHEMA:
            connection.execute(statement)
        connection.close()
    else:
        database = await asyncpg.connect(store)
        for statement in SCHEMA:
            await database.execute(statement)
        await database.close()


if __name__ == "__main__":
    asyncio.run(make_tables(os.environ["STORE"]))
