-- Files of this branch, and which of their denials are in `notices` or were delivered: those up to the access epoch that
-- this entry opened (NULL: none yet). `due`: there may be later ones. Files that never had a second access epoch have no row.
CREATE TABLE told_files (
  file BLOB PRIMARY KEY,
  through BLOB,
  due INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX told_files_due ON told_files (file) WHERE due = 1;

-- Its one row stands while every file of this branch that may be due has its row above.
CREATE TABLE told_files_whole (
  id INTEGER PRIMARY KEY CHECK (id = 1)
) STRICT;
