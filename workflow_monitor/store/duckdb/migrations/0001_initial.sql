-- No foreign keys, and no index on a column that changes: DuckDB refuses updates of such rows.

CREATE TYPE status AS ENUM ('NEW', 'PENDING', 'DONE', 'RETRY', 'FAILED');
CREATE TYPE kind AS ENUM ('scene', 'tile');

CREATE TABLE aoi (
    id BIGINT PRIMARY KEY,
    name VARCHAR NOT NULL UNIQUE,
    created TIMESTAMP NOT NULL
);

-- how many scenes and tiles of an AOI are in each status
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
    acquired TIMESTAMP, -- the date in `data`, in UTC; null if there is none
    data VARCHAR NOT NULL, -- JSON
    geometry VARCHAR, -- footprint in longitude and latitude, as GeoJSON
    footprint BLOB, -- the same as WKB
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

-- hand-outs of items: the outbox, and the queue that workers lease from
CREATE TABLE job (
    id BIGINT NOT NULL, -- number of the event that published it
    kind kind NOT NULL,
    item BIGINT NOT NULL,
    aoi BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    previous BIGINT,
    reference BIGINT,
    published TIMESTAMP NOT NULL,
    withdrawn TIMESTAMP, -- its item has moved on: nobody shall start it any more
    lease VARCHAR,
    worker VARCHAR,
    expires TIMESTAMP
);

-- everything that happened; the item as it was then
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
    aoi_name VARCHAR -- of events of type 'aoi', which outlive it
);
