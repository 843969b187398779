-- Sync the people file: cu*, a key, and a match by employee_id.
-- Left out: what this file cannot ask for (rule A4's displaced objects, several matches, empty cells).

CREATE TEMPORARY TABLE staging (
    external_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
    action_flags varchar(10),
    match_on varchar(100),
    employee_id varchar(20) NOT NULL,
    first_name varchar(50) NOT NULL,
    last_name varchar(50) NOT NULL,
    age integer,
    email varchar(100) NOT NULL
);

LOAD DATA LOCAL INFILE %s INTO TABLE staging CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\n' IGNORE 1 LINES;

INSERT INTO nsync_externalsystem (name, description)
SELECT 'HR', 'HR' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM nsync_externalsystem WHERE name = 'HR');

-- The linked object, else the matched one, if there is one.
CREATE TEMPORARY TABLE found AS
SELECT staging.*, mapping.id AS mapping_id, linked.id AS linked_id, coalesce(linked.id, matched.id) AS object_id
FROM staging
LEFT JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'person')
LEFT JOIN benchmarks_person AS linked ON linked.id = CAST(mapping.object_id AS unsigned)
LEFT JOIN benchmarks_person AS matched ON BINARY matched.employee_id = staging.employee_id
    AND matched.employee_id = staging.employee_id;

INSERT INTO benchmarks_person (employee_id, first_name, last_name, age, email)
SELECT employee_id, first_name, last_name, age, email FROM found WHERE object_id IS NULL;

UPDATE found STRAIGHT_JOIN benchmarks_person AS person ON person.id = found.object_id
SET person.employee_id = found.employee_id, person.first_name = found.first_name,
    person.last_name = found.last_name, person.age = found.age, person.email = found.email
WHERE NOT (
    BINARY person.employee_id <=> found.employee_id AND BINARY person.first_name <=> found.first_name
    AND BINARY person.last_name <=> found.last_name AND person.age <=> found.age
    AND BINARY person.email <=> found.email
);

INSERT INTO nsync_externalkeymapping (external_system_id, content_type_id, external_key, object_id)
SELECT STRAIGHT_JOIN system.id, type.id, found.external_key, coalesce(found.object_id, person.id)
FROM nsync_externalsystem AS system
JOIN django_content_type AS type
JOIN found
JOIN benchmarks_person AS person ON person.employee_id = found.employee_id
WHERE found.mapping_id IS NULL
    AND system.name = 'HR' AND type.app_label = 'benchmarks' AND type.model = 'person';

-- Mappings whose object is gone are pointed anew.
UPDATE found
STRAIGHT_JOIN benchmarks_person AS person ON person.employee_id = found.employee_id
STRAIGHT_JOIN nsync_externalkeymapping AS mapping ON mapping.id = found.mapping_id
SET mapping.object_id = person.id
WHERE found.mapping_id IS NOT NULL AND found.linked_id IS NULL;

DROP TEMPORARY TABLE found;

DROP TEMPORARY TABLE staging;
