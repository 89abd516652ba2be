"""What went through the fault proxy, asked of it at each scrape: its counters are its own, and it outlives us."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Word = Callable[[], Mapping[str, Any] | None]


class ProxyCollector(Collector):
    """Three families; without a proxy that answers only that it is not up.

    ``faults`` are those known to strike there: each has its series from the start, at 0.
    """

    def __init__(self, registry: CollectorRegistry, word: Word, faults: Iterable[str] = ()) -> None:
        self._word = word
        self._faults = dict.fromkeys(faults, 0)
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return _families()

    def collect(self) -> Iterable[Metric]:
        up, requests, faults = _families()
        said = self._word()
        up.add_metric([], said is not None)
        if said is not None:
            calls: Counter[tuple[str, str]] = Counter()
            for one in said["calls"]:
                calls[one["service"], one["operation"]] += one["calls"]
            for (service, operation), count in sorted(calls.items()):
                requests.add_metric([service, operation], count)
            for fault, count in sorted((self._faults | said["struck"]).items()):
                faults.add_metric([fault], count)
        return up, requests, faults


def _families() -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
    return (
        GaugeMetricFamily("chaosd_proxy_up", "1 while the fault proxy answers, else 0."),
        CounterMetricFamily(
            "chaosd_proxy_requests", "Calls to AWS through the proxy.", labels=["aws_service", "operation"]
        ),
        CounterMetricFamily("chaosd_proxy_faults", "Requests the proxy disturbed by a rule.", labels=["fault"]),
    )
