-- greatest ids of deleted and pruned rows, so that ids are never reused
CREATE TABLE used_numbers (
    aoi BIGINT NOT NULL,
    scene BIGINT NOT NULL,
    tile BIGINT NOT NULL,
    seq BIGINT NOT NULL
);
INSERT INTO used_numbers
SELECT coalesce(max(aoi), 0),
       coalesce(max(item) FILTER (WHERE type = 'scene'), 0),
       coalesce(max(item) FILTER (WHERE type = 'tile'), 0),
       coalesce(max(seq), 0)
FROM event;
