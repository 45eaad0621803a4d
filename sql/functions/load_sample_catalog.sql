SET LOCAL search_path = pg_catalog, pg_temp;

-- Ids are fixed, so that examples can name them and a second run finds what the first one made. Rows that exist, by id or
-- by name, are left alone.
CREATE FUNCTION @extschema@._load_sample_catalog_body() RETURNS TABLE (object text, inserted bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Rows that were neither written nor there before: a trigger has swallowed them.
    swallowed bigint;
    -- By add-on: its feature keys and their configurations.
    catalog_features CONSTANT jsonb := '{
        "Unicorn Orator (TTS)": {
            "text_to_speech": {"limit": 500000, "per": "month", "unit": "characters", "languages": 30},
            "voice_library": {"voices": 120},
            "voice_streaming": {"max_latency_ms": 300},
            "audio_export": {"formats": ["mp3", "wav", "ogg"]},
            "api_access": {"requests_per_minute": 60}
        },
        "Amanuensis (STT)": {
            "speech_to_text": {"limit": 1000, "per": "month", "unit": "minutes", "accuracy_percent": 95},
            "speaker_labels": {"speakers": 8},
            "live_transcription": {"streams": 2},
            "subtitle_export": {"formats": ["srt", "vtt"]},
            "api_access": {"requests_per_minute": 60}
        },
        "Brigade": {
            "agent_platform": {"limit": 10, "per": "ever", "unit": "agents"},
            "agent_tools": {"tools_per_agent": 20},
            "agent_memory": {"megabytes": 512},
            "workflow_builder": {"workflows": 50},
            "api_access": {"requests_per_minute": 300}
        },
        "Bolt": {
            "code_completion": {"languages": 25},
            "code_review": {"limit": 50, "per": "day", "unit": "reviews"},
            "cloud_workspaces": {"limit": 5, "per": "ever", "unit": "workspaces"},
            "gpu_hours": {"limit": 10, "unit": "hours", "priority": false}
        },
        "Presenton": {
            "presentation_builder": {"limit": 50, "per": "month", "unit": "presentations"},
            "template_library": {"templates": 100},
            "brand_kit": {"brands": 3},
            "slide_export": {"formats": ["pptx", "pdf"]}
        },
        "Center-Deep Pro": {
            "semantic_search": {"limit": 100000, "per": "ever", "unit": "documents"},
            "vector_database": {"limit": 500000, "per": "ever", "unit": "vectors", "dedicated": false},
            "search_analytics": {"retention_days": 90},
            "document_connectors": {"connectors": 12},
            "api_access": {"requests_per_minute": 120}
        },
        "Document Processing": {
            "ocr": {"limit": 5000, "per": "month", "unit": "pages"},
            "table_extraction": {"tables_per_page": 10},
            "form_recognition": {"forms": 40},
            "batch_processing": {"jobs": 5},
            "document_connectors": {"connectors": 4}
        },
        "Vector Search": {
            "vector_database": {"limit": 1000000, "per": "ever", "unit": "vectors", "dedicated": true},
            "hybrid_search": {"max_latency_ms": 10},
            "vector_snapshots": {"snapshots": 7},
            "api_access": {"requests_per_minute": 600}
        },
        "GPU Compute": {
            "gpu_hours": {"limit": 50, "unit": "hours", "priority": true},
            "gpu_models": {"models": ["A100", "H100"]},
            "container_images": {"images": 20},
            "job_scheduler": {"jobs": 10},
            "api_access": {"requests_per_minute": 120}
        }
    }';
BEGIN
    WITH given (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url, features) AS MATERIALIZED (
        SELECT a.id::uuid, a.name, a.description, a.category, a.base_price, a.billing_type, a.is_featured, a.sort_order, a.version,
               a.icon_url, (SELECT jsonb_agg(key ORDER BY key) FROM jsonb_object_keys(catalog_features -> a.name) key)
          FROM (VALUES
            ('a0000000-0000-4000-8000-000000000001', 'Unicorn Orator (TTS)',
             'Text to speech in 30 languages, with natural voices and streaming.',
             'ai-services', 9.99, 'monthly', true, 10, '2.1', '/icons/orator.svg'),
            ('a0000000-0000-4000-8000-000000000002', 'Amanuensis (STT)',
             'Speech to text with 95% accuracy, speaker labels and time stamps.',
             'ai-services', 9.99, 'monthly', false, 20, '1.8', '/icons/amanuensis.svg'),
            ('a0000000-0000-4000-8000-000000000003', 'Brigade',
             'Agent platform: run up to 10 agents that share tools and memory.',
             'ai-services', 19.99, 'monthly', true, 30, '3.0', '/icons/brigade.svg'),
            ('a0000000-0000-4000-8000-000000000004', 'Bolt',
             'AI development environment with completion, review and GPU hours.',
             'development', 14.99, 'monthly', false, 40, '1.4', '/icons/bolt.svg'),
            ('a0000000-0000-4000-8000-000000000005', 'Presenton',
             'Presentation builder with 100 templates and brand kits.',
             'productivity', 9.99, 'monthly', false, 50, '1.2', '/icons/presenton.svg'),
            ('a0000000-0000-4000-8000-000000000006', 'Center-Deep Pro',
             'Semantic search over your documents, with a vector database behind it.',
             'analytics', 19.99, 'monthly', true, 60, '2.0', '/icons/center-deep.svg'),
            ('a0000000-0000-4000-8000-000000000007', 'Document Processing',
             'OCR, tables and forms for 5,000 pages a month.',
             'productivity', 12.99, 'monthly', false, 70, '1.5', '/icons/documents.svg'),
            ('a0000000-0000-4000-8000-000000000008', 'Vector Search',
             'Similarity search over a million vectors that answers in under 10 ms.',
             'infrastructure', 14.99, 'monthly', false, 80, '1.1', '/icons/vectors.svg'),
            ('a0000000-0000-4000-8000-000000000009', 'GPU Compute',
             'A100 and H100 by the hour: 50 GPU hours a month.',
             'infrastructure', 49.99, 'monthly', false, 90, '1.0', '/icons/gpu.svg')
          ) a (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url)
    ), written AS (
        INSERT INTO @extschema@.add_ons AS t (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url, features)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_ons t WHERE t.id = g.id OR t.name = g.name))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_ons', inserted + swallowed, inserted);
    object := 'add_ons';
    RETURN NEXT;

    WITH given (add_on_id, feature_key, configuration) AS MATERIALIZED (
        SELECT a.id, f.key, f.value
          FROM jsonb_each(catalog_features) of_add_on
          JOIN @extschema@.add_ons a ON a.name = of_add_on.key
         CROSS JOIN jsonb_each(of_add_on.value) f
    ), written AS (
        INSERT INTO @extschema@.add_on_features AS t (add_on_id, feature_key, configuration)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.add_on_id, t.feature_key
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.add_on_id = g.add_on_id AND w.feature_key = g.feature_key)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_on_features t WHERE t.add_on_id = g.add_on_id AND t.feature_key = g.feature_key))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_on_features', inserted + swallowed, inserted);
    object := 'add_on_features';
    RETURN NEXT;

    WITH given (id, name, description, add_on_ids, discount_percent) AS MATERIALIZED (
        SELECT b.id::uuid, b.name, b.description, array_agg(a.id ORDER BY a.sort_order, a.id), b.discount_percent
          FROM (VALUES
            ('b0000000-0000-4000-8000-000000000001', 'AI Productivity', 'Speak, listen and present.', 15,
             ARRAY['Unicorn Orator (TTS)', 'Amanuensis (STT)', 'Presenton']),
            ('b0000000-0000-4000-8000-000000000002', 'Developer Pro', 'Agents, a place to build them and vectors to search.', 20,
             ARRAY['Brigade', 'Bolt', 'Vector Search']),
            ('b0000000-0000-4000-8000-000000000003', 'Enterprise Suite', 'Everything.', 25,
             ARRAY['Unicorn Orator (TTS)', 'Amanuensis (STT)', 'Brigade', 'Bolt', 'Presenton', 'Center-Deep Pro',
                   'Document Processing', 'Vector Search', 'GPU Compute']),
            ('b0000000-0000-4000-8000-000000000004', 'Knowledge Base', 'Read documents and find what they say.', 10,
             ARRAY['Center-Deep Pro', 'Document Processing'])
          ) b (id, name, description, discount_percent, add_on_names)
          JOIN @extschema@.add_ons a ON a.name = ANY (b.add_on_names)
         GROUP BY b.id, b.name, b.description, b.discount_percent, b.add_on_names
        HAVING count(*) = cardinality(b.add_on_names)
    ), written AS (
        INSERT INTO @extschema@.add_on_bundles AS t (id, name, description, add_on_ids, discount_percent)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_on_bundles t WHERE t.id = g.id OR t.name = g.name))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_on_bundles', inserted + swallowed, inserted);
    object := 'add_on_bundles';
    RETURN NEXT;

    WITH given (id, code, description, discount_type, discount_value, max_uses, expires_at, user_restrictions) AS MATERIALIZED (
        VALUES
            ('c0000000-0000-4000-8000-000000000001'::uuid, 'LAUNCH2025', 'Launch offer', 'percentage', 20, 100,
             now() + interval '30 days', '{}'::jsonb),
            ('c0000000-0000-4000-8000-000000000002', 'FIRSTBUY', 'For the first purchase', 'percentage', 15, NULL,
             now() + interval '90 days', '{"first_purchase_only": true}'),
            ('c0000000-0000-4000-8000-000000000003', 'FRIEND50', 'From a friend', 'fixed_amount', 5, 1000,
             now() + interval '60 days', '{}'),
            ('c0000000-0000-4000-8000-000000000004', 'VIP2025', 'For founders', 'percentage', 30, 50,
             now() + interval '365 days', '{"tier": "vip_founder"}')
    ), written AS (
        INSERT INTO @extschema@.promotional_codes AS t (id, code, description, discount_type, discount_value, max_uses, expires_at, user_restrictions)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.promotional_codes t WHERE t.id = g.id OR t.code = g.code))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('promotional_codes', inserted + swallowed, inserted);
    object := 'promotional_codes';
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._load_sample_catalog_body() IS
'What load_sample_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.load_sample_catalog() RETURNS TABLE (object text, inserted bigint)
LANGUAGE c SECURITY DEFINER COST 100000 ROWS 4 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.load_sample_catalog() IS
'Inserts nine add-ons with their features, four bundles and four promotional codes, to experiment with. Existing rows are not changed.
Arguments: none.
Returns: for each table, how many rows were inserted: none when run again.
Errors: 55000 row_swallowed.';

SET LOCAL search_path = @extschema@, pg_temp;
