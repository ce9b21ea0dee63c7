-- SQL specific to PostgreSQL; see `store/reading.sql` and `store/writing.sql`.

-- name: date_of_scene
-- RFC 3339 without trailing zeros; null without a date
rtrim(rtrim(to_char(s.acquired, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'

-- name: tags_of_scene
s.data::json ->> 'tags'

-- name: orbit_of_scene
s.data::json #>> '{tags,relativeOrbit}'

-- name: step_of_event
-- $2 start, $3 length of a step in microseconds
floor(extract(epoch FROM time - $2::timestamp) * 1000000 / $3)

-- name: code_of_scene_status
-- ordinal in `Status`
(array_position(ARRAY['NEW', 'PENDING', 'DONE', 'RETRY', 'FAILED'], s.status) - 1)::smallint

-- name: code_of_tile_status
(array_position(ARRAY['NEW', 'PENDING', 'DONE', 'RETRY', 'FAILED'], t.status) - 1)::smallint

-- name: status_type
text

-- name: kind_type
text

-- name: aoi_columns
SELECT a.id, a.name, w.of, w.status, w.items
FROM aoi AS a LEFT JOIN workload AS w ON w.aoi = a.id AND w.items <> 0

-- name: aois_with_workloads
{{aoi_columns}} ORDER BY a.id

-- name: aoi_with_workload
{{aoi_columns}} WHERE a.name = $1

-- name: topology_version
SELECT shape FROM aoi WHERE id = $1

-- name: lock_writer
SELECT changes FROM turn FOR UPDATE

-- name: bump_version
UPDATE turn SET changes = $1

-- name: notify
SELECT pg_notify('workflow_monitor', $1)

-- name: create_aoi
INSERT INTO aoi (id, name, created) VALUES ($1, $2, $3)

-- name: set_aoi_statuses
UPDATE aoi SET status = new.status
FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS status) AS new
WHERE aoi.id = new.id AND aoi.status IS DISTINCT FROM new.status

-- name: bump_topology_versions
UPDATE aoi SET shape = shape + 1 WHERE id = ANY ($1::bigint[])

-- name: without_own_fields
-- removes the fields that the Geocube ingester does not have
- ARRAY['uuid', 'tags', 'geometry', 'wkt']

-- name: insert_scenes
INSERT INTO scene (id, aoi, source_id, status, message, countdown, attempt, job, acquired, document, geometry,
                   footprint, geometry_origin, geometry_note, aoi_name, attributes)
SELECT new_rows.*, aoi.name, new_rows.document::jsonb {{without_own_fields}}
FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS aoi, unnest($3::text[]), unnest($4::text[]),
             unnest($5::text[]), unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]),
             unnest($9::timestamp[]), unnest($10::text[]) AS document, unnest($11::text[]), unnest($12::bytea[]),
             unnest($13::text[]), unnest($14::text[])) AS new_rows
JOIN aoi ON aoi.id = new_rows.aoi

-- name: insert_tiles
INSERT INTO tile (id, aoi, scene, source_id, previous, reference, status, message, countdown, attempt, job,
                  attributes, geometry, footprint, geometry_origin, geometry_note)
SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::text[]), unnest($5::bigint[]),
       unnest($6::bigint[]), unnest($7::text[]), unnest($8::text[]), unnest($9::bigint[]), unnest($10::bigint[]),
       unnest($11::bigint[]), unnest($12::text[])::jsonb, unnest($13::text[]), unnest($14::bytea[]),
       unnest($15::text[]), unnest($16::text[])

-- name: advance_sequences
-- the sequences from which the server of the Geocube assigns ids
SELECT setval('scene_nid_seq', greatest($1, s.last_value)), setval('tile_nid_seq', greatest($2, t.last_value))
FROM scene_nid_seq AS s, tile_nid_seq AS t

-- name: set_scene_data
-- a footprint from a catalogue stays unless the new data contain a footprint
UPDATE scene SET
    document = $2::text, attributes = $2::text::jsonb {{without_own_fields}}, acquired = $3,
    geometry = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry ELSE $4 END,
    footprint = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN footprint ELSE $5 END,
    geometry_note = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry_note ELSE $7 END,
    geometry_origin = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry_origin ELSE $6 END
WHERE id = $1

-- name: set_tile_data
UPDATE tile SET attributes = $2::text::jsonb WHERE id = $1

-- Lists.

-- name: scene_ids
SELECT id FROM scene WHERE aoi = ANY ($1::bigint[]) AND status = ANY ($2::text[]) ORDER BY id LIMIT $3 OFFSET $4

-- name: tile_ids
SELECT id FROM tile WHERE aoi = ANY ($1::bigint[]) AND status = ANY ($2::text[]) ORDER BY id LIMIT $3 OFFSET $4

-- name: scenes_chosen
s.aoi = ANY ($1::bigint[]) AND s.status = ANY ($2::text[]) AND s.id BETWEEN $3 AND $4

-- name: tiles_chosen
t.aoi = ANY ($1::bigint[]) AND t.status = ANY ($2::text[]) AND t.id BETWEEN $3 AND $4
