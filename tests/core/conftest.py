"""The event loop of the tests of coroutines, and an endpoint's two ways to a peer."""

import pytest
from both_ways import over_asgi, over_channel


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=[over_asgi, over_channel])
def serve(request):
    return request.param
