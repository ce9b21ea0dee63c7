-- Progress of the store, which must match the high-water mark; see `high_water_mark.py`.
CREATE TABLE progress (
    store UUID NOT NULL, -- identity of this store
    transactions BIGINT NOT NULL, -- count of transactions with changes since this table was created
    token BIGINT NOT NULL, -- identity of the last transaction; differs between copies of a store with equal counts
    trimmed BIGINT NOT NULL, -- seq of the last pruned event
    complete BOOLEAN NOT NULL -- the store was closed, so the file contains all acknowledged transactions
);
INSERT INTO progress
SELECT gen_random_uuid(), 0, 0, coalesce((SELECT min(seq) FROM event), 1) - 1, false;
