"""OpenTelemetry kept in memory: a tracer, its finished spans, and the join with log lines.

Built for chapter 29; in production an exporter sends the spans on instead.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def memory_tracer(name: str = "course") -> tuple[Any, Any]:
    """(tracer, exporter): spans of the first appear in the second's `get_finished_spans()`."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer(name), exporter


def with_trace(logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """structlog processor: adds the ids of the span that is open now, in hexadecimal digits."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return {
        **event,
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
    }
