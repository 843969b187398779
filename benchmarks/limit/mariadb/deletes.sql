-- Sync the file of deletes: d, with a key and no match. An object that another key means is kept (rule A6).

CREATE TEMPORARY TABLE staging (
    external_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
    action_flags varchar(10)
);

LOAD DATA LOCAL INFILE %s INTO TABLE staging CHARACTER SET utf8mb4
FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\n' IGNORE 1 LINES;

CREATE TEMPORARY TABLE gone AS
SELECT mapping.id AS mapping_id, mapping.content_type_id, mapping.object_id,
    CAST(mapping.object_id AS unsigned) AS person_id
FROM staging
STRAIGHT_JOIN nsync_externalkeymapping AS mapping
    ON mapping.external_key = staging.external_key
    AND mapping.external_system_id = (SELECT id FROM nsync_externalsystem WHERE name = 'HR')
    AND mapping.content_type_id =
        (SELECT id FROM django_content_type WHERE app_label = 'benchmarks' AND model = 'person');

-- The mapping goes in any case.
DELETE mapping FROM gone STRAIGHT_JOIN nsync_externalkeymapping AS mapping ON mapping.id = gone.mapping_id;

DELETE gone FROM gone
STRAIGHT_JOIN nsync_externalkeymapping AS mapping
    ON mapping.content_type_id = gone.content_type_id AND mapping.object_id = gone.object_id;

-- on_delete=SET_NULL is Django's, not the database's.
UPDATE gone STRAIGHT_JOIN benchmarks_house AS house ON house.owner_id = gone.person_id SET house.owner_id = NULL;

DELETE person FROM gone STRAIGHT_JOIN benchmarks_person AS person ON person.id = gone.person_id;

DROP TEMPORARY TABLE gone;

DROP TEMPORARY TABLE staging;
