"""What the database refuses, as HTTP: one table. docs/clients.md shows it."""

import asyncpg
from starlette.responses import JSONResponse

#: The extension's machine codes.
STATUS_OF_CODE = {
    # 22003 and 22023: the arguments make no sense, whatever the data.
    "amount_out_of_range": 422,
    "expiry_not_ahead": 400,
    "idempotency_key_reused": 422,
    "invalid_amount": 400,
    "invalid_count": 400,
    "invalid_quantity": 400,
    "invalid_setting": 400,
    "invalid_shard_count": 400,
    "invalid_source_schema": 400,
    "invalid_units": 400,
    "invalid_url": 400,
    "invalid_user_id": 400,
    "malformed_argument": 400,
    "negative_interval": 400,
    "null_argument": 400,
    "same_user": 400,
    "text_too_long": 400,
    "units_out_of_range": 422,
    "unknown_access_level": 400,
    "unknown_word": 400,
    # 23503: what was sold or redeemed is to go.
    "add_on_sold": 409,
    "code_redeemed": 409,
    # 23514: a rule of the business refuses.
    "already_owned": 409,
    "draft_refused": 422,
    "illegal_transition": 409,
    "malformed_column": 422,
    "mixed_billing": 422,
    "no_trial": 422,
    "not_payable": 422,
    "payment_used": 409,
    "promo_refused": 422,
    "quantity_limit": 422,
    "refund_exceeds_amount": 422,
    "row_refused": 422,
    "trial_refused": 409,
    # 39P01 and 39P03: only a trigger may call it.
    "called_without_trigger": 400,
    "not_called_by_trigger": 400,
    # 40001: others have done meanwhile what the transaction cannot see; try again.
    "idempotency_key_unseen": 503,
    # 42501: the caller may not do that.
    "not_owner": 403,
    "other_user": 404,
    "rows_hidden": 403,
    # 54000: it is more than the extension takes.
    "catalog_too_large": 503,
    "document_too_costly": 413,
    "document_too_large": 413,
    "explanation_too_long": 422,
    "too_many_lines": 422,
    "value_too_large": 413,
    # 55000: the thing is in the wrong state, which may change.
    "add_on_not_for_sale": 409,
    "checkout_state": 409,
    "empty_cart": 409,
    "citus_missing": 503,
    "currency_unusable": 503,
    "marketplace_protected": 409,
    "node_not_prepared": 503,
    "not_coordinator": 409,
    "not_distributable": 409,
    "not_installed": 503,
    "payment_mismatch": 409,
    "price_changed": 409,
    "price_not_chargeable": 503,
    "purchase_state": 409,
    "row_swallowed": 503,
    "scheduler_missing": 503,
    "schema_changed": 503,
    "schema_renamed": 503,
    "tables_already_attached": 409,
    "tables_already_detached": 409,
    "tables_differ": 409,
    # P0002: there is no such thing.
    "add_on_not_found": 404,
    "checkout_not_found": 404,
    "not_owned": 404,
    "purchase_not_found": 404,
    "replaced_not_found": 404,
}

#: PostgreSQL's own errors, by SQLSTATE or the beginning of one; the first that fits.
STATUS_OF_STATE = {
    "22": 400,  # an invalid value: a malformed uuid, a NUL character
    "23": 409,  # a constraint
    "40": 503,  # a deadlock or serialization failure: try again
    "42501": 403,
    "55P03": 503,  # a lock that could not be had in time
    "53": 503,  # too many connections, no memory, no disk
    "57": 503,  # cancelled, timed out, shutting down
    "08": 503,
}


def code_of(error: asyncpg.PostgresError) -> str | None:
    """The machine code in the last line of an error's DETAIL."""
    _, found, code = (error.detail or "").rpartition("code: ")
    return code if found else None


def status_of(error: asyncpg.PostgresError) -> int:
    by_state = (status for state, status in STATUS_OF_STATE.items() if error.sqlstate.startswith(state))
    return STATUS_OF_CODE.get(code_of(error)) or next(by_state, 500)


def problem(status: int, title: str, **more: str | None) -> JSONResponse:
    body = {"status": status, "title": title} | {key: value for key, value in more.items() if value}
    return JSONResponse(body, status, media_type="application/problem+json", headers={"Retry-After": "1"} if status == 503 else None)


def explained(error: asyncpg.PostgresError) -> JSONResponse:
    """Problem details (RFC 9457). Errors that are not the extension's reveal nothing internal."""
    status, code = status_of(error), code_of(error)
    if code is None:
        titles = {400: "the request has an invalid value", 403: "not allowed", 409: "conflict", 503: "try again"}
        return problem(status, titles.get(status, "internal error"))
    detail = " ".join(line for line in error.detail.splitlines() if not line.startswith(("code: ", "data: ")))
    return problem(status, error.message, detail=detail, hint=error.hint, code=code)
