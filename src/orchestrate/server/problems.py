"""Errors as every HTTP door answers them."""

from starlette.responses import JSONResponse, Response

from orchestrate.server.calling import told


def problem(error: Exception, status: int | None = None, request_id: str | None = None) -> Response:
    """An error as orchestrate.error.v1 with the members of RFC 9457."""
    known, request_id = told(error, request_id)
    body: dict[str, object] = {
        "schema": "orchestrate.error.v1",
        "type": f"/docs/errors#{known.code}",
        "title": known.code.replace("_", " "),
        "status": status or known.status,
        "detail": known.message,
        "error": {**known.as_dict(), "request_id": request_id},
    }
    return JSONResponse(
        body, status_code=status or known.status, media_type="application/problem+json"
    )
