"""What the service says of itself and of its surroundings."""

from typing import Literal

from orchestrate.tools.documents import CheckDocument, Document, Time


class ServiceDocument(Document):
    schema_: Literal["orchestrate.service.v1"] = "orchestrate.service.v1"
    version: str
    pid: int
    started_at: Time
    home: str
    store: str
    store_schema: str
    running: int
    """Deployments that have not ended."""
    idle_exit_s: float | None


class DoctorDocument(Document):
    schema_: Literal["orchestrate.doctor.v1"] = "orchestrate.doctor.v1"
    ok: bool
    checks: list[CheckDocument]
