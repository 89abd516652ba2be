"""What a rule was for and what it did, in words."""

from daemon.core.proxying import SERVICES, Hits, Match, Rule


def whom(match: Match) -> str:
    """Name the calls of a match: ``SQS SendMessage of jobs``."""
    service = SERVICES[match.service] if match.service else "AWS"
    operations = f" {' or '.join(match.operations)}" if match.operations else ""
    resource = f" of {match.resource}" if match.resource else ""
    return f"{service}{operations} calls{resource}"


def done(rule: Rule, hits: Hits) -> str:
    """Say what a rule did."""
    calls = whom(rule.match)
    if not hits.matched:
        return f"no call came that was one of {calls}"
    if not hits.calls:
        return f"none of {hits.matched} {calls} was hit"
    if rule.each_try:
        return f"hit {hits.calls} of {hits.matched} tries of {calls}"
    return f"hit {hits.calls} of {hits.matched} {calls}, in {hits.tries} {'try' if hits.tries == 1 else 'tries'}"
