"""What an operator may get wrong: one clear error, the right exit code, no traceback, nothing touched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli, Ran, Tree

ONE = "version: 1\ntargets: {t: {repository: {worktree: /r}}}\n"
UNREACHABLE = "http://127.0.0.1:9"
AWS = f"""
version: 1
aws: {{region: us-west-2, endpoint_url: "{UNREACHABLE}"}}
targets:
  editor: {{ecs: {{cluster: c, service: s}}, queue: {{url: "{UNREACHABLE}/000000000000/edit-input"}}}}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ALONE = {"AWS_EC2_METADATA_DISABLED": "true"}


def clear(ran: Ran, code: int, *words: str) -> None:
    """Assert one error message with these words, this exit code, and no traceback."""
    assert ran.code == code, ran
    assert "Traceback" not in ran.err + ran.out
    assert ran.err.count("chaosd: ") == 1, ran.err
    for word in words:
        assert word in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["stauts"], 2, ["no such command 'stauts'", "did you mean 'status'?"]),
        (["inject", "git-lok", "--repository", "R"], 2, ["unknown fault 'git-lok'", "did you mean 'git-lock'?"]),
        (["inject", "git-lock", "--repository", "R", "--mode", "index-lok"], 2, ["'index-lok'", "index-lock"]),
        (["inject", "git-lock", "--repository", "R", "--set", "mod=ref-lock"], 2, ["mod", "did you mean 'mode'?"]),
        (["inject", "git-lock", "--repository", "R", "--set", "mode"], 2, ["'mode' is no key=value"]),
        (["inject", "git-lock", "--repository", "R", "--for", "3 parsecs"], 2, ["'3 parsecs' is no duration"]),
        (["inject", "git-lock", "--repository", "R", "--for", "-1"], 2, ["'-1' is no duration"]),
        (["inject", "git-lock", "--repository", "R", "--for", "10000000d"], 2, ["'10000000d'", "more than a year"]),
        (
            ["inject", "git-lock", "--repository", "R", "--set", "hold=9999999h"],
            2,
            ["hold", "more than a year"],
        ),
        (["monitor", "--watch", "--every", "99999999999999h"], 2, ["more than a year"]),
        (["report", "--since", "99999999999h"], 2, ["'99999999999h'", "more than 10 years"]),
        (["report", "--compare", "99999999999d/1d"], 2, ["'99999999999d'", "more than 10 years"]),
        (["audit", "--since", "9999999999999h"], 2, ["more than 10 years"]),
        (["history", "--since", "9999999999999h"], 2, ["more than 10 years"]),
        (["journal", "compact", "--keep", "9999999999999h"], 2, ["more than 10 years"]),
        (["inject", "git-lock", "--repository", "R", "--target", "t"], 2, ["exclude each other"]),
        (["inject", "git-lock", "--repository", "R", "--no-wait"], 2, ["--no-wait needs a running daemon"]),
        (["inject", "git-lock", "--repository", "R", "--sett", "a=b"], 2, ["--sett", "--set"]),
        (["inject", "git-lock", "--repository", ""], 2, ["'' is no path", "'.' is where you are"]),
        (["probe", "git-health", "--repository", ""], 2, ["'' is no path"]),
        (["scenario", "git", "--repository", ""], 2, ["'' is no path"]),
        (["lab", "up", "--defect", "keep-stale-lok"], 2, ["'keep-stale-lok'", "did you mean 'keep-stale-lock'?"]),
        (["history", "--fault", "git-lok"], 2, ["unknown fault 'git-lok'", "did you mean 'git-lock'?"]),
        (["inject", "git-lock"], 78, ["no configuration", "chaosd config init"]),
        (["inject", "git-lock", "--repository", "nowhere"], 5, ["nowhere"]),
        (["probe", "git-helth", "--repository", "R"], 2, ["git-helth", "did you mean 'git-health'?"]),
        (["probes", "show", "git-helth"], 2, ["git-helth", "did you mean 'git-health'?"]),
        (["faults", "shw"], 2, ["did you mean 'show'?"]),
        (["show", "20200101T000000-abcdef"], 5, ["knows no injection"]),
        (["revert", "20200101T000000-abcdef"], 2, ["no injection"]),
        (["revert"], 2, ["one ID or --all"]),
        (["config", "check", "absent.yaml"], 78, ["absent.yaml", "No such file"]),
    ],
)
def test_a_mistake_is_told_once(
    chaosd: Cli, repository: Path, tree: Callable[[Path], Tree], words: list[str], code: int, said: list[str]
) -> None:
    before = tree(repository)
    clear(chaosd(*(str(repository) if w == "R" else w for w in words)), code, *said)
    assert tree(repository) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\ntargts: {}\n", [":2: ", "targts", "targets"]),
        (
            ONE + "experiments:\n  - {name: a, fault: git-corupt, target: t, every: 1h}\n",
            [":4: ", "git-corupt", "git-corrupt"],
        ),
        (
            ONE + "experiments:\n  - {name: a, fault: git-lock, target: tt, every: 1h}\n",
            [":4: ", "unknown target", "'t'"],
        ),
        ("version: 1\ntargets: {t: {limits: {recover: 3 parsecs}}}\n", [":2: ", "3 parsecs"]),
    ],
)
@pytest.mark.parametrize("command", [["config", "check"], ["run"], ["inject", "git-lock", "--target", "t"]])
def test_a_wrong_configuration_starts_nothing(chaosd: Cli, text: str, said: list[str], command: list[str]) -> None:
    clear(chaosd(*command, "-c", chaosd.config(text)), 78, "nothing was started", *said)
    assert not chaosd.state.exists()


def test_every_mistake_of_a_configuration_is_told_at_once(chaosd: Cli) -> None:
    ran = chaosd("config", "check", "-c", chaosd.config("version: 1\ntargts: {}\nseed: x\n"))
    clear(ran, 78, "2 mistakes", "targts", "seed")


@pytest.mark.parametrize("named", ["nobody", None])
def test_an_unknown_or_missing_target_names_the_known_ones(
    chaosd: Cli, repository: Path, named: str | None
) -> None:
    text = f"version: 1\ntargets: {{editor: {{repository: {{worktree: {repository}}}}}, b: {{}}}}\n"
    words = ["--target", named] if named else []
    clear(chaosd("inject", "git-lock", *words, "-c", chaosd.config(text)), 2, "target", "editor")


def test_the_only_target_needs_no_name(chaosd: Cli, repository: Path) -> None:
    text = f"version: 1\ntargets: {{editor: {{repository: {{worktree: {repository}}}}}}}\n"
    ran = chaosd("inject", "git-lock", "--dry-run", "-o", "json", "-c", chaosd.config(text))
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["injection"]["target"] == "editor"


def test_a_directory_that_is_no_repository(chaosd: Cli, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    clear(chaosd("inject", "git-corrupt", "--repository", plain), 5, "no git repository")
    assert list(plain.iterdir()) == []


def test_a_linked_worktree_whose_repository_is_gone(
    chaosd: Cli, repository: Path, tmp_path: Path, git: Callable[..., str], tree: Callable[[Path], Tree]
) -> None:
    linked = tmp_path / "linked"
    git("-C", repository, "worktree", "add", "--quiet", "-b", "other", linked)
    repository.rename(tmp_path / "elsewhere")
    before = tree(linked)
    clear(chaosd("inject", "git-corrupt", "--repository", linked), 5, "names no repository")
    assert tree(linked) == before


def test_a_bare_repository(
    chaosd: Cli, repository: Path, tmp_path: Path, git: Callable[..., str], tree: Callable[[Path], Tree]
) -> None:
    bare = tmp_path / "bare.git"
    git("clone", "--quiet", "--bare", repository, bare)
    before = tree(bare)
    clear(chaosd("inject", "git-corrupt", "--repository", bare), 5, "bare repository")
    assert tree(bare) == before


def test_an_unreadable_repository(chaosd: Cli, repository: Path, tree: Callable[[Path], Tree]) -> None:
    before = tree(repository)
    words = ("inject", "git-lock", "--repository", repository)
    if os.getuid() != 0:
        repository.chmod(0)
        ran = chaosd(*words)
        repository.chmod(0o755)
    else:  # root without the right to read what is somebody else's
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("needs setpriv to take root's rights away")
        os.chown(repository, 65534, 65534)
        repository.chmod(0o700)
        ran = chaosd(*words, before=(setpriv, "--bounding-set=-dac_override,-dac_read_search"))
        os.chown(repository, 0, 0)
        repository.chmod(0o755)
    clear(ran, 5, str(repository), "permission denied")
    assert tree(repository) == before


@pytest.mark.parametrize("link", [True, False])
def test_what_a_named_configuration_does_not_allow_is_refused(
    chaosd: Cli, repository: Path, tmp_path: Path, tree: Callable[[Path], Tree], link: bool
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to(repository)
    config = chaosd.config(
        f"version: 1\ntargets: {{t: {{repository: {{worktree: {allowed}/x}}}}}}\n"
        f"guard: {{allow: {{repositories: [{allowed}]}}}}\n"
    )
    before = tree(repository)
    named = allowed / "link" if link else repository
    clear(chaosd("inject", "git-lock", "--repository", named, "-c", config), 77, "allow-list")
    assert tree(repository) == before


def test_without_an_allow_list_a_configuration_allows_its_targets_only(
    chaosd: Cli, repository: Path, tmp_path: Path
) -> None:
    config = chaosd.config(f"version: 1\ntargets: {{t: {{repository: {{worktree: {tmp_path}/other}}}}}}\n")
    clear(chaosd("inject", "git-lock", "--repository", repository, "-c", config), 77, "allow-list")
    clear(chaosd("inject", "git-lock", "--repository", repository, CHAOSD_CONFIG=str(config)), 77, "allow-list")


@pytest.mark.parametrize("fault", ["ecs-task-stop", "sqs-burst"])
def test_no_credentials(chaosd: Cli, fault: str) -> None:
    words = ("inject", fault, "--target", "editor", "-c", chaosd.config(AWS))
    clear(chaosd(*words, **ALONE), 77, "credentials")


@pytest.mark.parametrize("fault", ["ecs-task-stop", "sqs-burst"])
def test_aws_unreachable(chaosd: Cli, fault: str) -> None:
    words = ("inject", fault, "--target", "editor", "-c", chaosd.config(AWS))
    clear(chaosd(*words, **KEYS, **ALONE), 77, "Could not connect")


def test_an_error_is_a_document_too(chaosd: Cli, tmp_path: Path) -> None:
    ran = chaosd("inject", "git-lock", "--repository", tmp_path, "-o", "json")
    assert ran.code == 5
    error = ran.json["error"]
    assert ran.json["schema_version"] == 1
    assert (error["exit_code"], "no git repository" in error["message"], bool(error["hint"])) == (5, True, True)
    assert "Traceback" not in ran.err
