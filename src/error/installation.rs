//! An installation that is not as the functions expect it.

macro_rules! installation {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
        /// The extension is not installed in this database.
        NotInstalled => ObjectNotInPrerequisiteState "not_installed" {
            message: "extension \"extensions\" is not installed in this database";
            detail: "Its library is loaded, but pg_extension has no row for it.";
            hint: "Run CREATE EXTENSION extensions.";
        }

        /// The schema was renamed, and functions do not know its new name yet.
        SchemaRenamed {
            /// Its name now.
            schema: String,
        } => ObjectNotInPrerequisiteState "schema_renamed" {
            message: "functions of the extension do not know yet that its schema is called {schema}";
            detail: "They are written in SQL and have its former name in their bodies, which only a transaction that may write can change.";
            hint: "Call {schema}.check_marketplace() once in an ordinary transaction on the primary.";
        }

        /// A column of a table was changed.
        SchemaChanged {
            /// The table.
            table: String,
            /// The column.
            column: String,
            /// The type that the functions expect.
            expected: String,
            /// Its type, `missing` or `generated`.
            found: String,
        } => ObjectNotInPrerequisiteState "schema_changed" {
            message: "column {column} of table {table} is {found}, not {expected}";
            detail: "The extension's functions read and write it as {expected}.";
            hint if found == "missing" => "Run ALTER EXTENSION extensions UPDATE if it was not run since the files were updated; otherwise add the column again or give it its name back. check_marketplace() lists all such columns.";
            hint if found == "generated" => "Make it an ordinary column again; check_marketplace() lists all such columns.";
            hint: "Change it back: ALTER TABLE {table} ALTER COLUMN {column} TYPE {expected}; check_marketplace() lists all such columns.";
        }

        /// A table is gone, or something else stands under its name.
        TableMissing {
            /// The table.
            table: String,
        } => ObjectNotInPrerequisiteState "schema_changed" {
            message: "there is no table {table} in the extension's schema";
            detail: "The extension's functions use plain and partitioned tables only, by their names.";
            hint: "Give the table its name back, or move it back into the schema.";
        }

        /// A result has another column than the statement was written for.
        ResultChanged {
            /// The column's name or place.
            column: String,
            /// The type that the functions expect.
            expected: String,
            /// Its type, or `missing`.
            found: String,
        } => ObjectNotInPrerequisiteState "schema_changed" {
            message: "column {column} of a result is {found}, not {expected}";
            detail: "A table of the extension was changed while the function ran.";
            hint: "Call again; if it happens again, check_marketplace() reports which column was changed.";
        }

        /// A column holds NULL that must not.
        UnexpectedNull {
            /// The column.
            column: String,
        } => ObjectNotInPrerequisiteState "schema_changed" {
            message: "column {column} of a result is NULL";
            detail: "The extension's functions rely on the NOT NULL constraints of its tables.";
            hint: "Correct the rows and put the constraint back; check_marketplace() reports which is missing.";
        }

        /// A trigger that is not the extension's has suppressed rows.
        RowSwallowed {
            /// The table.
            table: &'static str,
            /// How many rows were to be written.
            meant: u64,
            /// How many were.
            written: u64,
        } => ObjectNotInPrerequisiteState "row_swallowed" {
            message: "only {written} of {meant} rows of {table} were written";
            detail: "A BEFORE trigger that returns NULL, or a rule, has suppressed the others.";
            hint: "Let the trigger raise an error instead, or drop it: look for it with \\d {table}.";
        }
    } };
}
