//! What cannot be sold, paid or refunded.

macro_rules! payments {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
        /// There is nothing to sell.
        EmptyCart {
            /// The user.
            user_id: String,
        } => ObjectNotInPrerequisiteState "empty_cart" {
            message: "the cart of user \"{user_id}\" is empty";
            detail: "It has no line whose add-on is for sale.";
            hint: "Add something to the cart with add_to_cart().";
        }

        /// The cart's lines cannot be paid in one session.
        MixedBilling {
            /// The ways of billing and their add-ons: `monthly (Brigade, Bolt)`.
            groups: Vec<String>,
        } => CheckViolation "mixed_billing" {
            message: "the cart mixes ways of billing that cannot be paid together: {groups}", groups = groups.join(", ");
            detail: "One-time and recurring lines, and monthly and annual lines, need separate payments.";
            hint: "Check them out one group after the other, or pass allow_mixed_billing => true.";
        }

        /// The price differs from the one that the caller expects.
        PriceChanged {
            /// The user.
            user_id: String,
            /// What the caller expects.
            expected: String,
            /// What it costs.
            total: Money,
            /// Why, where something else than the catalog is the reason.
            because: String,
        } => ObjectNotInPrerequisiteState "price_changed" {
            message: "the cart of user \"{user_id}\" now costs {total}, not {expected}";
            detail: "The total is {total}.{because}";
            data: "{{\"total\": {total}}}";
            hint: "Show the shopper the new price, and check out again.";
        }

        /// A bundle's last instances were sold while this cart was being sold.
        BundleSoldOut {
            /// The bundle.
            name: String,
            /// The user.
            user_id: String,
            /// What the cart costs without it.
            total: Money,
        } => ObjectNotInPrerequisiteState "price_changed" {
            message: "bundle \"{name}\" is sold out; the cart of user \"{user_id}\" now costs {total}";
            detail: "The total is {total}. Another checkout took the last instance.";
            data: "{{\"total\": {total}}}";
            hint: "Show the shopper the new price, and check out again.";
        }

        /// The promotional code cannot be used.
        PromoRefused {
            /// The code.
            code: String,
            /// Every reason.
            reasons: Vec<&'static str>,
        } => CheckViolation "promo_refused" {
            message: "promotional code \"{code}\" is refused: {reasons}", reasons = reasons.join(", ");
            detail: "Reasons: {reasons}.", reasons = reasons.join(", ");
            data: "{{\"reasons\": {reasons:?}}}";
            hint: "Check out without the code, or with another.";
        }

        /// The user has the add-on for good.
        AlreadyOwned {
            /// The user.
            user_id: String,
            /// The add-on's name.
            name: String,
        } => CheckViolation "already_owned" {
            message: "user \"{user_id}\" has \"{name}\" without end already";
            detail: "A one-time purchase of it would buy nothing.";
            hint: "Take it out of the cart with remove_from_cart().";
        }

        /// An idempotency key was used with a different request before.
        IdempotencyKeyReused {
            /// The key.
            key: String,
            /// The checkout it was used for.
            checkout_id: Uuid,
        } => InvalidParameterValue "idempotency_key_reused" {
            message: "idempotency key \"{key}\" was used for another request";
            detail: "It made checkout {checkout_id} from other arguments.";
            hint: "Use a new key for a new request.";
        }

        /// An idempotency key was used by a checkout that the transaction cannot see.
        IdempotencyKeyUnseen {
            /// The key.
            key: String,
        } => SerializationFailure "idempotency_key_unseen" {
            message: "idempotency key \"{key}\" was used by a checkout that this transaction does not see";
            detail: "The transaction sees the state from when it began.";
            hint: "Repeat the transaction: it then returns the checkout.";
        }

        /// No such checkout.
        CheckoutNotFound {
            /// The id looked for.
            checkout_id: Uuid,
        } => NoDataFound "checkout_not_found" {
            message: "checkout {checkout_id} does not exist";
            detail: "No row of add_on_purchases has this checkout_id.";
            hint: "Pass the checkout_id that checkout() returned.";
        }

        /// The checkout is no longer waiting for its payment.
        CheckoutState {
            /// The checkout.
            checkout_id: Uuid,
            /// What became of it.
            status: &'static str,
            /// What it cannot become.
            wanted: &'static str,
        } => ObjectNotInPrerequisiteState "checkout_state" {
            message: "checkout {checkout_id} is {status} and cannot be {wanted}";
            detail: "A checkout is completed or failed once, and never both.";
            hint: "Look at its purchases; start a new checkout if it has failed.";
        }

        /// Stripe cannot take the payment for a checkout in one session.
        NotPayable {
            /// The checkout.
            checkout_id: Uuid,
            /// Why not.
            why: Unpayable,
        } => CheckViolation "not_payable" {
            message: "checkout {checkout_id} cannot be paid at Stripe: {why}";
            detail: "A session takes an amount that Stripe can charge, in whole minor units, for lines that are billed alike.";
            hint if matches!(why, Unpayable::BelowMinimum { .. }) =>
                "Sell more at once, or give it away: a checkout of 0.00 is completed at once.";
            hint if matches!(why, Unpayable::Fraction { .. }) =>
                "Price in whole units of the currency, and fail this checkout.";
            hint: "Fail this checkout, and sell its lines in several.";
        }

        /// The checkout was paid with another payment than the caller says.
        PaymentMismatch {
            /// The checkout.
            checkout_id: Uuid,
            /// The argument's name.
            argument: &'static str,
            /// What is stored.
            stored: String,
            /// What the caller says.
            given: String,
        } => ObjectNotInPrerequisiteState "payment_mismatch" {
            message: "checkout {checkout_id} was completed with {argument} \"{stored}\", not \"{given}\"";
            detail: "A checkout is paid once.";
            hint: "If both payments are real, refund one of them.";
        }

        /// The payment has paid for something else already.
        PaymentUsed {
            /// The payment.
            payment_id: String,
            /// The checkout, or the purchase without one, that it has paid for.
            used_by: Uuid,
        } => CheckViolation "payment_used" {
            message: "payment \"{payment_id}\" has paid for {used_by} already";
            detail: "One payment pays for one checkout.";
            hint: "Look for the payment of this checkout, or complete it without naming one.";
        }

        /// No such purchase.
        PurchaseNotFound {
            /// The id looked for.
            purchase_id: Uuid,
        } => NoDataFound "purchase_not_found" {
            message: "purchase {purchase_id} does not exist";
            detail: "No row of add_on_purchases has this id.";
            hint: "Look up purchases with purchase_history().";
        }

        /// The status of the purchase does not allow it.
        PurchaseState {
            /// The purchase.
            purchase_id: Uuid,
            /// Its status.
            status: &'static str,
            /// What cannot be done with it.
            wanted: &'static str,
        } => ObjectNotInPrerequisiteState "purchase_state" {
            message: "purchase {purchase_id} is {status} and cannot be {wanted}";
            detail: "Its status is {status}.";
            hint: "Look at the purchase again: another session may have changed it.";
        }

        /// More would be refunded than was paid.
        RefundExceedsAmount {
            /// The purchase.
            purchase_id: Uuid,
            /// What the caller wants to refund.
            requested: Money,
            /// What can still be refunded.
            refundable: Money,
        } => CheckViolation "refund_exceeds_amount" {
            message: "{requested} cannot be refunded of purchase {purchase_id}";
            detail: "At most {refundable} can still be refunded.";
            data: "{{\"refundable\": {refundable}}}";
            hint: "Refund less, or pass NULL for all that is left.";
        }
    } };
}
