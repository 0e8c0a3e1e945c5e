"""The additions of an ``include_router`` to the routes below it, and the base class of the routes that take them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from wirefast import params
from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.limits.admission import NOTHING_SET, Admission
from wirefast.limits.bodies import FormLimits
from wirefast.utils import generate_unique_id, get_value_or_default

__all__ = ["Includable", "RouterIncludeContext"]


@dataclass
class RouterIncludeContext:
    """The additions of an ``include_router`` to every route of the included router, merged from the outermost down."""

    included_router: Any
    prefix: str = ""
    tags: list[str | Enum] = field(default_factory=list)
    dependencies: list[params.Depends] = field(default_factory=list)
    default_response_class: type[Response] | DefaultPlaceholder = field(default_factory=lambda: Default(JSONResponse))
    responses: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    callbacks: list[BaseRoute] = field(default_factory=list)
    deprecated: bool | None = None
    include_in_schema: bool = True
    generate_unique_id_function: Any = field(default_factory=lambda: Default(generate_unique_id))
    strict_content_type: bool | DefaultPlaceholder = field(default_factory=lambda: Default(True))
    dependency_overrides_provider: Any | None = None
    max_body_size: int | None = None
    form_limits: FormLimits = field(default_factory=FormLimits)
    admission: Admission = NOTHING_SET

    def below(self, child: Any) -> RouterIncludeContext:
        """Return this context merged with that of an include inside the included router."""
        return RouterIncludeContext(
            included_router=child.included_router,
            prefix=self.prefix + child.prefix,
            tags=[*self.tags, *child.tags],
            dependencies=[*self.dependencies, *child.dependencies],
            default_response_class=get_value_or_default(child.default_response_class, self.default_response_class),
            responses={**self.responses, **child.responses},
            callbacks=[*self.callbacks, *child.callbacks],
            deprecated=self.deprecated or child.deprecated,
            include_in_schema=self.include_in_schema and child.include_in_schema,
            generate_unique_id_function=get_value_or_default(
                child.generate_unique_id_function, self.generate_unique_id_function
            ),
            strict_content_type=get_value_or_default(child.strict_content_type, self.strict_content_type),
            dependency_overrides_provider=self.dependency_overrides_provider,
            max_body_size=self.max_body_size if child.max_body_size is None else child.max_body_size,
            form_limits={**self.form_limits, **child.form_limits},
            admission=getattr(child, "admission", NOTHING_SET).inside(self.admission),
        )

    def path_for(self, route: Any) -> str:
        return self.prefix + str(route.path)


class Includable:
    """A route that makes its copy under an include."""

    def included(self, context: RouterIncludeContext) -> BaseRoute:
        """Return a copy of this route with the path, dependencies and defaults of the includes above it.

        Args:
            context: what the includes add.
        """
        raise NotImplementedError
