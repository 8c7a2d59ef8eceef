-- Small sealed objects beside the ledger (metadata, previews, audience lists), named by the BLAKE3 hash of their bytes.
-- Erased on denial and purge; secure_delete, set when the database is opened, overwrites the freed pages.
CREATE TABLE boxes (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 1 AND 524288)
) STRICT;
