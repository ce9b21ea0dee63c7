-- Repairs and guesses of footprints.

ALTER TABLE scene ADD COLUMN geometry_note VARCHAR;
ALTER TABLE tile ADD COLUMN geometry_note VARCHAR;
