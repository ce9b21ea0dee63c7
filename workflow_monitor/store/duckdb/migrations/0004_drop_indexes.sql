-- Scenes and tiles without keys: DuckDB reuses the space of deleted rows only in tables without an index. The engine
-- ensures that ids and scene names are unique; `integrity.sql` checks this.

CREATE TABLE scene_with_room (
    id BIGINT NOT NULL,
    aoi BIGINT NOT NULL,
    source_id VARCHAR NOT NULL, -- unique within an AOI
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
