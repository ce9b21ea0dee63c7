-- No foreign keys, and no index on a column that changes: DuckDB rejects updates of rows with them.

CREATE TYPE status AS ENUM ('NEW', 'PENDING', 'DONE', 'RETRY', 'FAILED');
CREATE TYPE kind AS ENUM ('scene', 'tile');

CREATE TABLE aoi (
    id BIGINT PRIMARY KEY,
    name VARCHAR NOT NULL UNIQUE,
    created TIMESTAMP NOT NULL
);

-- counts of scenes and tiles of each AOI by status
CREATE TABLE workload (
    aoi BIGINT NOT NULL,
    of VARCHAR NOT NULL, -- 'scenes', 'tiles', 'tiles of done scenes'
    status status NOT NULL,
    items BIGINT NOT NULL
);

CREATE TABLE scene (
    id BIGINT PRIMARY KEY,
    aoi BIGINT NOT NULL,
    source_id VARCHAR NOT NULL,
    status status NOT NULL,
    message VARCHAR NOT NULL,
    countdown BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    job BIGINT,
    acquired TIMESTAMP, -- date in `data`, UTC; null without a date
    data VARCHAR NOT NULL, -- JSON
    geometry VARCHAR, -- footprint as GeoJSON, longitude and latitude
    footprint BLOB, -- footprint as WKB
    geometry_origin VARCHAR,
    UNIQUE (aoi, source_id)
);

CREATE TABLE tile (
    id BIGINT PRIMARY KEY,
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
    data VARCHAR NOT NULL, -- JSON
    geometry VARCHAR,
    footprint BLOB,
    geometry_origin VARCHAR
);

-- dispatches of items: the outbox, and the queue from which workers lease
CREATE TABLE job (
    id BIGINT NOT NULL, -- seq of the event that published the job
    kind kind NOT NULL,
    item BIGINT NOT NULL,
    aoi BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    previous BIGINT,
    reference BIGINT,
    published TIMESTAMP NOT NULL,
    withdrawn TIMESTAMP, -- time at which its item changed status; workers must not start it any more
    lease VARCHAR,
    worker VARCHAR,
    expires TIMESTAMP
);

-- history: one row per change, with the fields of the item after it
CREATE TABLE event (
    seq BIGINT NOT NULL,
    time TIMESTAMP NOT NULL,
    aoi BIGINT NOT NULL,
    type VARCHAR NOT NULL, -- 'aoi', 'scene', 'tile'
    item BIGINT NOT NULL,
    before status,
    after status,
    cause VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    attempt BIGINT NOT NULL,
    countdown BIGINT NOT NULL,
    previous BIGINT,
    reference BIGINT,
    aoi_name VARCHAR -- only for type 'aoi': these events remain after the AOI is deleted
);
