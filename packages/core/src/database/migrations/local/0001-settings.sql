-- Settings and counters of this node only, by name. Values are canonical CBOR.
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
