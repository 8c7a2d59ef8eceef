-- Refs that do not stand in `refs` yet (decision 0028), in the order in which they came: of each three 64-bit floats, lowest byte
-- first: 4 * short + kind, since (-1: it is removed), file_key. `run`: those of one are put in place together.
CREATE TABLE refs_recent (
  part INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  refs BLOB NOT NULL
) STRICT;

-- The run that is being put in place, and up to which name it is; none while no run is.
CREATE TABLE refs_draining (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  run INTEGER NOT NULL,
  name INTEGER NOT NULL
) STRICT;
