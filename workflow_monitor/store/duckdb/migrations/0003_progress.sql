-- How far the store has come, beside which the high-water mark is held; see `mark.py`.
CREATE TABLE progress (
    store UUID NOT NULL, -- tells this store from others
    transactions BIGINT NOT NULL, -- how many have changed something since there is this table
    token BIGINT NOT NULL, -- tells the last of them from the one that another copy of the store made of the same number
    trimmed BIGINT NOT NULL, -- number of the last event that was forgotten
    complete BOOLEAN NOT NULL -- whether it was closed, so that all that was acknowledged is in the file
);
INSERT INTO progress
SELECT gen_random_uuid(), 0, 0, coalesce((SELECT min(seq) FROM event), 1) - 1, false;
