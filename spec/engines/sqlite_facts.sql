PRAGMA integrity_check;
PRAGMA page_size;
PRAGMA page_count;
PRAGMA auto_vacuum;
PRAGMA encoding;
PRAGMA user_version;
PRAGMA application_id;
PRAGMA freelist_count;
SELECT rowid, * FROM sqlite_sequence;
SELECT count(*) FROM search WHERE search MATCH 'more';
SELECT id FROM place WHERE x1 > 2;
SELECT count(*), min(doubled), max(halved) FROM kinds;
SELECT * FROM sqlite_stat1 ORDER BY 1, 2;
.dump
