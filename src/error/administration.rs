//! Administration: levels, protection, adoption, distribution.

macro_rules! administration {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
        /// A level of access that does not exist.
        UnknownAccessLevel {
            /// The name given.
            level: String,
        } => InvalidParameterValue "unknown_access_level" {
            message: "there is no access level \"{level}\"";
            detail: "The levels are catalog, entitlements, shop, billing, support, monitor, tables and admin.";
            hint: "Pass one of the levels.";
        }

        /// Somebody who is not the owner grants or revokes access.
        NotOwner => InsufficientPrivilege "not_owner" {
            message: "must be owner of the marketplace's tables";
            detail: "Only the owner of a table can grant and revoke privileges on it.";
            hint: "Call it as the role that created the extension, or as a superuser.";
        }

        /// A task that concerns all users is called by a role that cannot see all of them.
        RowsHidden {
            /// What was to be done.
            task: &'static str,
        } => InsufficientPrivilege "rows_hidden" {
            message: "row-level security hides rows that {task} may be about";
            detail: "The session sees only the user whom a setting names; the rows of others would be missed.";
            hint: "Call it as a role that sees everybody: the owner of the tables, or one with BYPASSRLS.";
        }

        /// A call is about a different user than the one that the session acts for.
        OtherUser {
            /// The setting that names the user.
            setting: String,
            /// The user it names, if it is set.
            own: Option<String>,
        } => InsufficientPrivilege "other_user" {
            message: "the session may act only for the user whom {setting} names";
            detail if own.is_none() => "It names nobody.";
            detail: "It names \"{own}\", and the call is about another user, or something that does not exist.", own = own.clone().unwrap_or_default();
            hint: "Set {setting} to the user whom the call is about, or call it as a role with BYPASSRLS.";
        }

        /// A name that cannot be the name of a setting.
        InvalidSetting {
            /// The name given.
            setting: String,
        } => InvalidParameterValue "invalid_setting" {
            message: "\"{setting}\" cannot be a setting of its own";
            detail: "The names of settings that PostgreSQL does not know are identifiers joined by dots, at least two.";
            hint: "Choose a name such as extensions.user_id.";
        }

        /// The new user is the same as the old one.
        SameUser {
            /// The user.
            user_id: String,
        } => InvalidParameterValue "same_user" {
            message: "replacement must be somebody else than \"{user_id}\"";
            detail: "Purchases stay under the replacement, so that they no longer name the person.";
            hint: "Pass another name, or NULL for a new one.";
        }

        /// A protected table would be dropped.
        MarketplaceProtected {
            /// The table.
            table: String,
        } => ObjectNotInPrerequisiteState "marketplace_protected" {
            message: "the marketplace is protected: {table} holds rows";
            detail: "protect_marketplace() was called to keep the tables from being dropped while they hold rows.";
            hint: "If the rows may go, call unprotect_marketplace() first. To keep them, call detach_tables().";
        }

        /// An event trigger's function is called like any other.
        NotCalledByTrigger => EventTriggerProtocolViolated "not_called_by_trigger" {
            message: "guard_marketplace() can only be called by an event trigger";
            detail: "It can only look at the command that fires the trigger.";
            hint: "Call protect_marketplace(), which creates the trigger.";
        }

        /// The tables are no longer in the extension.
        TablesAlreadyDetached => ObjectNotInPrerequisiteState "tables_already_detached" {
            message: "the tables are already detached from the extension";
            detail: "Nothing was changed.";
            hint: "Call attach_tables() to attach them again.";
        }

        /// The tables are in the extension.
        TablesAlreadyAttached => ObjectNotInPrerequisiteState "tables_already_attached" {
            message: "the tables are already attached to the extension";
            detail: "Nothing was changed.";
            hint: "Call detach_tables() to detach them.";
        }

        /// The tables are not what the extension's functions expect.
        TablesDiffer {
            /// What they lack.
            differences: Vec<String>,
        } => ObjectNotInPrerequisiteState "tables_differ" {
            message: "the tables cannot be attached: they lack {number} of what they had", number = differences.len();
            detail: "They lack: {differences}.", differences = differences.join("; ");
            hint: "Put back what is missing, and call attach_tables() again.";
        }

        /// A schema whose tables cannot be adopted.
        InvalidSourceSchema {
            /// The name given.
            schema: String,
            /// Why not.
            why: &'static str,
        } => InvalidParameterValue "invalid_source_schema" {
            message: "tables cannot be migrated from the schema \"{schema}\"";
            detail: "{why}";
            hint: "Pass the schema of the old tables; if it is that of the extension, move them into another first.";
        }

        /// The job scheduler is missing.
        SchedulerMissing => ObjectNotInPrerequisiteState "scheduler_missing" {
            message: "extension \"pg_cron\" is not installed in this database";
            detail: "schedule_maintenance() hands the job to it.";
            hint: "Install pg_cron (on Debian: postgresql-NN-cron) and run CREATE EXTENSION pg_cron; or, where it lives in \
                   another database, call cron.schedule_in_database() there; or call run_maintenance() from another \
                   scheduler.";
        }

        /// A number of shards that Citus does not accept.
        InvalidShardCount {
            /// What was given.
            shard_count: String,
        } => InvalidParameterValue "invalid_shard_count" {
            message: "shard_count must be from 1 to 64000";
            detail: "It is {shard_count}.";
            hint: "Choose several times as many shards as there will ever be nodes.";
        }

        /// Tables cannot be distributed, because Citus is not installed.
        CitusMissing => ObjectNotInPrerequisiteState "citus_missing" {
            message: "the extension citus is not installed in this database";
            detail: "Only Citus can distribute the tables over nodes.";
            hint: "Add citus to shared_preload_libraries on every node, restart, and create the extension in this database of \
                   each.";
        }

        /// Tables cannot be distributed from this node.
        NotCoordinator => ObjectNotInPrerequisiteState "not_coordinator" {
            message: "this node is not the coordinator of the cluster";
            detail: "Only the coordinator can distribute tables, once it is in its own list of nodes.";
            hint: "Call it on the coordinator. If this is it, call citus_set_coordinator_host() first.";
        }

        /// Something prevents the tables from being distributed.
        NotDistributable {
            /// Everything that is in the way, in words.
            obstacles: String,
        } => ObjectNotInPrerequisiteState "not_distributable" {
            message: "the tables cannot be distributed as they are";
            detail: "{obstacles}";
            hint: "Remove the obstacles and call again; nothing was changed.";
        }

        /// Another node could not be prepared.
        NodeNotPrepared {
            /// The node.
            node: String,
            /// What it said.
            failure: String,
        } => ObjectNotInPrerequisiteState "node_not_prepared" {
            message: "{node} could not be prepared";
            detail: "{failure}";
            hint: "Correct that and call again, in a transaction of its own.";
        }
    } };
}
