SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.enforce_purchase_transition() IS
'Refuses changes of a purchase''s status that its life does not allow (semantics 4). A trigger of add_on_purchases calls it.
Errors: 23514 illegal_transition; 39P01 called_without_trigger.';

COMMENT ON FUNCTION @extschema@.invalidate_catalog_cache() IS
'Tells the catalog caches of all sessions that a table has changed. Triggers of the tables of the catalog call it.
Errors: 39P01 called_without_trigger.';

CREATE FUNCTION @extschema@.set_updated_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.set_updated_at() IS 'Keeps updated_at. Triggers of the tables call it.';

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

-- Triggers find the extension's schema by that of their table, so that they go on when it is renamed.
CREATE FUNCTION @extschema@.normalize_promo_code() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('SELECT %I.normalized_code($1)', TG_TABLE_SCHEMA) INTO NEW.code USING NEW.code;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.normalize_promo_code() IS
'Stores a code as normalized_code() has it, whoever writes it. A trigger of promotional_codes calls it.';

CREATE TRIGGER normalize_promotional_codes_code BEFORE INSERT OR UPDATE OF code ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.normalize_promo_code();

-- With the rights of the owner: who may write codes need not be allowed to read purchases.
CREATE FUNCTION @extschema@.protect_redeemed_code() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_redeemed boolean := false;
BEGIN
    IF TG_OP = 'DELETE' OR NEW.code <> OLD.code THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.add_on_purchases p WHERE p.promo_code = $1)', TG_TABLE_SCHEMA)
           INTO is_redeemed USING OLD.code;
    END IF;
    IF is_redeemed THEN
        RAISE EXCEPTION 'promotional code "%" is carried by purchases', OLD.code
            USING ERRCODE = 'foreign_key_violation',
                  DETAIL = E'Its uses and limits are counted by its name.\ncode: code_redeemed',
                  HINT = 'Switch it off instead: UPDATE promotional_codes SET is_active = false WHERE code = ''' || OLD.code || '''.';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION @extschema@.protect_redeemed_code() IS
'Refuses to rename or delete a code that a purchase carries. A trigger of promotional_codes calls it.';

-- After the code is normalised: triggers fire by name.
CREATE TRIGGER protect_promotional_codes_code BEFORE UPDATE OF code OR DELETE ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_redeemed_code();

CREATE FUNCTION @extschema@.normalize_currency() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.currency := pg_catalog.upper(NEW.currency COLLATE pg_catalog."C");
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.normalize_currency() IS
'Stores the code of a currency in capitals, whoever writes it. A trigger of add_on_purchases calls it.';

-- The function costs more than an insert would bear, and nearly every code is in capitals.
CREATE TRIGGER normalize_add_on_purchases_currency BEFORE INSERT OR UPDATE OF currency ON @extschema@.add_on_purchases
    FOR EACH ROW WHEN (NEW.currency <> upper(NEW.currency COLLATE "C")) EXECUTE FUNCTION @extschema@.normalize_currency();

-- Without WHEN, which costs more to prepare for each statement than the function costs for a row.
CREATE TRIGGER enforce_add_on_purchases_transition BEFORE UPDATE ON @extschema@.add_on_purchases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.enforce_purchase_transition();

-- Every change of the catalog is announced to the caches of all sessions. ALWAYS, so that it is announced too where triggers are
-- switched off, as while restoring. Logical replication applies rows without firing statement triggers, hence the second ones,
-- which fire there only. Uses of bundles change with every checkout and are not part of the catalog.
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
'Keeps codes that purchases carry.';
COMMENT ON TRIGGER enforce_add_on_purchases_transition ON @extschema@.add_on_purchases IS
'Refuses changes of status that the life of a purchase does not allow.';
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
