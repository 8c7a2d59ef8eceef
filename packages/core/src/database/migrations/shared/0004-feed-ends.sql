-- A closed feed ends at an entry, not at a number: what else stands at that place, or below it on another branch, does not
-- count. Several rows where the feed had forked, or where who closed it and what it had seen differ. Covered by the digest.
DROP TABLE cuts;
CREATE TABLE cuts (
  feed TEXT NOT NULL,
  id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (feed, id)
) STRICT, WITHOUT ROWID;
