-- name: attach
ATTACH $1 AS backup (STORAGE_VERSION 'v1.5.0')

-- name: attach_to_read
ATTACH $1 AS backup (READ_ONLY)

-- name: copy_statement
-- the name of the database is an identifier, which cannot be a parameter
SELECT format('COPY FROM DATABASE "{}" TO backup', replace(current_database(), '"', '""'))

-- name: use_statement
SELECT format('USE "{}"', replace(current_database(), '"', '""'))

-- name: mark_complete
UPDATE backup.progress SET complete = true

-- name: checkpoint
CHECKPOINT backup

-- name: use
USE backup

-- name: detach
DETACH backup

-- name: version
SELECT max(version) FROM schema_version

-- name: progress
SELECT store::VARCHAR, transactions, token FROM progress

-- name: set_restored_progress
UPDATE progress SET transactions = $1, token = $2, complete = true

-- name: skip_ids
-- new items must not reuse ids that were assigned after the backup: late results of workers would match them
UPDATE used_numbers SET
    aoi = greatest(aoi, coalesce((SELECT max(id) FROM aoi), 0)) + $1,
    scene = greatest(scene, coalesce((SELECT max(id) FROM scene), 0)) + $1,
    tile = greatest(tile, coalesce((SELECT max(id) FROM tile), 0)) + $1,
    seq = greatest(seq, coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(id) FROM job), 0)) + $1

-- name: contents
SELECT (SELECT count(*) FROM aoi), (SELECT count(*) FROM scene), (SELECT count(*) FROM tile),
       (SELECT max(time) FROM event)
