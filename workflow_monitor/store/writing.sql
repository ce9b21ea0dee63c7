-- Changes of all stores; each `dialect.sql` inserts new rows.

-- name: used_ids
-- greatest ids ever assigned
SELECT greatest(used.aoi, coalesce((SELECT max(id) FROM aoi), 0)),
       greatest(used.scene, coalesce((SELECT max(id) FROM scene), 0)),
       greatest(used.tile, coalesce((SELECT max(id) FROM tile), 0)),
       greatest(used.seq, coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(id) FROM job), 0))
FROM used_numbers AS used

-- name: save_used_ids
UPDATE used_numbers SET aoi = $1, scene = $2, tile = $3, seq = $4

-- name: aois
SELECT id, name FROM aoi ORDER BY name

-- name: workloads
SELECT aoi, of, status, items FROM workload WHERE items <> 0

-- name: scenes_named
SELECT source_id, id FROM scene WHERE aoi = $1 AND source_id IN (SELECT unnest($2::VARCHAR[]))

-- name: scenes_in
SELECT id FROM scene
WHERE aoi IN (SELECT unnest($1::BIGINT[])) AND status IN (SELECT unnest($2::VARCHAR[])::{{status_type}}) ORDER BY id

-- name: tiles_in
-- in chain order: by acquisition date, then by id
SELECT tile.id FROM tile JOIN scene ON scene.id = tile.scene
WHERE tile.aoi IN (SELECT unnest($1::BIGINT[])) AND tile.status IN (SELECT unnest($2::VARCHAR[])::{{status_type}})
ORDER BY scene.acquired, tile.id

-- name: create_workload
INSERT INTO workload
SELECT $1, part.of, each.status, 0
FROM (SELECT unnest($2::VARCHAR[]) AS of) AS part, (SELECT unnest($3::VARCHAR[])::{{status_type}} AS status) AS each

-- name: set_workload
UPDATE workload SET items = new.items
FROM (SELECT unnest($1::BIGINT[]) AS aoi, unnest($2::VARCHAR[]) AS of, unnest($3::VARCHAR[])::{{status_type}} AS status,
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

-- name: update_scenes_head
UPDATE scene SET status = new_rows.status::{{status_type}}, message = new_rows.message, countdown = new_rows.countdown,
                 attempt = new_rows.attempt, job = new_rows.job

-- name: update_scenes
{{update_scenes_head}}
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS status, unnest($3::VARCHAR[]) AS message,
             unnest($4::BIGINT[]) AS countdown, unnest($5::BIGINT[]) AS attempt, unnest($6::BIGINT[]) AS job) AS new_rows
WHERE scene.id = new_rows.id

-- name: update_tiles_head
UPDATE tile SET status = new_rows.status::{{status_type}}, message = new_rows.message, countdown = new_rows.countdown,
                attempt = new_rows.attempt, job = new_rows.job, previous = new_rows.previous, reference = new_rows.reference

-- name: update_tiles
{{update_tiles_head}}
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS status, unnest($3::VARCHAR[]) AS message,
             unnest($4::BIGINT[]) AS countdown, unnest($5::BIGINT[]) AS attempt, unnest($6::BIGINT[]) AS job,
             unnest($7::BIGINT[]) AS previous, unnest($8::BIGINT[]) AS reference) AS new_rows
WHERE tile.id = new_rows.id

-- name: insert_events_head
INSERT INTO event
SELECT seq, time, aoi, kind, id, before::{{status_type}}, after::{{status_type}}, cause, who, message, attempt, countdown, previous,
       reference, NULL

-- name: insert_events
{{insert_events_head}}
FROM (SELECT unnest($1::BIGINT[]) AS seq, unnest($2::BIGINT[]) AS aoi, unnest($3::VARCHAR[]) AS kind,
             unnest($4::BIGINT[]) AS id, unnest($5::VARCHAR[]) AS before, unnest($6::VARCHAR[]) AS after,
             unnest($7::VARCHAR[]) AS cause, unnest($8::VARCHAR[]) AS who, unnest($9::VARCHAR[]) AS message,
             unnest($10::BIGINT[]) AS attempt, unnest($11::BIGINT[]) AS countdown, unnest($12::BIGINT[]) AS previous,
             unnest($13::BIGINT[]) AS reference, unnest($14::TIMESTAMP[]) AS time) AS new_rows

-- name: insert_aoi_event
INSERT INTO event VALUES ($1, $2, $3, 'aoi', $3, NULL, $4, $5, $6, '', 0, 0, NULL, NULL, $7)

-- name: insert_jobs_head
INSERT INTO job
SELECT id, kind::{{kind_type}}, item, aoi, attempt, previous, reference, published, NULL, NULL, NULL, NULL

-- name: insert_jobs
{{insert_jobs_head}}
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS kind, unnest($3::BIGINT[]) AS item,
             unnest($4::BIGINT[]) AS aoi, unnest($5::BIGINT[]) AS attempt, unnest($6::BIGINT[]) AS previous,
             unnest($7::BIGINT[]) AS reference, unnest($8::TIMESTAMP[]) AS published) AS new_rows

-- name: withdraw_jobs
UPDATE job SET withdrawn = $2 WHERE id IN (SELECT unnest($1::BIGINT[])) AND withdrawn IS NULL

-- name: scene_data
SELECT data FROM scene WHERE id = $1

-- name: tile_data
SELECT data FROM tile WHERE id = $1

-- name: job_columns
SELECT id, kind, item, aoi, attempt, previous, reference FROM job

-- name: available_jobs
-- with ids above $3
{{job_columns}} WHERE kind = $1 AND withdrawn IS NULL AND lease IS NULL AND id > $3 ORDER BY id LIMIT $2

-- name: available_jobs_of_aois
{{job_columns}}
WHERE kind = $1 AND withdrawn IS NULL AND lease IS NULL AND aoi IN (SELECT unnest($3::BIGINT[]))
ORDER BY id LIMIT $2

-- name: lease_jobs
UPDATE job SET lease = new.lease, worker = new.worker, expires = new.expires
FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS lease, unnest($3::VARCHAR[]) AS worker,
             unnest($4::TIMESTAMP[]) AS expires) AS new
WHERE job.id = new.id

-- name: renew_leases
UPDATE job SET expires = $4
WHERE kind = $1 AND lease IN (SELECT unnest($2::VARCHAR[])) AND withdrawn IS NULL AND expires > $3 RETURNING lease

-- name: expired_jobs
{{job_columns}} WHERE lease IS NOT NULL AND withdrawn IS NULL AND expires <= $1 ORDER BY id

-- name: next_expiry
SELECT min(expires) FROM job WHERE lease IS NOT NULL AND withdrawn IS NULL

-- name: shift_leases
-- by $1 seconds
UPDATE job SET expires = expires + $1::INTEGER * INTERVAL '1 second'
WHERE lease IS NOT NULL AND withdrawn IS NULL AND expires > $2 RETURNING id

-- name: clamp_leases
UPDATE job SET expires = $1 WHERE lease IS NOT NULL AND withdrawn IS NULL AND expires > $1 RETURNING id

-- name: prune_jobs
DELETE FROM job WHERE withdrawn IS NOT NULL AND (lease IS NOT NULL OR withdrawn < $1)

-- name: prune_events
DELETE FROM event WHERE time < $1
