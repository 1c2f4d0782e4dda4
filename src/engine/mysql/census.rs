//! What a census of a MySQL or MariaDB database asks: that every table, view, index, constraint, routine,
//! trigger and event is there, and every row.
//!
//! A dump cannot be made of another session's snapshot here. So a census is taken before and behind the
//! beginning of the dump, and what both say alike was so at its moment, too.

use super::queries::{ROWLESS, SETTLED};
use super::sql::literal;
use crate::model::DatabaseName;

/// Sees one moment. Its snapshot has no name that a dump could use.
pub(super) const BEGIN: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n\
    START TRANSACTION WITH CONSISTENT SNAPSHOT;\n\
    SELECT JSON_ARRAY('snapshot', '');\n";

/// Times read alike wherever they are asked for, and no list is cut.
const ALIKE: &str =
    "SET SESSION time_zone = '+00:00', SESSION group_concat_max_len = 1073741824;\n";

/// So many queries count the tables together: one for each is too many to write down beforehand, one for
/// all too much for a server's stack.
const SHARES: u32 = 16;

/// A value as text that no other value has. What a FLOAT holds is not among it, since a dump writes six of
/// its digits.
const COLUMNS: &str = "(SELECT GROUP_CONCAT(CASE \
      WHEN DATA_TYPE LIKE '%blob' OR DATA_TYPE LIKE '%binary' OR DATA_TYPE LIKE '%point' OR DATA_TYPE LIKE '%polygon' \
        OR DATA_TYPE LIKE '%linestring' OR DATA_TYPE LIKE 'geom%' OR DATA_TYPE IN ('bit', 'vector') \
        THEN CONCAT('IFNULL(HEX(`', REPLACE(COLUMN_NAME, '`', '``'), '`), ''N'')') \
      WHEN DATA_TYPE = 'json' \
        THEN CONCAT('IFNULL(CONCAT(''='', CAST(`', REPLACE(COLUMN_NAME, '`', '``'), '` AS CHAR)), ''N'')') \
      ELSE CONCAT('IFNULL(CONCAT(''='', CAST(`', REPLACE(COLUMN_NAME, '`', '``'), '` AS BINARY)), ''N'')') END \
    ORDER BY ORDINAL_POSITION SEPARATOR ', ') \
    FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME \
      AND DATA_TYPE <> 'float')";

/// Everything but what is in the rows.
pub(super) fn rows(name: &DatabaseName) -> String {
    census(name, "', CAST(COUNT(*) AS CHAR)'")
}

/// Everything, with a sum over what is in the rows, in whatever order they are.
pub(super) fn checksums(name: &DatabaseName) -> String {
    let known = format!(
        "', CONCAT(COUNT(*), '', sum '', COALESCE(SUM(CAST(CONV(LEFT(SHA2(CONCAT_WS(0x00, 0x00, ', \
           IFNULL({COLUMNS}, '0x00'), '), 256), 15), 16, 10) AS UNSIGNED)), 0))'"
    );
    census(name, &known)
}

/// `known`: what is said of a table's rows, as a part of the query that counts them.
fn census(name: &DatabaseName, known: &str) -> String {
    let name = literal(name.as_str());
    let mut script = format!(
        "{SETTLED}{ALIKE}\
         SELECT JSON_ARRAY(CONCAT('table ', t.TABLE_NAME), (SELECT CONCAT(t.ENGINE, ', ', COUNT(*), ' columns, ', \
             LEFT(SHA2(GROUP_CONCAT(CONCAT_WS(' ', COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME) \
             ORDER BY ORDINAL_POSITION), 256), 12)) FROM information_schema.COLUMNS c \
             WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME)) \
           FROM information_schema.TABLES t WHERE TABLE_SCHEMA = {name} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED');\n\
         SELECT JSON_ARRAY(CONCAT('view ', TABLE_NAME), '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = {name} \
           AND TABLE_TYPE = 'VIEW' AND TABLE_COMMENT = 'VIEW' AND (CREATE_TIME IS NULL OR CREATE_TIME > '1000-01-01');\n\
         SELECT JSON_ARRAY(CONCAT('index ', TABLE_NAME, '.', INDEX_NAME), CONCAT(INDEX_TYPE, IF(MIN(NON_UNIQUE), '', ' unique'), \
             ' (', GROUP_CONCAT(COALESCE(COLUMN_NAME, '…') ORDER BY SEQ_IN_INDEX SEPARATOR ', '), ')')) \
           FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {name} GROUP BY TABLE_NAME, INDEX_NAME, INDEX_TYPE;\n\
         SELECT JSON_ARRAY(CONCAT('constraint ', TABLE_NAME, '.', CONSTRAINT_NAME), CONSTRAINT_TYPE) \
           FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = {name};\n\
         SELECT JSON_ARRAY(CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME), '') \
           FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {name};\n\
         SELECT JSON_ARRAY(CONCAT('trigger ', EVENT_OBJECT_TABLE, '.', TRIGGER_NAME), CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION)) \
           FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {name};\n\
         SELECT JSON_ARRAY(CONCAT('event ', EVENT_NAME), '') FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {name};\n"
    );
    for share in 0..SHARES {
        script.push_str(&format!(
            "SET @census = IFNULL((SELECT GROUP_CONCAT('SELECT JSON_ARRAY(', QUOTE(CONCAT('rows ', TABLE_NAME)), {known}, \
               ') FROM `', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`' SEPARATOR ' UNION ALL ') \
               FROM information_schema.TABLES t WHERE TABLE_SCHEMA = {name} AND TABLE_TYPE = 'BASE TABLE' \
               AND ENGINE NOT IN ({ROWLESS}) AND CRC32(TABLE_NAME) % {SHARES} = {share}), 'DO 0');\n\
             PREPARE census FROM @census;\nEXECUTE census;\nDEALLOCATE PREPARE census;\n"
        ));
    }
    script.push_str("SELECT JSON_ARRAY('end', '');\n");
    script
}
