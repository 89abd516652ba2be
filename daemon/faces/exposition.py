"""One look as Prometheus reads it, on a registry of its own: what ``/probe`` answers."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

from daemon.core.model import Observation, Status


def look(seen: Observation | None, took_s: float, accept: str) -> tuple[bytes, str]:
    """Return the exposition and its content type. ``seen`` None: no answer in time, so nothing is known.

    ``took_s`` is then how long was waited.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"probe_{name}", text, labels, registry=registry)

    status = seen.status if seen else Status.UNKNOWN
    gauge("success", "1 when the look was ok, else 0.").set(status is Status.OK)
    gauge("duration_seconds", "How long the look took, or was waited for.").set(
        seen.answered.mono_s - seen.asked.mono_s if seen else took_s
    )
    _statuses(gauge, status)
    gauge("timed_out", "1 when the look did not end in the scrape's time.").set(seen is None)
    if seen is not None and status is not Status.UNKNOWN and seen.reading.measures:
        measured = gauge("value", "What was measured.", "measure")
        for measure, value in seen.reading.measures.items():
            measured.labels(measure).set(value)
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def _statuses(gauge: Callable[..., Gauge], status: Status) -> None:
    states = gauge("status", "1 for what the look said: unknown is not failing.", "status")
    for one in Status:
        states.labels(one.value).set(one is status)
