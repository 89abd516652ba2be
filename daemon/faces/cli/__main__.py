"""``python -m daemon.faces.cli``: the same as ``chaosd``, without the installed script."""

import sys

from daemon.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
