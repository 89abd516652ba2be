"""The way to the remote: an address that refuses, hangs or answers wrongly; a program that dies half-way."""

import shlex
import zlib
from collections.abc import Callable

from faults.git.entry import Entry, Scheme
from faults.git.kinds import Edit, Hold
from faults.git.settings import set_origin
from faults.git.sight import Look

_PORTS = (20_000, 32_000)  # below those the system gives to others
_REPAIR = "retry with a time limit (http.lowSpeedLimit, http.lowSpeedTime); check the address and the credentials"


def _address(look: Look) -> int:
    """Draw a port; by the injection as well: two of one seed at the same time must not want the same one."""
    first, end = _PORTS
    drawn = look.dice.randrange(end - first) + zlib.crc32(look.injection.encode())
    return first + drawn % (end - first)


def _answering(what: str, action: str) -> Callable[[Look], Scheme]:
    """Point the remote at a process of ours that answers as asked; it ends with the fault, or by itself."""

    def scheme(look: Look) -> Scheme:
        port = _address(look)
        hold = Hold(
            path="holder", mark=look.injection, what=what, arguments=(str(port),), seconds=look.parameters.hold
        )
        edits: tuple[Edit, ...] = (set_origin(look, "url", f"http://127.0.0.1:{port}/site.git"), hold)
        return Scheme(edits=edits, action=action, victim={"port": port})

    return scheme


def _url(url: str, action: str) -> Callable[[Look], Scheme]:
    def scheme(look: Look) -> Scheme:
        return Scheme(edits=(set_origin(look, "url", url),), action=action)

    return scheme


def _program(key: str, body: str, action: str) -> Callable[[Look], Scheme]:
    """Let the remote's side be a program that misbehaves; it ends when its file is taken back.

    git gives the setting to a shell.
    """

    def scheme(look: Look) -> Scheme:
        path = look.clone.path("chaosd-program")
        text = "#!/bin/sh\n" + body.replace("{seconds}", str(int(look.parameters.hold)))
        program = look.create(path, text.encode(), mode=0o755)
        return Scheme(edits=(program, set_origin(look, key, shlex.quote(path))), action=action)

    return scheme


_HANG = 'n={seconds}\nwhile [ -e "$0" ] && [ $n -gt 0 ]; do sleep 1; n=$((n - 1)); done\n'
_LS = "ls-remote origin"


def _row(name: str, summary: str, fails: str, scheme: object, tells: str = _LS, **more: object) -> Entry:
    alike = {"repair": _REPAIR, "seen": "remote-address", "often": "common", "tells": tells}
    return Entry(name=name, summary=summary, fails=fails, scheme=scheme, **{**alike, **more})  # type: ignore[arg-type]


ENTRIES = (
    _row(
        "http-401",
        "credentials are asked for and none are at hand",
        "fetch and push die with 'could not read Username'",
        _answering("401", "let the remote ask for credentials"),
        says="could not read Username",
    ),
    _row(
        "http-403",
        "the remote forbids access",
        "fetch and push die with 'The requested URL returned error: 403'",
        _answering("403", "let the remote forbid access"),
        says="403",
    ),
    _row(
        "http-404",
        "the remote does not know the repository",
        "fetch and push die with 'repository ... not found'",
        _answering("404", "let the remote not know the repository"),
        says="not found",
    ),
    _row(
        "http-429",
        "the remote wants to be left alone for a minute",
        "fetch and push die with 'error: 429'",
        _answering("429", "let the remote want to be left alone"),
        says="429",
    ),
    _row(
        "http-503",
        "the remote is overloaded",
        "fetch and push die with 'error: 503'",
        _answering("503", "let the remote be overloaded"),
        says="503",
    ),
    _row(
        "http-html",
        "a page comes in place of the repository, as from a log-in portal",
        "nothing: ls-remote and fetch exit 0 with no refs; clone exits 0 with an empty repository",
        _answering("html", "let a page come in place of the repository"),
        silent=True,
        often="seen",
    ),
    _row(
        "http-empty",
        "the connection is closed without an answer",
        "fetch and push die with 'Empty reply from server'",
        _answering("empty", "let the remote close the connection"),
        says="Empty reply",
    ),
    _row(
        "http-reset",
        "the connection is reset",
        "fetch and push die with 'Connection reset by peer' or 'Recv failure'",
        _answering("reset", "let the remote reset the connection"),
        says="unable to access",
    ),
    _row(
        "http-redirect",
        "the remote sends to an address that sends on for ever",
        "fetch and push die with 'redirect' or 'maximum redirects followed'",
        _answering("redirect", "let the remote redirect for ever"),
        says="redirect",
        often="rare",
    ),
    _row(
        "http-hang",
        "the remote accepts the connection and never answers",
        "fetch and push hang: git has no time limit of its own",
        _answering("hang", "let the remote hang"),
        says="HANGS",
        often="daily",
    ),
    _row(
        "http-refused",
        "nobody listens at the remote's address",
        "fetch and push die with 'Failed to connect' or 'Connection refused'",
        _url("http://127.0.0.1:1/site.git", "point the remote at a port nobody listens on"),
        says="unable to access",
    ),
    _row(
        "http-no-name",
        "the name of the remote's host does not resolve",
        "fetch and push die with 'Could not resolve host'",
        _url("http://no-such-host.invalid/site.git", "point the remote at a host that does not exist"),
        says="Could not resolve host",
    ),
    _row(
        "ssh-no-key",
        "the remote's host cannot be reached by ssh",
        "fetch and push die with 'Could not read from remote repository'",
        _url("ssh://git@no-such-host.invalid/site.git", "point the remote at an ssh host that does not exist"),
        says="Could not read from remote repository",
    ),
    _row(
        "upload-pack-hang",
        "the remote's side of a fetch hangs",
        "fetch hangs",
        _program("uploadpack", _HANG, "let the remote's upload-pack hang"),
        says="HANGS",
    ),
    _row(
        "upload-pack-banner",
        "the remote prints a line before it begins, as a shell's profile does",
        "fetch dies with 'protocol error: bad line length character'",
        _program("uploadpack", 'echo welcome\nexec git-upload-pack "$@"\n', "let the remote print a banner"),
        says="bad line length",
        often="seen",
    ),
    _row(
        "upload-pack-dies",
        "the remote's side of a fetch ends after 100 bytes",
        "fetch dies with 'early EOF' or 'the remote end hung up unexpectedly'",
        _program(
            "uploadpack", 'git-upload-pack "$@" </dev/null | head -c 100\n', "let the remote's upload-pack die"
        ),
        tells="ls-remote origin",
    ),
    _row(
        "receive-pack-dies",
        "the remote's side of a push ends at once",
        "push dies with 'the remote end hung up unexpectedly'",
        _program("receivepack", "exit 1\n", "let the remote's receive-pack die"),
        tells="push origin HEAD",
        says="Could not read from remote repository",
    ),
    _row(
        "receive-pack-hang",
        "the remote's side of a push hangs",
        "push hangs",
        _program("receivepack", _HANG, "let the remote's receive-pack hang"),
        tells="push origin HEAD",
        says="HANGS",
    ),
)
