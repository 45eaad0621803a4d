"""A payment provider in the shop's process, for trying things out and for tests: Stripe's API for checkout sessions, a page to pay
on, and signed webhooks with the objects that Stripe publishes. No money moves."""

from .provider import Provider

__all__ = ["Provider"]
