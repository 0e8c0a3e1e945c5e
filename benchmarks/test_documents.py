"""The OpenAPI document of a large service: a thousand operations, each with a body, a response and parameters."""

import importlib
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, create_model

from benchmarks import peers

OPERATIONS = 1000
ROUNDS = 3  # a round takes seconds
#: How many pairs of models the operations share: each has its own, or twenty have all.
CASES = {"models of their own": OPERATIONS, "20 models": 10}


def models(number: int) -> tuple[type[BaseModel], type[BaseModel]]:
    """What one operation takes and what it answers with."""
    taken: Any = create_model(f"In{number}", name=(str, ...), size=(int, 1), tags=(list[str], []))
    return taken, create_model(f"Out{number}", id=(int, ...), item=(taken, ...))


def service(framework: str, pairs: int) -> Any:
    """An application that has made no document yet."""
    f = importlib.import_module(framework)
    app = f.FastAPI() if framework == "fastapi" else f.App()

    def common(page: int = 1, token: Annotated[str | None, f.Header()] = None) -> None: ...

    made = [models(number) for number in range(pairs)]
    for number in range(OPERATIONS):
        taken, answered = made[number % pairs]

        def endpoint(item_id: int, body: Any, c: Annotated[Any, f.Depends(common)], q: str | None = None) -> None: ...

        endpoint.__annotations__["body"] = taken
        endpoint.__name__ = f"operation_{number}"
        app.post(f"/{number}/{{item_id}}", response_model=answered)(endpoint)
    return app


@pytest.mark.parametrize("framework", peers.FRAMEWORKS)
@pytest.mark.parametrize("case", CASES)
def test_document(benchmark: Any, case: str, framework: str) -> None:
    app = service(framework, CASES[case])

    def make() -> Any:
        app.openapi_schema = None
        return app.openapi()

    benchmark.group = f"document: {case}"
    benchmark.extra_info.update(units=OPERATIONS, step="document", case=case, peer=framework, absent=peers.ABSENT)
    document = benchmark.pedantic(make, rounds=ROUNDS)
    assert len(document["paths"]) == OPERATIONS
    assert len(document["components"]["schemas"]) == 2 * CASES[case] + 2
