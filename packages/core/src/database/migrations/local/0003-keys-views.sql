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

-- File keys by access epoch.
CREATE TABLE file_secrets (
  file BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  secret BLOB NOT NULL,
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

-- What this branch may see, in clear. A row exists only while the key of the current access epoch is here and its meta
-- box was opened. `search`, `campaign_key` and `tag_keys` are case-folded. `list`: canonical CBOR of the audience's list.
CREATE TABLE views (
  file BLOB PRIMARY KEY,
  head BLOB NOT NULL,
  version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  meta BLOB NOT NULL,
  preview BLOB,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  tags TEXT NOT NULL,
  campaign TEXT,
  hash BLOB NOT NULL,
  mode TEXT NOT NULL,
  list BLOB NOT NULL,
  size INTEGER NOT NULL,
  owner BLOB NOT NULL,
  state TEXT NOT NULL,
  trashed INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  search TEXT NOT NULL,
  campaign_key TEXT,
  tag_keys TEXT NOT NULL
) STRICT;
CREATE INDEX views_by_time ON views (trashed, updated DESC, file);
CREATE INDEX views_by_owner ON views (trashed, owner, updated DESC, file);
CREATE INDEX views_by_campaign ON views (trashed, campaign_key, updated DESC, file) WHERE campaign_key IS NOT NULL;
CREATE INDEX views_by_name ON views (name);
CREATE INDEX views_listed ON views (file) WHERE mode <> 'everyone';

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
