-- What follows from the ledger. Every row is made by the folds of the catalogue and may be dropped and made anew; all
-- tables but `digest`, `owners` and `refs` are covered by the state digest (docs/specs/state-digest.md). Ids, keys and hashes are
-- raw bytes, PeerIds and feeds are text, times are ms of the entries' own clocks, flags are 0 or 1.

-- The one network of this database.
CREATE TABLE network (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  founder TEXT NOT NULL,
  recovery BLOB NOT NULL,
  max_copies INTEGER,
  rules INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Everyone who was ever admitted.
CREATE TABLE members (
  node TEXT PRIMARY KEY,
  key BLOB NOT NULL,
  sealing BLOB NOT NULL,
  branch BLOB NOT NULL,
  role TEXT NOT NULL,
  steps INTEGER,
  state TEXT NOT NULL,
  admit BLOB NOT NULL,
  invite BLOB,
  replaced_by TEXT,
  marks TEXT NOT NULL,
  closed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE branches (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  node TEXT NOT NULL,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `used_by`: PeerIds in the order of their admission, separated by blanks.
CREATE TABLE invites (
  id BLOB PRIMARY KEY,
  key BLOB NOT NULL,
  branch TEXT NOT NULL,
  role TEXT NOT NULL,
  expires INTEGER NOT NULL,
  replaces TEXT,
  issuer TEXT NOT NULL,
  revoked INTEGER NOT NULL,
  used_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last entry that counts in a closed feed.
CREATE TABLE cuts (
  feed TEXT PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Branches on their way out, or gone. `orphans`: file ids one after the other; null while it has not left.
CREATE TABLE departures (
  branch BLOB PRIMARY KEY,
  seed BLOB NOT NULL,
  node TEXT NOT NULL,
  candidates TEXT NOT NULL,
  orphans BLOB
) STRICT, WITHOUT ROWID;

-- Entries that have no effect, and why. `subject` is the file, audience or author that the refusal belongs to, empty
-- for control entries and for entries that are about nothing; an `accept` may be refused for some of its files.
CREATE TABLE refusals (
  subject BLOB NOT NULL,
  entry BLOB NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (subject, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX refusals_by_entry ON refusals (entry);

-- A file with its versions and access epochs. `record` is what the state digest takes in, canonical CBOR (state-digest.md); beside it
-- stands what files are looked for by. `file_key` is local: the arrival number of one of the entries about the file, the first
-- where it can be, so that new files are appended, in the order in which this node learned of them.
CREATE TABLE files (
  file_key INTEGER PRIMARY KEY,
  state TEXT NOT NULL,
  owner INTEGER NOT NULL,
  offered INTEGER NOT NULL,
  record BLOB NOT NULL
) STRICT;
CREATE INDEX files_by_owner ON files (owner);
CREATE INDEX files_offered ON files (offered) WHERE offered = 1;

-- Local numbers of the branches that ever owned a file.
CREATE TABLE owners (
  owner INTEGER PRIMARY KEY,
  branch BLOB NOT NULL UNIQUE
) STRICT;

-- `place`: of the key among those of its audience, from 0.
CREATE TABLE audience_keys (
  audience BLOB NOT NULL,
  key BLOB NOT NULL,
  place INTEGER NOT NULL,
  proof BLOB NOT NULL,
  grants BLOB NOT NULL,
  list BLOB,
  author TEXT NOT NULL,
  entry BLOB NOT NULL,
  PRIMARY KEY (audience, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE capacities (
  node TEXT PRIMARY KEY,
  weight INTEGER NOT NULL,
  entry BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Remarks on the conduct of members with files. They remove no right.
CREATE TABLE marks (
  file BLOB NOT NULL,
  mark TEXT NOT NULL,
  entry BLOB NOT NULL,
  node TEXT NOT NULL,
  PRIMARY KEY (file, mark, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_by_node ON marks (node);

-- Whose a root or box of a file is: what a holder asks before it serves, keeps or drops one. Follows from the records of files, which
-- hold the whole hash. `short`: 47 bits of it by the key beside (`short-hash.ts`). `kind`: 0 root, 1 former root, 2 box. `since`: the
-- entries that were here when the file came to name it, since who names another's root later does not get a say over it.
CREATE TABLE refs (
  short INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  since INTEGER NOT NULL,
  file_key INTEGER NOT NULL,
  PRIMARY KEY (short, kind, since, file_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE refs_secret (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  secret BLOB NOT NULL
) STRICT;

-- The sum of the set hash over all rows, and whether entries wait for newer rules to be executed.
CREATE TABLE digest (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  lanes BLOB NOT NULL,
  behind INTEGER NOT NULL
) STRICT;
