-- Integrity checks: each statement is named after a violation and returns the rows with it.

-- name: items
SELECT 'scene' AS type, id, aoi, status, job, attempt, countdown, NULL AS previous, NULL AS reference FROM scene
UNION ALL SELECT 'tile', id, aoi, status, job, attempt, countdown, previous, reference FROM tile

-- name: workload_differs_from_the_item_counts
WITH counted AS (
    SELECT aoi, 'scenes' AS of, status, count(*) AS items FROM scene GROUP BY ALL
    UNION ALL SELECT aoi, 'tiles', status, count(*) FROM tile GROUP BY ALL
    UNION ALL SELECT t.aoi, 'tiles of done scenes', t.status, count(*)
    FROM tile AS t JOIN scene AS s ON s.id = t.scene WHERE s.status = 'DONE' GROUP BY ALL
)
SELECT aoi, of, status, w.items, c.items FROM workload AS w FULL JOIN counted AS c USING (aoi, of, status)
WHERE coalesce(w.items, 0) <> coalesce(c.items, 0)

-- name: aoi_without_its_15_counters_or_counters_without_aoi
SELECT a.id, w.aoi, count(w.aoi) FROM aoi AS a FULL JOIN workload AS w ON w.aoi = a.id
GROUP BY ALL HAVING count(w.aoi) <> 15 OR a.id IS NULL

-- name: pending_item_without_its_live_job_or_live_job_of_an_item_that_is_not_pending
WITH item AS ({{items}}), live AS (SELECT * FROM job WHERE withdrawn IS NULL)
SELECT item.type, item.id, item.status, item.job, live.id
FROM item FULL JOIN live ON live.kind::VARCHAR = item.type AND live.item = item.id
WHERE CASE WHEN item.id IS NULL THEN true
           WHEN item.status = 'PENDING'
           THEN live.id IS DISTINCT FROM item.job OR live.attempt <> item.attempt OR live.aoi <> item.aoi
           ELSE live.id IS NOT NULL OR item.job IS NOT NULL END

-- name: several_live_jobs_of_an_item
SELECT kind, item, count(*) FROM job WHERE withdrawn IS NULL GROUP BY ALL HAVING count(*) > 1

-- name: duplicate_job_or_event
SELECT 'job', id, count(*) FROM job GROUP BY id HAVING count(*) > 1
UNION ALL SELECT 'event', seq, count(*) FROM event GROUP BY seq HAVING count(*) > 1

-- name: duplicate_item_id_or_scene_name
SELECT type, id::VARCHAR AS which, count(*) FROM ({{items}}) GROUP BY ALL HAVING count(*) > 1
UNION ALL SELECT 'name', source_id, count(*) FROM scene GROUP BY aoi, source_id HAVING count(*) > 1

-- name: previous_or_reference_tile_is_missing_failed_or_of_another_aoi
SELECT t.id, t.previous, t.reference FROM tile AS t
LEFT JOIN tile AS p ON p.id = t.previous LEFT JOIN tile AS r ON r.id = t.reference
WHERE t.previous IS NOT NULL AND (p.aoi IS DISTINCT FROM t.aoi OR p.status = 'FAILED')
   OR t.reference IS NOT NULL AND (r.aoi IS DISTINCT FROM t.aoi OR r.status = 'FAILED')

-- name: tile_without_scene_or_scene_without_aoi_or_job_without_aoi
SELECT 'tile', t.id FROM tile AS t LEFT JOIN scene AS s ON s.id = t.scene WHERE s.aoi IS DISTINCT FROM t.aoi
UNION ALL SELECT 'scene', s.id FROM scene AS s LEFT JOIN aoi AS a ON a.id = s.aoi WHERE a.id IS NULL
UNION ALL SELECT 'job', j.id FROM job AS j LEFT JOIN aoi AS a ON a.id = j.aoi WHERE a.id IS NULL

-- name: item_differs_from_its_last_event
-- items whose events were pruned cannot be compared
WITH item AS ({{items}}),
last AS (
    SELECT type, item AS id, arg_max(aoi, seq) AS aoi, arg_max(after, seq) AS status,
           arg_max(attempt, seq) AS attempt, arg_max(countdown, seq) AS countdown,
           arg_max({'p': previous}, seq).p AS previous, arg_max({'r': reference}, seq).r AS reference
    FROM event WHERE type <> 'aoi' GROUP BY ALL
)
SELECT item.type, item.id, last.type, last.id
FROM item FULL JOIN last ON last.type = item.type AND last.id = item.id
WHERE CASE WHEN last.id IS NULL THEN NOT (SELECT trimmed > 0 FROM progress)
           WHEN item.id IS NULL THEN true
           ELSE (item.aoi, item.status, item.attempt, item.countdown, item.previous, item.reference)
                IS DISTINCT FROM
                (last.aoi, last.status, last.attempt, last.countdown, last.previous, last.reference) END

-- name: event_does_not_continue_the_event_before_it
SELECT seq, before, earlier FROM (
    SELECT seq, before, lag(after) OVER ordered AS earlier, row_number() OVER ordered AS number
    FROM event WHERE type <> 'aoi'
    WINDOW ordered AS (PARTITION BY type, item ORDER BY seq)
)
WHERE before IS DISTINCT FROM earlier AND NOT (number = 1 AND (SELECT trimmed > 0 FROM progress))
