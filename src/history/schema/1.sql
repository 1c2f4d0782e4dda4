-- What a source is known for, also when its runs are pruned.
CREATE TABLE source (
    source TEXT NOT NULL PRIMARY KEY,
    first_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest due time of each schedule that needs no run any more. It is written beside the runs and
-- not read from them: a due time must not come back when its run is pruned.
CREATE TABLE handled (
    source TEXT NOT NULL,
    schedule TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (source, schedule)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    schedule TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    due_at INTEGER,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    error TEXT,
    warnings TEXT NOT NULL DEFAULT '[]',
    archives INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    plain_bytes INTEGER NOT NULL DEFAULT 0,
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
) STRICT;

CREATE INDEX run_by_time ON run (started_at, id);
CREATE INDEX run_by_source ON run (source, started_at, id);

-- Due times that got no run of their own, for people.
CREATE TABLE explained (
    source TEXT NOT NULL,
    schedule TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (source, schedule, due_at)
) STRICT, WITHOUT ROWID;

-- A cleared alarm stays until it is pruned: how long it was open is asked afterwards.
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER,
    message TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX alarm_open ON alarm (kind, subject) WHERE cleared_at IS NULL;
