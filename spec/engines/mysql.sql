-- One database with everything that a restored MySQL or MariaDB must still have (FIELD, section 4).
-- Seeded: no random values, no current time. The client's session is in the server's zone, which is not UTC.

-- The child sorts before its parent.
CREATE TABLE parent (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL);
CREATE TABLE child (
  id INT AUTO_INCREMENT PRIMARY KEY, parent BIGINT,
  CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE
) AUTO_INCREMENT = 1000;
INSERT INTO parent WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 500)
  SELECT i, CONCAT('parent ', i) FROM n;
INSERT INTO child (parent) SELECT id FROM parent;
INSERT INTO child (parent) SELECT id FROM parent WHERE id <= 250;
ALTER TABLE child AUTO_INCREMENT = 4711;

-- Values that dumps have lost: NULL against empty, binary, 4-byte UTF-8, long lines, times.
CREATE TABLE `Weird "na``me` (
  `Id;` INT PRIMARY KEY,
  `t``e(xt` LONGTEXT COMMENT 'it''s; a \\ comment -- with (brackets',
  b LONGBLOB, v VARBINARY(20), n DECIMAL(30, 10), d DOUBLE, f FLOAT(7, 3), j JSON,
  s SET('a', 'b;', 'c''d'), e ENUM('x', '', 'y(z'), bits BIT(12), p POINT, y YEAR,
  at TIMESTAMP NULL, moment DATETIME(6), day DATE, span TIME(3),
  doubled INT GENERATED ALWAYS AS (`Id;` * 2) STORED,
  virtual_one VARCHAR(20) GENERATED ALWAYS AS (CONCAT('<', `Id;`, '>')) VIRTUAL,
  latin VARCHAR(20) CHARACTER SET latin1, checked INT CHECK (checked > 0), UNIQUE KEY (doubled)
) DEFAULT CHARSET utf8mb4;
INSERT INTO `Weird "na``me` (`Id;`, `t``e(xt`, b, v, n, d, f, j, s, e, bits, p, y, at, moment, day, span, latin, checked)
VALUES
  (1, '', '', '', 0, 0, 0, '{}', '', '', b'0', ST_GeomFromText('POINT(0 0)'), 1901, FROM_UNIXTIME(1774747800),
   '2026-03-29 02:30:00.123456', '2026-03-29', '00:00:00', '', 1),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 'tab\tnew\nreturn\rback\\slash nul\0 ctrl-z\Z 😀 𝔘 ''quote'' "double" `back`', X'000102ff0a0d5c27',
   X'00', 12345678901234567890.0123456789, 1e308, 1234.567, '{"a": "\\n", "b": [1, null, "😀"]}', 'a,c''d', 'y(z',
   b'101010101010', ST_GeomFromText('POINT(1.5 -2.5)'), 2155, FROM_UNIXTIME(1), '1000-01-01 00:00:00', '9999-12-31',
   '-838:59:59', 'café', 2),
  (4, REPEAT('long line ', 300000), NULL, NULL, -0.0000000001, -1e-300, -0.5, '[]', 'b;', 'x', b'1', NULL, NULL,
   FROM_UNIXTIME(2147483647), NULL, NULL, '23:59:59.999', NULL, NULL);
INSERT INTO `Weird "na``me` (`Id;`, b) WITH RECURSIVE n AS (SELECT 0 i UNION ALL SELECT i + 1 FROM n WHERE i < 255)
  SELECT 5, UNHEX(GROUP_CONCAT(LPAD(HEX(i), 2, '0') ORDER BY i SEPARATOR '')) FROM n;

CREATE TABLE empty_table (id INT);
CREATE TABLE Mixed_Case (id INT);
CREATE TABLE mixed_case (id INT);
INSERT INTO mixed_case VALUES (1);
CREATE TABLE rows_like_ends (t TEXT);
INSERT INTO rows_like_ends VALUES ('-- Dump completed'), ('\n-- Dump completed\n'), ('INSERT INTO `t` VALUES (1);'),
  ('),('), ('\\'), ('\\\''), (''), ('DELIMITER ;;'), ('/*'), ('x'';y');

CREATE TABLE measure (at DATE NOT NULL, value INT, PRIMARY KEY (at)) PARTITION BY RANGE (TO_DAYS(at)) (
  PARTITION p2025 VALUES LESS THAN (TO_DAYS('2026-01-01')), PARTITION later VALUES LESS THAN MAXVALUE);
INSERT INTO measure WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 400)
  SELECT DATE '2025-06-01' + INTERVAL i DAY, i FROM n;

CREATE TABLE audit (what VARCHAR(100) NOT NULL);
CREATE INDEX parent_name ON parent (name(10));
CREATE FULLTEXT INDEX words ON rows_like_ends (t);
CREATE VIEW a_view_of_view AS SELECT 1 AS one;
CREATE VIEW joined AS SELECT p.name, COUNT(*) AS `num ber` FROM parent p JOIN child c ON c.parent = p.id GROUP BY p.name;
CREATE OR REPLACE VIEW a_view_of_view AS SELECT * FROM joined WHERE `num ber` > 1 AND name <> 'it''s \\ ; -- x';
CREATE DEFINER = 'app'@'%' SQL SECURITY INVOKER VIEW of_app AS SELECT id FROM parent WITH CHECK OPTION;

DELIMITER //
CREATE PROCEDURE hostile(IN a INT, OUT b TEXT) COMMENT 'it''s; hostile'
BEGIN
  -- A body that looks like the end of a dump.
-- Dump completed
  DECLARE done INT DEFAULT 0;
  INSERT INTO audit VALUES ('INSERT INTO `x` VALUES (1);');
  SELECT 'it''s \\' INTO b;
END//
CREATE DEFINER = 'app'@'%' FUNCTION plus(a INT, b INT) RETURNS INT DETERMINISTIC SQL SECURITY INVOKER RETURN a + b//
CREATE TRIGGER parent_in BEFORE INSERT ON parent FOR EACH ROW BEGIN SET NEW.name = CONCAT(NEW.name, ';'); END//
CREATE TRIGGER parent_out AFTER DELETE ON parent FOR EACH ROW INSERT INTO audit VALUES (CONCAT('gone 😀 ', OLD.name))//
CREATE TRIGGER parent_out_too AFTER DELETE ON parent FOR EACH ROW FOLLOWS parent_out INSERT INTO audit VALUES ('too')//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'it''s'
  DO BEGIN DELETE FROM audit; DELETE FROM empty_table; END//
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'//
CREATE PROCEDURE other_mode() BEGIN SELECT 'back\' AS "col;umn"; END//
SET SESSION sql_mode = DEFAULT//
DELIMITER ;

GRANT SELECT ON parent TO 'app'@'%' WITH GRANT OPTION;
GRANT INSERT (name), UPDATE (name, id) ON parent TO 'app'@'%';
GRANT EXECUTE ON PROCEDURE hostile TO 'app'@'%';
