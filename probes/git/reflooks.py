"""Refs and what is written down beside them: values that do not fit their reflogs, what vanished, the stash."""

from daemon.core.gitclone import Clone, read_head, read_ref
from daemon.core.gitobjects import MalformedError, is_id, packed_refs
from daemon.core.model import Finding
from daemon.core.seams import Files
from probes.git.conditions import logged

_REFS_MAX = 20_000
_NULL = "0"


class Refs:
    """Remembers which refs, stash entries and reflogs there were, to see what is gone."""

    def __init__(self) -> None:
        self._refs: dict[str, str] = {}
        self._stash: tuple[str, ...] = ()
        self._logs: frozenset[str] = frozenset()
        self._first = True

    def look(self, files: Files, clone: Clone) -> list[Finding]:
        """Return what is wrong with the refs as they are, and with what they have become since the last look."""
        if files.lstat(clone.path("refs")) is None:
            return [Finding("refs-absent", ".git/refs does not exist")]
        refs, findings = read_refs(files, clone)
        findings += _packed(files, clone) + _unlike_logs(files, clone, refs) + _head(files, clone)
        findings += _odd(refs)
        stash, more = _stash(files, clone)
        logs = frozenset(name for name in ("HEAD", "refs") if files.lstat(clone.path("logs", name)) is not None)
        findings += more + _broken_logs(files, clone)
        if not self._first:
            findings += self._gone(files, clone, refs, stash, logs)
        lost = {
            name: value for name, value in self._refs.items() if name not in refs and _has_log(files, clone, name)
        }
        self._refs, self._stash, self._logs = {**lost, **refs}, stash, self._logs | logs
        self._first = False
        return findings

    def _gone(
        self, files: Files, clone: Clone, refs: dict[str, str], stash: tuple[str, ...], logs: frozenset[str]
    ) -> list[Finding]:
        # git deletes the reflog with the ref: only a ref whose reflog is left was lost. refs/stash is said below.
        gone = sorted(name for name in self._refs.keys() - refs.keys() if _has_log(files, clone, name))
        findings = [Finding("refs-lost", f"{name} is gone, it was {self._refs[name]}") for name in gone]
        findings += [
            Finding("ref-unlike-log", f"{ref} is {now}, it was {self._refs[ref]}, and its reflog does not say why")
            for ref, now in refs.items()
            if self._refs.get(ref, now) != now and logged(files, clone, ref) != now
        ]
        if self._stash and not stash:
            findings.append(Finding("stash-lost", f"{len(self._stash)} entries are gone"))
        if stash[: len(self._stash)] == self._stash and len(stash) > len(self._stash):
            findings.append(Finding("stash-foreign", f"there is a new entry, {stash[-1]}"))
        return findings + [
            Finding("reflog-lost", f".git/logs/{name} is gone") for name in sorted(self._logs - logs)
        ]


def _has_log(files: Files, clone: Clone, name: str) -> bool:
    return files.lstat(clone.path("logs", name)) is not None


def read_refs(files: Files, clone: Clone) -> tuple[dict[str, str], list[Finding]]:
    """Return every ref and what it stands for; a finding for each whose own file is broken."""
    path, found, findings = clone.path("packed-refs"), {}, []
    if files.lstat(path) is not None:
        found = dict(packed_refs(files.read(path), clone.algorithm))
    todo = ["refs"]
    while todo and len(found) < _REFS_MAX:
        directory = todo.pop()
        for name in files.names(clone.path(directory)):
            ref = f"{directory}/{name}"
            stat = files.lstat(clone.path(ref))
            if stat is not None and stat.kind == "directory":
                todo.append(ref)
                if files.lstat(clone.path("logs", ref)) is not None and _is_file(files, clone.path("logs", ref)):
                    findings.append(Finding("ref-broken", f"{ref} is a directory, though it has a reflog"))
            elif stat is not None and not name.endswith(".lock") and not name.startswith("."):
                identity, problem = _value(files, clone, ref)
                if problem is not None:
                    findings.append(Finding("ref-broken", f"{ref}: {problem}"))
                elif identity:
                    found[ref] = identity
                    if files.read(clone.path(ref)).startswith(b"ref:") and ref.startswith("refs/heads/"):
                        findings.append(Finding("ref-symbolic", f"{ref} is another branch"))
    return found, findings


def _is_file(files: Files, path: str) -> bool:
    stat = files.lstat(path)
    return stat is not None and stat.kind == "file"


def _value(files: Files, clone: Clone, ref: str) -> tuple[str, str | None]:
    try:
        identity = read_ref(files, clone, ref)
    except MalformedError as error:
        return "", str(error)
    if identity is None:
        return "", "it points to a ref that does not exist"
    return identity, "it is the null id" if not identity.strip(_NULL) else None


def _packed(files: Files, clone: Clone) -> list[Finding]:
    path = clone.path("packed-refs")
    if files.lstat(path) is None:
        return []
    data = files.read(path).decode("utf-8", "surrogateescape")
    lines = [line for line in data.split("\n") if line and line[0] not in "#^"]
    names = [line.partition(" ")[2] for line in lines if is_id(line.partition(" ")[0], clone.algorithm)]
    if len(names) != len(lines) or (data and not data.endswith("\n")):
        return [Finding("packed-refs-broken", "a line of .git/packed-refs is no ref")]
    sorted_says = data.startswith("#") and " sorted" in data.partition("\n")[0]
    if sorted_says and names != sorted(names):
        return [Finding("packed-refs-broken", ".git/packed-refs is not sorted as it says")]
    return []


def _unlike_logs(files: Files, clone: Clone, refs: dict[str, str]) -> list[Finding]:
    findings = []
    for ref, identity in refs.items():
        last = logged(files, clone, ref)
        if (
            last is not None
            and last.strip(_NULL)
            and last != identity
            and ref.startswith(("refs/heads/", "refs/remotes/"))
        ):
            findings.append(Finding("ref-unlike-log", f"{ref} is {identity}, its reflog says {last}"))
    todo = ["heads"]
    while todo:
        directory = todo.pop()
        for name in files.names(clone.path("logs", "refs", directory)):
            ref = f"refs/{directory}/{name}"
            stat = files.lstat(clone.path("logs", ref))
            if stat is not None and stat.kind == "directory":
                todo.append(f"{directory}/{name}")
            elif ref not in refs and (logged(files, clone, ref) or _NULL).strip(_NULL):
                findings.append(Finding("ref-broken", f"{ref} is gone, though its reflog is there"))
    return findings


def _head(files: Files, clone: Clone) -> list[Finding]:
    """Find a HEAD that went to a branch without a checkout, by what its reflog says was checked out last."""
    path = clone.path("logs", "HEAD")
    try:
        head = read_head(files, clone)
    except (MalformedError, ValueError):
        return []
    if not _is_file(files, path) or head.ref is None:
        return []
    lines = files.read(path).decode("utf-8", "replace").splitlines()
    moves = [line for line in lines if "checkout: moving from" in line or "Branch: renamed" in line]
    last = moves[-1].rpartition(" to ")[2].removeprefix("refs/heads/") if moves else ""
    here = head.ref.removeprefix("refs/heads/")
    if last and last != here and read_ref(files, clone, f"refs/heads/{last}") is not None:
        return [Finding("head-unlike-log", f"HEAD is on {here}, its reflog says {last}")]
    if last and last != here and not is_id(last, clone.algorithm):
        return [Finding("head-unlike-log", f"HEAD is on {here}, its reflog says {last}, which does not exist")]
    if head.ref and logged(files, clone, "HEAD") not in (None, read_ref(files, clone, head.ref)):
        return [Finding("reflog-broken", "the reflog of HEAD ends at another commit than HEAD")]
    return []


def _odd(refs: dict[str, str]) -> list[Finding]:
    heads = {ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")}
    tags = {ref.removeprefix("refs/tags/") for ref in refs if ref.startswith("refs/tags/")}
    findings = [Finding("ref-ambiguous", f"{name} is a branch and a tag") for name in sorted(heads & tags)]
    replaced = [ref for ref in refs if ref.startswith("refs/replace/")]
    return findings + [Finding("replaced-objects", f"{ref} stands for another object") for ref in replaced]


def _stash(files: Files, clone: Clone) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the entries, oldest first; the reflog has to be a chain from nothing to what refs/stash says."""
    log, ref = clone.path("logs", "refs", "stash"), clone.path("refs", "stash")
    lines = files.read(log).split(b"\n")[:-1] if _is_file(files, log) else []
    whole = files.read(log).endswith(b"\n") if _is_file(files, log) else True
    pairs = [line.split(b" ", 2)[:2] for line in lines]
    stash = tuple(pair[1].decode("ascii", "replace") for pair in pairs if len(pair) > 1)
    top, problem = _value(files, clone, "refs/stash") if files.lstat(ref) is not None else ("", None)
    if problem is None and (bool(top) != bool(stash) or (stash and stash[-1] != top) or not whole):
        problem = "refs/stash and its reflog do not fit"
    before = [pair[0].decode("ascii", "replace") for pair in pairs]
    if problem is None and before and (before[0].strip(_NULL) or before[1:] != list(stash[:-1])):
        problem = "its reflog has gaps"
    if problem is None and len(set(stash)) != len(stash):
        problem = "an entry is there twice"
    return stash, [Finding("stash-broken", problem)] if problem else []


def _broken_logs(files: Files, clone: Clone) -> list[Finding]:
    findings, path = [], clone.path("logs", "HEAD")
    if _is_file(files, path):
        for line in files.read(path).decode("utf-8", "replace").splitlines():
            words = line.split(" ", 2)
            if len(words) < 3 or not all(is_id(word, clone.algorithm) for word in words[:2]):  # noqa: PLR2004
                findings.append(Finding("reflog-broken", f"a line of .git/logs/HEAD is none: {line[:40]!r}"))
    heads = clone.path("logs", "refs", "heads")
    for name in files.names(heads):
        inside = files.lstat(f"{heads}/{name}")
        own = files.lstat(clone.path("refs", "heads", name))
        if inside is not None and inside.kind == "directory" and own is not None and own.kind == "file":
            findings.append(Finding("reflog-broken", f".git/logs/refs/heads/{name} is a directory"))
    return findings
