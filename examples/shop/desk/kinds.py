"""What can be edited: tables, their fields, and the function that shows what a draft would change."""

from dataclasses import dataclass

from .forms import Field, Form

OFF = (
    Field("discount_percent", "Percent off", "number", start="0"),
    Field("discount_amount", "Amount off", "number", start="0"),
)
WHEN = (
    Field("is_active", "Applies", "flag", start=True),
    Field("valid_from", "From (UTC)", "time"),
    Field("valid_until", "Until (UTC)", "time"),
)


@dataclass(frozen=True)
class Kind:
    title: str
    form: Form
    #: Where the list is.
    back: str
    #: The function that says whose cart would cost something else, and what it calls the row.
    simulate: str | None = None
    draft: str | None = None


KINDS = {
    "add-on": Kind(
        "add-on",
        Form(
            "add_ons",
            (
                Field("name", "Name"),
                Field("description", "Description", "long"),
                Field("category", "Category"),
                Field("base_price", "Price", "number"),
                Field("billing_type", "Billing", "choice", ("monthly", "annual", "one_time", "usage_based"), "monthly"),
                Field("trial_days", "Trial, in days", "number"),
                Field("features", "Features, one per line", "lines"),
                Field("is_active", "For sale", "flag", start=True),
                Field("is_featured", "Featured", "flag"),
                Field("sort_order", "Position", "number", start="0"),
                Field("version", "Version"),
                Field("icon_url", "Icon"),
            ),
        ),
        "/desk/catalog",
    ),
    "feature": Kind(
        "feature",
        Form(
            "add_on_features",
            (
                Field("add_on_id", "Add-on", "add_on"),
                Field("feature_key", "Feature"),
                Field("enabled", "Enabled", "flag", start=True),
                Field("configuration", "Configuration", "json", start="{}"),
            ),
        ),
        "/desk/catalog",
    ),
    "code": Kind(
        "code",
        Form(
            "promotional_codes",
            (
                Field("code", "Code"),
                Field("description", "Description"),
                Field("discount_type", "Kind", "choice", ("percentage", "fixed_amount"), "percentage"),
                Field("discount_value", "Value", "number"),
                Field("applicable_to", "Good for", "add_ons"),
                Field("min_purchase_amount", "Minimum cart total", "number", start="0"),
                Field("max_uses", "Uses at most", "number"),
                Field("renewals", "Renewals that it covers", "number", start="0"),
                Field("user_restrictions", "Who may use it", "json", start="{}"),
                Field("expires_at", "Until (UTC)", "time"),
                Field("is_active", "Applies", "flag", start=True),
            ),
        ),
        "/desk/offers",
        "simulate_promo_code",
        "code",
    ),
    "rule": Kind(
        "rule",
        Form(
            "pricing_rules",
            (
                Field("add_on_id", "Add-on", "add_on"),
                *OFF,
                Field("tier_code", "Tier"),
                Field("conditions", "Conditions", "json", start="{}"),
                Field("priority", "Priority", "number", start="0"),
                *WHEN,
            ),
        ),
        "/desk/offers",
        "simulate_pricing_rule",
        "rule",
    ),
    "bundle": Kind(
        "bundle",
        Form(
            "add_on_bundles",
            (
                Field("name", "Name"),
                Field("description", "Description"),
                Field("add_on_ids", "Add-ons", "add_ons"),
                *OFF,
                Field("max_uses", "Uses at most", "number"),
                *WHEN,
            ),
        ),
        "/desk/offers",
        "simulate_bundle",
        "bundle",
    ),
}
