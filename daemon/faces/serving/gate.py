"""The gate every request passes: host, origin, token, and the user at the other end of a Unix socket."""

import pwd
from collections.abc import Collection
from dataclasses import dataclass, field

from werkzeug.wrappers import Request

from daemon.core.access import Caller, Keyring, bearer, from_elsewhere, known_host
from daemon.core.errors import RefusedError
from daemon.faces.serving.routes import Scope
from daemon.faces.serving.server import PEER, our_uids


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Who may come in by one address.

    ``private``: the socket in the state directory, where the peer's user decides and no token is needed. ``hosts``:
    the names this address answers to; empty on a Unix socket, which no page can reach.
    """

    private: bool = False
    keyring: Keyring = field(default_factory=Keyring)
    hosts: Collection[str] = ()
    reading_is_open: bool = True

    def check_origin(self, request: Request) -> None:
        """Raise RefusedError for a name that is not ours, or a browser sent by somebody else's page."""
        if self.hosts and not known_host(request.host, self.hosts):
            name = request.host[:100]
            raise RefusedError(
                f"refused: Host {name!r} is not one this daemon answers to",
                rule="host",
                hint="add the name to api.hosts, or use the address",
            )
        headers = request.headers
        if request.method not in ("GET", "HEAD") and from_elsewhere(
            headers.get("Origin"), headers.get("Sec-Fetch-Site"), request.host
        ):
            raise RefusedError("refused: a page of another site sent this", rule="origin")

    def identify(self, request: Request) -> Caller:
        """Return who asks, as far as they have shown it."""
        uid = request.environ.get(PEER)
        address = None if self.private or uid is not None else request.remote_addr
        offered = bearer(request.headers.get("Authorization", ""))
        token = self.keyring.find(offered) if offered is not None else None
        if token is not None:
            return Caller(kind="token", name=token.name, uid=uid, address=address)
        if self.private and uid in our_uids():
            return Caller(kind="socket", name=user_name(uid), uid=uid)
        return Caller(kind="anonymous", name="", uid=uid, address=address)

    def admit(self, request: Request, caller: Caller, scope: Scope) -> None:
        """Raise RefusedError unless this caller may do what needs this scope."""
        if self.private:
            if caller.uid not in our_uids():
                raise RefusedError(f"refused: uid {caller.uid} may not use this socket", rule="peer")
            return
        if scope is Scope.OPEN or (scope is Scope.READ and self.reading_is_open):
            return
        if scope is Scope.CONTROL and not self.keyring.controls:
            raise RefusedError(
                "refused: this daemon takes control only over its socket",
                rule="scope",
                hint="set api.tokens, or use the command line on the same host",
            )
        offered = bearer(request.headers.get("Authorization", ""))
        token = self.keyring.find(offered) if offered is not None else None
        if token is None:
            raise RefusedError("refused: the bearer token is missing or wrong", rule="token")
        if scope is Scope.CONTROL and not token.control:
            raise RefusedError(f"refused: token {token.name!r} may only read", rule="scope")


def user_name(uid: int) -> str:
    """Return a user's name, or ``uid N`` for one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
