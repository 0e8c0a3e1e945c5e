"""The files of Swagger UI and ReDoc, from an installed package (extra ``docs-assets``), so that pages work offline.

``wirefast run`` sets an environment variable for them, which its workers inherit; set it yourself for other servers.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["VARIABLE", "find_assets", "wants_assets"]

#: With the value 1 the files of the package are served, if it is installed. Otherwise the pages use FastAPI's CDN
#: addresses.
VARIABLE = "WIREFAST_DOCS_ASSETS"

_SIDECAR = "static/drf_spectacular_sidecar"
#: The packages with the files of the pages, and their folders. The first installed package is used, without an import.
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
    """Return whether this process serves the files itself."""
    return os.environ.get(VARIABLE) == "1"


def find_assets() -> dict[str, Path] | None:
    """Return the path of each file by its name, None if no package has all of them."""
    for package, places in PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for directory in (spec and spec.submodule_search_locations) or ():
            found = {name: Path(directory, place) for name, place in places.items()}
            if all(path.is_file() for path in found.values()):
                return found
    return None
