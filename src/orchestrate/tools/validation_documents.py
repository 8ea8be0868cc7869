"""What `validate` answers."""

from typing import Literal

from orchestrate.tools.documents import CheckDocument, Document


class ValidationDocument(Document):
    schema_: Literal["orchestrate.validation.v1"] = "orchestrate.validation.v1"
    app: str
    environment: str
    version: str | None
    ready: bool
    pending: bool
    """Tests or scans still run: ask again."""
    commit: str | None
    """The commit the tests and scans are about."""
    artifact: str | None
    checks: list[CheckDocument]
    summary: str
    next: list[str]
