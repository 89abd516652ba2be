"""Everything that is in the way is said in one clear error, before anything is touched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from daemon import wiring
from daemon.core.errors import ChaosdError, ConfigError, RefusedError, TargetAbsentError
from daemon.core.model import Order, Outcome
from daemon.core.parameters import build, describe
from daemon.core.target import Target
from faults.git.corrupt import GitCorrupt
from faults.git.hook import GitHook
from faults.git.lock import GitLock
from faults.git.remote import GitRemote
from faults.git.worktree import GitWorktree
from tests.fakes import FakeWorld, Switch
from tests.integration.git.kinds import build_kind
from tests.integration.git.shed import MODES, NAMES, commit, copy, git, order_of, picture, world_of, write

NOBODY = 65534
every_mode = pytest.mark.parametrize(("fault", "mode"), MODES, ids=NAMES)
# What is in the way of a clone as a whole is said by code that all modes of both faults share.
each_fault = pytest.mark.parametrize(
    ("fault", "mode"),
    [(GitCorrupt, "loose-object-truncate"), (GitCorrupt, "head-garbage"), (GitLock, "index-lock")],
    ids=["object", "HEAD", "lock"],
)


def refusal(fault: Any, order: Order, world: FakeWorld, root: Path) -> ChaosdError:
    before = picture(root)
    with pytest.raises(ChaosdError) as caught:
        fault.prepare(order, world)
    assert picture(root) == before
    assert caught.value.message.startswith(("nothing was touched", "not injecting", "not read"))
    return caught.value


@each_fault
def test_a_path_that_does_not_exist(fault: Any, mode: str, tmp_path: Path, world: FakeWorld) -> None:
    error = refusal(fault(mode=mode), order_of(tmp_path / "nowhere"), world, tmp_path)
    assert isinstance(error, TargetAbsentError)
    assert "does not exist" in error.message


@pytest.mark.parametrize("name", ["r[1]", "r?", "r*"])
def test_a_repository_that_is_named_is_never_taken_for_a_pattern(
    name: str, clone: Path, world: FakeWorld, tmp_path: Path
) -> None:
    (tmp_path / "w").mkdir()
    other = clone.rename(tmp_path / "w" / "r1")
    target = wiring.ad_hoc(str(tmp_path / "w" / name)).targets[wiring.AD_HOC]
    order = Order(injection="i", target=target, dice=Random(1))
    assert "does not exist" in refusal(GitLock(), order, world, tmp_path).message
    shutil.copytree(other, tmp_path / "w" / name)
    assert GitLock().prepare(order, world).victim["repository"] == str(tmp_path / "w" / name)


@each_fault
def test_a_directory_that_is_no_repository(fault: Any, mode: str, tmp_path: Path, world: FakeWorld) -> None:
    (tmp_path / "plain").mkdir()
    error = refusal(fault(mode=mode), order_of(tmp_path / "plain"), world, tmp_path)
    assert (error.exit_code, "no git repository" in error.message) == (5, True)


@each_fault
def test_a_file(fault: Any, mode: str, tmp_path: Path, world: FakeWorld) -> None:
    (tmp_path / "file").write_text("x")
    error = refusal(fault(mode=mode), order_of(tmp_path / "file"), world, tmp_path)
    assert (error.exit_code, "no directory" in error.message) == (5, True)


@each_fault
@pytest.mark.parametrize("where", ["remote.git", "clone/.git"])
def test_a_bare_repository(fault: Any, mode: str, where: str, clone: Path, world: FakeWorld) -> None:
    error = refusal(fault(mode=mode), order_of(clone.parent / where), world, clone.parent)
    assert (error.exit_code, "bare" in error.message) == (5, True)


@each_fault
def test_a_linked_work_tree_is_struck_where_its_own_files_are(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "worktree", "add", "-q", "../linked", "main")
    undo = (
        fault(mode=mode).prepare(order_of(clone.parent / "linked"), world)
        if mode != "loose-object-truncate"
        else None
    )
    if undo is not None:
        assert "/.git/worktrees/linked" in str(undo.data["git_dir"])


@each_fault
def test_a_linked_work_tree_whose_repository_is_not_allowed(
    fault: Any, mode: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "worktree", "add", "-q", "../linked", "main")
    linked = clone.parent / "linked"
    error = refusal(fault(mode=mode), order_of(linked, allow=(str(linked),)), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "allow-list")


def refused_by_the_allow_list(fault: Any, order: Order, world: FakeWorld, root: Path, owner: Path) -> None:
    error = refusal(fault, order, world, root)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "allow-list")
    assert f"{owner} is not in the allow-list" in error.message


@each_fault
@pytest.mark.parametrize("inside", [".git", ".git/modules/deep/modules/er", "bare.git"])
def test_a_git_file_that_leads_to_somebody_else_s_repository(
    fault: Any, mode: str, inside: str, clone: Path, world: FakeWorld
) -> None:
    root, victim = clone.parent, clone.parent / "other" / "victim"
    shutil.copytree(clone / ".git", victim / inside)
    (root / "allowed" / "clone").mkdir(parents=True)
    (root / "allowed" / "clone" / ".git").write_text(f"gitdir: ../../other/victim/{inside}\n")
    order = order_of(root / "allowed" / "clone", allow=(f"{root}/allowed/*",))
    owner = victim if inside.startswith(".git") else victim / inside
    refused_by_the_allow_list(fault(mode=mode), order, world, root, owner)
    both = order_of(root / "allowed" / "clone", allow=(f"{root}/allowed/*", str(owner)))
    assert fault(mode=mode).prepare(both, world).data["git_dir"] == str(victim / inside)


@each_fault
@pytest.mark.parametrize("own", ["allowed/clone/hidden", "other/hidden"])
def test_a_common_directory_that_is_somebody_else_s(
    fault: Any, mode: str, own: str, clone: Path, world: FakeWorld
) -> None:
    root, mine = clone.parent, clone.parent / "allowed" / "clone"
    mine.mkdir(parents=True)
    (root / own).mkdir(parents=True)
    (root / own / "HEAD").write_text("ref: refs/heads/thread-a\n")
    (root / own / "commondir").write_text(f"{clone}/.git\n")
    (mine / ".git").write_text(f"gitdir: {root / own}\n")
    refused_by_the_allow_list(fault(mode=mode), order_of(mine, allow=(f"{root}/allowed/*",)), world, root, clone)
    if own.startswith("other"):  # that the shared part is allowed does not make the work tree's own part so
        order = order_of(mine, allow=(f"{root}/allowed/*", str(clone)))
        refused_by_the_allow_list(fault(mode=mode), order, world, root, root / own)


def test_a_remote_whose_git_file_leads_to_somebody_else_s_repository(clone: Path, world: FakeWorld) -> None:
    root = clone.parent
    (root / "allowed").mkdir()
    shutil.copytree(clone / ".git", root / "victim" / ".git")
    (root / "allowed" / "remote").mkdir()
    (root / "allowed" / "remote" / ".git").write_text(f"gitdir: {root}/victim/.git\n")
    git(clone, "remote", "set-url", "origin", str(root / "allowed" / "remote"))
    order = order_of(clone, allow=(str(clone), f"{root}/allowed/*"))
    refused_by_the_allow_list(GitRemote(mode="diverged"), order, world, root, root / "victim")


@pytest.mark.parametrize("which", ["linked", "submodule"])
def test_real_work_trees_and_submodules_of_allowed_clones_are_struck(
    which: str, clone: Path, world: FakeWorld
) -> None:
    root = clone.parent
    git(clone, "worktree", "add", "-q", "../linked", "main")
    git(clone, "submodule", "add", "-q", "../remote.git", "sub")
    path = root / "linked" if which == "linked" else clone / "sub"
    undo = GitCorrupt(mode="index-truncate").prepare(order_of(path, allow=(str(path), str(clone))), world)
    assert undo.victim["repository"] == str(path)
    refused_by_the_allow_list(GitLock(), order_of(path, allow=(str(path),)), world, root, clone)


@pytest.mark.parametrize("mode", ["loose-object-missing", "pack-bitflip", "idx-missing", "pack-missing"])
def test_the_store_from_which_a_clone_borrows_is_not_its_own(mode: str, clone: Path, world: FakeWorld) -> None:
    root = clone.parent
    git(root, "clone", "-q", "--shared", str(clone), str(root / "borrower"))
    order = order_of(root / "borrower", allow=(str(root / "borrower"),))
    assert refusal(GitCorrupt(mode=mode), order, world, root).exit_code == 5


@each_fault
def test_a_git_file_that_points_nowhere(fault: Any, mode: str, tmp_path: Path, world: FakeWorld) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/.git").write_text("gitdir: /nonexistent\n")
    error = refusal(fault(mode=mode), order_of(tmp_path / "plain"), world, tmp_path)
    assert (error.exit_code, "names no repository" in error.message) == (5, True)


@each_fault
def test_a_clone_outside_of_the_allow_list(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    order = order_of(clone, allow=("/srv/*", str(clone) + "-other"))
    error = refusal(fault(mode=mode), order, world, clone.parent)
    assert isinstance(error, RefusedError)
    assert (error.exit_code, error.rule) == (77, "allow-list")


@each_fault
def test_a_symbolic_link_out_of_the_allow_list(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    (clone.parent / "allowed").mkdir()
    link = clone.parent / "allowed" / "repo"
    link.symlink_to(clone)
    error = refusal(fault(mode=mode), order_of(link, allow=(str(link), f"{link.parent}/*")), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "allow-list")


@each_fault
def test_an_allowed_clone_is_struck_through_a_link(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    link = clone.parent / "link"
    link.symlink_to(clone)
    undo = fault(mode=mode).prepare(order_of(link, allow=(str(clone.resolve()),)), world)
    assert undo.victim["repository"] == str(clone.resolve())


@each_fault
def test_a_git_directory_that_lies_elsewhere(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    (clone / ".git").rename(clone.parent / "elsewhere")
    (clone / ".git").symlink_to(clone.parent / "elsewhere")
    error = refusal(fault(mode=mode), order_of(clone), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "allow-list")


@pytest.mark.parametrize("mode", [name for name in NAMES if name.startswith("loose")])
def test_an_object_store_that_lies_elsewhere(mode: str, clone: Path, world: FakeWorld) -> None:
    (clone / ".git/objects").rename(clone.parent / "objects")
    (clone / ".git/objects").symlink_to(clone.parent / "objects")
    error = refusal(GitCorrupt(mode=mode), order_of(clone), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "allow-list")


@pytest.mark.parametrize(
    ("key", "value"),
    [("extensions.refStorage", "reftable"), ("extensions.objectFormat", "sha3"), ("extensions.fromTheFuture", "1")],
)
@each_fault
def test_a_repository_format_we_do_not_know(
    fault: Any, mode: str, key: str, value: str, clone: Path, world: FakeWorld
) -> None:
    git(clone, "config", "core.repositoryFormatVersion", "1")
    git(clone, "config", key, value)
    error = refusal(fault(mode=mode), order_of(clone), world, clone.parent)
    assert (error.exit_code, "not supported" in error.message) == (5, True)
    assert key.partition(".")[2].lower() in error.message.lower()


@pytest.mark.parametrize("mode", ["loose-object-bitflip", "loose-object-unreadable", "index-truncate"])
def test_objects_of_a_partial_clone_are_not_damaged(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "config", "core.repositoryFormatVersion", "1")
    git(clone, "config", "extensions.partialClone", "origin")
    fault = GitCorrupt(mode=mode)
    if mode == "index-truncate":
        fault.prepare(order_of(clone), world)
        return
    made_by_git = build_kind("partial", clone.parent / "made")
    for partial in (clone, made_by_git):
        error = refusal(fault, order_of(partial), world, partial.parent)
        assert (error.exit_code, "in a partial clone git fetches" in error.message) == (77, True)


@pytest.mark.parametrize(
    ("mode", "lock"),
    [
        ("index-lock", "index.lock"),
        ("head-lock", "HEAD.lock"),
        ("ref-lock", "refs/heads/thread-a.lock"),
        ("index-truncate", "index.lock"),
        ("head-garbage", "HEAD.lock"),
        ("ref-empty", "refs/heads/thread-a.lock"),
        ("ref-missing-object", "refs/heads/thread-a.lock"),
    ],
)
def test_a_lock_that_is_there_already(mode: str, lock: str, clone: Path, world: FakeWorld) -> None:
    (clone / ".git" / lock).write_bytes(b"")
    fault = next(f for f, name in MODES if name == mode)
    error = refusal(fault(mode=mode), order_of(clone), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "locked")
    assert f".git/{lock} is already there" in error.message


@pytest.mark.parametrize("mode", ["index-lock", "head-lock", "ref-lock", "index-truncate", "ref-empty"])
def test_a_lock_taken_between_looking_and_striking(mode: str, clone: Path, world: FakeWorld) -> None:
    fault = next(f for f, name in MODES if name == mode)
    undo = fault(mode=mode).prepare(order_of(clone), world)
    path = Path(undo.data["edits"][0]["path"])
    lock = path if path.suffix == ".lock" else Path(f"{path}.lock")
    lock.write_bytes(b"")
    before = picture(clone)
    with pytest.raises(RefusedError, match="not injected"):
        fault.inject(undo, world, Switch())
    fault.revert(undo, world)
    assert picture(clone) == before


@pytest.mark.parametrize("mode", ["ref-empty", "ref-missing-object", "ref-lock"])
def test_a_detached_head_has_no_branch(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "checkout", "-q", "--detach")
    fault = next(f for f, name in MODES if name == mode)
    error = refusal(fault(mode=mode), order_of(clone), world, clone)
    assert (error.exit_code, "detached" in error.message) == (5, True)


@pytest.mark.parametrize("mode", [name for name in NAMES if "ref-" in name or name.startswith("loose")])
def test_a_branch_without_a_commit(mode: str, tmp_path: Path, world: FakeWorld) -> None:
    git(tmp_path, "init", "-q", str(tmp_path / "new"))
    fault = next(f for f, name in MODES if name == mode)
    if mode == "ref-lock":  # the first commit would take this lock, too
        assert fault(mode=mode).prepare(order_of(tmp_path / "new"), world)
        return
    error = refusal(fault(mode=mode), order_of(tmp_path / "new"), world, tmp_path)
    assert (error.exit_code, "no commit yet" in error.message) == (5, True)


@pytest.mark.parametrize("mode", [name for name in NAMES if name.startswith("loose")])
def test_nothing_loose_to_strike(mode: str, clone: Path, world: FakeWorld) -> None:
    git(clone, "gc", "-q")
    error = refusal(GitCorrupt(mode=mode), order_of(clone), world, clone)
    assert (error.exit_code, "in packs" in error.message) == (5, True)
    assert error.hint


@pytest.mark.parametrize("mode", ["loose-object-truncate", "ref-empty", "head-garbage"])
def test_what_is_broken_already(mode: str, clone: Path, world: FakeWorld) -> None:
    (clone / ".git/refs/heads/thread-a").write_bytes(b"")
    if mode == "head-garbage":
        (clone / ".git/HEAD").unlink()
    error = refusal(GitCorrupt(mode=mode), order_of(clone), world, clone)
    assert error.exit_code == 5


def test_objects_that_are_damaged_already_are_passed_over(clone: Path, world: FakeWorld) -> None:
    first = GitCorrupt(mode="loose-object-truncate").prepare(order_of(clone, seed=1), world)
    GitCorrupt.inject(first, world, Switch())
    victims = {GitCorrupt().prepare(order_of(clone, seed=s), world).victim["object"] for s in range(30)}
    assert first.victim["object"] not in victims


def test_a_target_without_a_repository(tmp_path: Path, world: FakeWorld) -> None:
    order = Order(injection="i", target=Target(name="t"), dice=Random(1))
    error = refusal(GitLock(), order, world, tmp_path)
    assert (error.exit_code, "has no repository" in error.message) == (5, True)


@pytest.mark.parametrize("mode", ["pre-commit-fail", "commit-msg-rewrites", "not-executable"])
@pytest.mark.parametrize("where", ["local", "global"])
def test_hooks_that_git_does_not_read(
    where: str, mode: str, clone: Path, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(clone, ".git/hooks/pre-push", "#!/bin/sh\n")
    (clone / ".git/hooks/pre-push").chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(clone.parent / "gitconfig"))
    git(clone, "config", "--file", str(clone.parent / "gitconfig"), "core.hooksPath", str(clone / ".git/hooks"))
    assert GitHook(mode=mode).prepare(order_of(clone), world)  # named, and the same
    scope = () if where == "local" else ("--file", str(clone.parent / "gitconfig"))
    git(clone, "config", *scope, "core.hooksPath", ".husky/_")
    error = refusal(GitHook(mode=mode), order_of(clone), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "hooks-path")
    assert f"git reads the hooks in {clone}/.husky/_" in error.message


def test_hooks_that_the_remote_does_not_read(clone: Path, world: FakeWorld) -> None:
    git(clone.parent / "remote.git", "config", "core.hooksPath", "/etc/hooks")
    error = refusal(GitRemote(mode="pre-receive-reject"), order_of(clone), world, clone.parent)
    assert (error.exit_code, getattr(error, "rule", "")) == (77, "hooks-path")


def test_hooks_of_a_clone_that_git_cannot_read(clone: Path, world: FakeWorld) -> None:
    write(clone, ".git/config", "[[[\n")
    error = refusal(GitHook(), order_of(clone), world, clone.parent)
    assert (error.exit_code, "bad config line 1" in error.message) == (5, True)


@contextmanager
def nobody(directory: Path) -> Iterator[None]:
    """Run on as a user who may do nothing here; a user who is no root already needs only the modes taken away."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    else:
        directory.chmod(0)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        else:
            directory.chmod(0o755)


@each_fault
def test_an_unreadable_repository(fault: Any, mode: str, clone: Path, world: FakeWorld) -> None:
    clone.parent.chmod(0o700)
    with nobody(clone.parent), pytest.raises(TargetAbsentError, match="permission denied"):
        fault(mode=mode).prepare(order_of(clone), world)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
@pytest.mark.parametrize("writable", [False, True])
@every_mode
def test_somebody_elses_repository(fault: Any, mode: str, writable: bool, template: Path) -> None:
    """Who could not put owner and times back must not begin, even where everybody may write."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        clone = copy(template, directory)
        directory.chmod(0o755)
        if writable:
            for path in (clone, *clone.rglob("*")):
                path.chmod(path.stat().st_mode | 0o666 | (0o111 if path.is_dir() else 0))
        before, world = picture(clone), world_of(directory)
        with nobody(directory):
            undo = fault(mode=mode).prepare(order_of(clone), world)
            with pytest.raises(RefusedError) as caught:
                fault.inject(undo, world, Switch())
            assert caught.value.rule == "permission"
            assert fault.revert(undo, world).outcome is Outcome.UNTOUCHED
        assert picture(clone) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_somebody_elses_object_in_our_own_directory_is_not_deleted(template: Path) -> None:
    """Whoever owns the directory may delete the file, but could not put it back as another user's."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        clone = copy(template, directory)
        directory.chmod(0o755)
        world = world_of(directory)
        undo = GitCorrupt(mode="loose-object-missing").prepare(order_of(clone), world)
        os.chown((clone / undo.victim["path"]).parent, NOBODY, NOBODY)
        before = picture(clone)
        with nobody(directory), pytest.raises(RefusedError) as caught:
            GitCorrupt.inject(undo, world, Switch())
        assert caught.value.rule == "permission"
        assert GitCorrupt.revert(undo, world).outcome is Outcome.UNTOUCHED
        assert picture(clone) == before


def test_an_unknown_mode_names_the_nearest() -> None:
    names = len(GitCorrupt.modes)
    with pytest.raises(
        ConfigError, match=f"is not one of the {names} choices; did you mean 'loose-object-bitflip'"
    ):
        build(GitCorrupt, {"mode": "loose-object-bitflop"}, where="x")
    with pytest.raises(ConfigError, match=rf"is not one of the {names} choices(?!.*known)"):
        build(GitCorrupt, {"mode": "?"}, where="x")
    with pytest.raises(ConfigError, match="neither one of any, commit, tree, blob nor a full object id"):
        build(GitCorrupt, {"object": "blub"}, where="x")
    assert set(describe(GitCorrupt)) == {"mode", "object", "depth", "least_bytes", "most_bytes"}
    assert set(describe(GitLock)) == {"mode", "hold"}


def test_a_commit_that_is_new_is_found(clone: Path, world: FakeWorld) -> None:
    git(clone, "gc", "-q")
    newest = commit(clone, "new", src__new_js="new\n")
    undo = GitCorrupt(object="commit").prepare(order_of(clone), world)
    assert undo.victim["object"] == newest
    assert undo.victim["name"] == "HEAD"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a clone of root's")
@pytest.mark.parametrize("mode", ["objects-of-root", "index-of-root"])
def test_what_belongs_to_root_already_is_not_given_to_it(mode: str, clone: Path, world: FakeWorld) -> None:
    error = refusal(GitWorktree(mode=mode), order_of(clone), world, clone)
    assert (error.exit_code, "belongs to root already" in error.message) == (77, True)
