PRAGMA page_size = 1024;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA user_version = 42;
PRAGMA application_id = 1380;
PRAGMA foreign_keys = OFF;

-- The child sorts before its parent.
CREATE TABLE a_child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES z_parent (id) ON DELETE CASCADE);
CREATE TABLE z_parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO z_parent (name) SELECT 'name ' || i FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO a_child SELECT i, i % 1000 + 1 FROM n;
-- The sequence goes on where it was, not where the rows end.
DELETE FROM z_parent WHERE id > 990 AND id NOT IN (SELECT parent FROM a_child WHERE id < 2000);
INSERT INTO z_parent (id, name) VALUES (5000, 'far'); DELETE FROM z_parent WHERE id = 5000;

CREATE TABLE kinds (
  "none", empty TEXT DEFAULT '', whole INTEGER, big INTEGER, small INTEGER, real REAL, bytes BLOB, text TEXT, json TEXT CHECK (json_valid(json)),
  doubled INTEGER GENERATED ALWAYS AS (whole * 2) STORED, halved REAL AS (whole / 2.0) VIRTUAL, UNIQUE (whole, text));
INSERT INTO kinds ("none", whole, big, small, real, bytes, text, json) VALUES
  (NULL, 1, 9223372036854775807, -9223372036854775808, 0.1, x'', '', '{"a": [1, null]}'),
  ('', 2, 0, 1, -1e308, x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', '🦀 emoji, 漢字, "quotes" and ''more''', '[]'),
  (x'00', 3, 1, 1, 1.0, zeroblob(3000000), 'line' || char(10) || 'break' || char(13, 10, 9), '"x"');
INSERT INTO kinds (whole, text, json) SELECT 4, group_concat(name), '1' FROM z_parent;

CREATE TABLE "Mixed ""Case"" $(id); --" ("a b" INTEGER, "select" TEXT);
INSERT INTO "Mixed ""Case"" $(id); --" VALUES (1, 'x'), (2, NULL);
CREATE TABLE "a table with so long a name that the row of the schema that tells of it does not fit into one cell of a page of this size, and goes on elsewhere" (i);
INSERT INTO "a table with so long a name that the row of the schema that tells of it does not fit into one cell of a page of this size, and goes on elsewhere" VALUES (1);
CREATE TABLE empty_table (i INTEGER);
CREATE TABLE words (word TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO words SELECT 'word ' || i, i FROM n;
CREATE TABLE strict_one (i INT, t ANY) STRICT;
INSERT INTO strict_one VALUES (1, 'x'), (2, 2);

CREATE INDEX partial ON a_child (parent) WHERE parent > 500;
CREATE INDEX expression ON z_parent (lower(name) DESC);
CREATE UNIQUE INDEX "odd ' index" ON "Mixed ""Case"" $(id); --" ("a b");
CREATE VIEW joined AS SELECT c.id, p.name FROM a_child c JOIN z_parent p ON p.id = c.parent;
CREATE VIEW broken AS SELECT * FROM not_there;
CREATE TABLE told (at TEXT, what TEXT);
CREATE TRIGGER tells AFTER INSERT ON empty_table BEGIN INSERT INTO told VALUES ('then', NEW.i); END;

CREATE VIRTUAL TABLE search USING fts5 (title, body);
INSERT INTO search SELECT name, name || ' and more of it' FROM z_parent;
CREATE VIRTUAL TABLE place USING rtree (id, x1, x2);
INSERT INTO place VALUES (1, 1, 2), (2, 3, 4);
ANALYZE;
DELETE FROM told;
