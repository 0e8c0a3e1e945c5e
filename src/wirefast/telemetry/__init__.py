"""OpenTelemetry for ``App(telemetry={...})``. FastAPI's ``fastapi.telemetry``.

Importing this module imports nothing of OpenTelemetry: an application without telemetry neither has nor needs it.
"""

from wirefast.telemetry.config import TelemetryConfig as TelemetryConfig
from wirefast.telemetry.config import TelemetryData as TelemetryData
from wirefast.telemetry.config import get_telemetry_data as get_telemetry_data

__all__ = ["TelemetryConfig", "TelemetryData", "get_telemetry_data"]
