"""What a mode may use: the clone, dice, parameters, how to look at files, and the edits it can ask for."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from random import Random
from typing import Any

from daemon.core.errors import RefusedError, TargetAbsentError
from daemon.core.gitclone import Clone, outside, read_head, tip
from daemon.core.gitobjects import MalformedError
from daemon.core.seams import FileStat, Piece, World
from faults.git.kinds import Dress, Edit, FileEdit, Make, Move, Patch, Recipe, Snapshot

_SAVED_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at one repository. ``clone`` is what is struck; of git-remote's modes that is the remote.

    ``worker`` is the clone in which the faults are felt.
    """

    world: World
    clone: Clone
    worker: Clone
    dice: Random
    parameters: Any
    injection: str
    now_ns: int

    @property
    def files(self) -> Any:
        return self.world.files

    @property
    def mark(self) -> bytes:
        return f"chaosd {self.injection}\n".encode()

    # --- looking ---

    def stat(self, path: str) -> FileStat | None:
        """Return a file's stat, or None; raises when it leads out of the clone or is no plain file."""
        found = self.node(path)
        if found is not None and found.kind != "file":
            raise TargetAbsentError(f"nothing was touched: {path} is a {found.kind}, not a plain file")
        return found

    def node(self, path: str) -> FileStat | None:
        """Return the stat of whatever is there; raises when it leads out of the clone."""
        real = self.files.resolve(posixpath.dirname(path))
        roots = (self.clone.root, self.clone.git_dir, self.clone.common)
        if not any(f"{real}/".startswith(f"{root}/") for root in roots) and path != self.clone.root:
            raise outside(path, self.clone.root)
        found: FileStat | None = self.files.lstat(path)
        if found is not None and found.kind == "symlink":
            raise outside(path, self.clone.root)
        return found

    def existing(self, path: str) -> FileStat:
        """Return the stat of what is there; raises TargetAbsentError when nothing is."""
        found = self.node(path)
        if found is None:
            raise TargetAbsentError(f"nothing was touched: {path} does not exist")
        return found

    def snapshot(self, path: str) -> Snapshot:
        """Return a file with its content; raises TargetAbsentError when it is absent or too large to be saved."""
        found = self.stat(path)
        if found is None:
            raise TargetAbsentError(f"nothing was touched: {path} does not exist")
        if found.size > _SAVED_BYTES_MAX:
            raise TargetAbsentError(
                f"nothing was touched: {path} has {found.size} bytes, more than an undo record may save",
                hint="choose another mode or another clone",
            )
        return Snapshot(stat=found, content=self.files.read(path, straight=True))

    def fresh(self, path: str, mode: int | None = None) -> FileStat:
        """Return the stat a new file gets: mode and owner of ``path``, made now."""
        found = self.existing(path)
        return replace(found, mtime_ns=self.now_ns, mode=found.mode if mode is None else mode)

    def refused(self, why: str, rule: str, hint: str = "") -> RefusedError:
        """Return a refusal that names the clone."""
        return RefusedError(f"nothing was touched: {why}: {self.clone.root}", rule=rule, hint=hint)

    def branch(self) -> str:
        """Return the ref HEAD points to; raises TargetAbsentError when no branch is checked out."""
        try:
            head = read_head(self.files, self.clone)
        except MalformedError as error:
            raise TargetAbsentError(
                f"nothing was touched: HEAD of {self.clone.root} is broken already: {error}"
            ) from None
        if head.ref is None:
            raise TargetAbsentError(
                f"nothing was touched: HEAD of {self.clone.root} is detached, no branch is checked out",
                hint="this mode strikes the checked-out branch; choose another one",
            )
        return head.ref

    def tip(self) -> str:
        """Return the checked-out commit; raises TargetAbsentError when there is none, or it is broken."""
        try:
            found = tip(self.files, self.clone)
        except MalformedError as error:
            raise TargetAbsentError(
                f"nothing was touched: the checked-out branch of {self.clone.root} is broken already: {error}",
                hint="see `chaosd probe git-health`",
            ) from None
        if found is None:
            raise TargetAbsentError(
                f"nothing was touched: the checked-out branch of {self.clone.root} has no commit yet"
            )
        return found

    # --- edits ---

    def rewrite(self, path: str, recipe: Recipe | bytes, **flags: Any) -> FileEdit:
        """Change the content of a file that is there."""
        before = self.snapshot(path)
        made = Recipe(action="write", content=recipe) if isinstance(recipe, bytes) else recipe
        return FileEdit(path=path, recipe=made, before=before, like=before.stat, **flags)

    def delete(self, path: str, **flags: Any) -> FileEdit:
        """Delete a file."""
        return self.rewrite(path, Recipe(action="unlink"), **flags)

    def create(self, path: str, content: bytes, *, mode: int | None = None, **flags: Any) -> FileEdit:
        """Create a file that is not there, owned as HEAD is; git's own directories are made on the way."""
        like = self.fresh(self.clone.path("HEAD"), mode)
        return FileEdit(path=path, recipe=Recipe(action="write", content=content), before=None, like=like, **flags)

    def put(self, path: str, content: bytes, *, mode: int | None = None, **flags: Any) -> FileEdit:
        """Create a file, or replace what it holds."""
        if self.stat(path) is None:
            return self.create(path, content, mode=mode, **flags)
        edit = self.rewrite(path, content, **flags)
        return edit if mode is None else replace(edit, like=replace(edit.like, mode=mode))

    def splice(self, path: str, old: bytes, new: bytes, **flags: Any) -> FileEdit:
        """Replace the first occurrence of some bytes; raises TargetAbsentError when there is none."""
        before = self.snapshot(path)
        at = before.content.find(old)
        if at < 0:
            raise TargetAbsentError(
                f"nothing was touched: {path} holds no {old.decode(errors='replace').strip()!r}"
            )
        return FileEdit(
            path=path,
            recipe=Recipe(action="splice", offset=at, size=len(old), content=new),
            before=before,
            like=before.stat,
            **flags,
        )

    def append(self, path: str, text: bytes, **flags: Any) -> FileEdit:
        """Add to the end of a file."""
        before = self.snapshot(path)
        text = text if not before.content or before.content.endswith(b"\n") else b"\n" + text
        recipe = Recipe(action="splice", offset=len(before.content), content=text)
        return FileEdit(path=path, recipe=recipe, before=before, like=before.stat, **flags)

    def away(self, path: str, joins: str = "") -> Move:
        """Give a file or directory of any size another name, out of git's sight; ``joins`` as of a ``Move``."""
        found = self.existing(path)
        beside = self._keeping(path, found)
        word = sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        kept = posixpath.join(beside, f".chaosd-{self.injection}-{word}-kept")
        return Move(path=path, kept=kept, stat=found, joins=joins)

    def _keeping(self, path: str, found: FileStat) -> str:
        """Return where what is moved away is kept: not in the work tree, where `git clean` and `add -A` find it."""
        if path.startswith(f"{self.clone.common}/"):
            return self.clone.common
        holds_git = f"{self.clone.git_dir}/".startswith(f"{path}/")
        elsewhere = found.device != self.existing(self.clone.git_dir).device
        return posixpath.dirname(path) if holds_git or elsewhere else self.clone.git_dir

    def instead(self, path: str, content: bytes) -> tuple[Edit, ...]:
        """Put a small file in the place of one that may be large."""
        away = self.away(path)
        like = replace(away.stat, mtime_ns=self.now_ns)
        recipe = Recipe(action="write", content=content)
        return (away, FileEdit(path=path, recipe=recipe, before=None, like=like))

    def directory_instead(self, path: str) -> tuple[Edit, ...]:
        """Put a directory with a file in it in the place of a file: nothing that only unlinks removes it."""
        like = self.fresh(self.clone.path("HEAD"))
        made = Make(path=path, what="directory", like=replace(like, mode=0o755))
        inside = FileEdit(
            path=posixpath.join(path, "x"), recipe=Recipe(action="write", content=self.mark), before=None, like=like
        )
        away = (self.away(path),) if self.node(path) is not None else ()
        return (*away, made, inside)

    def make(self, path: str, what: str, mode: int = 0o755) -> Make:
        """Make a directory, link, FIFO or large file that is not there."""
        if self.node(path) is not None:
            raise self.refused(f"{self.clone.shown(path)} is already there", "changed")
        return Make(path=path, what=what, like=self.fresh(self.clone.path("HEAD"), mode))

    def chmod(self, path: str, mode: int) -> tuple[Edit, ...]:
        """Change the mode of what is there."""
        before = self.existing(path)
        if before.mode == mode:
            raise TargetAbsentError(f"nothing was touched: {path} has mode {mode:o} already")
        return self._dress(path, before, replace(before, mode=mode))

    def chown(self, path: str, owner: int, mode: int | None = None) -> tuple[Edit, ...]:
        """Give what is there to another user."""
        before = self.existing(path)
        return self._dress(
            path, before, replace(before, uid=owner, gid=owner, mode=before.mode if mode is None else mode)
        )

    def _dress(self, path: str, before: FileStat, after: FileStat) -> tuple[Edit, ...]:
        """Mode and owner are the file's and not the name's: of one that others share, dress a copy."""
        if before.kind == "file" and before.links > 1:
            away = self.away(path)
            return (away, Patch(path=path, before=after, pieces=(), source=away.kept))
        return (Dress(path=path, before=before, after=after),)

    def patch(self, path: str, pieces: Sequence[tuple[int, bytes]]) -> tuple[Edit, ...]:
        """Change bytes of a file of any size: in place, or in a copy when others share it by hard links."""
        found = self.stat(path)
        if found is None:
            raise TargetAbsentError(f"nothing was touched: {path} does not exist")
        made = tuple(
            Piece(offset, self.files.read(path, offset=offset, limit=len(new), straight=True), new)
            for offset, new in pieces
        )
        if found.links == 1:
            return (Patch(path=path, before=found, pieces=made),)
        away = self.away(path)
        return (away, Patch(path=path, before=found, pieces=made, source=away.kept))
