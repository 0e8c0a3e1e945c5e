"""Five hundred sockets with two thousand types of messages, whose document and console a browser opens."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import create_model

from wirefast import App

app = App(title="Large")
for number in range(500):
    room = app.messages(f"/area{number % 20}/rooms{number}/{{room_id}}")
    for kind in ("say", "ask", "join", "leave"):
        model: Any = create_model(
            f"{kind.title()}{number}", type=(Literal[kind], ...), text=(str, ...), room=(int, ...)
        )  # type: ignore[valid-type,unused-ignore]

        async def echo(message: Any) -> Any:
            return message

        echo.__annotations__ = {"message": model, "return": model}
        room.on(echo)
