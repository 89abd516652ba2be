"""The file `chaosd config init` writes: it loads as it stands and injects nothing until told to."""


def starter() -> str:
    """Return a commented ``chaosd.yaml``."""
    return _STARTER


_STARTER = """\
# chaosd.yaml: what may be disturbed, what is watched, and when.
# Check it with `chaosd config check`; `chaosd config show` prints every value and where it comes from.
# Durations: 250ms, 30s, 5m, 1h30m, 2d. A key left out, or without a value, has its default.
version: 1
# seed: 42                      # repeatable schedule and choices

# aws:
#   region: us-west-2           # left out: what the AWS SDK finds
#   endpoint_url: http://127.0.0.1:4566

targets:
  editor:                       # any name; only what stands here can ever be touched
    repository:
      worktree: /srv/repo       # a path, a list of paths, or a pattern such as /srv/clones/*
      remote: origin
      branch: "thread-{chatThreadId}"
      mainline: main
    # ecs: {cluster: edit-cluster, service: edit-service}
    # queue:
    #   url: https://sqs.us-west-2.amazonaws.com/123456789012/edit-input
    #   responses: https://sqs.us-west-2.amazonaws.com/123456789012/edit-responses
    #   dead_letter: https://sqs.us-west-2.amazonaws.com/123456789012/edit-dead
    # deployment: {bucket: edit.example.com, key: index.html}
    # logs: {group: /ecs/edit}
    # processes: {match: "node dist/main.js"}      # or pid_file, or port
    limits: {message: 30s, branch_switch: 5s, recover: 2m}

probes:                         # `chaosd probes list` names the kinds
  - {name: repository, probe: git-health, target: editor, every: 15s}
  # - {name: tasks, probe: ecs-service, target: editor, every: 10s}
  # - {name: backlog, probe: sqs-backlog, target: editor, every: 10s, expect: "visible <= 100"}

steady_state:                   # the probes that must be ok for the target to count as healthy
  editor: [repository]

experiments:                    # `chaosd faults list` names the kinds; each has one of cron, every, about_every
  # - name: corrupt
  #   fault: git-corrupt
  #   target: editor
  #   about_every: 4h           # random: exponential gaps with this mean
  #   for: 30s                  # then it is reverted, whatever happens
  #   set: {mode: loose-object-truncate}
  #   workload: basic           # a scenario sent meanwhile; the verdict says what became of every message
  # - {name: stop-a-task, fault: ecs-task-stop, target: editor, cron: "*/30 9-17 * * mon-fri", timezone: UTC}

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
    - {probe: repository, is: failing, for: 5m}

# sampling:
#   baseline_every: 24h         # how old a workload's run without a fault may be; 0s: one before every experiment

api:
  listen: 127.0.0.1:9876        # others than loopback need a token
  # tokens:                     # files of mode 0600; control includes read
  #   - {name: grafana, scope: read, file: /etc/chaosd/grafana.token}
  #   - {name: ops, scope: control, credential: chaosd-ops}     # systemd: LoadCredential=
"""
