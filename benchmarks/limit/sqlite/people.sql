-- Sync the people file: cu*, a key, and a match by employee_id.
-- Left out: what this file cannot ask for (rule A4's displaced objects, several matches, empty cells).
-- CROSS JOIN and LEFT JOIN keep the table of the file outermost; else SQLite may scan it once for each object.

CREATE TEMPORARY TABLE staging (
    external_key text NOT NULL,
    action_flags text,
    match_on text,
    employee_id text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    age integer,
    email text NOT NULL
);

INSERT INTO staging VALUES (?, ?, ?, ?, ?, ?, ?, ?);

INSERT INTO nsync_externalsystem (name, description) VALUES ('HR', 'HR') ON CONFLICT (name) DO NOTHING;

-- The linked object, else the matched one, else a new one.
CREATE TEMPORARY TABLE found AS
SELECT staging.*, mapping.id AS mapping_id, linked.id AS linked_id, coalesce(linked.id, matched.id) IS NULL AS is_new,
    coalesce(
        linked.id, matched.id,
        staging.rowid + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'benchmarks_person'), 0)
    ) AS object_id
FROM staging
LEFT JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'person')
LEFT JOIN benchmarks_person AS linked ON linked.id = CAST(mapping.object_id AS integer)
LEFT JOIN benchmarks_person AS matched ON matched.employee_id = staging.employee_id;

INSERT INTO benchmarks_person (id, employee_id, first_name, last_name, age, email)
SELECT object_id, employee_id, first_name, last_name, age, email FROM found WHERE is_new;

CREATE TEMPORARY TABLE changed AS
SELECT found.object_id, found.employee_id, found.first_name, found.last_name, found.age, found.email
FROM found
CROSS JOIN benchmarks_person AS person ON person.id = found.object_id
WHERE NOT found.is_new
    AND (person.employee_id, person.first_name, person.last_name, person.age, person.email)
    IS NOT (found.employee_id, found.first_name, found.last_name, found.age, found.email);

UPDATE benchmarks_person
SET employee_id = changed.employee_id, first_name = changed.first_name, last_name = changed.last_name,
    age = changed.age, email = changed.email
FROM changed
WHERE benchmarks_person.id = changed.object_id;

INSERT INTO nsync_externalkeymapping (external_system_id, content_type_id, external_key, object_id)
SELECT system.id, type.id, found.external_key, CAST(found.object_id AS text)
FROM nsync_externalsystem AS system
CROSS JOIN django_content_type AS type
CROSS JOIN found
WHERE found.mapping_id IS NULL
    AND system.name = 'HR' AND type.app_label = 'benchmarks' AND type.model = 'person';

-- Mappings whose object is gone are pointed anew.
UPDATE nsync_externalkeymapping
SET object_id = CAST(stale.object_id AS text)
FROM (SELECT mapping_id, object_id FROM found WHERE mapping_id IS NOT NULL AND linked_id IS NULL) AS stale
WHERE nsync_externalkeymapping.id = stale.mapping_id;

DROP TABLE changed;

DROP TABLE found;

DROP TABLE staging;
