"""Every documented command, with its exit code, in an order in which each finds what it needs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """``words`` after ``chaosd``; ``codes`` are those that the guide's tables allow for what happens here."""

    words: str
    codes: tuple[int, ...] = (0,)
    needs: str = ""
    prints: str = ""


# In an empty directory: no configuration, no repository, no daemon.
ALONE = (
    Command("--version", prints="chaosd "),
    Command("--help", prints="Inject and undo"),
    Command("completion bash", prints="_CHAOSD_COMPLETE"),
    Command("completion zsh", prints="#compdef chaosd"),
    Command("completion fish", prints="complete"),
    Command("faults list", prints="git-corrupt"),
    Command("faults show git-corrupt", prints="loose-object-truncate"),
    Command("probes list", prints="git-health"),
    Command("probes show git-health"),
    Command("scenario list", prints="basic"),
    Command("config schema", prints='"title": "chaosd.yaml"'),
    Command("config check", (78,)),
    Command("status"),
    Command("health", (1,)),
    Command("recover"),
    Command("config init", prints="wrote chaosd.yaml"),
    Command("config init", (2,)),
    Command("config init --force --worktree {repository}"),
    Command("config check", prints="is valid"),
    Command("config show", prints="default"),
)
# With a repository of the user's own: the README's "One fault, by hand", and what looks at it afterwards.
BY_HAND = (
    Command("probe --repository {repository}", prints="git-health"),
    Command(
        "inject git-corrupt --repository {repository} --mode loose-object-truncate --dry-run",
        prints="nothing was touched",
    ),
    Command(
        "inject git-corrupt --repository {repository} --mode loose-object-truncate --for 1s",
        (1,),
        prints="not-recovered",
    ),
    Command(
        "inject git-lock --repository {repository} --mode head-lock --for 1s --seed 3",
        (0, 1),
        prints="reverted and proved",
    ),
    Command("inject git-lock --repository {repository}/nowhere", (5,), prints="does not exist"),
    Command("recover"),
    Command("history", prints="git-lock"),
    Command("show last"),
    Command("audit"),
    Command("report --since 1h --output report.html", (1,)),
    Command("report --since 1h --compare 14d/7d -o week.md", (1,)),
    Command("report --since 1h --output chaosd.xml", (1,)),
    Command("report --since 1h --format json", (1,), prints="schema_version"),
    Command("revert --all"),
    Command("halt --reason lunch"),
    Command("inject git-lock --repository {repository}", (77,), prints="lunch"),
    Command("resume", (2,), prints="--because"),
    Command("resume --because fed"),
    Command("settle nothing --because looked", (5,), prints="no injection 'nothing'"),
    Command("journal check"),
    Command("journal compact --keep 30d"),
    Command("journal backup copy.sqlite"),
    Command('journal adopt --because "the same"', prints="adopted"),
    Command("monitor --no-color", prints="editor"),
    Command("probe", (0, 1), prints="repository"),
)
# Through a daemon of this configuration, started for them.
BESIDE_A_DAEMON = (
    Command("status", prints="outstanding  none"),
    Command("health"),
    Command("monitor --no-color -o json", prints="schema_version"),
    Command("inject git-lock --target editor --mode head-lock --for 1s", (0, 1), prints="reverted and proved"),
    Command("halt lunch"),
    Command("resume --because fed"),
    Command("revert --all"),
    Command("recover"),
)
# In the embedded lab (the extra `lab`).
IN_THE_LAB = (
    Command("lab status --dir {lab}", (1,)),
    Command("lab up --dir {lab}", prints="targets:"),
    Command("lab status --dir {lab}", prints="running"),
    Command("-c {lab}/chaosd.yaml probe", (0, 1), prints="tasks"),
    Command("-c {lab}/chaosd.yaml scenario run basic --set messages=2", prints="passed"),
    Command(
        "-c {lab}/chaosd.yaml inject ecs-task-stop --target editor --for 5s", (0, 1), prints="reverted and proved"
    ),
    Command("-c {lab}/chaosd.yaml iam-policy", prints='"Statement"'),
    Command("lab down --dir {lab}"),
    Command("demo --minutes 0", (0, 1), prints="demo-report.html"),
)
EVERY = (*ALONE, *BY_HAND, *BESIDE_A_DAEMON, *IN_THE_LAB)
# Run by the test in a way of their own (`run`), or tried at length elsewhere (`ci`, `proxy`, `scenario git`).
ELSEWHERE = {"run", "ci", "proxy", "scenario git"}
