"""Errors as RFC 9457 describes them: what was expected, what was found, which field, and never a traceback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:millstream:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that is wrong with a request; `field` is a key of the body, a parameter or a header."""

    field: str
    detail: str


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        *,
        kind: str,
        detail: str,
        wrong: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.wrong = status, kind, detail, tuple(wrong)
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """It as an answer."""
        document: dict[str, object] = {
            "type": TYPE + self.kind,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.wrong:
            document["errors"] = [{"field": each.field, "detail": each.detail} for each in self.wrong]
        return JSONResponse(document, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found(what: str) -> ProblemError:
    """It is not there, or not for this caller: the answer is the same."""
    return ProblemError(
        HTTPStatus.NOT_FOUND, kind="not-found", detail=f"expected {what} that you may use, found none of that name"
    )


def invalid(field: str, *, detail: str) -> ProblemError:
    """A field of the request cannot be used."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        kind="invalid-request",
        detail=f"{field}: {detail}",
        wrong=[Wrong(field=field, detail=detail)],
    )


def busy(detail: str, *, after_s: int = 1, kind: str = "too-many-requests") -> ProblemError:
    """Too much was asked for; `after_s` seconds later there is room again."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS, kind=kind, detail=detail, headers={"Retry-After": str(max(1, after_s))}
    )


def unavailable(detail: str, *, after_s: int = 5) -> ProblemError:
    """Something behind the API is down; nothing is known to have happened."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, kind="unavailable", detail=detail, headers={"Retry-After": str(after_s)}
    )
