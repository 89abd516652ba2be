"""Configuration, hooks, attributes and the remote: what makes sound commands do something else."""

import posixpath
import re

from daemon.core import gitvalues
from daemon.core.errors import ChaosdError, TargetAbsentError
from daemon.core.gitclone import Clone, open_clone, read_head, read_ref
from daemon.core.gitobjects import MalformedError, parse_config, remote_url
from daemon.core.gitpacks import read_object
from daemon.core.model import Finding
from daemon.core.seams import Files
from probes.git.reflooks import read_refs
from probes.git.stores import Stores

_SUSPICIOUS = {
    "core.bare": ("true",),
    "core.worktree": None,
    "core.hookspath": None,
    "core.filemode": ("false", "maybe"),
    "core.compression": None,
    "core.repositoryformatversion": ("99",),
    "core.sparsecheckout": ("true",),
    "user.useconfigonly": ("true",),
    "commit.gpgsign": ("true",),
    "extensions.madeup": None,
}
_WRITE_ENTER = 0o300
_REMOTE_HOOKS = ("pre-receive", "update", "post-receive", "proc-receive", "reference-transaction")


class Settings:
    """Remembers the remote's address and its branches, to see a change."""

    def __init__(self) -> None:
        self._url: str | None = None
        self._branches: dict[str, str] | None = None
        self._stores = Stores()

    def look(self, files: Files, clone: Clone, remote: str, branch: str | None) -> list[Finding]:
        """Return what is suspicious in the settings, and what became of the remote."""
        path = clone.path("config")
        try:
            data = files.read(path) if files.lstat(path) is not None else b""
        except TargetAbsentError:
            return []  # said of its rights
        url = remote_url(data, remote)
        findings = suspicious(files, data, root=clone.root, git_dir=clone.git_dir, linked=bool(clone.shared))
        if url is None:
            findings.append(Finding("remote-unknown", f"there is no remote {remote!r}"))
        elif self._url not in (None, url):
            findings.append(Finding("remote-address", f"the remote is {url} now, it was {self._url}"))
        self._url = self._url or url
        if re.search(rb"(?m)^\s*(upload|receive)pack\s*=", data):
            findings.append(Finding("remote-address", "the remote's program is another one"))
        push = re.search(rb"(?m)^\s*pushurl\s*=\s*(.*)$", data)
        for address in (url, gitvalues.read(push[1].decode("utf-8", "surrogateescape")) if push else None):
            findings += self._remote(files, clone, address, branch) if address else []
        return findings

    def _remote(self, files: Files, clone: Clone, url: str, branch: str | None) -> list[Finding]:
        local = url.removeprefix("file://")
        if "://" in local or ":" in local.partition("/")[0]:
            return []
        real = files.resolve(posixpath.join(clone.root, local))
        if real in (clone.root, clone.git_dir):
            return [Finding("remote-is-self", "the remote is the clone itself")]
        if files.lstat(real) is None:
            return [Finding("remote-gone", f"{real} does not exist")]
        try:
            there = open_clone(files, real, bare=True)
        except ChaosdError as error:
            return [Finding("remote-broken", error.message)]
        refs, broken = read_refs(files, there)
        findings = [Finding("remote-broken", f.detail) for f in broken] + _remote_parts(files, there, refs)
        wrong = self._stores.look(files, there, None)
        findings += [Finding("remote-broken", f.detail) for f in wrong if f.name != "litter"]
        before, self._branches = self._branches, self._branches or refs
        if before is not None and before != refs:
            findings.append(Finding("remote-moved", "the remote's refs have changed since they were looked at"))
        if branch is not None:
            known = read_ref(files, clone, branch.replace("refs/heads/", "refs/remotes/origin/", 1))
            if known is not None and refs.get(branch) != known:
                findings.append(Finding("remote-moved", f"{branch} of the remote is {refs.get(branch, 'gone')}"))
        return findings


def suspicious(files: Files, data: bytes, *, root: str, git_dir: str, linked: bool) -> list[Finding]:
    """Return what is broken or suspicious in the configuration of a clone, whose real paths are given."""
    findings, worktree = config(data), parse_config(data).get("core.worktree")
    # A submodule's names its own work tree, and a linked work tree does not heed it.
    own = worktree is not None and files.resolve(posixpath.join(git_dir, worktree)) == root
    if own or linked:
        findings = [finding for finding in findings if not finding.detail.startswith("core.worktree ")]
    return findings


def config(data: bytes, *, bare: bool = False) -> list[Finding]:
    """Return what is broken or suspicious in a configuration."""
    lines = data.decode("utf-8", "replace").splitlines()
    bad = [
        line
        for line in lines
        if line.strip()
        and not re.fullmatch(r'\s*([#;].*|\[\s*[\w.-]+(\s+"[^"]*")?\s*\].*|[A-Za-z][\w-]*\s*(=.*)?)', line)
    ]
    if bad:
        return [Finding("config-broken", f"a line of .git/config is none: {bad[0][:40]!r}")]
    found, findings = parse_config(data), []
    for name, values in _SUSPICIOUS.items():
        value = found.get(name)
        if value is not None and (values is None or value.lower() in values) and not (bare and name == "core.bare"):
            findings.append(Finding("config-suspicious", f"{name} is {value}"))
    if found.get("include.path", "").endswith("config"):
        findings.append(Finding("config-broken", "the configuration includes itself"))
    text = data.decode("utf-8", "replace")
    if re.search(r'\[remote "origin"\]', text) and not re.search(r"(?m)^\s*fetch\s*=", text):
        findings.append(Finding("config-suspicious", "the remote has no fetch refspec"))
    return findings


def _remote_parts(files: Files, there: Clone, refs: dict[str, str]) -> list[Finding]:
    findings = []
    said = files.read(there.path("config")) if files.lstat(there.path("config")) is not None else b""
    findings += [Finding("remote-broken", f.detail) for f in config(said, bare=True) if f.name == "config-broken"]
    if re.search(rb"(?i)hiderefs|maxinputsize", said):
        findings.append(Finding("remote-config", "the remote hides refs or limits pushes"))
    hooks = [name for name in _REMOTE_HOOKS if files.lstat(there.path("hooks", name)) is not None]
    findings += [Finding("remote-hook", f"the remote has a hook {name}") for name in hooks]
    for directory in ("refs/heads", "refs"):
        locks = [name for name in files.names(there.path(directory)) if name.endswith(".lock")]
        findings += [Finding("remote-locked", f"{directory}/{name} of the remote") for name in locks]
    stats = [files.lstat(path) for path in (there.root, there.path("objects"), there.path("refs", "heads"))]
    closed = any(stat is not None and stat.mode & _WRITE_ENTER != _WRITE_ENTER for stat in stats)
    if closed or len({stat.uid for stat in stats if stat is not None}) > 1:
        findings.append(Finding("remote-rights", "the remote cannot be written to by its owner"))
    return findings + _remote_objects(files, there, refs)


def _remote_objects(files: Files, there: Clone, refs: dict[str, str]) -> list[Finding]:
    """Find a HEAD that leads nowhere, tips that cannot be read, and packs or indexes without each other."""
    findings = []
    try:
        head = read_head(files, there)
        if head.ref is not None and refs and head.ref not in refs:
            findings.append(Finding("remote-broken", f"HEAD of the remote points to {head.ref}, which is gone"))
    except (MalformedError, TargetAbsentError) as error:
        findings.append(Finding("remote-broken", f"HEAD of the remote: {error}"))
    pack = there.path("objects", "pack")
    names = set(files.names(pack))
    halves = [
        n
        for n in names
        if n.endswith((".pack", ".idx")) and not {f"{n.rpartition('.')[0]}{s}" for s in (".pack", ".idx")} <= names
    ]
    findings += [Finding("remote-broken", f"{name} of the remote has no counterpart") for name in halves]
    for ref, identity in refs.items():
        try:
            if (
                read_object(files, there, identity) is None
                and files.lstat(there.path("objects", "info", "alternates")) is None
            ):
                findings.append(
                    Finding("remote-broken", f"{ref} of the remote names {identity}, which is not there")
                )
        except (MalformedError, TargetAbsentError, IndexError) as error:
            findings.append(Finding("remote-broken", f"{ref} of the remote: {error}"))
    return findings


def beside(files: Files, clone: Clone) -> list[Finding]:
    """Find hooks, attributes and ignore rules of this clone alone, and what an operation left."""
    findings = _hooks(files, clone) + _leftovers(files, clone)
    for path in (clone.path("info", "attributes"), posixpath.join(clone.root, ".gitattributes")):
        if re.search(r"(?m)^\*\s+.*(filter=|eol=crlf)", _text(files, path)):
            findings.append(Finding("attributes-suspicious", clone.shown(path)))
    for path in (clone.path("info", "exclude"), posixpath.join(clone.root, ".gitignore")):
        if re.search(r"(?m)^\*$", _text(files, path)):
            findings.append(Finding("everything-ignored", clone.shown(path)))
    if files.lstat(clone.path("info", "grafts")) is not None:
        findings.append(Finding("replaced-objects", ".git/info/grafts changes the history"))
    return findings


def _hooks(files: Files, clone: Clone) -> list[Finding]:
    findings, hooks = [], clone.path("hooks")
    for name in files.names(hooks):
        stat = files.lstat(posixpath.join(hooks, name))
        if name.endswith(".sample") or stat is None or stat.kind != "file":
            continue
        if stat.mode & 0o100:
            findings.append(Finding("hook-present", name))
        else:
            findings.append(Finding("hook-not-executable", f"{name} is not run: it lacks the x bit"))
    return findings


def _leftovers(files: Files, clone: Clone) -> list[Finding]:
    there = [name for name in ("gc.pid", "gc.log") if files.lstat(clone.path(name)) is not None]
    findings = [Finding("gc-stuck", f".git/{name} is there") for name in there]
    if files.lstat(clone.path("MERGE_MSG")) is not None and files.lstat(clone.path("MERGE_HEAD")) is None:
        findings.append(Finding("leftover", ".git/MERGE_MSG is there, and no merge"))
    if files.lstat(clone.path("sequencer")) is not None:
        findings.append(Finding("operation-in-progress", "a sequence of picks (.git/sequencer)"))
    for name in files.names(clone.git_dir):
        stat = files.lstat(posixpath.join(clone.git_dir, name))
        if name.endswith(".lock") and stat is not None and stat.kind == "directory":
            findings.append(Finding("stale-lock", f".git/{name} is a directory"))
    trees = files.names(clone.path("worktrees"))
    return findings + [Finding("branch-held", f"another work tree, {name}, is registered") for name in trees]


def _text(files: Files, path: str) -> str:
    stat = files.lstat(path)
    return files.read(path).decode("utf-8", "replace") if stat is not None and stat.kind == "file" else ""
