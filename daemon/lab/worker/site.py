"""The deployment: the page of the branch that was worked on last."""

import html
from dataclasses import dataclass
from typing import Any

LINES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One object in one bucket; its metadata say which commit of which branch it shows."""

    s3: Any
    bucket: str
    key: str

    def deploy(self, *, branch: str, commit: str, text: str) -> None:
        """Upload the page. Raises botocore's errors."""
        lines = "\n".join(text.splitlines()[-LINES_MAX:])
        page = f"<!doctype html><title>{branch}</title><p>{commit}</p><pre>{html.escape(lines)}</pre>\n"
        self.s3.put_object(
            Bucket=self.bucket,
            Key=self.key,
            Body=page.encode(),
            ContentType="text/html; charset=utf-8",
            Metadata={"commit": commit, "branch": branch},
        )
