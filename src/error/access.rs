//! What users own, and what they use of it.

macro_rules! access {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
        /// The user does not have the add-on.
        NotOwned {
            /// The user.
            user_id: String,
            /// The add-on.
            add_on_id: Uuid,
        } => NoDataFound "not_owned" {
            message: "user \"{user_id}\" does not have add-on {add_on_id}";
            detail: "No row of user_add_ons has this user and this add-on.";
            hint: "Grant it with grant_add_on(), or let the user buy it.";
        }

        /// The add-on cannot be tried.
        NoTrial {
            /// Its name.
            name: String,
        } => CheckViolation "no_trial" {
            message: "\"{name}\" cannot be tried";
            detail: "It has no trial_days.";
            hint: "Set add_ons.trial_days, or sell it.";
        }

        /// The user has or had the add-on.
        TrialRefused {
            /// The user.
            user_id: String,
            /// The add-on's name.
            name: String,
        } => CheckViolation "trial_refused" {
            message: "user \"{user_id}\" has tried or owned \"{name}\" already";
            detail: "Only users who never had an add-on can try it, and only once.";
            hint: "Sell it to the user, or grant it with grant_add_on().";
        }

        /// Access that would have ended before it begins.
        ExpiryNotAhead {
            /// The instant given.
            expires_at: String,
        } => InvalidParameterValue "expiry_not_ahead" {
            message: "expires_at must be in the future, but is {expires_at}";
            detail: "Access lasts until expires_at, exclusively.";
            hint: "Pass a time in the future, or NULL for access without end.";
        }

        /// More units would be in use than a counter can hold.
        UnitsOutOfRange {
            /// The feature.
            feature_key: String,
        } => NumericValueOutOfRange "units_out_of_range" {
            message: "more units of \"{feature_key}\" would be used than can be counted";
            detail: "The most is {most}.", most = Units::MAX;
            hint: "Use fewer units, or give some back with release_feature().";
        }
    } };
}
