"""What differs from one installation to the next, from the environment."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    #: How to connect, as for libpq: postgresql://shop_backend:password@host/database
    database_url: str
    #: Signs the session cookies: openssl rand -hex 32
    secret: str
    #: Signs Stripe's webhooks; Stripe shows it where the endpoint is set up.
    webhook_secret: str
    #: Stripe's API key. Without one, payments go to the provider in this process, which takes no money.
    stripe_key: str | None = None
    #: Where shoppers reach the shop.
    public_url: str = "http://localhost:8000"
    #: How the desk connects. Without it there is no desk.
    desk_database_url: str | None = None
    #: What one signs in to the desk with, by access level.
    desk_keys: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def from_environment() -> "Settings":
        missing = [name for name in ("DATABASE_URL", "SHOP_SECRET") if not os.environ.get(name)]
        if missing:
            raise SystemExit(f"set {' and '.join(missing)} in the environment; see examples/shop/README.md")
        stripe_key = os.environ.get("STRIPE_KEY")
        if stripe_key and not os.environ.get("STRIPE_WEBHOOK_SECRET"):
            raise SystemExit("with STRIPE_KEY goes STRIPE_WEBHOOK_SECRET, without which anybody could say that they have paid")
        return Settings(
            database_url=os.environ["DATABASE_URL"],
            secret=os.environ["SHOP_SECRET"],
            webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET") or os.environ["SHOP_SECRET"],
            stripe_key=stripe_key,
            public_url=os.environ.get("SHOP_URL", Settings.public_url).rstrip("/"),
            desk_database_url=os.environ.get("DESK_DATABASE_URL"),
            desk_keys=keys(os.environ.get("DESK_KEYS", "")),
        )


def keys(text: str) -> dict[str, str]:
    """support=one-key,billing=another: by level. An empty key lets nobody in."""
    pairs = (pair.partition("=")[::2] for pair in text.split(","))
    return {level.strip(): key.strip() for level, key in pairs if key.strip()}
