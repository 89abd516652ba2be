"""``chaosd.yaml`` to frozen settings: read once, every mistake reported at once, then never changed.

Importing this package loads pydantic; `chaosd inject --repository` does without it.
"""

from daemon.config.notes import notes
from daemon.config.overlay import ENVIRONMENT
from daemon.config.reader import Origin, load, origins, schema
from daemon.config.starter import Found, starter
from daemon.core.settings import Settings

__all__ = ["ENVIRONMENT", "Found", "Origin", "Settings", "load", "notes", "origins", "schema", "starter"]
