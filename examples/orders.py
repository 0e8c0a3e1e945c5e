"""Requests and replies over one socket: a database session for each message, and the answer found by its ``ref``.

    pip install sqlmodel
    wirefast run examples/orders.py

Then connect to ``ws://127.0.0.1:8000/orders`` and send ``{"type": "order", "item": "tea", "ref": 1}``.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Literal

from pydantic import BaseModel
from sqlmodel import Field, Session, SQLModel, create_engine

from wirefast import App, Depends
from wirefast.messages import MessageError


class PlacedOrder(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    item: str
    amount: int


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


engine = create_engine(f"sqlite:///{Path(gettempdir()) / 'orders.db'}", connect_args={"check_same_thread": False})


def open_session() -> Iterator[Session]:
    """Open a session for one message; what the handler did is kept if it did not fail."""
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        yield session


Database = Annotated[Session, Depends(open_session, scope="message")]
app = App()
orders = app.messages("/orders", sends=Ordered)


@orders.on
def order(message: Order, database: Database) -> Ordered:
    row = PlacedOrder(item=message.item, amount=message.amount)
    database.add(row)
    database.flush()  # which gives it its number
    return Ordered.model_validate(row, from_attributes=True)


@orders.on
def find(message: Find, database: Database) -> Ordered:
    row = database.get(PlacedOrder, message.id)
    if row is None:
        raise MessageError("unknown_order", f"there is no order {message.id}")
    return Ordered.model_validate(row, from_attributes=True)
