"""``fastapi._form_limits``: the type of ``form_limits`` under the name that FastAPI's signatures give it."""

from wirefast.limits.bodies import FormLimits as _FormLimits
from wirefast.limits.bodies import validate_form_limits as _validate_form_limits

__all__ = ["_FormLimits", "_validate_form_limits"]
