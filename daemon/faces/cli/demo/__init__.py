"""The guided session: the lab, the daemon on a schedule, a live view, and a table at the end."""
