//! The order of the SQL files in the install script. Comments and costs of Rust functions are in files that `api`
//! names next to the functions.

use pgrx::prelude::*;

extension_sql_file!("../sql/names_taken.sql", name = "names_taken", requires = [table_names]);
extension_sql_file!("../sql/tables/add_ons.sql", name = "add_ons", requires = ["names_taken"]);
extension_sql_file!("../sql/tables/user_add_ons.sql", name = "user_add_ons", requires = ["add_ons"]);
extension_sql_file!("../sql/tables/add_on_purchases.sql", name = "add_on_purchases", requires = ["add_ons"]);
extension_sql_file!("../sql/tables/add_on_bundles.sql", name = "add_on_bundles", requires = ["names_taken"]);
extension_sql_file!(
    "../sql/tables/pricing_rules.sql",
    name = "pricing_rules",
    requires = ["add_ons", check_pricing_conditions]
);
extension_sql_file!("../sql/tables/cart_items.sql", name = "cart_items", requires = ["add_ons"]);
extension_sql_file!(
    "../sql/tables/add_on_features.sql",
    name = "add_on_features",
    requires = ["add_ons", check_feature_configuration]
);
extension_sql_file!(
    "../sql/tables/promotional_codes.sql",
    name = "promotional_codes",
    requires = ["names_taken", check_user_restrictions]
);

extension_sql!(
    "",
    name = "tables",
    requires = [
        "user_add_ons",
        "add_on_purchases",
        "add_on_bundles",
        "pricing_rules",
        "cart_items",
        "add_on_features",
        "promotional_codes"
    ]
);

extension_sql_file!(
    "../sql/triggers.sql",
    name = "triggers",
    requires = [
        "tables",
        enforce_purchase_transition,
        invalidate_catalog_cache,
        normalize_currency,
        normalized_code,
        protect_redeemed_code,
        protect_sold_add_on,
        set_updated_at,
        verify_row,
        verify_uses
    ]
);
extension_sql_file!("../sql/indexes.sql", name = "indexes", requires = ["tables"]);
extension_sql_file!("../sql/functions/tables.sql", name = "table_lists", requires = ["tables", table_names]);
extension_sql_file!(
    "../sql/functions/entitlements.sql",
    name = "entitlements",
    requires =
        ["tables", has_feature, has_add_on, plan_entitlement_check, has_features, feature_configuration, user_features]
);
extension_sql_file!(
    "../sql/functions/reference_tables.sql",
    name = "reference_tables",
    requires = ["tables", "check_installation"]
);
extension_sql_file!(
    "../sql/functions/check_catalog.sql",
    name = "check_catalog",
    requires = ["tables", "reference_tables", currency_setting]
);
extension_sql_file!(
    "../sql/functions/check_installation.sql",
    name = "check_installation",
    requires = ["table_lists", expected_objects, column_differences, "distribute_marketplace"]
);
extension_sql_file!(
    "../sql/functions/check_purchases.sql",
    name = "check_purchases",
    requires = ["tables", currency_setting]
);
extension_sql_file!(
    "../sql/functions/check_marketplace.sql",
    name = "check_marketplace",
    requires = ["tables", "check_catalog", "check_installation", "check_purchases"]
);
extension_sql_file!(
    "../sql/functions/adopt_tables.sql",
    name = "adopt_tables",
    requires = ["table_lists", "triggers", "drafts", check_adoption, check_rows_written]
);
extension_sql_file!(
    "../sql/functions/catalog_documents.sql",
    name = "catalog_documents",
    requires = ["table_lists", "triggers", refuse_catalog, check_catalog_size, check_rows_written, export_catalog]
);
extension_sql_file!(
    "../sql/functions/marketplace_status.sql",
    name = "marketplace_status",
    requires = ["views", catalog_cache_stats]
);
extension_sql_file!(
    "../sql/functions/marketplace_metrics.sql",
    name = "marketplace_metrics",
    requires = ["table_lists", currency_setting, waiting_for_maintenance]
);
extension_sql_file!("../sql/functions/explain_checkout.sql", name = "explain_checkout", requires = ["tables"]);
extension_sql_file!(
    "../sql/functions/distribute_marketplace.sql",
    name = "distribute_marketplace",
    requires =
        ["table_lists", expected_objects, refuse_distribution, hold_user, make_unclaimed_table, plan_call_of_user]
);
extension_sql_file!("../sql/functions/drafts.sql", name = "drafts", requires = ["tables"]);
extension_sql_file!(
    "../sql/functions/load_sample_catalog.sql",
    name = "load_sample_catalog",
    requires = ["tables", check_rows_written]
);
extension_sql_file!("../sql/views.sql", name = "views", requires = ["tables"]);

// The privileges file assigns everything to the owner of this table.
extension_sql!("ALTER TABLE @extschema@.add_ons OWNER TO @extowner@;", name = "owner", requires = ["add_ons"]);
extension_sql_file!("../sql/privileges.sql", name = "privileges", finalize);
