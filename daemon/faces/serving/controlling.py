"""The verbs that change something; who may, and the audit, were settled before."""

from werkzeug.wrappers import Request, Response

from daemon.core import plan
from daemon.core.access import Caller
from daemon.core.errors import BusyError, RefusedError, UsageError
from daemon.core.moments import moment
from daemon.core.parameters import duration, naming_victims
from daemon.core.redact import redact
from daemon.faces import shapes
from daemon.faces.serving.bodies import InjectBody, ReasonBody, SettleBody
from daemon.faces.serving.desk import Desk
from daemon.faces.serving.difference import difference
from daemon.faces.serving.reading import as_json, unknown


class Controlling:
    """Passes on to the control desk what was asked for, in whose name."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def inject(self, body: InjectBody, *, caller: Caller, **_: object) -> Response:
        """Begin an injection. Who comes with a token aims by targets alone: what they are is the file's to say."""
        target = plan.aimed(body.target, self._desk.settings().targets)
        if caller.kind != "socket":
            self._by_target_alone(body, target)
        try:
            asked = plan.Request(
                fault=body.fault,
                target=target,
                parameters=dict(body.parameters or {}),
                duration_s=duration(body.duration_s),
                origin="api",
                by=_by(caller, body.by),
                seed=body.seed,
                workload=plan.workload(body.workload),
                when=moment(body.when),
            )
        except ValueError as error:
            raise UsageError(f"not injecting: the request is malformed: {error}") from error
        run = self._desk.control.start(asked)
        self._desk.begun(run)
        return as_json(shapes.document(id=run.injection), 202)

    def _by_target_alone(self, body: InjectBody, target: str) -> None:
        kind = self._desk.faults.get(body.fault)
        named = sorted(naming_victims(kind) & set(body.parameters or ())) if kind is not None else []
        if named:
            raise RefusedError(
                f"not injecting: {', '.join(named)} would name another victim than target {target}",
                rule="allow-list",
                hint="leave it out, or let the target name it in the configuration; the local socket may set it",
            )

    def revert(self, _: object, *, request: Request, name: str, **__: object) -> Response:
        if name not in self._desk.runs and self._desk.journal.injection(name) is None:
            return unknown(name, request.path)
        found = self._desk.control.revert(name, "reverted by request")
        return as_json(shapes.document(**shapes.injection(found)))

    def settle(self, body: SettleBody, *, name: str, caller: Caller, **_: object) -> Response:
        found = self._desk.control.settle(name, by=_by(caller, body.by), because=redact(body.because))
        return as_json(shapes.document(**shapes.injection(found)))

    def reload(self, _: object, **__: object) -> Response:
        """Answer with what changed; what does not fit is one 400 with all mistakes, and the old one stays."""
        if self._desk.reload is None:
            raise BusyError("not reloaded: this daemon was not started from a file")
        before = self._desk.settings()
        after = self._desk.reload()
        return as_json(shapes.document(**difference(before, after)))

    def recover(self, _: object, **__: object) -> Response:
        found = self._desk.control.recover()
        return as_json(
            shapes.document(injections=shapes.injections(found.injections), runs=shapes.scenario_runs(found.runs))
        )

    def halt(self, body: ReasonBody, **_: object) -> Response:
        self._desk.control.halt(redact(body.reason or body.because or "no reason given"))
        self._desk.news.say("halt", reason=self._desk.control.halted)
        return as_json(shapes.document(halted=self._desk.control.halted))

    def resume(self, body: ReasonBody, **_: object) -> Response:
        self._desk.control.resume(redact(body.because or body.reason or ""))
        self._desk.news.say("halt", reason=None)
        return as_json(shapes.document(halted=None))


def _by(caller: Caller, claimed: str | None) -> str:
    """Return who asks, for the journal: what the kernel or the token says, and what the request claims besides."""
    claimed = redact(claimed or "")
    return str(caller) if claimed in ("", str(caller)) else f"{claimed} ({caller})"
