-- What only MariaDB has.
CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 5 MAXVALUE 10000 CYCLE;
DO NEXTVAL(tickets);
DO NEXTVAL(tickets);
-- A version is a moment: the rows' times are given, not taken from the clock.
CREATE TABLE versioned (id INT PRIMARY KEY, price INT) WITH SYSTEM VERSIONING;
SET timestamp = 1700000000;
INSERT INTO versioned VALUES (1, 10), (2, 20);
SET timestamp = 1700000100;
UPDATE versioned SET price = 11 WHERE id = 1;
SET timestamp = 1700000200;
DELETE FROM versioned WHERE id = 2;
SET timestamp = DEFAULT;
CREATE TABLE own_types (u UUID, i INET6);
INSERT INTO own_types VALUES ('123e4567-e89b-12d3-a456-426655440000', '::1');
ALTER DATABASE COMMENT 'the shop''s';
DELIMITER //
SET SESSION sql_mode = 'ORACLE'//
CREATE PACKAGE counting AS FUNCTION one RETURN INT; END//
CREATE PACKAGE BODY counting AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END//
SET SESSION sql_mode = DEFAULT//
DELIMITER ;
