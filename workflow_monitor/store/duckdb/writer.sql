-- name: numbers
-- the greatest that were given
SELECT greatest(used.aoi, coalesce((SELECT max(id) FROM aoi), 0)),
       greatest(used.scene, coalesce((SELECT max(id) FROM scene), 0)),
       greatest(used.tile, coalesce((SELECT max(id) FROM tile), 0)),
       greatest(used.seq, coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(id) FROM job), 0))
FROM used_numbers AS used

-- name: keep_numbers
UPDATE used_numbers SET aoi = $1, scene = $2, tile = $3, seq = $4

-- name: aois
SELECT id, name FROM aoi ORDER BY name

-- name: workloads
SELECT aoi, of, status, items FROM workload WHERE items <> 0

-- name: scene_columns
SELECT id, aoi, source_id, status, message, countdown, attempt, job FROM scene

-- name: scenes
{{scene_columns}} WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: tile_columns
SELECT id, aoi, scene, source_id, previous, reference, status, message, countdown, attempt, job FROM tile

-- name: tiles
{{tile_columns}} WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: tiles_of
{{tile_columns}} WHERE scene IN (SELECT unnest($1::BIGINT[]))

-- name: followers_of
{{tile_columns}} WHERE previous IN (SELECT unnest($1::BIGINT[]))

-- name: referrers_of
{{tile_columns}} WHERE reference IN (SELECT unnest($1::BIGINT[]))

-- name: scenes_named
SELECT source_id, id FROM scene WHERE aoi = $1 AND source_id IN (SELECT unnest($2::VARCHAR[]))

-- name: scenes_in
SELECT id FROM scene
WHERE aoi IN (SELECT unnest($1::BIGINT[])) AND status IN (SELECT unnest($2::VARCHAR[])::status) ORDER BY id

-- name: tiles_in
-- in the order of the chain: by date, then by id
SELECT tile.id FROM tile JOIN scene ON scene.id = tile.scene
WHERE tile.aoi IN (SELECT unnest($1::BIGINT[])) AND tile.status IN (SELECT unnest($2::VARCHAR[])::status)
ORDER BY scene.acquired, tile.id

-- name: create_aoi
INSERT INTO aoi VALUES ($1, $2, $3)

-- name: create_workload
INSERT INTO workload
SELECT $1, part.of, kind.status, 0
FROM unnest(['scenes', 'tiles', 'tiles of done scenes']) AS part(of), unnest(enum_range(NULL::status)) AS kind(status)

-- name: set_workload
UPDATE workload SET items = new.items
FROM (SELECT unnest($1::BIGINT[]) AS aoi, unnest($2::VARCHAR[]) AS of, unnest($3::VARCHAR[])::status AS status,
             unnest($4::BIGINT[]) AS items) AS new
WHERE workload.aoi = new.aoi AND workload.of = new.of AND workload.status = new.status

-- name: delete_aoi
DELETE FROM aoi WHERE id = $1

-- name: delete_workload
DELETE FROM workload WHERE aoi = $1

-- name: delete_scenes
DELETE FROM scene WHERE aoi = $1

-- name: delete_tiles
DELETE FROM tile WHERE aoi = $1

-- name: delete_jobs
DELETE FROM job WHERE aoi = $1

-- name: delete_events
DELETE FROM event WHERE aoi = $1 AND type <> 'aoi'

-- name: insert_scenes
INSERT INTO scene
SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[]), unnest($3::VARCHAR[]), unnest($4::VARCHAR[])::status,
       unnest($5::VARCHAR[]), unnest($6::BIGINT[]), unnest($7::BIGINT[]), unnest($8::BIGINT[]),
       unnest($9::TIMESTAMP[]), unnest($10::VARCHAR[]), unnest($11::VARCHAR[]), unnest($12::BLOB[]),
       unnest($13::VARCHAR[])

-- name: insert_tiles
INSERT INTO tile
SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[]), unnest($3::BIGINT[]), unnest($4::VARCHAR[]),
       unnest($5::BIGINT[]), unnest($6::BIGINT[]), unnest($7::VARCHAR[])::status, unnest($8::VARCHAR[]),
       unnest($9::BIGINT[]), unnest($10::BIGINT[]), unnest($11::BIGINT[]), unnest($12::VARCHAR[]),
       unnest($13::VARCHAR[]), unnest($14::BLOB[]), unnest($15::VARCHAR[])

-- name: update_scenes
UPDATE scene SET status = new.status, message = new.message, countdown = new.countdown, attempt = new.attempt,
                 job = new.job
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[])::status AS status, unnest($3::VARCHAR[]) AS message,
             unnest($4::BIGINT[]) AS countdown, unnest($5::BIGINT[]) AS attempt, unnest($6::BIGINT[]) AS job) AS new
WHERE scene.id = new.id

-- name: update_tiles
UPDATE tile SET status = new.status, message = new.message, countdown = new.countdown, attempt = new.attempt,
                job = new.job, previous = new.previous, reference = new.reference
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[])::status AS status, unnest($3::VARCHAR[]) AS message,
             unnest($4::BIGINT[]) AS countdown, unnest($5::BIGINT[]) AS attempt, unnest($6::BIGINT[]) AS job,
             unnest($7::BIGINT[]) AS previous, unnest($8::BIGINT[]) AS reference) AS new
WHERE tile.id = new.id

-- name: insert_events
INSERT INTO event
SELECT unnest($1::BIGINT[]), $14::TIMESTAMP, unnest($2::BIGINT[]), unnest($3::VARCHAR[]), unnest($4::BIGINT[]),
       unnest($5::VARCHAR[])::status, unnest($6::VARCHAR[])::status, unnest($7::VARCHAR[]), unnest($8::VARCHAR[]),
       unnest($9::VARCHAR[]), unnest($10::BIGINT[]), unnest($11::BIGINT[]), unnest($12::BIGINT[]),
       unnest($13::BIGINT[]), NULL

-- name: insert_aoi_event
INSERT INTO event VALUES ($1, $2, $3, 'aoi', $3, NULL, $4, $5, $6, '', 0, 0, NULL, NULL, $7)

-- name: insert_jobs
INSERT INTO job
SELECT unnest($1::BIGINT[]), unnest($2::VARCHAR[])::kind, unnest($3::BIGINT[]), unnest($4::BIGINT[]),
       unnest($5::BIGINT[]), unnest($6::BIGINT[]), unnest($7::BIGINT[]), $8::TIMESTAMP, NULL, NULL, NULL, NULL

-- name: withdraw_jobs
UPDATE job SET withdrawn = $2 WHERE id IN (SELECT unnest($1::BIGINT[])) AND withdrawn IS NULL

-- name: scene_data
SELECT data FROM scene WHERE id = $1

-- name: tile_data
SELECT data FROM tile WHERE id = $1

-- name: set_scene_data
-- the footprint that a catalogue gave stays, unless the data have one
UPDATE scene SET
    data = $2, acquired = $3,
    geometry = CASE WHEN geometry_origin = 'catalogue' AND NOT $7 THEN geometry ELSE $4 END,
    footprint = CASE WHEN geometry_origin = 'catalogue' AND NOT $7 THEN footprint ELSE $5 END,
    geometry_origin = CASE WHEN geometry_origin = 'catalogue' AND NOT $7 THEN geometry_origin ELSE $6 END
WHERE id = $1

-- name: set_tile_data
UPDATE tile SET data = $2 WHERE id = $1

-- name: waiting_jobs
SELECT id FROM job WHERE kind = $1 AND withdrawn IS NULL AND lease IS NULL ORDER BY id LIMIT $2

-- name: lease_jobs
UPDATE job SET lease = new.lease, worker = $3, expires = $4
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS lease) AS new
WHERE job.id = new.id

-- name: renew_lease
UPDATE job SET expires = $4
WHERE kind = $1 AND lease = $2 AND withdrawn IS NULL AND expires > $3 RETURNING id

-- name: overdue_jobs
SELECT id, kind, item, aoi, attempt, previous, reference FROM job
WHERE lease IS NOT NULL AND withdrawn IS NULL AND expires <= $1 ORDER BY id

-- name: next_expiry
SELECT min(expires) FROM job WHERE lease IS NOT NULL AND withdrawn IS NULL

-- name: trim_jobs
DELETE FROM job WHERE withdrawn IS NOT NULL AND (lease IS NOT NULL OR withdrawn < $1)

-- name: trim_events
DELETE FROM event WHERE time < $1
