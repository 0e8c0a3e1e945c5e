"""OpenTelemetry for ``App(telemetry={...})``. FastAPI's ``fastapi.telemetry``.

Importing this module imports nothing of OpenTelemetry, which an application without telemetry does not need.
"""

from wirefast.telemetry.config import TelemetryConfig as TelemetryConfig
from wirefast.telemetry.config import TelemetryData as TelemetryData
from wirefast.telemetry.config import get_telemetry_data as get_telemetry_data

__all__ = ["TelemetryConfig", "TelemetryData", "get_telemetry_data"]
