"""Traces, metrics and logs of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from wsgiref.simple_server import WSGIServer

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from services.runtime import logs
from services.runtime.errors import StartError
from services.runtime.settings import PREFIX, ServiceSettings

_SCOPE = "rapport"
_FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where a process reports to: make spans with `tracer`, instruments with `meter`."""

    tracer: Tracer
    meter: Meter
    on_shutdown: tuple[Callable[[], object], ...] = field(default=(), repr=False)

    def shutdown(self) -> None:
        """Send what is still to be sent, for a second at most."""
        thread = threading.Thread(target=self._shutdown, daemon=True)
        thread.start()
        thread.join(_FLUSH_S)

    def _shutdown(self) -> None:
        for end in self.on_shutdown:
            end()


def setup(service_name: str, settings: ServiceSettings) -> Telemetry:
    """Start the telemetry of the process `service_name`, such as "rapport-ingest", and make it the process's default.

    Metrics are served to Prometheus on `metrics_port`; metrics and traces go to `otlp_endpoint`; each only when it is set.
    Raises StartError when the port cannot be opened.
    """
    logs.configure(settings.log_level)
    resource = Resource.create({"service.name": service_name, "service.namespace": "rapport"})
    readers: list[MetricReader] = []
    on_shutdown: list[Callable[[], object]] = []
    # Without a collector nobody reads spans: they only lend their ids to logs and stored changes.
    sampler = ParentBased(ALWAYS_ON) if settings.otlp_endpoint else ALWAYS_OFF
    tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
    if settings.otlp_endpoint:
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=settings.otlp_endpoint)))
    if settings.metrics_port:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        readers.append(PrometheusMetricReader(scope_info_enabled=False, registry=registry))
        endpoint = _serve_metrics(settings, registry)
        on_shutdown += [endpoint.shutdown, endpoint.server_close]
    meters = MeterProvider(readers, resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    return Telemetry(tracers.get_tracer(_SCOPE), meters.get_meter(_SCOPE), (*on_shutdown, tracers.shutdown, meters.shutdown))


def _serve_metrics(settings: ServiceSettings, registry: CollectorRegistry) -> WSGIServer:
    try:
        endpoint, _ = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        raise StartError(
            f"{PREFIX}METRICS_PORT {settings.metrics_port} cannot be opened on {settings.host}: {error.strerror}"
        ) from None
    return endpoint
