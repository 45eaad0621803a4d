-- What it costs at least: a probe of the index, with the add-on known.
\set user random(1, :users)
\set feature random(1, :add_ons)
SELECT EXISTS (SELECT FROM user_add_ons WHERE user_id = 'user-' || :user::integer AND add_on_id = md5(:feature::integer::text)::uuid AND status = 'active'
                      AND purchased_at <= now() AND (expires_at IS NULL OR expires_at > now()));
