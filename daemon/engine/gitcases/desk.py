"""Hands for building git situations: git and files in one directory; a failure says what was not built."""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.core.gitcases import Piece, UnbuiltError
from daemon.core.seams import Completed, FileStat, World

FOLDER = "chaosd-cases"  # all files of ours lie there, so that none of the repository's own is touched
DRAFT = f"{FOLDER}/draft.md"
TIMEOUT_S = 120.0
_SETTINGS = (
    ("user.name", "somebody"),
    ("user.email", "somebody@chaosd.invalid"),
    ("commit.gpgSign", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.autocrlf", "false"),
    ("merge.conflictStyle", "merge"),
    ("rerere.enabled", "false"),
)
_OPTIONS = tuple(word for key, value in _SETTINGS for word in ("-c", f"{key}={value}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One work tree, or a directory in which one is about to be made."""

    world: World
    path: str

    def tries(self, *arguments: str) -> Completed:
        """Run git, whatever comes of it."""
        return self.world.git.run(self.path, *_OPTIONS, *arguments, timeout_s=TIMEOUT_S)

    def git(self, *arguments: str) -> str:
        """Run git and return what it says; raises UnbuiltError when it fails."""
        end = self.tries(*arguments)
        if end.code:
            said = (end.err.strip().splitlines() or [f"code {end.code}"])[-1]
            raise UnbuiltError(f"the situation was not built: git {arguments[0]} failed: {said}")
        return end.out.strip()

    def write(self, name: str, text: str | bytes, *, mtime_ns: int | None = None) -> None:
        """Write a file, its directory made when it is not there; ``mtime_ns`` None is now."""
        path = f"{self.path}/{name}"
        now_ns = round(self.world.clock.instant().wall_s * 1e9)
        self._make_directory(path.rpartition("/")[0], now_ns)
        like = self._like("file", 0o644, now_ns if mtime_ns is None else mtime_ns)
        content = text.encode() if isinstance(text, str) else text
        self.world.files.put(path, content, like, temporary=f"{path}.chaosd-new")

    def append(self, name: str, line: str) -> None:
        """Append a line to a file that is there."""
        before = self.world.files.read(f"{self.path}/{name}").decode("utf-8", "replace")
        self.write(name, f"{before}{line}\n")

    def has(self, name: str) -> bool:
        """Tell whether a path exists."""
        return self.world.files.lstat(f"{self.path}/{name}") is not None

    def commit(self, subject: str, paths: Sequence[str]) -> str:
        """Commit exactly these paths, ignored or not, and return the commit."""
        self.git("add", "--force", "--", *(p for p in paths if self.has(p)))
        self.git("commit", "--quiet", "--no-verify", "--message", subject, "--", *paths)
        return self.git("rev-parse", "--verify", "HEAD")

    def status(self, name: str) -> str:
        """Return the two letters by which git knows a path's state; empty when there is nothing to tell."""
        end = self.tries("status", "--porcelain", "--untracked-files=all", "-z", "--", name)
        insist(end.code == 0, f"git status failed: {end.err.strip()}")
        return next((row[:2] for row in end.out.split("\0") if row[3:] == name), "")

    def make_directory(self) -> None:
        """Make the directory itself."""
        self._make_directory(self.path, round(self.world.clock.instant().wall_s * 1e9))

    def _make_directory(self, path: str, now_ns: int) -> None:
        self.world.files.make_directory(path, self._like("directory", 0o755, now_ns))

    def _like(self, kind: str, mode: int, mtime_ns: int) -> FileStat:
        above = self.path
        while (owner := self.world.files.lstat(above)) is None:
            above = above.rpartition("/")[0]
        return FileStat(
            kind=kind, size=0, mode=mode, mtime_ns=mtime_ns, uid=owner.uid, gid=owner.gid, inode=0, links=1
        )


def insist(condition: object, what: str) -> None:
    """Raise UnbuiltError unless the situation is there."""
    if not condition:
        raise UnbuiltError(f"the situation was not built: {what}")


def thread_file(thread: int) -> str:
    """Return the file that a thread's earlier work is in."""
    return f"{FOLDER}/thread-{thread}.md"


def line(piece: Piece) -> str:
    """Return the line, or the subject of the commit, by which a piece is known."""
    return f"{piece.work} [{piece.sent.token}]".capitalize()
