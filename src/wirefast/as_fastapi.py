"""wirefast under the name ``fastapi``, for this process: import this module before anything imports ``fastapi``.

wirefast only. A team tries wirefast with its whole service by one line, together with packages that import FastAPI.
``fastapi`` and each of its modules that wirefast has are then wirefast's own modules, and ``fastapi.FastAPI`` is
``App``. The installed FastAPI, if there is one, is not imported. Telemetry is on by default, as it is in FastAPI.

Raises:
    ImportError: the real ``fastapi`` is imported already; the text says what to do.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import wirefast

__all__ = ["FASTAPI_VERSION", "MODULES", "install"]

#: The release of FastAPI whose names and behaviour wirefast has; ``fastapi.__version__`` under the alias.
FASTAPI_VERSION = "0.165.0"

#: The modules of FastAPI that wirefast has, below the package's name.
MODULES = frozenset(
    """
    _body_limit _compat _compat.shared _compat.v2 _form_limits applications background concurrency datastructures
    dependencies dependencies.models dependencies.utils encoders exception_handlers exceptions logger middleware
    middleware.asyncexitstack middleware.cors middleware.gzip middleware.httpsredirect middleware.trustedhost
    middleware.wsgi openapi openapi.constants openapi.docs openapi.models openapi.utils param_functions params
    requests responses routing security security.api_key security.base security.http security.oauth2
    security.open_id_connect_url security.utils sse staticfiles telemetry telemetry._asgi telemetry._runtime templating
    testclient types utils websockets
    """.split()
)


class _Alias(MetaPathFinder, Loader):
    """Finds ``fastapi`` and what is below it before any other finder does."""

    def __init__(self) -> None:
        #: By the name that is being imported: the spec of wirefast's module.
        self.specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package != "fastapi":
            return None
        if name and name not in MODULES:
            raise ModuleNotFoundError(
                f"wirefast stands in for fastapi here and has no {fullname!r}; see docs/compatibility.md, "
                "or install FastAPI and leave out wirefast.as_fastapi",
                name=fullname,
            )
        # Any module may be asked for modules below it; this finder decides which modules exist.
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        name = spec.name.partition(".")[2]
        if not name:
            return ModuleType("fastapi", wirefast.__doc__)
        module = importlib.import_module(f"wirefast.{name}")
        self.specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is None:
            raise AssertionError
        if spec.name != "fastapi":
            # The import system has written the alias's spec into wirefast's module.
            module.__spec__ = self.specs.pop(spec.name)
            return
        names = {name: value for name, value in vars(wirefast).items() if not name.startswith("__")}
        # Each module comes by its import, so that it is found below this package too.
        names = {name: value for name, value in names.items() if name == "status" or not isinstance(value, ModuleType)}
        vars(module).update(names, __version__=FASTAPI_VERSION)
        # The modules that an import of the real package imports too.
        for name in ("applications", "exceptions", "param_functions", "params", "routing", "utils"):
            importlib.import_module(f"fastapi.{name}")


def install() -> None:
    """Register the alias in this process; once is enough. Importing the module does it.

    Raises:
        ImportError: the real ``fastapi`` is imported already.
    """
    if any(isinstance(finder, _Alias) for finder in sys.meta_path):
        return
    if "fastapi" in sys.modules:
        origin = getattr(sys.modules["fastapi"], "__file__", None) or "an unknown place"
        raise ImportError(
            f"fastapi is imported already, from {origin}: import wirefast.as_fastapi before anything that imports "
            "fastapi, or start the service by `wirefast run --as-fastapi`"
        )
    from wirefast.routes.advice import silence  # once the alias is in place
    from wirefast.telemetry.config import follow_fastapi

    silence()
    follow_fastapi(FASTAPI_VERSION)
    sys.meta_path.insert(0, _Alias())


install()
