"""For each fault and probe of the catalogues, a world in which it can strike or look. One line each in the tables.

``FAULTS`` and ``PROBES`` are keyed like the catalogues; what is missing here fails the suite by name.
"""

import atexit
import hashlib
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from daemon.core.cloud import LogEvent, Message
from daemon.core.proxying import Rule
from daemon.core.seams import Completed
from daemon.core.target import (
    Deployment,
    Disk,
    EcsService,
    Logs,
    Network,
    Processes,
    Queue,
    Repository,
    Routes,
    Target,
)
from daemon.ports.files import LocalFiles
from daemon.ports.git import LocalGit
from tests.ecs_agent import Agent, asked
from tests.ecs_metadata import TASK
from tests.fake_kernel import SmallDisk
from tests.fake_net import FakeHost, FakeNames
from tests.fakes import FakeWorld
from tests.integration.git.yard import build_small

INPUT, DEAD, INTERRUPTS = "http://queue/input", "http://queue/dead", "http://queue/interrupts"
SITE = "http://site/"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A world, a target in it, and ``state``: what must be again as it was after inject and revert."""

    world: FakeWorld
    target: Target
    state: Callable[[], Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)


Maker = Callable[[Path], Scene]


def make(table: Mapping[str, Maker], name: str, root: Path) -> Scene:
    """Build the named scene in a directory of its own."""
    root.mkdir(parents=True, exist_ok=True)
    return table[name](Path(mkdtemp(dir=root)))


# --- the parts of a world --------------------------------------------------------------------------------


def _world(root: Path) -> FakeWorld:
    (root / "private").mkdir()
    return FakeWorld(str(root / "private"), files=LocalFiles(), git=LocalGit())


def _queues(world: FakeWorld) -> Queue:
    """Make queues with messages of others: waiting, held by a worker, and dead."""
    world.sqs.add(DEAD)
    world.sqs.add(INPUT, max_receives=5, dead_letter=DEAD)
    world.sqs.add(INTERRUPTS)
    for url, number in ((INPUT, 3), (DEAD, 1), (INTERRUPTS, 1)):
        world.sqs.send(url, [Message(body=f"other {n} of {url}", attributes={}) for n in range(number)])
    world.sqs.receive(INPUT, most=1)
    return Queue(url=INPUT, dead_letter=DEAD, interrupts=INTERRUPTS)


@cache
def _template() -> Path:
    """Make a small clone with its remote once; copying it is much cheaper than git."""
    root = Path(mkdtemp(prefix="chaosd-contract-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    git, remote, clone = LocalGit(), root / "remote.git", root / "clone"

    def run(where: Path, *arguments: str) -> None:
        end = git.run(str(where), "-c", "user.name=w", "-c", "user.email=w@localhost", *arguments)
        assert end.code == 0, end.err

    run(root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    run(root, "clone", "--quiet", str(remote), str(clone))
    run(clone, "switch", "--quiet", "--create", "main")
    for number in range(3):
        (clone / "directory").mkdir(exist_ok=True)
        (clone / "directory" / f"file-{number}").write_text(f"line {number}\n" * (number + 1))
        run(clone, "add", "--all")
        run(clone, "commit", "--quiet", "--message", f"commit {number}")
    run(clone, "push", "--quiet", "--set-upstream", "origin", "main")
    return root


def _clone(root: Path) -> Repository:
    shutil.copytree(_template(), root, symlinks=True, dirs_exist_ok=True)
    return Repository(worktree=(str(root / "clone"),), remote=str(root / "remote.git"))


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Return kind, mode, modification time and content of everything below; directories without their time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            found[str(path)] = (facts.st_mode, str(path.readlink()))
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, facts.st_size, digest)
        else:
            found[str(path)] = (facts.st_mode,)
    return found


# --- worlds for faults -----------------------------------------------------------------------------------


def ecs_service(root: Path) -> Scene:
    """Three tasks that the service replaces."""
    world = _world(root)
    world.ecs.add("cluster", "service", 3)
    target = Target(name="editor", ecs=EcsService(cluster="cluster", service="service"))
    return Scene(world=world, target=target, state=world.ecs.state)


def clone(root: Path) -> Scene:
    """A real clone whose every byte, mode and time is watched."""
    world, repository = _world(root), _clone(root)
    return Scene(
        world=world, target=Target(name="editor", repository=repository), state=lambda: tree(root / "clone")
    )


def queues(root: Path) -> Scene:
    """Queues with other people's messages in them."""
    world = _world(root)
    return Scene(world=world, target=Target(name="editor", queue=_queues(world)), state=world.sqs.state)


def burst(root: Path) -> Scene:
    """Queues, and a burst small enough to die in at every step."""
    scene = queues(root)
    mix = {"messages": 25, "duplicates": 0.2, "malformed": 0.2, "oversize": 0.04}
    return Scene(world=scene.world, target=scene.target, state=scene.state, parameters=mix)


def waiting(root: Path, **parameters: Any) -> Scene:
    """A queue in which messages of others wait, and nobody works; what is hidden is watched as well."""
    world = _world(root)
    world.sqs.add(DEAD)
    world.sqs.add(INPUT, max_receives=5, dead_letter=DEAD)
    world.sqs.send(INPUT, [Message(body=f"other {n}", attributes={"a": "b"}) for n in range(3)])
    target = Target(name="editor", queue=Queue(url=INPUT, dead_letter=DEAD))

    def state() -> Any:
        return world.sqs.state(), world.sqs.hidden(INPUT)

    return Scene(world=world, target=target, state=state, parameters=parameters)


def two_of_three(root: Path) -> Scene:
    return waiting(root, messages=2)


def ordered(root: Path) -> Scene:
    """A FIFO queue with two groups of two messages."""
    world, url = _world(root), f"{INPUT}.fifo"
    world.sqs.add(url, max_receives=5)
    for number in range(4):
        group = f"group {number % 2}"
        world.sqs.send(url, [Message(body=f"{number}", attributes={}, group=group, deduplication=f"{number}")])
    target = Target(name="editor", queue=Queue(url=url))
    return Scene(world=world, target=target, state=lambda: (world.sqs.state(), world.sqs.hidden(url)))


def hosts(root: Path) -> Scene:
    """Four tasks of one service on two container instances."""
    world = _world(root)
    world.ecs.add("cluster", "service", 4, hosts=("host-1", "host-2"))
    target = Target(name="editor", ecs=EcsService(cluster="cluster", service="service"))
    return Scene(world=world, target=target, state=world.ecs.state)


def workers(root: Path) -> Scene:
    """A worker that drains and one that ignores all but SIGKILL, both supervised, and a stranger."""
    world = _world(root)
    world.processes.start("worker one", restart_s=1.5, dies_after_s=3)
    world.processes.start("worker two", restart_s=0.5, survives=(signal.SIGTERM, signal.SIGINT))
    world.processes.start("stranger")
    target = Target(name="editor", processes=Processes(match="worker"))
    return Scene(world=world, target=target, state=world.processes.present)


def all_workers(root: Path) -> Scene:
    """The workers, every one of them a victim."""
    scene = workers(root)
    return Scene(world=scene.world, target=scene.target, state=scene.state, parameters={"pick": "all"})


def behind_a_proxy(root: Path) -> Scene:
    """A worker whose AWS calls go through a proxy in which another injection's rule is in force."""
    world = _world(root)
    other = Rule(injection="i-other", fault="aws-hang", lane="aws", effect="hang", seed=1, until_s=2e9)
    world.proxy.put(other)
    target = Target(name="editor", proxy=Routes(aws=True))
    return Scene(world=world, target=target, state=lambda: dict(world.proxy.on_disk))


def families(root: Path) -> Scene:
    """Two workers with what they started, both supervised; limits, control groups and holders are watched."""
    world = _world(root)
    for name in ("one", "two"):
        worker = world.processes.start(f"worker {name}", restart_s=0.5)
        child = world.processes.start(f"git of {name}", parent=worker.pid, group=worker.pid, restart_s=0.3)
        world.processes.start(f"ssh of {name}", parent=child.pid, group=worker.pid, restart_s=0.3)
    world.processes.start("stranger")
    disk = Disk(path=str(root / "private"))
    target = Target(name="editor", processes=Processes(match="worker"), disk=disk)

    def state() -> object:
        return world.processes.present(), world.cgroups.state(), dict(world.holders.running)

    return Scene(world=world, target=target, state=state, parameters={"pick": "all"})


def pools(root: Path) -> Scene:
    """Families whose children are the target's own processes, too: who is killed of them is waited for."""
    scene = families(root)
    processes = Processes(match="o")  # "worker one", "git of one", "ssh of one"
    target = Target(name="editor", processes=processes)
    return Scene(world=scene.world, target=target, state=scene.state, parameters={"match": None, "pick": "all"})


def faked_clock(root: Path) -> Scene:
    """A worker under libfaketime, and its file, byte for byte."""
    world, path = _world(root), root / "faketime"
    path.write_bytes(b"+0\n")
    environment = {"LD_PRELOAD": "/lib/libfaketime.so.1", "FAKETIME_TIMESTAMP_FILE": str(path)}
    world.processes.start("worker", variables=environment)
    target = Target(name="editor", processes=Processes(match="worker"))
    return Scene(world=world, target=target, state=lambda: (tree(root), world.processes.present()))


def disk(root: Path) -> Scene:
    """A small disk with somebody's file on it."""
    world, mounted = _world(root), root / "disk"
    mounted.mkdir()
    (mounted / "theirs").write_text("work\n")
    world.files = SmallDisk(mounted)
    target = Target(name="editor", disk=Disk(path=str(mounted)))
    return Scene(world=world, target=target, state=lambda: tree(root))


@cache
def _rich_template() -> Path:
    root = Path(mkdtemp(prefix="chaosd-contract-git-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    build_small(root)
    return root


def rich_clone(root: Path) -> Scene:
    """A real clone that has everything git faults may strike, and its remote; every byte of both is watched."""
    shutil.copytree(_rich_template(), root, symlinks=True, dirs_exist_ok=True)
    repository = Repository(worktree=(str(root / "clone"),), remote="origin")
    world = _world(root)

    def state() -> object:
        return tree(root / "clone"), tree(root / "remote.git"), dict(world.holders.running)

    return Scene(world=world, target=Target(name="editor", repository=repository), state=state)


def behind_a_relay(root: Path) -> Scene:
    """A worker whose git remote is reached through a relay; another injection's rule must stay."""
    world = _world(root)
    other = Rule(injection="other", fault="git-transport", lane="origin", effect="slow", seed=1, until_s=2e9)
    world.proxy.put(other)
    target = Target(name="editor", proxy=Routes(git="origin"))
    return Scene(world=world, target=target, state=lambda: dict(world.proxy.on_disk))


def _wire(root: Path, through: str, **more: Any) -> Scene:
    world, agent = _world(root), Agent(lambda: 0.0)
    agent.now_s = lambda: world.clock.instant().mono_s
    host = FakeHost()
    world.commands, world.names = host, FakeNames()
    world.agent, world.own_task = asked(agent, world.clock), TASK
    world.names.table = {"git.example.com": ("10.0.7.9", "fd00::9")}
    target = Target(name="editor", network=Network(through=through))
    return Scene(world=world, target=target, state=lambda: (host.state(), agent.state()), parameters=more)


def on_host(root: Path) -> Scene:
    """A host with somebody's firewall, and the kernel's default queue on its device."""
    return _wire(root, "host")


def cut_off(root: Path) -> Scene:
    """The same host, and a remote to be cut off from."""
    return _wire(root, "host", hosts=("git.example.com",))


def in_task(root: Path) -> Scene:
    """An ECS task whose agent takes faults, at the other end of the real port."""
    return _wire(root, "agent")


# Of a fault whose modes are rows of a table, those that between them change things in every way there is.
SAMPLES: Mapping[str, frozenset[str]] = {
    "git-corrupt": frozenset(
        (
            "loose-object-truncate",
            "loose-object-missing",
            "loose-object-directory",
            "pack-bitflip",
            "pack-truncate",
            "index-truncate",
            "index-skip-worktree",
            "ref-other-empty",
            "ref-other-vanished",
            "stash-missing",
            "stash-hijack",
            "exclude-all",
            "alternates-dangling",
            "config-garbage",
            "config-missing",
            "config-no-remote",
            "packed-refs-missing",
            "refs-missing",
        )
    ),
    "git-hook": frozenset(("pre-push-hang",)),
    "git-lock": frozenset(("index-lock", "index-lock-directory", "index-lock-live")),
    "git-remote": frozenset(("gone", "diverged", "http-hang")),
    "git-state": frozenset(("rebase-merge",)),
    "git-worktree": frozenset(
        (
            "all-deleted",
            "git-missing",
            "file-deleted",
            "fifo",
            "huge-file",
            "link-loop",
            "git-readonly",
            "owner-git",
        )
    ),
}

FAULTS: Mapping[str, Maker] = {
    "aws-duplicate-delivery": behind_a_proxy,
    "aws-error": behind_a_proxy,
    "aws-expired-credentials": behind_a_proxy,
    "aws-hang": behind_a_proxy,
    "aws-latency": behind_a_proxy,
    "aws-lost-reply": behind_a_proxy,
    "aws-partial-batch": behind_a_proxy,
    "aws-reset": behind_a_proxy,
    "aws-throttle": behind_a_proxy,
    "aws-truncate": behind_a_proxy,
    "aws-visibility-expired": behind_a_proxy,
    "clock-skew": faked_clock,
    "disk-fill": disk,
    "disk-slow": families,
    "ecs-drain": hosts,
    "ecs-redeploy": ecs_service,
    "ecs-scale": ecs_service,
    "ecs-task-stop": ecs_service,
    "fd-exhaustion": families,
    "git-corrupt": rich_clone,
    "git-hook": rich_clone,
    "git-lock": rich_clone,
    "git-remote": rich_clone,
    "git-state": rich_clone,
    "git-transport": behind_a_relay,
    "git-worktree": rich_clone,
    "interrupt-message": queues,
    "interrupt-signal": all_workers,
    "memory-pressure": families,
    "network-blackhole": on_host,
    "network-dns": on_host,
    "network-latency": on_host,
    "network-packet-loss": on_host,
    "network-partition": cut_off,
    "process-kill": pools,
    "process-pause": families,
    "process-slow": families,
    "sqs-burst": burst,
    "sqs-duplicate": two_of_three,
    "sqs-head-of-line": ordered,
    "sqs-hold": two_of_three,
    "sqs-poison": queues,
    "sqs-reorder": two_of_three,
}


# --- worlds for probes: all is well in them --------------------------------------------------------------


def site(root: Path) -> Scene:
    world = _world(root)
    world.s3.upload("site", "index.html", b"page", commit="0123456789abcdef")
    target = Target(name="editor", deployment=Deployment(bucket="site"))
    return Scene(world=world, target=target, state=lambda: world.s3.get("site", "index.html"))


def quiet_logs(root: Path) -> Scene:
    world = _world(root)
    world.logs.groups["/ecs/edit"] = [
        LogEvent(id="1", at_s=world.clock.instant().wall_s - 5, stream="s", message="all is well")
    ]
    target = Target(name="editor", logs=Logs(group="/ecs/edit"))
    return Scene(world=world, target=target, state=lambda: world.logs.groups)


def address(root: Path) -> Scene:
    world = _world(root)
    world.http.answers[SITE] = (200, b"hello")
    return Scene(world=world, target=Target(name="editor"), state=dict, parameters={"url": SITE})


def speaking_command(root: Path) -> Scene:
    world = _world(root)
    world.commands.answers["measure"] = Completed(code=0, out='{"depth": 3}', err="")
    parameters = {"run": "measure depth", "format": "json", "expect": "depth <= 5"}
    return Scene(world=world, target=Target(name="editor"), state=dict, parameters=parameters)


def whole_pipeline(root: Path) -> Scene:
    """A worker that commits and deploys a second after the canary was sent."""
    world, repository = _world(root), _clone(root)
    world.sqs.add(INPUT)

    def work() -> None:
        taken = world.sqs.receive(INPUT)
        if not taken:
            world.clock.at(0.5, work)
            return
        here = root / "clone"
        world_git = LocalGit()
        for arguments in (
            ("switch", "--quiet", "--force-create", "thread-thread-canary"),
            ("commit", "--quiet", "--allow-empty", "--message", taken[0].body),
            ("push", "--quiet", "--force", str(root / "remote.git"), "thread-thread-canary"),
        ):
            world_git.run(str(here), "-c", "user.name=w", "-c", "user.email=w@localhost", *arguments)
        commit = world_git.run(str(here), "rev-parse", "HEAD").out.strip()
        world.s3.upload("site", "index.html", b"page", commit=commit)

    world.clock.at(1, work)
    target = Target(
        name="editor", queue=Queue(url=INPUT), repository=repository, deployment=Deployment(bucket="site")
    )
    return Scene(world=world, target=target, state=dict)


PROBES: Mapping[str, Maker] = {
    "command": speaking_command,
    "ecs-service": ecs_service,
    "git-fsck": clone,
    "git-health": clone,
    "git-integrity": clone,
    "http": address,
    "log-errors": quiet_logs,
    "pipeline-canary": whole_pipeline,
    "process": workers,
    "s3-freshness": site,
    "sqs-backlog": queues,
}
