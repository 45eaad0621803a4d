SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.enforce_purchase_transition() IS
'Refuses changes of a purchase''s status that are not allowed (semantics 4). A trigger of add_on_purchases calls it.
Errors: 23514 illegal_transition; 39P01 called_without_trigger.';

COMMENT ON FUNCTION @extschema@.invalidate_catalog_cache() IS
'Tells the catalog caches of all sessions that a table has changed. Triggers of the tables of the catalog call it.
Errors: 39P01 called_without_trigger.';

COMMENT ON FUNCTION @extschema@.set_updated_at() IS
'Keeps updated_at. Triggers of the tables call it.
Errors: 39P01 called_without_trigger; 55000 schema_changed.';

CREATE TRIGGER update_add_ons_updated_at BEFORE UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_user_add_ons_updated_at BEFORE UPDATE ON @extschema@.user_add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_add_on_bundles_updated_at BEFORE UPDATE ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_pricing_rules_updated_at BEFORE UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_cart_items_updated_at BEFORE UPDATE ON @extschema@.cart_items
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_add_on_features_updated_at BEFORE UPDATE ON @extschema@.add_on_features
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();
CREATE TRIGGER update_promotional_codes_updated_at BEFORE UPDATE ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.set_updated_at();

-- Triggers find the extension's schema through their table's, so that they keep working when it is renamed.
CREATE FUNCTION @extschema@.normalize_promo_code() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('SELECT %I.normalized_code($1)', TG_TABLE_SCHEMA) INTO NEW.code USING NEW.code;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.normalize_promo_code() IS
'Stores a code in the form of normalized_code(), no matter who writes it. A trigger of promotional_codes calls it.';

CREATE TRIGGER normalize_promotional_codes_code BEFORE INSERT OR UPDATE OF code ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.normalize_promo_code();

COMMENT ON FUNCTION @extschema@.protect_redeemed_code() IS
'Refuses to rename or delete a code that a purchase names. A trigger of promotional_codes calls it.
Errors: 23503 code_redeemed; 39P01 called_without_trigger.';

-- Fires after the code is normalised: triggers fire in the order of their names.
CREATE TRIGGER protect_promotional_codes_code BEFORE UPDATE OF code OR DELETE ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_redeemed_code();

COMMENT ON FUNCTION @extschema@.protect_sold_add_on() IS
'Refuses to delete an add-on that somebody has bought or owns. A trigger of add_ons calls it.
Errors: 23503 add_on_sold; 39P01 called_without_trigger.';

CREATE TRIGGER protect_add_ons BEFORE DELETE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_sold_add_on();

COMMENT ON FUNCTION @extschema@.normalize_currency() IS
'Stores the code of a currency in capitals, no matter who writes it. A trigger of add_on_purchases calls it.
Errors: 39P01 called_without_trigger; 55000 schema_changed.';

-- Without WHEN: preparing the condition for each statement costs more than calling the function for a row.
CREATE TRIGGER normalize_add_on_purchases_currency BEFORE INSERT OR UPDATE OF currency ON @extschema@.add_on_purchases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.normalize_currency();

-- Amounts of the catalog are stored with two decimals, as they are shown. An amount with more decimals stays as it
-- is, and is refused by a constraint. Without WHEN, because a condition keeps owners from changing the type of a
-- column, and counting uses does not fire these triggers.
CREATE FUNCTION @extschema@.pad_decimals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'add_ons' THEN
            IF NEW.base_price = round(NEW.base_price, 2) THEN
                NEW.base_price := round(NEW.base_price, 2);
            END IF;
        WHEN 'promotional_codes' THEN
            IF NEW.discount_value = round(NEW.discount_value, 2) THEN
                NEW.discount_value := round(NEW.discount_value, 2);
            END IF;
            IF NEW.min_purchase_amount = round(NEW.min_purchase_amount, 2) THEN
                NEW.min_purchase_amount := round(NEW.min_purchase_amount, 2);
            END IF;
        ELSE
            IF NEW.discount_percent = round(NEW.discount_percent, 2) THEN
                NEW.discount_percent := round(NEW.discount_percent, 2);
            END IF;
            IF NEW.discount_amount = round(NEW.discount_amount, 2) THEN
                NEW.discount_amount := round(NEW.discount_amount, 2);
            END IF;
    END CASE;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.pad_decimals() IS
'Stores amounts with two decimals: 10 as 10.00. Triggers of the catalog''s tables call it.';

CREATE TRIGGER normalize_add_ons_amounts BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_add_on_bundles_amounts BEFORE INSERT OR UPDATE OF discount_percent, discount_amount ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_pricing_rules_amounts BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_promotional_codes_amounts BEFORE INSERT OR UPDATE OF discount_value, min_purchase_amount
    ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();

-- list_features() does the same by itself: its trigger fires for every writer, who may not call this.
CREATE FUNCTION @extschema@._feature_keys(features jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE jsonb_typeof(features) WHEN 'object' THEN (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key), '[]')
                                                              FROM jsonb_object_keys(features) given (key))
                                       ELSE features END
$$;
COMMENT ON FUNCTION @extschema@._feature_keys(jsonb) IS
'The features of an add-on as they are stored: of an object, its keys. Only import_catalog() and adopt_tables() call it.';

CREATE FUNCTION @extschema@.list_features() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(NEW.features) = 'object' THEN
        NEW.features := (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key), '[]') FROM jsonb_object_keys(NEW.features) given (key));
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.list_features() IS
'Stores features that are given as an object as the array of its keys. A trigger of add_ons calls it.';

CREATE TRIGGER normalize_add_ons_features BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.list_features();

-- When a constraint refuses a row, PostgreSQL reports only its name and the row. These triggers check the constraints
-- first and report more: the comments on the constraints. They fire last, because triggers fire in the order of their
-- names. The tables that carts and checkouts write have no such trigger, because it would slow each of them down, and
-- our functions write nothing there that is refused. The columns that count uses have a trigger of their own, which
-- compares two numbers.
COMMENT ON FUNCTION @extschema@.verify_row() IS
'Refuses a row that breaks a rule of its table, and explains why. Triggers of the catalog''s tables call it.
Errors: 23514 row_refused, malformed_column; 39P01 called_without_trigger.';
COMMENT ON FUNCTION @extschema@.verify_uses() IS
'Refuses more uses of a code or bundle than it has, and explains why. Triggers of promotional_codes and add_on_bundles call it.
Errors: 23514 row_refused; 39P01 called_without_trigger.';

CREATE TRIGGER verify_add_ons BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_features BEFORE INSERT OR UPDATE ON @extschema@.add_on_features
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_pricing_rules BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles BEFORE INSERT OR UPDATE OF
    add_on_ids, discount_percent, discount_amount, valid_from, valid_until, max_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_promotional_codes BEFORE INSERT OR UPDATE OF
    code, discount_type, discount_value, max_uses, min_purchase_amount, user_restrictions, renewals ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles_uses BEFORE UPDATE OF current_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();
CREATE TRIGGER verify_promotional_codes_uses BEFORE UPDATE OF current_uses ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();

-- Without WHEN, like the above.
CREATE TRIGGER enforce_add_on_purchases_transition BEFORE UPDATE ON @extschema@.add_on_purchases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.enforce_purchase_transition();

-- Every change of the catalog is announced to the caches of all sessions. ALWAYS, so that it is announced even if
-- triggers are switched off, for example during a restore. Logical replication applies rows without firing statement
-- triggers, so row triggers announce its changes, and fire only there. Uses of bundles change with every checkout and
-- are not part of the catalog.
CREATE TRIGGER invalidate_add_ons_cache AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.add_ons
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_add_on_features_cache AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.add_on_features
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_pricing_rules_cache AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.pricing_rules
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_add_on_bundles_cache AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF
    id, name, add_on_ids, discount_percent, discount_amount, is_active, valid_from, valid_until, max_uses ON @extschema@.add_on_bundles
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();

ALTER TABLE @extschema@.add_ons ENABLE ALWAYS TRIGGER invalidate_add_ons_cache;
ALTER TABLE @extschema@.add_on_features ENABLE ALWAYS TRIGGER invalidate_add_on_features_cache;
ALTER TABLE @extschema@.pricing_rules ENABLE ALWAYS TRIGGER invalidate_pricing_rules_cache;
ALTER TABLE @extschema@.add_on_bundles ENABLE ALWAYS TRIGGER invalidate_add_on_bundles_cache;

CREATE TRIGGER invalidate_replicated_add_ons_cache AFTER INSERT OR UPDATE OR DELETE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_replicated_add_on_features_cache AFTER INSERT OR UPDATE OR DELETE ON @extschema@.add_on_features
    FOR EACH ROW EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_replicated_pricing_rules_cache AFTER INSERT OR UPDATE OR DELETE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_replicated_add_on_bundles_cache AFTER INSERT OR DELETE ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();
CREATE TRIGGER invalidate_replicated_add_on_bundles_update_cache AFTER UPDATE ON @extschema@.add_on_bundles
    FOR EACH ROW
    WHEN ((OLD.id, OLD.name, OLD.add_on_ids, OLD.discount_percent, OLD.discount_amount, OLD.is_active, OLD.valid_from,
           OLD.valid_until, OLD.max_uses)
          IS DISTINCT FROM
          (NEW.id, NEW.name, NEW.add_on_ids, NEW.discount_percent, NEW.discount_amount, NEW.is_active, NEW.valid_from,
           NEW.valid_until, NEW.max_uses))
    EXECUTE FUNCTION @extschema@.invalidate_catalog_cache();

ALTER TABLE @extschema@.add_ons ENABLE REPLICA TRIGGER invalidate_replicated_add_ons_cache;
ALTER TABLE @extschema@.add_on_features ENABLE REPLICA TRIGGER invalidate_replicated_add_on_features_cache;
ALTER TABLE @extschema@.pricing_rules ENABLE REPLICA TRIGGER invalidate_replicated_pricing_rules_cache;
ALTER TABLE @extschema@.add_on_bundles ENABLE REPLICA TRIGGER invalidate_replicated_add_on_bundles_cache;
ALTER TABLE @extschema@.add_on_bundles ENABLE REPLICA TRIGGER invalidate_replicated_add_on_bundles_update_cache;

COMMENT ON TRIGGER update_add_ons_updated_at ON @extschema@.add_ons IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_user_add_ons_updated_at ON @extschema@.user_add_ons IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_add_on_bundles_updated_at ON @extschema@.add_on_bundles IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_pricing_rules_updated_at ON @extschema@.pricing_rules IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_cart_items_updated_at ON @extschema@.cart_items IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_add_on_features_updated_at ON @extschema@.add_on_features IS 'Keeps updated_at.';
COMMENT ON TRIGGER update_promotional_codes_updated_at ON @extschema@.promotional_codes IS 'Keeps updated_at.';
COMMENT ON TRIGGER normalize_promotional_codes_code ON @extschema@.promotional_codes IS 'Stores codes as they are compared.';
COMMENT ON TRIGGER normalize_add_on_purchases_currency ON @extschema@.add_on_purchases IS 'Stores codes of currencies in capitals.';
COMMENT ON TRIGGER protect_promotional_codes_code ON @extschema@.promotional_codes IS
'Keeps codes that purchases name.';
COMMENT ON TRIGGER protect_add_ons ON @extschema@.add_ons IS 'Keeps add-ons that somebody has bought or owns.';
COMMENT ON TRIGGER normalize_add_ons_amounts ON @extschema@.add_ons IS 'Stores prices with two decimals.';
COMMENT ON TRIGGER normalize_add_on_bundles_amounts ON @extschema@.add_on_bundles IS 'Stores discounts with two decimals.';
COMMENT ON TRIGGER normalize_pricing_rules_amounts ON @extschema@.pricing_rules IS 'Stores discounts with two decimals.';
COMMENT ON TRIGGER normalize_promotional_codes_amounts ON @extschema@.promotional_codes IS 'Stores amounts with two decimals.';
COMMENT ON TRIGGER normalize_add_ons_features ON @extschema@.add_ons IS 'Stores an object of features as its keys.';
COMMENT ON TRIGGER verify_add_ons ON @extschema@.add_ons IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_add_on_features ON @extschema@.add_on_features IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_pricing_rules ON @extschema@.pricing_rules IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_add_on_bundles ON @extschema@.add_on_bundles IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_promotional_codes ON @extschema@.promotional_codes IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_add_on_bundles_uses ON @extschema@.add_on_bundles IS 'Explains that all uses are taken.';
COMMENT ON TRIGGER verify_promotional_codes_uses ON @extschema@.promotional_codes IS 'Explains that all uses are taken.';
COMMENT ON TRIGGER enforce_add_on_purchases_transition ON @extschema@.add_on_purchases IS
'Refuses changes of status that are not allowed.';
COMMENT ON TRIGGER invalidate_add_ons_cache ON @extschema@.add_ons IS 'Announces changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_add_on_features_cache ON @extschema@.add_on_features IS 'Announces changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_pricing_rules_cache ON @extschema@.pricing_rules IS 'Announces changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_add_on_bundles_cache ON @extschema@.add_on_bundles IS
'Announces changes to the catalog caches, but not those of current_uses.';
COMMENT ON TRIGGER invalidate_replicated_add_ons_cache ON @extschema@.add_ons IS 'Announces replicated changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_replicated_add_on_features_cache ON @extschema@.add_on_features IS
'Announces replicated changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_replicated_pricing_rules_cache ON @extschema@.pricing_rules IS
'Announces replicated changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_replicated_add_on_bundles_cache ON @extschema@.add_on_bundles IS
'Announces replicated changes to the catalog caches.';
COMMENT ON TRIGGER invalidate_replicated_add_on_bundles_update_cache ON @extschema@.add_on_bundles IS
'Announces replicated changes to the catalog caches, but not those of current_uses.';

SET LOCAL search_path = @extschema@, pg_temp;
