-- Tables of a Geocube ingester. The additions in `schema.sql` leave these columns unchanged.

-- name: create_tables
CREATE SEQUENCE scene_nid_seq AS integer;
CREATE SEQUENCE tile_nid_seq AS integer;

CREATE TABLE aoi (
    id text NOT NULL UNIQUE,
    status text DEFAULT 'NEW'
);

CREATE TABLE scene (
    id integer PRIMARY KEY DEFAULT nextval('scene_nid_seq'),
    aoi_id text REFERENCES aoi (id) ON DELETE CASCADE,
    status text,
    message text DEFAULT '',
    source_id text,
    data jsonb,
    retry_countdown integer DEFAULT 0
);
CREATE INDEX ON scene (aoi_id);

CREATE TABLE tile (
    id integer PRIMARY KEY DEFAULT nextval('tile_nid_seq'),
    scene_id integer REFERENCES scene (id) ON DELETE CASCADE,
    status text,
    message text DEFAULT '',
    prev integer REFERENCES tile (id),
    ref integer REFERENCES tile (id),
    source_id text,
    data jsonb,
    retry_countdown integer DEFAULT 0,
    UNIQUE (source_id, scene_id)
);
CREATE INDEX ON tile (scene_id);
CREATE INDEX ON tile (prev);
CREATE INDEX ON tile (ref);

ALTER SEQUENCE scene_nid_seq OWNED BY scene.id;
ALTER SEQUENCE tile_nid_seq OWNED BY tile.id

-- name: find_columns
-- the columns of the tables, to be compared with the required ones
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = ANY (current_schemas(false)) AND table_name IN ('aoi', 'scene', 'tile')

-- Rows of the ingester under the names of `schema.sql`, for read-only stores on a database without the additions.
-- `tables` is put in front of a statement.

-- name: aoi_number
-- id of an AOI: a hash of its name, because a read-only store cannot assign one
(hashtextextended(aoi_id, 0) & 9223372036854775807)

-- name: tables
WITH aoi AS NOT MATERIALIZED (
    SELECT (hashtextextended(id, 0) & 9223372036854775807) AS id, id AS name, NULL::bigint AS shape FROM aoi
), tile AS NOT MATERIALIZED (
    SELECT tile.id, {{aoi_number}} AS aoi, tile.scene_id AS scene, tile.source_id, tile.prev AS previous,
           tile.ref AS reference, tile.status, coalesce(tile.message, '') AS message,
           coalesce(tile.retry_countdown, 0) AS countdown, 0 AS attempt, NULL::bigint AS job,
           concat({{tile_data_from_jsonb}}) AS data, NULL::text AS geometry, NULL::bytea AS footprint,
           NULL::text AS geometry_origin, NULL::text AS geometry_note
    FROM tile JOIN scene ON scene.id = tile.scene_id
), scene AS NOT MATERIALIZED (
    SELECT id, {{aoi_number}} AS aoi, source_id, status, coalesce(message, '') AS message,
           coalesce(retry_countdown, 0) AS countdown, 0 AS attempt, NULL::bigint AS job, {{acquired}} AS acquired,
           concat({{scene_data_from_jsonb}}) AS data, NULL::text AS geometry, NULL::bytea AS footprint,
           NULL::text AS geometry_origin, NULL::text AS geometry_note
    FROM scene
), workload AS NOT MATERIALIZED (
    SELECT aoi, 'scenes' AS of, status, count(*) AS items FROM scene GROUP BY aoi, status
    UNION ALL
    SELECT aoi, 'tiles', status, count(*) FROM tile GROUP BY aoi, status
    UNION ALL
    SELECT tile.aoi, 'tiles of done scenes', tile.status, count(*)
    FROM tile JOIN scene ON scene.id = tile.scene WHERE scene.status = 'DONE' GROUP BY tile.aoi, tile.status
), job AS (
    SELECT 0::bigint AS id, '' AS kind, 0::bigint AS item, 0::bigint AS aoi, 0 AS attempt, NULL::bigint AS previous,
           NULL::bigint AS reference, NULL::timestamp AS published, NULL::timestamp AS withdrawn, NULL::text AS lease,
           NULL::text AS worker, NULL::timestamp AS expires
    WHERE false
), event AS (
    SELECT 0::bigint AS seq, NULL::timestamp AS time, 0::bigint AS aoi, '' AS type, 0::bigint AS item,
           NULL::text AS before, NULL::text AS after, '' AS cause, '' AS who, '' AS message, 0 AS attempt,
           0 AS countdown, NULL::bigint AS previous, NULL::bigint AS reference, NULL::text AS aoi_name
    WHERE false
)

-- The data columns as JSON, in the field order of the documents; lists of parts for `concat`.

-- name: scene_data_from_jsonb
'{"date":', coalesce(scene.data -> 'date', '"0001-01-01T00:00:00Z"'),
CASE WHEN jsonb_typeof(scene.data -> 'tiles') = 'object' AND scene.data -> 'tiles' <> '{}'
     THEN concat(',"tiles":', scene.data -> 'tiles') END,
',"graph_name":', coalesce(scene.data -> 'graph_name', '""'),
',"graph_config":', coalesce(scene.data -> 'graph_config', 'null'),
',"record_id":', coalesce(scene.data -> 'record_id', '""'),
CASE WHEN jsonb_typeof(scene.data -> 'instances_id') = 'object' AND scene.data -> 'instances_id' <> '{}'
     THEN concat(',"instances_id":', scene.data -> 'instances_id') END,
',"metadata":', coalesce(scene.data -> 'metadata', 'null'),
',"is_retriable":', coalesce(scene.data -> 'is_retriable', 'false'),
',"storage_uri":', coalesce(scene.data -> 'storage_uri', '""'), '}'

-- name: tile_data_from_jsonb
'{"swath_id":', coalesce(tile.data -> 'swath_id', '""'), ',"tile_nr":', coalesce(tile.data -> 'tile_nr', '0'),
',"graph_name":', coalesce(tile.data -> 'graph_name', '""'),
',"is_retriable":', coalesce(tile.data -> 'is_retriable', 'false'), '}'

-- name: acquired
-- acquisition date of a scene, UTC; null for the year 1, which stands for a missing date
CASE WHEN scene.data ->> 'date' ~ '^(?!000[01])\d{4}-\d\d-\d\dT\d\d?:\d\d'
     THEN (translate(scene.data ->> 'date', ',', '.'))::timestamptz AT TIME ZONE 'UTC' END
