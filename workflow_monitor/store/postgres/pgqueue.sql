-- The queue of the Geocube services; see `queues/pgqueue.py`.

-- name: create_pgq_jobs
CREATE TABLE IF NOT EXISTS pgq_jobs (
    id serial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    queue_name text NOT NULL,
    data bytea,
    run_after timestamptz NOT NULL DEFAULT now(),
    retry_waits text[],
    ran_at timestamptz,
    error text
);
CREATE INDEX IF NOT EXISTS pgq_jobs_waiting ON pgq_jobs (queue_name, run_after) WHERE ran_at IS NULL

-- name: find_pgq_jobs
SELECT to_regclass('pgq_jobs') IS NOT NULL

-- name: scene_rows_of_services
-- the data without the fields that the services do not have
SELECT s.aoi, {{scene_row_columns}}
FROM (SELECT scene.id, scene.aoi, scene.source_id, concat({{scene_data_from_jsonb}}) AS data, status, message, countdown, attempt
      FROM (SELECT id, aoi, source_id, attributes AS data, status, message, countdown, attempt FROM scene
            WHERE id = ANY ($1::bigint[])) AS scene) AS s

-- name: publish_pgq
-- $1 queue, $2 retry intervals, $3 job ids, $4 messages; clock_timestamp() keeps their order
WITH new_rows AS MATERIALIZED (
    SELECT job, message, nextval(pg_get_serial_sequence('pgq_jobs', 'id')) AS number
    FROM unnest($3::bigint[], $4::text[]) AS new_rows (job, message)
), published AS (
    INSERT INTO pgq_jobs (id, queue_name, data, run_after, retry_waits)
    SELECT number, $1, convert_to(message, 'UTF8'), clock_timestamp(), $2::text[] FROM new_rows
)
UPDATE job SET pgq = new_rows.number FROM new_rows WHERE job.id = new_rows.job

-- name: withdraw_pgq
-- a worker deletes the row that it has locked
WITH free AS (
    SELECT id FROM pgq_jobs WHERE id IN (SELECT pgq FROM job WHERE id = ANY ($1::bigint[])) FOR UPDATE SKIP LOCKED
)
DELETE FROM pgq_jobs USING free WHERE pgq_jobs.id = free.id

-- name: withdraw_pgq_of_aoi
WITH free AS (
    SELECT id FROM pgq_jobs WHERE id IN (SELECT pgq FROM job WHERE aoi = $1) FOR UPDATE SKIP LOCKED
)
DELETE FROM pgq_jobs USING free WHERE pgq_jobs.id = free.id

-- name: drain_pgq
WITH waiting AS (
    SELECT id FROM pgq_jobs WHERE queue_name = $1 AND ran_at IS NULL
    ORDER BY run_after, id LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM pgq_jobs USING waiting WHERE pgq_jobs.id = waiting.id
    RETURNING pgq_jobs.run_after, pgq_jobs.id, pgq_jobs.data
)
SELECT data FROM taken ORDER BY run_after, id
