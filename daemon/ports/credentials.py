"""Secrets from files and systemd's credentials, refused when others could read them; the API's as digests."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from daemon.core.access import Token
from daemon.core.errors import ConfigError
from daemon.core.settings import Api, SecretSetting, TokenSetting

LEAST = 16  # characters; what is shorter can be guessed
_BYTES_MAX = 4096
_OTHERS, _GROUP_AND_OTHERS = 0o007, 0o077


def load(api: Api, environment: Mapping[str, str]) -> tuple[Token, ...]:
    """Return the tokens; raises ConfigError with every one that cannot be used. A reload calls it again."""
    found: dict[str, Token] = {}
    problems: list[str] = []
    for setting in api.tokens:
        try:
            token = Token(name=setting.name, control=setting.control, digest=_digest(setting, environment))
        except ValueError as error:
            problems.append(f"token {setting.name!r}: {error}")
            continue
        same = next((t.name for t in found.values() if t.digest == token.digest), None)
        if same is not None:
            problems.append(f"token {setting.name!r}: it is the same as {same!r}, so nobody could say who asked")
        found[setting.name] = token
    if problems:
        raise ConfigError(
            "nothing was started: the API's tokens cannot be used",
            problems=problems,
            hint="a token is one word of 16 or more random characters in a file of mode 0600: openssl rand -hex 32",
        )
    return tuple(found.values())


def secret(setting: SecretSetting, environment: Mapping[str, str]) -> str:
    """Return one secret word, read anew; raises ValueError, which says what is wrong and never the word."""
    try:
        return _word(setting, environment).decode("ascii")
    except UnicodeDecodeError:
        raise ValueError(f"{setting.file or setting.credential} holds characters beyond ASCII") from None


def _digest(setting: TokenSetting, environment: Mapping[str, str]) -> bytes:
    return hashlib.sha256(_word(setting, environment)).digest()


def _word(setting: TokenSetting | SecretSetting, environment: Mapping[str, str]) -> bytes:
    if setting.credential is not None:
        directory = environment.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise ValueError("systemd gave no credentials: add LoadCredential= to the unit")
        # systemd may grant the service's user by an access list, which shows as the group's bits.
        return _read(Path(directory, setting.credential), _OTHERS, (0, os.geteuid()))
    return _read(Path(setting.file or ""), _GROUP_AND_OTHERS, (0, os.geteuid()))


def _read(path: Path, forbidden: int, owners: Iterable[int]) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    with open(descriptor, "rb") as file:  # noqa: PTH123  the very file whose mode is looked at
        facts = os.fstat(descriptor)
        mode = stat.S_IMODE(facts.st_mode)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{path} is no regular file")
        if mode & forbidden:
            raise ValueError(f"{path} has mode {mode:04o}, so others could read it: chmod 0600")
        if facts.st_uid not in owners:
            raise ValueError(f"{path} belongs to uid {facts.st_uid}, who could change it")
        content = file.read(_BYTES_MAX + 1)
    token = content.strip()
    if not LEAST <= len(token) <= _BYTES_MAX or len(token.split()) != 1:
        raise ValueError(
            f"{path} holds no token: expected one word of {LEAST} or more characters, found {len(token)} bytes"
        )
    return token
