"""What all pages share: templates, and amounts, dates and keys in words."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.responses import RedirectResponse, Response

PERIODS = {"monthly": "a month", "annual": "a year", "one_time": "once", "usage_based": "a unit used"}
SYMBOLS = {"USD": "$", "EUR": "\N{EURO SIGN}", "GBP": "\N{POUND SIGN}", "JPY": "\N{YEN SIGN}"}
# Currencies whose smallest unit is one, of those that the extension takes.
WHOLE = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
ACRONYMS = {"gpu": "GPU", "api": "API", "ocr": "OCR", "ai": "AI", "tts": "TTS", "stt": "STT", "sso": "SSO"}
EACH = {"day": " a day", "month": " a month", "year": " a year"}
MINUS = "\N{MINUS SIGN}"


def money(amount: Decimal | str | int, currency: str = "USD") -> str:
    """-1234.5: \N{MINUS SIGN}$1,234.50"""
    amount = Decimal(amount)
    digits = f"{abs(amount):,.{0 if currency in WHOLE else 2}f}"
    symbol = SYMBOLS.get(currency)
    return ("" if amount >= 0 else MINUS) + (f"{symbol}{digits}" if symbol else f"{digits}\N{NO-BREAK SPACE}{currency}")


def number(value: Decimal | float | int) -> str:
    """2000000.00: 2,000,000"""
    return f"{Decimal(str(value)).normalize():,f}"


def words(key: str) -> str:
    """gpu_hours: GPU hours"""
    text = " ".join(ACRONYMS.get(word, word) for word in key.replace("-", "_").split("_")).replace("add on", "add-on")
    return text[:1].upper() + text[1:]


def limits(configuration: str | dict[str, Any] | None) -> str:
    """{"limit": 10, "unit": "hours", "per": "month", "priority": false}: 10 hours a month, no priority"""
    document = json.loads(configuration) if isinstance(configuration, str) else dict(configuration or {})
    if isinstance(amount := document.pop("limit", None), int | float):
        per = EACH.get(document.pop("per", "period"), "")
        document = {f"{document.pop('unit', 'units')}{per}": amount} | document
    return " \N{MIDDLE DOT} ".join(limit(key.replace("_", " "), value) for key, value in document.items())


def limit(name: str, value: Any) -> str:
    match value:
        case bool():
            return name if value else f"no {name}"
        case int() | float():
            for unit, sign in ((" ms", " ms"), (" percent", " %")):
                if name.endswith(unit):
                    return f"{name.removesuffix(unit)} {value:,}{sign}"
            return f"{value:,} {name}"
        case list():
            return f"{name} {', '.join(map(str, value))}"
    return f"{name} {value}"


def day(at: datetime) -> str:
    return at.strftime("%-d %b %Y")


def moment(at: datetime) -> str:
    return at.strftime("%-d %b %Y, %H:%M UTC")


def document(text: str) -> Any:
    """JSON of the database with its amounts as they are."""
    return json.loads(text, parse_float=Decimal)


def templates_of(folder: Path) -> Jinja2Templates:
    templates = Jinja2Templates(folder)
    templates.env.filters |= {
        "money": money, "number": number, "words": words, "limits": limits, "day": day, "moment": moment,
    }  # fmt: skip
    templates.env.globals |= {"PERIODS": PERIODS}
    templates.env.trim_blocks = templates.env.lstrip_blocks = True
    return templates


def go(request: Request, path: str, notice: str | None = None) -> Response:
    """Redirects to another page, which shows the notice once."""
    if notice:
        request.session["notice"] = notice
    return RedirectResponse(path, 303)
