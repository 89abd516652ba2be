"""The generated policy: what is granted, on what, and what its reader is told."""

import json
from dataclasses import replace
from typing import Any

from daemon.core.calls import SCENARIO
from daemon.core.iam import NEVER, Role, policy
from daemon.core.levers import Alarm, Parameter, SafetyLever
from daemon.core.moments import Moment
from daemon.core.settings import (
    Aws,
    Every,
    ExperimentSetting,
    GuardSetting,
    ProbeSetting,
    Sampling,
    Settings,
    WorkloadSetting,
)
from daemon.core.target import Deployment, EcsService, Logs, Queue, Repository, Target
from faults import CATALOGUE as FAULTS
from probes import CATALOGUE as PROBES
from tests.iam import Request, allowed

AT = "eu-west-1:111122223333"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/edit-input"
TARGET = Target(
    name="editor",
    ecs=EcsService(cluster="workers", service="git-worker"),
    queue=Queue(url=QUEUE, dead_letter=f"{QUEUE}-dead"),
    repository=Repository(worktree=("/srv/repo",)),
    deployment=Deployment(bucket="site", key="index.html"),
    logs=Logs(group="/ecs/git-worker"),
)
BASE = Settings(sampling=Sampling(probe_every_s=1), aws=Aws(region="eu-west-1"), targets={"editor": TARGET})


def experiment(fault: str, **given: Any) -> ExperimentSetting:
    return ExperimentSetting(
        name=fault, fault=fault, target="editor", trigger=Every(seconds=9), timeout_s=9, **given
    )


def granted(settings: Settings, role: Role | None = None) -> dict[str, set[str]]:
    """Return the resources of each allowed action."""
    found: dict[str, set[str]] = {}
    for statement in policy(settings, FAULTS, PROBES, role).document["Statement"]:
        if statement["Effect"] == "Allow":
            for action in statement["Action"]:
                found.setdefault(action, set()).update(statement["Resource"])
    return found


def test_what_touches_no_aws_is_granted_nothing() -> None:
    made = policy(
        replace(BASE, experiments=(experiment("git-lock"), experiment("interrupt-signal"))), FAULTS, PROBES
    )
    assert [s["Effect"] for s in made.document["Statement"]] == ["Deny"]
    assert made.notes == ()


def test_each_probe_and_fault_is_granted_what_it_declares_on_its_target_alone() -> None:
    looks = ("ecs-service", "sqs-backlog", "s3-freshness", "log-errors")
    probes = tuple(ProbeSetting(name=kind, probe=kind, target="editor") for kind in looks)
    assert granted(replace(BASE, probes=probes)) == {
        "ecs:DescribeServices": {f"arn:aws:ecs:{AT}:service/workers/git-worker"},
        "ecs:DescribeTasks": {f"arn:aws:ecs:{AT}:task/workers/*"},
        "ecs:ListTasks": {"*"},
        "sqs:GetQueueAttributes": {f"arn:aws:sqs:{AT}:edit-input", f"arn:aws:sqs:{AT}:edit-input-dead"},
        "s3:GetObject": {"arn:aws:s3:::site/index.html"},
        "s3:ListBucket": {"arn:aws:s3:::site"},
        "logs:FilterLogEvents": {f"arn:aws:logs:{AT}:log-group:/ecs/git-worker:*"},
    }
    assert granted(replace(BASE, experiments=(experiment("ecs-task-stop"),)))["ecs:StopTask"] == {
        f"arn:aws:ecs:{AT}:task/workers/*"
    }
    sent = granted(replace(BASE, experiments=(experiment("sqs-burst"),)))
    assert sent["sqs:SendMessage"] == {f"arn:aws:sqs:{AT}:edit-input"}
    assert f"arn:aws:sqs:{AT}:edit-input-dead" in sent["sqs:DeleteMessage"]
    played = granted(
        replace(BASE, experiments=(experiment("git-lock", workload=WorkloadSetting(scenario="basic")),))
    )
    assert played == granted(BASE, Role(calls=SCENARIO))
    for event, action in (("message", "sqs:GetQueueAttributes"), ("log", "logs:FilterLogEvents")):
        waits = replace(BASE, experiments=(experiment("git-lock", when=Moment(event=event, matching="x")),))
        assert action in granted(waits)
    assert granted(replace(BASE, experiments=(experiment("git-lock", when=Moment(event="commit")),))) == {}


def test_a_cluster_a_tag_and_the_levers_bind_the_grants() -> None:
    levers = (Alarm(alarm="stop"), Parameter(parameter="/chaos/off"), SafetyLever(fis="default"))
    guard = GuardSetting(require_tag=("chaosd:allow", "true"), levers=levers)
    settings = replace(BASE, guard=guard, experiments=(experiment("ecs-task-stop"), experiment("sqs-burst")))
    found = granted(settings)
    assert found["cloudwatch:DescribeAlarms"] == {f"arn:aws:cloudwatch:{AT}:alarm:stop"}
    assert found["ssm:GetParameter"] == {f"arn:aws:ssm:{AT}:parameter/chaos/off"}
    assert found["fis:GetSafetyLever"] == {f"arn:aws:fis:{AT}:safety-lever/default"}
    assert found["sqs:ListQueueTags"] == {f"arn:aws:sqs:{AT}:edit-input"}
    document = policy(settings, FAULTS, PROBES).document
    elsewhere = Request("ecs:ListTasks", "x", (("ecs:cluster", f"arn:aws:ecs:{AT}:cluster/production"),))
    here = replace(elsewhere, context=(("ecs:cluster", f"arn:aws:ecs:{AT}:cluster/workers"),))
    assert allowed(document, here)
    assert not allowed(document, elsewhere)


def test_the_guard_may_look_for_the_tags_of_every_queue_that_is_sent_to() -> None:
    queue = replace(TARGET.queue, interrupts=f"{QUEUE}-interrupts") if TARGET.queue else None
    base = replace(
        BASE, guard=GuardSetting(require_tag=("a", "b")), targets={"editor": replace(TARGET, queue=queue)}
    )
    beside = experiment("git-lock", workload=WorkloadSetting(scenario="basic"))
    assert "sqs:ListQueueTags" not in granted(replace(base, experiments=(experiment("git-lock"),)))
    own, second = f"arn:aws:sqs:{AT}:edit-input", f"arn:aws:sqs:{AT}:edit-input-interrupts"
    assert granted(replace(base, experiments=(beside,)))["sqs:ListQueueTags"] == {own}
    separate = replace(base, experiments=(experiment("interrupt-message"),))
    assert granted(separate)["sqs:ListQueueTags"] == {own, second}


def test_a_protected_task_is_never_stopped_and_the_guard_may_look_for_the_tag() -> None:
    guard = GuardSetting(protect_tag=("keep", "yes"))
    asked = (experiment("ecs-task-stop"), experiment("sqs-burst"))
    settings = replace(BASE, guard=guard, experiments=asked)
    assert granted(settings)["sqs:ListQueueTags"] == {f"arn:aws:sqs:{AT}:edit-input"}
    assert "ecs:DescribeServices" in granted(settings)
    document = policy(settings, FAULTS, PROBES).document
    cluster = ("ecs:cluster", f"arn:aws:ecs:{AT}:cluster/workers")
    task = f"arn:aws:ecs:{AT}:task/workers/1"
    assert allowed(document, Request("ecs:StopTask", task, (cluster,)))
    assert allowed(document, Request("ecs:StopTask", task, (cluster, ("aws:ResourceTag/keep", "no"))))
    assert not allowed(document, Request("ecs:StopTask", task, (cluster, ("aws:ResourceTag/keep", "yes"))))


def test_arns_say_region_and_account_and_what_is_unknown_is_told() -> None:
    ecs = EcsService(cluster="arn:aws-cn:ecs:cn-north-1:999900001111:cluster/w", service="s")
    bare = Settings(sampling=Sampling(probe_every_s=1), targets={"t": Target(name="t", ecs=ecs)})
    look = (ProbeSetting(name="p", probe="ecs-service", target="t"),)
    found = granted(replace(bare, probes=look))
    assert found["ecs:DescribeServices"] == {"arn:aws-cn:ecs:cn-north-1:999900001111:service/w/s"}
    nameless = Target(name="t", ecs=EcsService(cluster="w", service="s"))
    made = policy(replace(bare, targets={"t": nameless}, probes=look), FAULTS, PROBES)
    assert made.notes == ("region or account is not known and stands as *: name them with --region, --account",)
    told = policy(
        replace(bare, targets={"t": nameless}, probes=look), FAULTS, PROBES, Role(account="1" * 12, region="x")
    )
    assert told.notes == ()
    assert f"arn:aws:ecs:x:{'1' * 12}:service/w/s" in json.dumps(told.document)


def test_a_dead_letter_queue_that_is_not_named_and_a_silent_plug_in_are_told() -> None:
    class Silent:
        touches = FAULTS["git-lock"].touches

    target = replace(TARGET, queue=Queue(url=QUEUE))
    settings = replace(BASE, targets={"editor": target}, experiments=(experiment("sqs-burst"), experiment("odd")))
    notes = policy(settings, {**FAULTS, "odd": Silent}, PROBES).notes  # type: ignore[dict-item]
    assert "targets.editor.queue.dead_letter is not given" in notes[0]
    assert notes[1] == "plug-in odd does not say what it asks of AWS: nothing is granted for it"
    assert len(notes) == 2


def test_purging_and_deleting_is_denied_whatever_else_the_role_may() -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = policy(BASE, FAULTS, PROBES).document
    generous = {**document, "Statement": [everything, *document["Statement"]]}
    for action in (
        "sqs:PurgeQueue",
        "sqs:DeleteQueue",
        "s3:DeleteBucket",
        "ecs:DeleteService",
        "ecs:DeregisterTaskDefinition",
    ):
        assert not allowed(generous, Request(action, "arn:aws:x"))
    assert allowed(generous, Request("s3:PutObject", "arn:aws:x")), "a worker in the same task needs that"
    assert len(NEVER) == len(set(NEVER))
