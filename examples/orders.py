"""Requests and replies over one socket: a database connection for each message, and the answer found by its ``ref``.

    wirefast run examples/orders.py

Then connect to ``ws://127.0.0.1:8000/orders`` and send ``{"type": "order", "item": "tea", "ref": 1}``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wirefast import App, Depends
from wirefast.messages import MessageError

DATABASE = Path(gettempdir()) / "orders.db"


class Order(BaseModel):
    type: Literal["order"]
    item: Annotated[str, Field(min_length=1, max_length=100)]
    amount: Annotated[int, Field(ge=1, le=1000)] = 1


class Find(BaseModel):
    type: Literal["find"]
    id: int


class Ordered(BaseModel):
    type: Literal["ordered"] = "ordered"
    id: int
    item: str
    amount: int


def open_database() -> Iterator[sqlite3.Connection]:
    """A connection for one message; what the handler wrote is kept only if it did not fail."""
    connection = sqlite3.connect(DATABASE, check_same_thread=False)
    try:
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT, amount INTEGER)")
            yield connection
    finally:
        connection.close()


Database = Annotated[sqlite3.Connection, Depends(open_database, scope="message")]
app = App()
orders = app.messages("/orders", sends=Ordered)


@orders.on
def order(message: Order, database: Database) -> Ordered:
    values = (message.item, message.amount)
    added = database.execute("INSERT INTO orders (item, amount) VALUES (?, ?)", values)
    return Ordered(id=added.lastrowid or 0, item=message.item, amount=message.amount)


@orders.on
def find(message: Find, database: Database) -> Ordered:
    row = database.execute("SELECT item, amount FROM orders WHERE id = ?", (message.id,)).fetchone()
    if row is None:
        raise MessageError("unknown_order", f"there is no order {message.id}")
    return Ordered(id=message.id, item=row[0], amount=row[1])
