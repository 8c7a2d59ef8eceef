-- Audience keys that this node holds. `list` is canonical CBOR of the audience's list as sealed beside this very key,
-- NULL until its box was opened ("everyone" has none); `list_id` is its hash, for finding an audience with an equal
-- list. `gone`: 32-byte keys of the former members that the maker of the key already left out, NULL until known.
CREATE TABLE audience_secrets (
  audience BLOB NOT NULL,
  key_id BLOB NOT NULL,
  secret BLOB NOT NULL,
  list BLOB,
  list_id BLOB,
  gone BLOB,
  PRIMARY KEY (audience, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audience_secrets_by_list ON audience_secrets (list_id) WHERE list_id IS NOT NULL;

-- What must leave no trace when it is erased: names, lists, file keys. Rows are appended, never deleted, and erased by
-- an update of the same size, which is made in place (catalogue/vault.ts says why). `bytes`: length, content, zeros.
CREATE TABLE vault (
  slot INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;

-- Erased slots, by size, for use again.
CREATE TABLE vault_free (
  size INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  PRIMARY KEY (size, slot)
) STRICT, WITHOUT ROWID;

-- File keys by access epoch; the key itself is in the vault.
CREATE TABLE file_secrets (
  file BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  PRIMARY KEY (file, epoch)
) STRICT, WITHOUT ROWID;

-- Boxes that this node made or opened: what has to go when the file is denied to it.
CREATE TABLE file_boxes (
  file BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (file, epoch, hash)
) STRICT, WITHOUT ROWID;

-- Files whose keys this node had and gave up on their owner's notice, through this access epoch: it must not hold
-- sealed chunks of those epochs either.
CREATE TABLE given_up (
  file BLOB PRIMARY KEY,
  epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What this branch may see. A row exists only while the key of the current access epoch is here and its meta box was
-- opened. All that is secret is in the vault: `details` is JSON (name, type, tags, campaign, plain hash, list), `search`
-- the case-folded text that is searched. `name_key` is 24 bits of the name's hash: enough to find a file by name, too
-- little to confirm a guess.
CREATE TABLE views (
  file BLOB PRIMARY KEY,
  head BLOB NOT NULL,
  version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  meta BLOB NOT NULL,
  preview BLOB,
  details INTEGER NOT NULL,
  search INTEGER NOT NULL,
  name_key INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  size INTEGER NOT NULL,
  owner BLOB NOT NULL,
  state TEXT NOT NULL,
  trashed INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
CREATE INDEX views_by_time ON views (trashed, updated DESC, file, search);
CREATE INDEX views_by_owner ON views (trashed, owner, updated DESC, file);
CREATE INDEX views_by_name ON views (name_key);
CREATE INDEX views_listed ON views (trashed, updated DESC, file) WHERE listed = 1;

-- Files that cannot be shown yet: an audience key is missing (`box` is NULL) or a box is.
CREATE TABLE waits (
  file BLOB PRIMARY KEY,
  audience BLOB NOT NULL,
  key_id BLOB NOT NULL,
  box BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX waits_by_key ON waits (audience, key_id) WHERE box IS NULL;
CREATE INDEX waits_by_box ON waits (box) WHERE box IS NOT NULL;

-- Notices to denied nodes, kept until delivered.
CREATE TABLE notices (
  file BLOB NOT NULL,
  entry BLOB NOT NULL,
  node TEXT NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (file, entry, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_by_node ON notices (node);
