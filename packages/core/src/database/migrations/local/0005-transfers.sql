-- Transfers of this node, so that they go on after a restart and the finished ones can still be looked at for a while.
-- Which chunks are here stands with the sealed files, not here.
CREATE TABLE transfers (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('fetch', 'replicate', 'drain')),
  file TEXT NOT NULL,
  -- the version: root (hex), plain bytes, plain bytes per chunk
  root TEXT NOT NULL,
  size INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
  -- lower goes first among queued transfers of one kind
  position INTEGER NOT NULL,
  -- 0: somebody waited for it who is gone after a restart, so it is not gone on with
  kept INTEGER NOT NULL,
  -- plain bytes that were here when the row was written
  bytes INTEGER NOT NULL,
  -- canonical CBOR: {node id: plain bytes delivered}
  sources BLOB NOT NULL,
  -- ms since the epoch
  started INTEGER NOT NULL,
  finished INTEGER,
  error_code TEXT,
  error_message TEXT
) STRICT, WITHOUT ROWID;
