-- Where each member was last known to be: its own word, or that of whoever let this node in. A canonical CBOR array of
-- multiaddrs. A member that has said farewell is not dialled for a minute, so a node that starts must find the others.
CREATE TABLE member_addresses (
  node TEXT PRIMARY KEY,
  addresses BLOB NOT NULL
) STRICT, WITHOUT ROWID;
