-- SQL specific to DuckDB; see `store/reading.sql` and `store/writing.sql`.

-- name: date_of_scene
-- RFC 3339 without trailing zeros; null without a date
rtrim(rtrim(strftime(s.acquired, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || 'Z'

-- name: tags_of_scene
json_extract(s.data, '$.tags')::VARCHAR

-- name: orbit_of_scene
json_extract_string(s.data, '$.tags.relativeOrbit')

-- name: step_of_event
-- $2 start, $3 length of a step in microseconds
(epoch_us(time) - epoch_us($2::TIMESTAMP)) // $3

-- name: code_of_scene_status
-- ordinal in `Status`
enum_code(s.status)

-- name: code_of_tile_status
enum_code(t.status)

-- name: status_type
status

-- name: kind_type
kind

-- name: create_aoi
INSERT INTO aoi VALUES ($1, $2, $3)

-- name: insert_scenes_head
INSERT INTO scene
SELECT id, aoi, source_id, status::status, message, countdown, attempt, job, acquired, data, geometry, footprint,
       geometry_origin, geometry_note

-- name: insert_scenes
{{insert_scenes_head}}
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::BIGINT[]) AS aoi, unnest($3::VARCHAR[]) AS source_id,
             unnest($4::VARCHAR[]) AS status, unnest($5::VARCHAR[]) AS message, unnest($6::BIGINT[]) AS countdown,
             unnest($7::BIGINT[]) AS attempt, unnest($8::BIGINT[]) AS job, unnest($9::TIMESTAMP[]) AS acquired,
             unnest($10::VARCHAR[]) AS data, unnest($11::VARCHAR[]) AS geometry, unnest($12::BLOB[]) AS footprint,
             unnest($13::VARCHAR[]) AS geometry_origin, unnest($14::VARCHAR[]) AS geometry_note) AS new_rows

-- name: insert_tiles_head
INSERT INTO tile
SELECT id, aoi, scene, source_id, previous, reference, status::status, message, countdown, attempt, job, data, geometry,
       footprint, geometry_origin, geometry_note

-- name: insert_tiles
{{insert_tiles_head}}
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::BIGINT[]) AS aoi, unnest($3::BIGINT[]) AS scene,
             unnest($4::VARCHAR[]) AS source_id, unnest($5::BIGINT[]) AS previous, unnest($6::BIGINT[]) AS reference,
             unnest($7::VARCHAR[]) AS status, unnest($8::VARCHAR[]) AS message, unnest($9::BIGINT[]) AS countdown,
             unnest($10::BIGINT[]) AS attempt, unnest($11::BIGINT[]) AS job, unnest($12::VARCHAR[]) AS data,
             unnest($13::VARCHAR[]) AS geometry, unnest($14::BLOB[]) AS footprint,
             unnest($15::VARCHAR[]) AS geometry_origin, unnest($16::VARCHAR[]) AS geometry_note) AS new_rows

-- name: insert_scenes_from_arrow
{{insert_scenes_head}} FROM new_rows

-- name: insert_tiles_from_arrow
{{insert_tiles_head}} FROM new_rows

-- name: update_scenes_from_arrow
{{update_scenes_head}} FROM new_rows WHERE scene.id = new_rows.id

-- name: update_tiles_from_arrow
{{update_tiles_head}} FROM new_rows WHERE tile.id = new_rows.id

-- name: insert_events_from_arrow
{{insert_events_head}} FROM new_rows

-- name: insert_jobs_from_arrow
{{insert_jobs_head}} FROM new_rows

-- Lists. Zone maps find the rows of a range of ids. Rows are inserted in ascending order of id, and DuckDB returns them
-- in that order (`preserve_insertion_order`); ORDER BY would read all ids for each page.

-- name: scene_ids
SELECT id FROM scene WHERE list_contains($1::BIGINT[], aoi) AND list_contains($2::status[], status)
LIMIT $3 OFFSET $4

-- name: tile_ids
SELECT id FROM tile WHERE list_contains($1::BIGINT[], aoi) AND list_contains($2::status[], status)
LIMIT $3 OFFSET $4

-- name: scenes_chosen
list_contains($1::BIGINT[], s.aoi) AND list_contains($2::status[], s.status) AND s.id BETWEEN $3 AND $4

-- name: tiles_chosen
list_contains($1::BIGINT[], t.aoi) AND list_contains($2::status[], t.status) AND t.id BETWEEN $3 AND $4

-- Progress of the file; see `high_water_mark.py`.

-- name: progress
SELECT store::VARCHAR, transactions, token, complete FROM progress

-- name: set_progress
UPDATE progress SET transactions = $1, token = $2, complete = false

-- name: mark_complete
UPDATE progress SET complete = true

-- name: record_pruned_seq
UPDATE progress SET trimmed = greatest(trimmed, coalesce((SELECT max(seq) FROM event WHERE time < $1), 0))

-- name: set_scene_data
-- a footprint from a catalogue stays unless the new data contain a footprint
UPDATE scene SET
    data = $2, acquired = $3,
    geometry = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry ELSE $4 END,
    footprint = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN footprint ELSE $5 END,
    geometry_note = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry_note ELSE $7 END,
    geometry_origin = CASE WHEN geometry_origin = 'catalogue' AND NOT $8 THEN geometry_origin ELSE $6 END
WHERE id = $1

-- name: set_tile_data
UPDATE tile SET data = $2 WHERE id = $1
