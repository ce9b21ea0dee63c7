-- Additions to the tables of a Geocube ingester: a separate schema, and columns that start with wm_.
-- They are made in steps; `undo` removes all of them.

-- name: step_1
CREATE SCHEMA workflow_monitor;
CREATE TABLE workflow_monitor.schema_version (version bigint NOT NULL);

ALTER TABLE aoi
    ADD COLUMN wm_number bigint UNIQUE,
    ADD COLUMN wm_created timestamp,
    -- incremented when tiles are added, deleted, linked again or get another date
    ADD COLUMN wm_shape bigint NOT NULL DEFAULT 0;

ALTER TABLE scene
    ADD COLUMN wm_aoi bigint,
    ADD COLUMN wm_attempt bigint NOT NULL DEFAULT 0,
    ADD COLUMN wm_job bigint,
    ADD COLUMN wm_acquired timestamp, -- date in `data`, UTC; null without a date
    ADD COLUMN wm_document text, -- JSON: `data` with the fields that the ingester does not have; null if there are none
    ADD COLUMN wm_geometry text, -- footprint as GeoJSON, longitude and latitude
    ADD COLUMN wm_footprint bytea, -- footprint as WKB
    ADD COLUMN wm_geometry_origin text,
    ADD COLUMN wm_geometry_note text;

ALTER TABLE tile
    ADD COLUMN wm_aoi bigint,
    ADD COLUMN wm_attempt bigint NOT NULL DEFAULT 0,
    ADD COLUMN wm_job bigint,
    ADD COLUMN wm_geometry text,
    ADD COLUMN wm_footprint bytea,
    ADD COLUMN wm_geometry_origin text,
    ADD COLUMN wm_geometry_note text;

-- one row: the writer locks it; `changes` counts the transactions with changes
CREATE TABLE workflow_monitor.turn (changes bigint NOT NULL) WITH (fillfactor = 10);

-- greatest ids of deleted and pruned rows, so that ids are never reused
CREATE TABLE workflow_monitor.used_numbers (
    aoi bigint NOT NULL,
    scene bigint NOT NULL,
    tile bigint NOT NULL,
    seq bigint NOT NULL
);

-- counts of scenes and tiles of each AOI by status
CREATE TABLE workflow_monitor.workload (
    aoi bigint NOT NULL,
    of text NOT NULL, -- 'scenes', 'tiles', 'tiles of done scenes'
    status text NOT NULL,
    items bigint NOT NULL,
    PRIMARY KEY (aoi, of, status)
);

-- dispatches of items: the outbox, and the queue from which workers lease
CREATE TABLE workflow_monitor.job (
    id bigint PRIMARY KEY, -- seq of the event that published the job
    kind text NOT NULL,
    item bigint NOT NULL,
    aoi bigint NOT NULL,
    attempt bigint NOT NULL,
    previous bigint,
    reference bigint,
    published timestamp NOT NULL,
    withdrawn timestamp, -- time at which its item changed status; workers must not start it any more
    lease text,
    worker text,
    expires timestamp,
    pgq bigint -- id of its row in pgq_jobs
);

-- history: one row per change, with the fields of the item after it
CREATE TABLE workflow_monitor.event (
    seq bigint PRIMARY KEY,
    time timestamp NOT NULL,
    aoi bigint NOT NULL,
    type text NOT NULL, -- 'aoi', 'scene', 'tile'
    item bigint NOT NULL,
    before text,
    after text,
    cause text NOT NULL,
    who text NOT NULL,
    message text NOT NULL,
    attempt bigint NOT NULL,
    countdown bigint NOT NULL,
    previous bigint,
    reference bigint,
    aoi_name text -- only for type 'aoi': these events remain after the AOI is deleted
);

{{adopt_existing_rows}};

CREATE INDEX wm_scene_status ON scene (wm_aoi, status);
CREATE INDEX wm_scene_acquired ON scene (wm_aoi, wm_acquired);
-- names may exceed the size limit of a B-tree entry
CREATE INDEX wm_scene_name ON scene USING hash (source_id);
CREATE INDEX wm_tile_status ON tile (wm_aoi, status);
CREATE INDEX wm_tile_root ON tile (wm_aoi) WHERE prev IS NULL AND ref IS NULL;
CREATE INDEX job_waiting ON workflow_monitor.job (kind, id) WHERE withdrawn IS NULL AND lease IS NULL;
CREATE INDEX job_leased ON workflow_monitor.job (expires) WHERE withdrawn IS NULL AND lease IS NOT NULL;
CREATE INDEX job_out ON workflow_monitor.job (item) WHERE withdrawn IS NULL;
CREATE INDEX job_aoi ON workflow_monitor.job (aoi);
CREATE INDEX job_withdrawn ON workflow_monitor.job (withdrawn) WHERE withdrawn IS NOT NULL;
CREATE INDEX event_aoi ON workflow_monitor.event (aoi, seq);
CREATE INDEX event_item ON workflow_monitor.event (item, type);
CREATE INDEX event_failed ON workflow_monitor.event (aoi) WHERE after IN ('RETRY', 'FAILED');
CREATE INDEX event_time ON workflow_monitor.event USING brin (time);

-- views with the names of `reading.sql` and `writing.sql`; updatable except for `data`
CREATE VIEW workflow_monitor.aoi AS
SELECT wm_number AS id, id AS name, wm_created AS created, status, wm_shape AS shape
FROM aoi WHERE wm_number IS NOT NULL;

CREATE VIEW workflow_monitor.scene AS
SELECT id, wm_aoi AS aoi, source_id, status, message, retry_countdown AS countdown, wm_attempt AS attempt,
       wm_job AS job, wm_acquired AS acquired, coalesce(wm_document, concat({{scene_data_from_jsonb}})) AS data,
       wm_geometry AS geometry, wm_footprint AS footprint, wm_geometry_origin AS geometry_origin,
       wm_geometry_note AS geometry_note, aoi_id AS aoi_name, wm_document AS document, data AS attributes
FROM scene WHERE wm_aoi IS NOT NULL;

CREATE VIEW workflow_monitor.tile AS
SELECT id, wm_aoi AS aoi, scene_id AS scene, source_id, prev AS previous, ref AS reference, status, message,
       retry_countdown AS countdown, wm_attempt AS attempt, wm_job AS job, concat({{tile_data_from_jsonb}}) AS data,
       wm_geometry AS geometry, wm_footprint AS footprint, wm_geometry_origin AS geometry_origin,
       wm_geometry_note AS geometry_note, data AS attributes
FROM tile WHERE wm_aoi IS NOT NULL

-- Fills the added columns for existing rows, and dispatches PENDING items.

-- name: adopt_existing_rows
UPDATE aoi SET wm_number = numbered.number, wm_created = timezone('UTC', now())
FROM (SELECT id, row_number() OVER (ORDER BY id COLLATE "C") AS number FROM aoi) AS numbered
WHERE numbered.id = aoi.id;

WITH out AS (
    SELECT 'scene' AS kind, id FROM scene WHERE status = 'PENDING'
    UNION ALL
    SELECT 'tile', id FROM tile WHERE status = 'PENDING'
), numbered AS (
    SELECT kind, id, row_number() OVER (ORDER BY kind, id) AS job FROM out
), scenes AS (
    UPDATE scene SET wm_aoi = aoi.wm_number, wm_acquired = {{acquired}}, wm_job = job.job,
                     wm_attempt = CASE WHEN job.job IS NULL THEN 0 ELSE 1 END
    FROM scene AS old JOIN aoi ON aoi.id = old.aoi_id LEFT JOIN numbered AS job ON job.kind = 'scene' AND job.id = old.id
    WHERE old.id = scene.id
    RETURNING scene.id, scene.wm_aoi, scene.wm_job
), tiles AS (
    UPDATE tile SET wm_aoi = aoi.wm_number, wm_job = job.job,
                    wm_attempt = CASE WHEN job.job IS NULL THEN 0 ELSE 1 END
    FROM tile AS old JOIN scene ON scene.id = old.scene_id JOIN aoi ON aoi.id = scene.aoi_id
    LEFT JOIN numbered AS job ON job.kind = 'tile' AND job.id = old.id
    WHERE old.id = tile.id
    RETURNING tile.id, tile.wm_aoi, tile.wm_job, tile.prev, tile.ref
)
INSERT INTO workflow_monitor.job (id, kind, item, aoi, attempt, previous, reference, published)
SELECT wm_job, 'scene', id, wm_aoi, 1, NULL, NULL, timezone('UTC', now()) FROM scenes WHERE wm_job IS NOT NULL
UNION ALL
SELECT wm_job, 'tile', id, wm_aoi, 1, prev, ref, timezone('UTC', now()) FROM tiles WHERE wm_job IS NOT NULL;

INSERT INTO workflow_monitor.workload
SELECT aoi.wm_number, part.of, each.status, 0
FROM aoi, unnest(ARRAY['scenes', 'tiles', 'tiles of done scenes']) AS part (of),
     unnest(ARRAY['NEW', 'PENDING', 'DONE', 'RETRY', 'FAILED']) AS each (status);

UPDATE workflow_monitor.workload SET items = counted.items
FROM (
    SELECT wm_aoi AS aoi, 'scenes' AS of, status, count(*) AS items FROM scene GROUP BY wm_aoi, status
    UNION ALL
    SELECT wm_aoi, 'tiles', status, count(*) FROM tile GROUP BY wm_aoi, status
    UNION ALL
    SELECT tile.wm_aoi, 'tiles of done scenes', tile.status, count(*)
    FROM tile JOIN scene ON scene.id = tile.scene_id WHERE scene.status = 'DONE' GROUP BY tile.wm_aoi, tile.status
) AS counted
WHERE counted.aoi = workload.aoi AND counted.of = workload.of AND counted.status = workload.status;

INSERT INTO workflow_monitor.turn VALUES (0);
INSERT INTO workflow_monitor.used_numbers
SELECT coalesce((SELECT max(wm_number) FROM aoi), 0),
       greatest(coalesce((SELECT max(id) FROM scene), 0),
                (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM scene_nid_seq)),
       greatest(coalesce((SELECT max(id) FROM tile), 0),
                (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tile_nid_seq)),
       coalesce((SELECT max(id) FROM workflow_monitor.job), 0)

-- name: undo
DROP SCHEMA workflow_monitor CASCADE;
DROP INDEX wm_scene_status, wm_scene_acquired, wm_scene_name, wm_tile_status, wm_tile_root;
ALTER TABLE aoi DROP COLUMN wm_number, DROP COLUMN wm_created, DROP COLUMN wm_shape;
ALTER TABLE scene
    DROP COLUMN wm_aoi, DROP COLUMN wm_attempt, DROP COLUMN wm_job, DROP COLUMN wm_acquired, DROP COLUMN wm_document,
    DROP COLUMN wm_geometry, DROP COLUMN wm_footprint, DROP COLUMN wm_geometry_origin, DROP COLUMN wm_geometry_note;
ALTER TABLE tile
    DROP COLUMN wm_aoi, DROP COLUMN wm_attempt, DROP COLUMN wm_job, DROP COLUMN wm_geometry,
    DROP COLUMN wm_footprint, DROP COLUMN wm_geometry_origin, DROP COLUMN wm_geometry_note
