//! Rows and drafts that the tables' constraints and triggers refuse.

macro_rules! rows {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
        /// A row breaks a rule of its table.
        RowRefused {
            /// The table.
            table: String,
            /// The rule, which begins with the name of a column.
            rule: String,
            /// The constraint that holds the rule.
            constraint: String,
            /// The columns that it looks at, with their values.
            values: String,
            /// What to do about it.
            advice: String,
        } => CheckViolation "row_refused" {
            message: "{table}.{rule}";
            detail: "The constraint {constraint} refuses it: {values}.";
            data: "{{\"table\": {table:?}, \"constraint\": {constraint:?}}}";
            hint: "{advice}";
        }

        /// A JSON column that does not have the shape it must have.
        MalformedColumn {
            /// `table.column`
            column: &'static str,
            /// What is wrong with it.
            malformed: Malformed,
        } => CheckViolation "malformed_column" {
            message: "{column} is malformed: {malformed}";
            detail: "Every writer of {column} is held to its known keys.";
            hint: "Correct the document; its keys are in the column's comment.";
        }

        /// A draft of a row that its table would refuse.
        DraftRefused {
            /// The argument's name.
            argument: &'static str,
            /// The constraint that refuses it.
            constraint: String,
            /// What it asks for, and what was given.
            why: String,
        } => CheckViolation "draft_refused" {
            message: "{argument} is refused: {why}";
            detail: "The table would refuse it by its constraint {constraint}.";
            hint: "Correct {argument} and call again.";
        }

        /// The row that a draft replaces does not exist.
        ReplacedNotFound {
            /// `pricing rule` or `bundle`.
            what: &'static str,
            /// The id looked for.
            id: Uuid,
        } => NoDataFound "replaced_not_found" {
            message: "{what} {id} does not exist";
            detail: "There is no such row to replace.";
            hint: "Pass the id of an existing row, or NULL to add the draft.";
        }

        /// Somebody deletes an add-on that was sold.
        AddOnSold {
            /// Its name.
            name: String,
        } => ForeignKeyViolation "add_on_sold" {
            message: "add-on \"{name}\" was sold";
            detail: "Somebody owns it or has bought it, and what was sold is kept.";
            hint: "Withdraw it from sale instead: UPDATE add_ons SET is_active = false.";
        }

        /// Somebody renames or deletes a promotional code that was redeemed.
        CodeRedeemed {
            /// The code.
            promo_code: String,
        } => ForeignKeyViolation "code_redeemed" {
            message: "promotional code \"{promo_code}\" is named by purchases";
            detail: "Its uses and limits are counted by its name.";
            hint: "Switch it off instead: UPDATE promotional_codes SET is_active = false.";
        }

        /// A status that cannot follow the current status of a purchase.
        IllegalTransition {
            /// The purchase.
            purchase_id: Uuid,
            /// The status it has.
            from: String,
            /// The status it cannot get.
            to: String,
            /// The statuses it can get.
            allowed: Vec<&'static str>,
        } => CheckViolation "illegal_transition" {
            message: "purchase {purchase_id} cannot go from {from} to {to}";
            detail if allowed.is_empty() => "{from} is final.";
            detail: "From {from} it can go to {allowed}.", allowed = allowed.join(", ");
            hint: "Look at the purchase again: another session may have changed it.";
        }

        /// A table trigger's function is called like any other.
        CalledWithoutTrigger {
            /// The function.
            function: &'static str,
        } => TriggerProtocolViolated "called_without_trigger" {
            message: "{function}() can only be called by a trigger";
            detail: "It looks at the row or the table that the trigger is about.";
            hint: "The extension's tables have the triggers that call it.";
        }
    } };
}
