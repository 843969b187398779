-- Sync the houses file: cu*, a key, a match by address, and owner=>employee_id. An owner that is not found is left out.
-- CROSS JOIN and LEFT JOIN keep the table of the file outermost; else SQLite may scan it once for each object.

CREATE TEMPORARY TABLE staging (
    external_key text NOT NULL,
    action_flags text,
    match_on text,
    address text NOT NULL,
    floors integer,
    owner_employee_id text
);

INSERT INTO staging VALUES (?, ?, ?, ?, ?, ?);

INSERT INTO nsync_externalsystem (name, description) VALUES ('HR', 'HR') ON CONFLICT (name) DO NOTHING;

-- The linked object, else the matched one, else a new one; and its owner.
CREATE TEMPORARY TABLE found AS
SELECT staging.*, owner.id AS owner_id,
    mapping.id AS mapping_id, linked.id AS linked_id, coalesce(linked.id, matched.id) IS NULL AS is_new,
    coalesce(
        linked.id, matched.id,
        staging.rowid + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'benchmarks_house'), 0)
    ) AS object_id
FROM staging
LEFT JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'house')
LEFT JOIN benchmarks_house AS linked ON linked.id = CAST(mapping.object_id AS integer)
LEFT JOIN benchmarks_house AS matched ON matched.address = staging.address
LEFT JOIN benchmarks_person AS owner ON owner.employee_id = staging.owner_employee_id;

INSERT INTO benchmarks_house (id, address, floors, owner_id)
SELECT object_id, address, floors, owner_id FROM found WHERE is_new;

CREATE TEMPORARY TABLE changed AS
SELECT found.object_id, found.address, found.floors, coalesce(found.owner_id, house.owner_id) AS owner_id
FROM found
CROSS JOIN benchmarks_house AS house ON house.id = found.object_id
WHERE NOT found.is_new
    AND (house.address, house.floors, house.owner_id)
    IS NOT (found.address, found.floors, coalesce(found.owner_id, house.owner_id));

UPDATE benchmarks_house
SET address = changed.address, floors = changed.floors, owner_id = changed.owner_id
FROM changed
WHERE benchmarks_house.id = changed.object_id;

INSERT INTO nsync_externalkeymapping (external_system_id, content_type_id, external_key, object_id)
SELECT system.id, type.id, found.external_key, CAST(found.object_id AS text)
FROM nsync_externalsystem AS system
CROSS JOIN django_content_type AS type
CROSS JOIN found
WHERE found.mapping_id IS NULL
    AND system.name = 'HR' AND type.app_label = 'benchmarks' AND type.model = 'house';

-- Mappings whose object is gone are pointed anew.
UPDATE nsync_externalkeymapping
SET object_id = CAST(stale.object_id AS text)
FROM (SELECT mapping_id, object_id FROM found WHERE mapping_id IS NOT NULL AND linked_id IS NULL) AS stale
WHERE nsync_externalkeymapping.id = stale.mapping_id;

DROP TABLE changed;

DROP TABLE found;

DROP TABLE staging;
