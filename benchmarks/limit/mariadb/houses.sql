-- Sync the houses file: cu*, a key, a match by address, and owner=>employee_id. An owner that is not found is left out.

CREATE TEMPORARY TABLE staging (
    external_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
    action_flags varchar(10),
    match_on varchar(100),
    address varchar(100) NOT NULL,
    floors integer,
    owner_employee_id varchar(20)
);

LOAD DATA LOCAL INFILE %s INTO TABLE staging CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\n' IGNORE 1 LINES;

INSERT INTO nsync_externalsystem (name, description)
SELECT 'HR', 'HR' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM nsync_externalsystem WHERE name = 'HR');

-- The linked object, else the matched one, if there is one; and its owner.
CREATE TEMPORARY TABLE found AS
SELECT staging.*, owner.id AS owner_id,
    mapping.id AS mapping_id, linked.id AS linked_id, coalesce(linked.id, matched.id) AS object_id
FROM staging
LEFT JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'house')
LEFT JOIN benchmarks_house AS linked ON linked.id = CAST(mapping.object_id AS unsigned)
LEFT JOIN benchmarks_house AS matched ON BINARY matched.address = staging.address
    AND matched.address = staging.address
LEFT JOIN benchmarks_person AS owner ON BINARY owner.employee_id = staging.owner_employee_id
    AND owner.employee_id = staging.owner_employee_id;

INSERT INTO benchmarks_house (address, floors, owner_id)
SELECT address, floors, owner_id FROM found WHERE object_id IS NULL;

UPDATE found STRAIGHT_JOIN benchmarks_house AS house ON house.id = found.object_id
SET house.address = found.address, house.floors = found.floors,
    house.owner_id = coalesce(found.owner_id, house.owner_id)
WHERE NOT (
    BINARY house.address <=> found.address AND house.floors <=> found.floors
    AND house.owner_id <=> coalesce(found.owner_id, house.owner_id)
);

INSERT INTO nsync_externalkeymapping (external_system_id, content_type_id, external_key, object_id)
SELECT STRAIGHT_JOIN system.id, type.id, found.external_key, coalesce(found.object_id, house.id)
FROM nsync_externalsystem AS system
JOIN django_content_type AS type
JOIN found
JOIN benchmarks_house AS house ON house.address = found.address
WHERE found.mapping_id IS NULL
    AND system.name = 'HR' AND type.app_label = 'benchmarks' AND type.model = 'house';

-- Mappings whose object is gone are pointed anew.
UPDATE found
STRAIGHT_JOIN benchmarks_house AS house ON house.address = found.address
STRAIGHT_JOIN nsync_externalkeymapping AS mapping ON mapping.id = found.mapping_id
SET mapping.object_id = house.id
WHERE found.mapping_id IS NOT NULL AND found.linked_id IS NULL;

DROP TEMPORARY TABLE found;

DROP TEMPORARY TABLE staging;
