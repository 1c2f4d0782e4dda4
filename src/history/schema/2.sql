-- What rolling verification found, for people, and what could not be looked at.
CREATE TABLE checked (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    archive TEXT NOT NULL,
    level TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    finding TEXT NOT NULL,
    error TEXT
) STRICT;

CREATE INDEX checked_by_time ON checked (started_at, id);
CREATE INDEX checked_by_source ON checked (source, started_at, id);

-- When the round of verification was due that began last: one row, or none yet.
CREATE TABLE round (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    due_at INTEGER NOT NULL
) STRICT;
