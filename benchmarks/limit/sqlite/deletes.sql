-- Sync the file of deletes: d, with a key and no match. An object that another key means is kept (rule A6).
-- CROSS JOIN keeps the table of the file outermost; without it SQLite scans that table once for each mapping.

CREATE TEMPORARY TABLE staging (
    external_key text NOT NULL,
    action_flags text
);

INSERT INTO staging VALUES (?, ?);

CREATE TEMPORARY TABLE gone AS
SELECT mapping.id AS mapping_id, mapping.content_type_id, mapping.object_id
FROM staging
CROSS JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'person');

-- The mapping goes in any case.
DELETE FROM nsync_externalkeymapping WHERE id IN (SELECT mapping_id FROM gone);

DELETE FROM gone
WHERE EXISTS (
    SELECT 1 FROM nsync_externalkeymapping AS mapping
    WHERE mapping.content_type_id = gone.content_type_id AND mapping.object_id = gone.object_id
);

-- on_delete=SET_NULL is Django's, not the database's.
UPDATE benchmarks_house SET owner_id = NULL WHERE owner_id IN (SELECT CAST(object_id AS integer) FROM gone);

DELETE FROM benchmarks_person WHERE id IN (SELECT CAST(object_id AS integer) FROM gone);

DROP TABLE gone;

DROP TABLE staging;
