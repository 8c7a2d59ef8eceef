-- Soft facts: what members state about themselves (docs/specs/facts.md). Not part of the ledger: each lives with the
-- node that states it, and only the newest value is kept.

-- Whose facts are here. 0 is this node.
CREATE TABLE fact_nodes (
  id INTEGER PRIMARY KEY,
  node TEXT NOT NULL UNIQUE,
  -- newest position of the node's log that was taken, so that its next batch goes on from here
  start INTEGER NOT NULL DEFAULT 0,
  counter INTEGER NOT NULL DEFAULT 0,
  -- what is kept of it, against its bounds
  facts INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- topic: number of the topic; key: BLOB where it is hex, else TEXT; value: NULL for a fact of this node that was
-- taken back (kept in the log so that others hear of it).
CREATE TABLE facts (
  topic INTEGER NOT NULL,
  key ANY NOT NULL,
  node INTEGER NOT NULL REFERENCES fact_nodes (id),
  start INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  value BLOB,
  PRIMARY KEY (topic, key, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_of_node ON facts (node, topic);
-- The log of what this node states.
CREATE INDEX facts_own ON facts (start, counter) WHERE node = 0;

-- Every start of this node and how far its counter came: tells a subscriber that has seen what we have lost.
CREATE TABLE fact_starts (
  start INTEGER PRIMARY KEY,
  counter INTEGER NOT NULL
) STRICT;

-- When each member was last seen by this node, ms.
CREATE TABLE last_seen (
  node TEXT PRIMARY KEY,
  ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
