"""The files of Swagger UI and ReDoc, from an installed package (extra ``docs-assets``), so that pages work offline.

``wirefast run`` asks for them by an environment variable, which its workers inherit; set it for other servers.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["VARIABLE", "find_assets", "wants_assets"]

#: Set to 1: serve the files of the package if it is there. Anything else: the pages name FastAPI's CDN addresses.
VARIABLE = "WIREFAST_DOCS_ASSETS"

_SIDECAR = "static/drf_spectacular_sidecar"
#: Where packages keep the files that pages need. The first that is installed is used; none of them is imported.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "fastapi_offline": {
        "swagger-ui-bundle.js": "static/swagger-ui-bundle.js",
        "swagger-ui.css": "static/swagger-ui.css",
        "favicon.png": "static/favicon.png",
        "redoc.standalone.js": "static/redoc.standalone.js",
    },
    "drf_spectacular_sidecar": {
        "swagger-ui-bundle.js": f"{_SIDECAR}/swagger-ui-dist/swagger-ui-bundle.js",
        "swagger-ui.css": f"{_SIDECAR}/swagger-ui-dist/swagger-ui.css",
        "favicon.png": f"{_SIDECAR}/swagger-ui-dist/favicon-32x32.png",
        "redoc.standalone.js": f"{_SIDECAR}/redoc/bundles/redoc.standalone.js",
    },
}


def wants_assets() -> bool:
    """Return whether this process is to serve the files itself."""
    return os.environ.get(VARIABLE) == "1"


def find_assets() -> dict[str, Path] | None:
    """Return the path of each file by its name, None where no package has all of them."""
    for package, places in PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for directory in (spec and spec.submodule_search_locations) or ():
            found = {name: Path(directory, place) for name, place in places.items()}
            if all(path.is_file() for path in found.values()):
                return found
    return None
