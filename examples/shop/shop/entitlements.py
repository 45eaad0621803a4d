"""Paths that require a feature: a middleware that asks has_feature() before the application does anything."""

from typing import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import problem


class Entitlements:
    """Guards each path that begins with a key of `features` by the feature it maps to."""

    def __init__(self, app: ASGIApp, features: Mapping[str, str]):
        self.app = app
        self.features = features

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        feature = self.feature_of(scope["path"]) if scope["type"] == "http" else None
        answer = await self.refusal(Request(scope), feature) if feature else None
        await (answer or self.app)(scope, receive, send)

    def feature_of(self, path: str) -> str | None:
        whole = [prefix for prefix in self.features if path == prefix or path.startswith(prefix + "/")]
        return self.features[max(whole, key=len)] if whole else None

    async def refusal(self, request: Request, feature: str):
        user = request.session.get("user")
        wants_page = "text/html" in request.headers.get("accept", "")
        if user is None:
            return RedirectResponse("/sign-in", 303) if wants_page else problem(401, "sign in first")
        async with request.app.state.database.transaction(user) as marketplace:
            if await marketplace.value("has_feature", user_id=user, feature_key=feature):
                return None
        if wants_page:
            return RedirectResponse(f"/?feature_key={feature}", 303)
        return problem(402, f"this needs the feature {feature}", hint=f"GET /api/catalog?feature_key={feature} lists what gives it")
