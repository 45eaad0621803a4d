"""The answer when something goes wrong: a page for people, problem details for programs."""

import logging

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from .errors import explained, problem, status_of
from .payments import PaymentError
from .visit import SignInFirst, templates, to_sign_in

log = logging.getLogger("shop")

#: The database is not there, or does not answer.
UNREACHABLE = (OSError, TimeoutError, asyncpg.InterfaceError)

TITLES = {
    404: ("There is nothing here", "The page may have moved, or the link has a mistake in it."),
    503: ("Just a moment", "The shop is busy. Nothing was changed; please try again in a few seconds."),
    502: ("The payment provider does not answer", "Nothing was charged. Please try again in a few minutes."),
}
OTHERWISE = ("Something went wrong", "It is our mistake, not yours. We have written it down and will look into it.")


def add_to(app: FastAPI) -> None:
    app.add_exception_handler(SignInFirst, to_sign_in)
    for kind in (asyncpg.PostgresError, PaymentError, HTTPException, RequestValidationError, Exception, *UNREACHABLE):
        app.add_exception_handler(kind, handle)


async def handle(request: Request, error: Exception) -> Response:
    return answer(request, error)


def answer(request: Request, error: Exception) -> Response:
    for_programs = described(error)
    if for_programs.status_code == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if not wants_page:
        return for_programs
    # A malformed id in an address is a page that is not there.
    status = 404 if for_programs.status_code in (400, 404, 422) and request.method == "GET" else for_programs.status_code
    title, text = TITLES.get(status, OTHERWISE)
    retry = {"Retry-After": "2"} if status == 503 else None
    # A page can be asked for again; what a form sent is not sent twice.
    again = f"{request.url.path}?{request.url.query}".rstrip("?") if status in (502, 503) and request.method == "GET" else None
    context = {"title": title, "text": text, "again": again, "user": request.scope.get("session", {}).get("user")}
    return templates.TemplateResponse(request, "failure.html", context, status_code=status, headers=retry)


def described(error: Exception) -> JSONResponse:
    match error:
        case asyncpg.PostgresError():
            return explained(error)
        case PaymentError():
            return problem(502, str(error))
        case RequestValidationError():
            wrong = (f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
            return problem(422, "the request is malformed", detail="; ".join(wrong))
        case HTTPException():
            return problem(error.status_code, error.detail)
        case asyncpg.InterfaceError() | OSError() | TimeoutError():
            return problem(503, "try again")
    return problem(500, "internal error")
