-- The ledger: what every member signs and every node stores. Spec: docs/specs/entry.md.
-- Entries are never rewritten and never deleted, save their verdict, which follows from all entries.

-- One author's chains. `feed_key` is local: it keeps 48 bytes out of every row of `entries`.
CREATE TABLE feeds (
  feed_key INTEGER PRIMARY KEY,
  author BLOB NOT NULL,
  incarnation BLOB NOT NULL,
  UNIQUE (author, incarnation)
) STRICT;

-- Entries that no other entry of their feed follows: one per feed, more where it forked.
CREATE TABLE tips (
  tip_key INTEGER PRIMARY KEY,
  feed_key INTEGER NOT NULL REFERENCES feeds,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,
  ms INTEGER NOT NULL,
  counter INTEGER NOT NULL
) STRICT;

-- `arrival` counts up without gaps: whatever an entry needs has a lower one. `short_id` is the first four bytes of `id` as a
-- signed integer. `sig` and `cosig` as they came; `sig` is null where only a later entry of the feed vouches for this one.
-- `subject`: what an ordinary entry is about. `refusal_*`: null while the entry has effect.
CREATE TABLE entries (
  arrival INTEGER PRIMARY KEY,
  feed_key INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,
  short_id INTEGER NOT NULL,
  ms INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  kind TEXT NOT NULL,
  subject BLOB,
  is_control INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  sig BLOB,
  cosig BLOB,
  refusal_code TEXT,
  refusal_reason TEXT
) STRICT;

-- Few indexes, because each costs inserts (200,000 entries of 400 bytes, per second: none 98,000; feed 79,000; feed and a
-- 4-byte prefix of the id 53,000; feed and the whole id 32,000). None is unique: forks put two entries at one (feed, seq),
-- and whether an id is stored is known from (feed, seq) before anything is inserted.
CREATE INDEX entries_feed ON entries (feed_key, seq);
CREATE INDEX entries_short_id ON entries (short_id);
CREATE INDEX entries_subject ON entries (subject) WHERE subject IS NOT NULL;
CREATE INDEX entries_control ON entries (is_control) WHERE is_control = 1;
