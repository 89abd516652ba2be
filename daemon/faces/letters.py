"""What is sent of a notice: the bodies of webhooks, CloudEvents, chat messages, and Grafana's annotations."""

from collections.abc import Mapping
from typing import Any

from daemon.core.events import HealedBy
from daemon.core.notices import Mark, News, Notice
from daemon.core.redact import redact
from daemon.faces.shapes import document, stamp

REASONS_MAX = 5
_SAID: Mapping[News, str] = {
    News.INJECTED: "injected",
    News.RECOVERED: "recovered",
    News.NOT_RECOVERED: "NOT RECOVERED",
    News.VIOLATED: "VIOLATED",
    News.UNDO_FAILED: "UNDO FAILED, residue may remain",
    News.UNDONE: "undone after all",
}


def webhook(notice: Notice, *, source: str) -> dict[str, Any]:
    """Return the notice as JSON: the body of a plain webhook, the data of a CloudEvent."""
    plan = notice.plan
    return document(
        event=notice.news.value,
        id=notice.key,
        source=source,
        at=stamp(notice.at_s),
        injection={
            "id": plan.injection,
            "experiment": plan.experiment,
            "fault": plan.fault,
            "mode": plan.mode,
            "target": plan.target,
            "seed": plan.seed,
            "origin": plan.origin,
            "by": plan.by,
        },
        reasons=[redact(reason) for reason in notice.reasons],
        recovery={"after": list(notice.recovery) if notice.recovery else None, "healed_by": notice.healed_by},
        violated=list(notice.invariants),
        revised=notice.revised,
    )


def cloud_event(notice: Notice, *, source: str) -> dict[str, Any]:
    """Return a CloudEvent 1.0 in structured form; ``id`` is the same for every try, so that receivers can tell."""
    return {
        "specversion": "1.0",
        "id": notice.key,
        "source": source,
        "type": f"chaosd.injection.{notice.news.value}",
        "subject": notice.plan.injection,
        "time": stamp(notice.at_s),
        "datacontenttype": "application/json",
        "data": webhook(notice, source=source),
    }


def slack(notice: Notice, *, source: str) -> dict[str, Any]:
    """Return a message for Slack, Mattermost and their like: one bold line, then why."""
    plan, by_worker = notice.plan, notice.healed_by == HealedBy.WORKER
    mode = f"/{plan.mode}" if plan.mode else ""
    after = f" in {notice.recovery[0]:g}-{notice.recovery[1]:g} s" if notice.recovery and by_worker else ""
    anew = " (told anew)" if notice.revised else ""
    lines = [f"*chaosd: {_SAID[notice.news]}*{anew} {_plain(f'{plan.fault}{mode} on {plan.target}{after}')}"]
    lines += [f"- {_plain(redact(reason))}" for reason in notice.reasons[:REASONS_MAX]]
    lines.append(f"{_plain(plan.injection)}, {_plain(plan.experiment or f'by {plan.by}')}, {_plain(source)}")
    return {"text": "\n".join(lines)}


def _plain(text: str) -> str:
    """Return text in which nothing is markup: `<!channel>` in a branch's name must call nobody."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("*", "\N{ASTERISK OPERATOR}").replace("\n", " ")


def annotation(mark: Mark) -> dict[str, Any]:
    """Return the body of Grafana's annotation: a point while the fault is active, a region when it is over."""
    plan = mark.plan
    body: dict[str, Any] = {
        "time": round(mark.begin_s * 1000),
        "tags": ["chaosd", f"fault:{plan.fault}", f"target:{plan.target}"],
        "text": f"{plan.fault}{f'/{plan.mode}' if plan.mode else ''} on {plan.target} ({plan.injection})",
    }
    return body if mark.end_s is None else {**body, "timeEnd": round(mark.end_s * 1000)}
