-- Statements shared by all stores; `dialect.sql` of each package adds what depends on the database.
-- `document_sql.py` generates scene_document, scene_feature, scene_with_tiles_*, tile_of_scene, tile_document, tile_short, tile_feature (arguments of `concat`
-- that write JSON text), and the columns of scene_rows and tile_rows. `a` is the AOI, `s` the scene, `t` the tile.

-- name: scene_date
coalesce({{date_of_scene}}, '0001-01-01T00:00:00Z')

-- name: of_scenes
FROM scene AS s JOIN aoi AS a ON a.id = s.aoi

-- name: of_tiles
FROM tile AS t JOIN scene AS s ON s.id = t.scene JOIN aoi AS a ON a.id = t.aoi

-- name: scene_as_feature
SELECT concat({{scene_feature}}) {{of_scenes}} WHERE s.id = $1

-- name: tile_as_feature
SELECT concat({{tile_feature}}) {{of_tiles}} WHERE t.id = $1

-- name: scene_exists
SELECT 1 FROM scene WHERE id = $1

-- Lists: the ids first ($1 ids of AOIs, $2 statuses, $3 limit, $4 offset; see each `dialect.sql`), then the documents
-- by ranges of ids ($3 first, $4 last).

-- name: scenes_within
{{of_scenes}} WHERE {{scenes_chosen}} ORDER BY s.id

-- name: tiles_within
{{of_tiles}} WHERE {{tiles_chosen}} ORDER BY t.id

-- name: scenes_as_document
SELECT concat({{scene_document}}) {{scenes_within}}

-- name: scenes_as_feature
SELECT concat({{scene_feature}}) {{scenes_within}}

-- name: tiles_by_scene
-- the tiles of scenes ($3 first, $4 last) as members of JSON objects
SELECT t.scene, string_agg(concat(to_json(t.source_id)::VARCHAR, ':', {{tile_of_scene}}), ',' ORDER BY t.id) AS tiles
FROM tile AS t
LEFT JOIN tile AS p ON p.id = t.previous LEFT JOIN scene AS ps ON ps.id = p.scene
LEFT JOIN tile AS r ON r.id = t.reference LEFT JOIN scene AS rs ON rs.id = r.scene
WHERE t.scene BETWEEN $3 AND $4
GROUP BY t.scene

-- name: scenes_with_tiles_within
{{of_scenes}} LEFT JOIN ({{tiles_by_scene}}) AS g ON g.scene = s.id WHERE {{scenes_chosen}} ORDER BY s.id

-- name: scenes_as_document_with_tiles
SELECT concat({{scene_with_tiles_document}}) {{scenes_with_tiles_within}}

-- name: scenes_as_feature_with_tiles
SELECT concat({{scene_with_tiles_feature}}) {{scenes_with_tiles_within}}

-- name: tiles_as_document
SELECT concat({{tile_document}}) {{tiles_within}}

-- name: tiles_as_feature
SELECT concat({{tile_feature}}) {{tiles_within}}

-- name: scenes_as_arrow
SELECT s.id, s.source_id, a.name AS aoi, s.status, s.message, s.countdown AS "RetryCountDown",
       s.attempt, s.acquired AS date, s.data, s.footprint AS geometry, s.geometry_origin,
       s.geometry_note
{{scenes_within}}

-- name: tiles_as_arrow
SELECT t.id, t.source_id, a.name AS aoi, t.scene, s.source_id AS scene_source_id, s.status AS scene_status,
       s.acquired AS date, t.status, t.message, t.previous AS "PreviousID", p.status AS previous_status,
       t.reference AS "ReferenceID", t.countdown AS "RetryCountDown", t.attempt, t.data,
       coalesce(t.footprint, s.footprint) AS geometry,
       CASE WHEN t.footprint IS NOT NULL THEN t.geometry_origin WHEN s.footprint IS NOT NULL THEN 'scene' END
           AS geometry_origin,
       CASE WHEN t.footprint IS NOT NULL THEN t.geometry_note ELSE s.geometry_note END AS geometry_note
FROM tile AS t JOIN scene AS s ON s.id = t.scene JOIN aoi AS a ON a.id = t.aoi LEFT JOIN tile AS p ON p.id = t.previous
WHERE {{tiles_chosen}}
ORDER BY t.id

-- name: tiles_of_scene_as_document
SELECT concat({{tile_document}}) {{of_tiles}} WHERE t.scene = $1 ORDER BY t.id

-- name: tiles_of_scene_as_feature
SELECT concat({{tile_feature}}) {{of_tiles}} WHERE t.scene = $1 ORDER BY t.id

-- name: is_root
t.aoi = $1 AND t.status <> 'FAILED' AND t.previous IS NULL AND t.reference IS NULL

-- name: is_leaf
t.aoi = $1 AND t.status <> 'FAILED'
AND NOT EXISTS (SELECT 1 FROM tile AS f WHERE f.aoi = $1 AND f.previous = t.id)

-- name: root_tiles_as_short
SELECT concat({{tile_short}}) {{of_tiles}} WHERE {{is_root}} ORDER BY t.id

-- name: root_tiles_as_feature
SELECT concat({{tile_feature}}) {{of_tiles}} WHERE {{is_root}} ORDER BY t.id

-- name: leaf_tiles_as_short
SELECT concat({{tile_short}}) {{of_tiles}} WHERE {{is_leaf}} ORDER BY t.id

-- name: leaf_tiles_as_feature
SELECT concat({{tile_feature}}) {{of_tiles}} WHERE {{is_leaf}} ORDER BY t.id

-- name: roots
SELECT count(*), min(s.acquired) {{of_tiles}} WHERE {{is_root}}

-- name: last_leaf
-- last acquisition date of a leaf among the $2 latest scenes, and the count of these scenes
WITH latest AS (SELECT id, acquired FROM scene WHERE aoi = $1 AND acquired IS NOT NULL ORDER BY acquired DESC LIMIT $2),
own AS (SELECT t.id, l.acquired FROM tile AS t JOIN latest AS l ON l.id = t.scene WHERE t.status <> 'FAILED'),
followed AS (SELECT previous FROM tile WHERE previous IN (SELECT id FROM own))
SELECT (SELECT max(acquired) FROM own WHERE id NOT IN (SELECT previous FROM followed)), (SELECT count(*) FROM latest)

-- Rows of single items and of job messages; see `item_serializer.py`.

-- name: aoi_names
SELECT id, name FROM aoi WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: scene_rows
SELECT s.aoi, {{scene_row_columns}} FROM scene AS s WHERE s.id IN (SELECT unnest($1::BIGINT[]))

-- name: tile_rows
SELECT t.scene, t.job, {{tile_row_columns}} FROM tile AS t WHERE t.id IN (SELECT unnest($1::BIGINT[]))

-- name: jobs
SELECT id, attempt, published, withdrawn, lease, worker, expires, item, previous, reference FROM job
WHERE kind = $1 AND id IN (SELECT unnest($2::BIGINT[])) ORDER BY id

-- name: job_ids
-- $2: 'queued' (includes jobs withdrawn before a lease), 'leased', or '' for all live jobs
SELECT id FROM job
WHERE kind = $1 AND CASE $2 WHEN 'queued' THEN lease IS NULL
                            WHEN 'leased' THEN lease IS NOT NULL AND withdrawn IS NULL
                            ELSE withdrawn IS NULL END
  AND ($5::BIGINT IS NULL OR item = $5)
ORDER BY id LIMIT $3 OFFSET $4

-- name: backlog
SELECT count(*) FILTER (WHERE lease IS NULL), count(*) FILTER (WHERE lease IS NOT NULL) FROM job
WHERE kind = $1 AND withdrawn IS NULL

-- name: event_columns
SELECT e.seq, e.time, coalesce(a.name, e.aoi_name, ''), e.type, e.item, e.before, e.after, e.cause, e.who, e.message,
       e.attempt, e.countdown, e.previous, e.reference
FROM event AS e LEFT JOIN aoi AS a ON a.id = e.aoi

-- name: events_after
{{event_columns}} WHERE e.seq > $1 AND ($2::BIGINT IS NULL OR e.aoi = $2) ORDER BY e.seq LIMIT $3

-- name: history
{{event_columns}}
WHERE e.aoi = $1 AND ($2::TIMESTAMP IS NULL OR e.time >= $2) AND ($3::TIMESTAMP IS NULL OR e.time < $3)
  AND ($4::VARCHAR IS NULL OR e.type = $4) AND ($5::BIGINT IS NULL OR e.item = $5)
  AND ($6::VARCHAR IS NULL OR e.after = $6::{{status_type}})
ORDER BY e.seq LIMIT $7 OFFSET $8

-- name: first_event
SELECT min(time) FROM event WHERE aoi = $1 AND type <> 'aoi'

-- Transitions by step: $2 start, $3 length of a step in microseconds, $4 count of steps.

-- name: transition_counts
SELECT least({{step_of_event}}, $4)::INTEGER AS step, type, before, after, count(*)
FROM event
WHERE aoi = $1 AND type <> 'aoi' AND time >= $2 AND before IS DISTINCT FROM after
GROUP BY 1, 2, 3, 4

-- name: pending_jobs
SELECT j.kind, j.item, coalesce(s.source_id, t.source_id), j.attempt, j.published, j.lease IS NOT NULL, j.worker,
       count(*) OVER ()
FROM job AS j
LEFT JOIN scene AS s ON j.kind = 'scene' AND s.id = j.item
LEFT JOIN tile AS t ON j.kind = 'tile' AND t.id = j.item
WHERE j.aoi = $1 AND j.withdrawn IS NULL
ORDER BY j.lease IS NULL, j.published, j.id LIMIT $2

-- name: failures
WITH failed AS (
    SELECT 'scene' AS kind, id, status, message, id AS scene FROM scene WHERE aoi = $1 AND status IN ('RETRY', 'FAILED')
    UNION ALL
    SELECT 'tile', id, status, message, scene FROM tile WHERE aoi = $1 AND status IN ('RETRY', 'FAILED')
),
numbered AS (SELECT *, row_number() OVER (PARTITION BY kind, status ORDER BY id) AS place FROM failed),
chosen AS (SELECT * FROM numbered WHERE place <= $2),
began AS (
    SELECT type, item, max(seq) AS seq FROM event
    WHERE aoi = $1 AND type <> 'aoi' AND after IN ('RETRY', 'FAILED') AND before IS DISTINCT FROM after
    GROUP BY type, item
)
SELECT c.kind, c.id, c.status, c.message, e.time, s.acquired::DATE, {{orbit_of_scene}},
       e.cause, s.id, s.status, CASE WHEN c.kind = 'tile' AND c.status = 'FAILED' THEN s.message ELSE '' END
FROM chosen AS c JOIN scene AS s ON s.id = c.scene LEFT JOIN began AS b ON b.type = c.kind AND b.item = c.id
LEFT JOIN event AS e ON e.seq = b.seq
ORDER BY c.kind, c.id

-- name: event_bounds
SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM event

-- name: counters_of_aoi
SELECT of, status, items FROM workload WHERE aoi = $1 AND items <> 0 AND of IN ('scenes', 'tiles')

-- A part of the graph: $2 tile ids and $4 scene ids, null for all; $3 omits DONE items.

-- name: part_of_graph
WITH own AS (
    SELECT t.id, t.scene, t.source_id, t.status, t.previous, s.status = 'DONE' AS scene_done
    FROM tile AS t JOIN scene AS s ON s.id = t.scene
    WHERE t.aoi IN (SELECT unnest($1::BIGINT[])) AND ($2::BIGINT[] IS NULL OR t.id IN (SELECT unnest($2::BIGINT[])))
), open AS (
    SELECT id, previous FROM own WHERE status <> 'DONE'
), kept AS (
    SELECT * FROM own
    WHERE NOT $3 OR status <> 'DONE' OR NOT scene_done
       OR previous IN (SELECT id FROM open) OR id IN (SELECT previous FROM open WHERE previous IS NOT NULL)
)

-- name: graph_scenes
{{part_of_graph}}
SELECT id, source_id, status FROM scene
WHERE aoi IN (SELECT unnest($1::BIGINT[]))
  AND (id IN (SELECT scene FROM kept)
       OR ($4::BIGINT[] IS NULL OR id IN (SELECT unnest($4::BIGINT[]))) AND (NOT $3 OR status <> 'DONE'))
ORDER BY id

-- name: graph_tiles
{{part_of_graph}}
SELECT id, scene, source_id, status, CASE WHEN previous IN (SELECT id FROM kept) THEN previous END, scene_done
FROM kept ORDER BY scene, id

-- Neighbours: the tiles one edge away from scenes $1 or tiles $2, and their scenes.

-- name: neighbours
SELECT id, scene FROM tile
WHERE scene IN (SELECT unnest($1::BIGINT[])) OR previous IN (SELECT unnest($2::BIGINT[]))
   OR id IN (SELECT previous FROM tile WHERE id IN (SELECT unnest($2::BIGINT[])))

-- name: scenes_of
SELECT DISTINCT scene FROM tile WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: scene_is_in
SELECT id FROM scene WHERE id = $1 AND aoi IN (SELECT unnest($2::BIGINT[]))

-- name: tile_is_in
SELECT id FROM tile WHERE id = $1 AND aoi IN (SELECT unnest($2::BIGINT[]))

-- name: find
WITH found AS (
    SELECT 'scene' AS kind, s.id, s.source_id, NULL AS scene_source_id, s.acquired, s.status, $3 IN ('', 's') AND s.id = $4 AS named
    FROM scene AS s WHERE s.aoi = $1
    UNION ALL
    SELECT 'tile', t.id, t.source_id, s.source_id, s.acquired, t.status, $3 IN ('', 't') AND t.id = $4
    FROM tile AS t JOIN scene AS s ON s.id = t.scene WHERE t.aoi = $1
)
SELECT kind, id, source_id, scene_source_id, acquired, status, count(*) OVER () FROM found
WHERE named OR strpos(lower(source_id), lower($2)) > 0
ORDER BY named DESC, kind, id LIMIT $5

-- Columns for maps and charts; days count from 1970-01-01, null without a date.

-- name: day
s.acquired::DATE - DATE '1970-01-01'

-- name: scene_footprints
SELECT s.id, {{code_of_scene_status}} AS status, {{day}} AS day, s.footprint FROM scene AS s WHERE s.aoi = $1 ORDER BY s.id

-- name: tile_footprints
SELECT t.id, {{code_of_tile_status}} AS status, {{day}} AS day, t.footprint
FROM tile AS t JOIN scene AS s ON s.id = t.scene WHERE t.aoi = $1 ORDER BY t.id

-- name: tile_columns
SELECT t.id, t.scene, {{code_of_tile_status}} AS status, coalesce(t.previous, 0) AS previous, {{day}} AS day
FROM tile AS t JOIN scene AS s ON s.id = t.scene WHERE t.aoi = $1 ORDER BY t.id

-- name: scene_columns
SELECT s.id, {{code_of_scene_status}} AS status, {{day}} AS day FROM scene AS s WHERE s.aoi = $1 ORDER BY s.id

-- name: unfinished_tiles
SELECT t.id, t.scene, {{code_of_tile_status}} AS status, coalesce(t.previous, 0) AS previous
FROM tile AS t WHERE t.aoi = $1 AND t.status <> 'DONE' ORDER BY t.id

-- name: unfinished_scenes
SELECT s.id, {{code_of_scene_status}} AS status FROM scene AS s WHERE s.aoi = $1 AND s.status <> 'DONE' ORDER BY s.id

-- name: scene_names
SELECT id, source_id FROM scene WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: tile_names
SELECT id, source_id FROM tile WHERE id IN (SELECT unnest($1::BIGINT[]))

-- Items without their data, for the working set.

-- name: scene_states
SELECT id, aoi, source_id, status, message, countdown, attempt, job FROM scene

-- name: scenes
{{scene_states}} WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: tile_states
SELECT id, aoi, scene, source_id, previous, reference, status, message, countdown, attempt, job FROM tile

-- name: tiles
{{tile_states}} WHERE id IN (SELECT unnest($1::BIGINT[]))

-- name: unfinished_tiles_named
{{tile_states}} WHERE aoi = $1 AND source_id = $2 AND status <> 'DONE'

-- name: tiles_of
{{tile_states}} WHERE scene IN (SELECT unnest($1::BIGINT[]))

-- name: followers_of
{{tile_states}} WHERE previous IN (SELECT unnest($1::BIGINT[]))

-- name: referrers_of
{{tile_states}} WHERE reference IN (SELECT unnest($1::BIGINT[]))
