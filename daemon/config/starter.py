"""The file `chaosd config init` writes: it loads as it stands and injects nothing until told to."""

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of the worker already, asked or detected; None is left as an example to fill in."""

    target: str = "editor"
    region: str | None = None
    worktree: str | None = None
    mainline: str | None = None
    cluster: str | None = None
    service: str | None = None
    queue: str | None = None
    responses: str | None = None
    dead_letter: str | None = None

    @property
    def nothing(self) -> bool:
        return not (self.worktree or self.service or self.queue)


def starter(found: Found | None = None) -> str:
    """Return a commented ``chaosd.yaml``, with what was found filled in."""
    known = found or Found()
    watched = [name for name, there in _probes(known).items() if there]
    text = _STARTER
    for mark, lines in {
        "@aws@": _aws(known),
        "@repository@": _repository(known),
        "@ecs@": _ecs(known),
        "@queue@": _queue(known),
        "@probes@": "\n".join(f"  {'' if t else '# '}{_PROBES[n]}" for n, t in _probes(known).items()),
        "@steady@": f"[{', '.join(watched)}]",
        "@stop@": f"    - {{probe: {watched[0]}, is: failing, for: 5m}}",
    }.items():
        text = text.replace(mark, lines)
    return text.replace("@target@", _word(known.target))


def _word(text: str) -> str:
    """Return a text as YAML reads it back: quoted where it could be read as something else."""
    return text if re.fullmatch(r"[A-Za-z/][\w./:@-]*[\w/]", text) else json.dumps(text)


def _commented(lines: str) -> str:
    return "\n".join(f"{line[:4]}# {line[4:]}" for line in lines.splitlines())


def _aws(known: Found) -> str:
    if known.region is None:
        return "# aws:\n#   region: us-west-2           # left out: what the AWS SDK finds"
    return f"aws:\n  region: {_word(known.region)}"


def _repository(known: Found) -> str:
    lines = f"""\
    repository:
      worktree: {_word(known.worktree or "/srv/repo")}       # a path, a list, or a pattern such as /srv/clones/*
      remote: origin
      branch: "thread-{{chatThreadId}}"
      mainline: {_word(known.mainline or "main")}"""
    return lines if known.worktree or known.nothing else _commented(lines)


def _ecs(known: Found) -> str:
    """Return the line of the ECS service. A cluster nobody has named is left out: an example is somebody's cluster.

    Then `chaosd config check` asks for it, unless chaosd runs in a task of that cluster itself.
    """
    if known.service is None:
        return f"    # ecs: {{cluster: {_word(known.cluster or 'edit-cluster')}, service: edit-service}}"
    if known.cluster is None:
        wanting = "add cluster: left out, it is that of chaosd's own task"
        return f"    ecs: {{service: {json.dumps(known.service)}}}  # {wanting}"
    return f"    ecs: {{cluster: {json.dumps(known.cluster)}, service: {json.dumps(known.service)}}}"


def _queue(known: Found) -> str:
    sqs = "https://sqs.us-west-2.amazonaws.com/123456789012"
    keys = {
        "url": (known.queue, f"{sqs}/edit-input"),
        "responses": (known.responses, f"{sqs}/edit-responses"),
        "dead_letter": (known.dead_letter, f"{sqs}/edit-dead"),
    }
    if known.queue is None:
        return _commented(
            "    queue:\n" + "\n".join(f"      {key}: {example}" for key, (_, example) in keys.items())
        )
    lines = [f"      {'' if url else '# '}{key}: {_word(url or example)}" for key, (url, example) in keys.items()]
    return "\n".join(["    queue:", *lines])


_PROBES = {
    "repository": "- {name: repository, probe: git-health, target: @target@, every: 15s}",
    "tasks": "- {name: tasks, probe: ecs-service, target: @target@, every: 10s}",
    "backlog": '- {name: backlog, probe: sqs-backlog, target: @target@, every: 10s, expect: "visible <= 100"}',
}


def _probes(known: Found) -> dict[str, bool]:
    """Return the probes the file names, and whether what they look at is known."""
    return {
        "repository": bool(known.worktree) or known.nothing,
        "tasks": bool(known.service),
        "backlog": bool(known.queue),
    }


_STARTER = """\
# chaosd.yaml: what may be disturbed, what is watched, and when.
# Check it with `chaosd config check`; `chaosd config show` prints every value and where it comes from.
# Durations: 250ms, 30s, 5m, 1h30m, 2d. A key left out, or without a value, has its default.
version: 1
# seed: 42                      # repeatable schedule and choices

@aws@
#   endpoint_url: http://127.0.0.1:4566

targets:
  @target@:                       # any name; only what stands here can ever be touched
@repository@
@ecs@
@queue@
    # deployment: {bucket: edit.example.com, key: index.html}
    # logs: {group: /ecs/edit}
    # processes: {match: "node dist/main.js"}      # or pid_file, or port
    limits: {message: 30s, branch_switch: 5s, recover: 2m}

probes:                         # `chaosd probes list` names the kinds
@probes@

steady_state:                   # the probes that must be ok for the target to count as healthy
  @target@: @steady@

experiments:                    # `chaosd faults list` names the kinds; each has one of cron, every, about_every
  # - name: corrupt
  #   fault: git-corrupt
  #   target: @target@
  #   about_every: 4h           # random: exponential gaps with this mean
  #   for: 30s                  # then it is reverted, whatever happens
  #   set: {mode: loose-object-truncate}
  #   when: commit              # strikes on an event of the target, waited for at most 60s; see the guide
  #   workload: basic           # a scenario sent meanwhile; the verdict says what became of every message
  # - {name: stop-a-task, fault: ecs-task-stop, target: @target@, cron: "*/30 9-17 * * mon-fri", timezone: UTC}

guard:
  max_active: 1
  max_per_day: 20
  min_gap: 10m
  min_healthy_tasks: 1
  # max_percent: 50             # of the tasks healthy now, at once
  # max_disturbed_time_per_day: 30m
  # protect: ["*-prod"]         # names never to be touched
  # halt_file: /run/chaosd/halt # halts while it is there, as HALT in the state directory does
  # levers: [{fis: default}, {parameter: /chaosd/halt}, {alarm: incident}]
  # error_budget: {objective: 99%, window: 7d, prometheus: "http://127.0.0.1:9090"}
  # protect_tag: {key: "chaosd:protect", value: "true"}   # on a service, a queue or single tasks
  # require_tag: {key: "chaosd:allow", value: "true"}
  # allow: {repositories: [/srv/repo], queues: ["*:edit-*"]}
  windows: ["mon-fri 09:00-17:00 UTC"]
  blackouts: []                 # such as 2026-12-20/2027-01-03
  stop_when:
@stop@

# sampling:
#   baseline_every: 24h         # how old a workload's run without a fault may be; 0s: one before every experiment

api:
  listen: 127.0.0.1:9876        # others than loopback need a token
  # tokens:                     # files of mode 0600; control includes read
  #   - {name: prometheus, scope: read, file: /etc/chaosd/prometheus.token}
  #   - {name: ops, scope: control, credential: chaosd-ops}     # systemd: LoadCredential=

# notify:                       # injected, recovered, not-recovered, violated, undo-failed, undone
#   - {name: chat, kind: slack, url_file: /etc/chaosd/slack.url, on: [not-recovered, violated, undo-failed]}
#   - {name: hook, kind: webhook, url: "https://ops.example.com/chaosd", token_file: /etc/chaosd/to-hook.token}
# grafana: {url: "http://127.0.0.1:3000", token_file: /etc/chaosd/to-grafana.token}
"""
