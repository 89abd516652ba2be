"""From the typed file to the frozen settings."""

from daemon.config import guarding, notifying, proxying, schema
from daemon.config.scalars import LONE_TOKEN, read_address
from daemon.core import levers, settings, target
from daemon.core.calendar import Blackout, Window
from daemon.core.model import Status
from daemon.core.moments import Moment


def freeze(root: schema.Root) -> settings.Settings:
    """Return the settings; the file was checked, so this cannot fail."""
    targets = {name: _target(name, t) for name, t in root.targets.items()}
    aws = settings.Aws(region=root.aws.region, endpoint_url=root.aws.endpoint_url)
    fast = root.sampling.probe_every
    return settings.Settings(
        seed=root.seed,
        aws=aws,
        targets=targets,
        probes=tuple(_probe(p) for p in root.probes),
        steady_state=dict(root.steady_state),
        experiments=tuple(_experiment(e, targets) for e in root.experiments),
        guard=_guard(root.guard),
        api=_api(root.api),
        notify=tuple(notifying.destination(d) for d in root.notify),
        grafana=notifying.grafana(root.grafana) if root.grafana else None,
        proxy=proxying.proxy(root.proxy, aws.endpoint_url) if root.proxy else None,
        sampling=settings.Sampling(
            probe_every_s=settings.default_probe_every_s(aws, targets) if fast is None else fast,
            stable_for_s=root.sampling.stable_for,
            steady_timeout_s=root.sampling.steady_timeout,
            baseline_every_s=root.sampling.baseline_every,
        ),
    )


def _target(name: str, t: schema.Target) -> target.Target:
    limits = t.limits
    return target.Target(
        name=name,
        ecs=target.EcsService(**dict(t.ecs)) if t.ecs else None,
        queue=target.Queue(**dict(t.queue)) if t.queue else None,
        repository=target.Repository(**dict(t.repository)) if t.repository else None,
        deployment=target.Deployment(**dict(t.deployment)) if t.deployment else None,
        logs=target.Logs(**dict(t.logs)) if t.logs else None,
        processes=target.Processes(**dict(t.processes)) if t.processes else None,
        network=target.Network(**dict(t.network)) if t.network else None,
        disk=target.Disk(**dict(t.disk)) if t.disk else None,
        proxy=target.Routes(**dict(t.proxy)) if t.proxy else None,
        limits=target.Limits(
            message_s=limits.message, branch_switch_s=limits.branch_switch, recover_s=limits.recover
        ),
    )


def _probe(p: schema.Probe) -> settings.ProbeSetting:
    beside = p.model_extra or {}
    return settings.ProbeSetting(
        name=p.name,
        probe=p.probe,
        target=p.target,
        every_s=p.every,
        parameters={**beside, **p.parameters},
    )


def _trigger(e: schema.Experiment) -> settings.Trigger:
    if e.cron is not None:
        return settings.Cron(expression=e.cron, timezone=e.timezone)
    if e.every is not None:
        return settings.Every(seconds=e.every)
    return settings.AboutEvery(seconds=e.about_every or 0.0)


def _experiment(e: schema.Experiment, targets: dict[str, target.Target]) -> settings.ExperimentSetting:
    return settings.ExperimentSetting(
        name=e.name,
        fault=e.fault,
        target=e.target,
        trigger=_trigger(e),
        timeout_s=targets[e.target].limits.recover_s if e.timeout is None else e.timeout,
        duration_s=e.duration,
        jitter_s=e.jitter,
        first_after_s=e.first_after,
        misfire_grace_s=e.misfire_grace,
        parameters=dict(e.parameters),
        workload=_workload(e.workload) if e.workload else None,
        when=_when(e.when) if e.when else None,
    )


def _when(w: schema.When) -> Moment:
    return Moment(event=w.event, matching=w.matching or "", within_s=w.within)


def _workload(w: schema.Workload) -> settings.WorkloadSetting:
    return settings.WorkloadSetting(scenario=w.scenario, parameters=dict(w.parameters), strike_s=w.strike)


def _guard(g: guarding.Guard) -> settings.GuardSetting:
    return settings.GuardSetting(
        max_active=g.max_active,
        max_active_per_target=g.max_active_per_target,
        max_per_day=g.max_per_day,
        min_gap_s=g.min_gap,
        min_healthy_tasks=g.min_healthy_tasks,
        require_tag=_tag(g.require_tag),
        allow=settings.Allow(repositories=g.allow.repositories, queues=g.allow.queues),
        windows=tuple(Window.parse(text) for text in g.windows),
        blackouts=tuple(Blackout.parse(text) for text in g.blackouts),
        stop_when=tuple(_stop(s) for s in g.stop_when),
        max_percent=g.max_percent,
        protect=g.protect,
        protect_tag=_tag(g.protect_tag),
        max_disturbed_s_per_day=g.max_disturbed_time_per_day,
        error_budget=_budget(g.error_budget) if g.error_budget else None,
        halt_file=g.halt_file,
        levers=tuple(_lever(one) for one in g.levers),
        blind_after_s=g.blind_after,
    )


def _tag(tag: guarding.Tag | None) -> tuple[str, str] | None:
    return (tag.key, tag.value) if tag else None


def _stop(s: guarding.StopWhen) -> levers.StopCondition:
    if s.alarm is not None:
        return levers.Alarm(alarm=s.alarm, for_s=s.lasting)
    if s.prometheus is not None:
        return levers.StopQuery(
            prometheus=s.prometheus, query=s.query or "", above=s.above, below=s.below, for_s=s.lasting
        )
    return levers.StopWhen(probe=s.probe or "", status=Status(s.status), for_s=s.lasting)


def _lever(one: guarding.Lever) -> levers.Lever:
    if one.fis is not None:
        return levers.SafetyLever(fis=one.fis)
    if one.parameter is not None:
        return levers.Parameter(parameter=one.parameter)
    return levers.Alarm(alarm=one.alarm or "")


def _budget(b: guarding.ErrorBudget) -> levers.ErrorBudget:
    return levers.ErrorBudget(
        objective=b.objective / 100, prometheus=b.prometheus, window=b.window, probe=b.probe, query=b.query
    )


def _api(a: schema.Api) -> settings.Api:
    alone = [settings.TokenSetting(name=LONE_TOKEN, control=True, file=a.token_file)] if a.token_file else []
    named = (
        settings.TokenSetting(name=t.name, control=t.scope == "control", file=t.file, credential=t.credential)
        for t in a.tokens
    )
    return settings.Api(
        listen=read_address(a.listen),
        token_file=a.token_file,
        tokens=(*alone, *named),
        read=a.read,
        hosts=a.hosts,
    )
