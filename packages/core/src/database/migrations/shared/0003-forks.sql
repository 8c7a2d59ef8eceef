-- Feeds that have two entries at one place, and the proof: author, the lowest such place, the two lowest ids there. Follows
-- from the set of entries alone; covered by the state digest.
CREATE TABLE forks (
  feed TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  seq INTEGER NOT NULL,
  first BLOB NOT NULL,
  second BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX forks_by_node ON forks (node);
