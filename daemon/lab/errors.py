"""What goes wrong with the lab."""


class LabError(Exception):
    """The lab was not started or stopped; says what was not done, why, and what to do next."""
