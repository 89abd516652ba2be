"""What the guardian starts when a fault must be taken back and the daemon cannot: a reverter and nothing else.

``python -m daemon.faces.rescue STATE_DIR ended|hung json|text INJECTION ...``. It holds no lock but the lease on
reverting: the daemon, if it hangs, holds the state directory. It reads no configuration: one that was broken
meanwhile must not stand between a fault and its undo; where AWS is, the guardian was told.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daemon import salvage, wiring
from daemon.core.errors import ChaosdError, JournalError, UndoFailedError, UnrecordedError
from daemon.core.events import Injection
from daemon.core.settings import Aws, Settings
from daemon.engine.guardian import ENDED, NOT_RECORDED
from daemon.ports.state import StateDirectory

REASONS = {
    ENDED: "chaosd ended before the experiment did: the guardian took the fault back",
    "hung": "chaosd hung past the deadline: the guardian took the fault back",
}


def main(words: Sequence[str]) -> int:
    """Take the injections back, newest first; return 0, 4 when residue may remain, 75 when it is not journalled."""
    directory, why, voice, *injections = words
    state, code = StateDirectory(Path(directory)), 0
    try:
        station = wiring.station(_settings(), state)
    except JournalError as error:
        _say(voice, ", ".join(injections), "the journal cannot be used", error.message)
        return _salvage(state, voice) if why == ENDED else NOT_RECORDED
    try:
        for injection in injections:
            try:
                found = station.reverter.rescue(injection, REASONS[why], ended=why == ENDED)
            except (UnrecordedError, JournalError) as error:
                _say(voice, injection, "not recorded", error.message)
                code = code or NOT_RECORDED
            except ChaosdError as error:
                _say(voice, injection, "failed", error.message)
                code = UndoFailedError.exit_code
            else:
                _say(voice, injection, found.state.value, _detail(found))
                code = UndoFailedError.exit_code if found.outstanding else code
    finally:
        station.close()
    return code


def _salvage(state: StateDirectory, voice: str) -> int:
    """Recover as ``chaosd recover`` would: from what is readable of the journal and the copies of undo records."""
    try:
        with state:
            rescued = salvage.recover(_settings(), state)
    except ChaosdError as error:
        _say(voice, "recover", "failed", error.message)
        return UndoFailedError.exit_code
    for found in rescued.found.injections:
        _say(voice, found.plan.injection, found.state.value, _detail(found))
    left = any(found.outstanding for found in rescued.found.injections)
    return UndoFailedError.exit_code if left else 0


def _settings() -> Settings:
    aws = Aws(region=os.environ.get(wiring.REGION) or None, endpoint_url=os.environ.get(wiring.ENDPOINT) or None)
    return replace(wiring.ad_hoc("/"), aws=aws)


def _detail(found: Injection) -> str:
    if found.outstanding:
        return found.last_error or ""
    return found.reverted.reversion.told if found.reverted else "nothing was injected"


def _say(voice: str, injection: str, state: str, detail: str) -> None:
    if voice == "json":
        facts = {"event": "guardian.reverted", "injection": injection, "state": state, "detail": detail}
        sys.stderr.write(f"{json.dumps(facts)}\n")
    else:
        sys.stderr.write(f"chaosd: guardian: {injection}: {state}: {detail}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
