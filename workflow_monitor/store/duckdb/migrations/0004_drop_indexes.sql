-- Scenes and tiles without keys: DuckDB takes back the room of what was deleted only in tables without an index. That no id
-- and no name of a scene is there twice is for the engine to see to; `soundness.sql` looks.

CREATE TABLE scene_with_room (
    id BIGINT NOT NULL,
    aoi BIGINT NOT NULL,
    source_id VARCHAR NOT NULL, -- one of its name in an AOI
    status status NOT NULL,
    message VARCHAR NOT NULL,
    countdown BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    job BIGINT,
    acquired TIMESTAMP,
    data VARCHAR NOT NULL,
    geometry VARCHAR,
    footprint BLOB,
    geometry_origin VARCHAR
);
INSERT INTO scene_with_room FROM scene;
DROP TABLE scene;
ALTER TABLE scene_with_room RENAME TO scene;

CREATE TABLE tile_with_room (
    id BIGINT NOT NULL,
    aoi BIGINT NOT NULL,
    scene BIGINT NOT NULL,
    source_id VARCHAR NOT NULL,
    previous BIGINT,
    reference BIGINT,
    status status NOT NULL,
    message VARCHAR NOT NULL,
    countdown BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    job BIGINT,
    data VARCHAR NOT NULL,
    geometry VARCHAR,
    footprint BLOB,
    geometry_origin VARCHAR
);
INSERT INTO tile_with_room FROM tile;
DROP TABLE tile;
ALTER TABLE tile_with_room RENAME TO tile;
