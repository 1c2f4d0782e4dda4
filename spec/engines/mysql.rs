//! MySQL and MariaDB, and what is special about them: accounts, upgrades, snapshots, what the dump tools
//! leave out without a word.

use std::process::Command;

use super::{Subject, check_cuts, check_drill, check_flips, check_round_trip, check_tools, equal};
use crate::world::{Ran, Server, World, docker, wait_for};

const SEED: &str = include_str!("mysql.sql");
const MARIADB_SEED: &str = include_str!("mysql_mariadb.sql");
const COMPARED: &str = include_str!("mysql_facts.sql");

struct Mysql {
    engine: &'static str,
    image: &'static str,
    tool: &'static str,
    /// What the server is told beside its time zone.
    arguments: &'static [&'static str],
}

const MARIADB_10: Mysql = Mysql {
    engine: "mariadb",
    image: "ringbolt-spec/mariadb:10.11",
    tool: "mariadb-dump",
    arguments: &["--character-set-server=latin1"],
};
const MARIADB_11: Mysql = Mysql {
    engine: "mariadb",
    image: "ringbolt-spec/mariadb:11.8",
    tool: "mariadb-dump",
    arguments: &["--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES"],
};
const MYSQL: Mysql = Mysql {
    engine: "mysql",
    image: "ringbolt-spec/mysql:9.7",
    tool: "mysqldump",
    // A binary log with transaction ids: a dump must not carry these elsewhere.
    arguments: &["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--max-execution-time=1"],
};

impl Subject for Mysql {
    fn engine(&self) -> &'static str {
        self.engine
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        let (prefix, mut options) = (self.engine.to_uppercase(), Vec::new());
        for (variable, value) in [
            ("ROOT_PASSWORD", "s3cret-pass"),
            ("DATABASE", "shop"),
            ("USER", "app"),
            ("PASSWORD", "app-pass"),
        ] {
            options.extend(["--env".to_owned(), format!("{prefix}_{variable}={value}")]);
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let fixed = ["--default-time-zone=+05:30", "--innodb-flush-log-at-trx-commit=0"];
        let arguments = [&fixed, self.arguments].concat();
        let server = world.start(self.image, name, labels, &options, &arguments);
        // The official entrypoint's first server listens on the socket only.
        let ping = "\"$(command -v mariadb-admin || command -v mysqladmin)\" --host=127.0.0.1 ping";
        wait_for("the server", || {
            docker(&["exec", &server.name, "sh", "-c", ping]).code == Some(0)
        });
        server
    }

    fn seed(&self, server: &Server) {
        // The client is one of the server's time zone; a sql_mode would change what the seed says.
        let mode = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES';\n";
        sql(server, "shop", &format!("{mode}{SEED}"));
        if self.engine == "mariadb" {
            sql(server, "shop", &format!("{mode}{MARIADB_SEED}"));
        }
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        let facts = sql(server, database, COMPARED);
        let tables = sql(
            server,
            database,
            "SELECT CONCAT('`', REPLACE(TABLE_NAME, '`', '``'), '`') FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY BINARY TABLE_NAME",
        );
        let tables: Vec<&str> = tables.lines().collect();
        let sums = sql(server, database, &format!("CHECKSUM TABLE {} EXTENDED", tables.join(", ")));
        let mut own = String::new();
        if self.engine == "mariadb" {
            let ask = "SELECT id, price, UNIX_TIMESTAMP(row_start), UNIX_TIMESTAMP(row_end) FROM versioned FOR SYSTEM_TIME ALL ORDER BY 1, 2; SELECT 'sequence', t.* FROM tickets t; SELECT plus(1, 2)";
            own = sql(server, database, ask);
        }
        format!("{facts}\n{}\n{own}", sums.replace(&format!("{database}."), ""))
    }

    fn beside(&self) -> Option<&'static str> {
        Some("Sh.op `2`/x \"%_")
    }

    fn tool(&self) -> (&'static str, &'static str) {
        (self.tool, "--single-transaction")
    }
}

/// Runs SQL as root and returns what it answers.
#[track_caller]
fn sql(server: &Server, database: &str, sql: &str) -> String {
    let settle = "/*!50708 SET SESSION max_execution_time = 0 */;";
    let script = format!("{settle}\nUSE `{}`;\n{sql}", database.replace('`', "``"));
    ask(server, "root", &script).expect(0).stdout.trim().to_owned()
}

fn ask(server: &Server, user: &str, sql: &str) -> Ran {
    let client = "MYSQL_PWD=s3cret-pass \"$(command -v mariadb || command -v mysql)\" --batch --raw \
        --skip-column-names --comments --default-character-set=utf8mb4 --user=";
    server.shell_with_input(&format!("{client}{user}"), sql.as_bytes())
}

#[test]
fn mariadb_is_drilled() {
    check_drill(&MARIADB_10, &[]);
    check_drill(&MARIADB_11, &[("verify.checksums", "true")]);
}

#[test]
fn mysql_is_drilled() {
    check_drill(&MYSQL, &[("verify.checksums", "true")]);
}

#[test]
fn mariadb_10_11_restores() {
    check_round_trip(&MARIADB_10, &[]);
}

#[test]
fn mariadb_11_8_restores() {
    check_round_trip(&MARIADB_11, &[]);
}

#[test]
fn mysql_9_7_restores() {
    check_round_trip(&MYSQL, &[]);
}

#[test]
fn mariadb_with_a_lying_tool_leaves_nothing() {
    check_tools(&MARIADB_11);
}

#[test]
fn mysql_with_a_lying_tool_leaves_nothing() {
    check_tools(&MYSQL);
}

#[test]
fn mariadb_with_a_flipped_byte_is_refused() {
    check_flips(&MARIADB_10);
}

#[test]
fn mysql_with_a_flipped_byte_is_refused() {
    check_flips(&MYSQL);
}

/// The dump itself, as it is in the store.
fn dump_of(world: &World, labels: &[(&str, &str)], subject: &Mysql) -> (Server, String) {
    let server = super::start(world, subject, "db", labels);
    // Thousands of cuts, each of which is judged: without the row of 3 MB.
    sql(&server, "shop", "UPDATE `Weird \"na``me` SET `t``e(xt` = NULL WHERE `Id;` = 4");
    world.ringbolt(&["backup"]).expect(0);
    let id = world.newest("shop")["id"].as_str().unwrap().to_owned();
    (server, world.ringbolt(&["cat", &id]).expect(0).stdout)
}

#[test]
fn dumps_cut_anywhere_are_refused() {
    for subject in [&MARIADB_10, &MARIADB_11, &MYSQL] {
        let world = World::new();
        let (_server, dump) = dump_of(&world, &[], subject);
        let facts = check_cuts(subject.engine, "plain", dump.as_bytes());
        let rows = |table: &str| facts.tables.iter().find(|t| t.table == table).map(|t| t.rows);
        for (table, expected) in [
            ("child", 750),
            ("empty_table", 0),
            ("Mixed_Case", 0),
            ("mixed_case", 1),
            ("rows_like_ends", 10),
            ("Weird \"na`me", 5),
        ] {
            assert_eq!(rows(table), Some(expected), "{table} of {}", subject.image);
        }
        assert!(!dump.contains("GTID"), "{}", subject.image);
    }
}

#[test]
fn an_upgrade_restores_and_what_does_not_fit_is_refused() {
    let world = World::new();
    let old = super::start(&world, &MARIADB_10, "old", &[]);
    let new = super::start(&world, &MARIADB_11, "new", &[]);
    let other = MYSQL.start(&world, "other", &[]);
    world.ringbolt(&["backup"]).expect(0);
    let up = format!("{}@latest", old.source());
    world.ringbolt(&["restore", &up, "--into", &new.name, "--database", "up"]).expect(0);
    let rows = "SELECT COUNT(*), SHA2(GROUP_CONCAT(id, name ORDER BY id), 256) FROM parent; \
                SELECT `Id;`, UNIX_TIMESTAMP(at), SHA2(b, 256), HEX(`t``e(xt`), n, d, j FROM `Weird \"na``me` ORDER BY 1";
    equal(&sql(&old, "shop", rows), &sql(&new, "up", rows));
    // The printed recipe does the same with stock tools.
    for what in ["@latest", "/@globals@latest"] {
        let shown = world
            .ringbolt(&["show", &format!("{}{what}", old.source()), "--json"])
            .expect(0)
            .json();
        let lines: Vec<&str> =
            shown["restore"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let mut shell = Command::new("sh");
        Ran::of(shell.args(["-euc", &lines.join("\n")]).env("MYSQL_PWD", "s3cret-pass")).expect(0);
    }
    equal(&sql(&old, "shop", rows), &sql(&old, "shop_restored", rows));
    let down = format!("{}@latest", new.source());
    let ran = world.ringbolt(&["restore", &down, "--into", &old.name, "--database", "down"]);
    ran.expect(1).says("comes from version 11.8").says("runs version 10.11");
    world
        .ringbolt(&["restore", &up, "--into", &other.name])
        .expect(1)
        .says("mariadb")
        .says("mysql");
}

fn check_snapshot(subject: &Mysql) {
    let world = World::new();
    let patterns = [
        ("enable", "true"),
        ("exclude", "cache_?,other.account_a"),
        ("exclude-data", "shop.log_*,rows_like_ends"),
    ];
    let server = super::start(&world, subject, "db", &patterns);
    sql(
        &server,
        "shop",
        "CREATE TABLE account_a (balance INT); INSERT INTO account_a VALUES (1000000); \
         CREATE TABLE z_account (balance INT); INSERT INTO z_account VALUES (0); \
         CREATE TABLE filler (i INT, t VARCHAR(200)); INSERT INTO filler SELECT a.id, REPEAT('x', 100) FROM parent a, parent b; \
         CREATE TABLE cache_1 (i INT); CREATE TABLE log_1 (i INT PRIMARY KEY); INSERT INTO log_1 VALUES (1), (2); \
         CREATE TABLE cache_22 (i INT, FOREIGN KEY (i) REFERENCES log_1 (i)); INSERT INTO cache_22 VALUES (1); \
         CREATE VIEW a_logs AS SELECT * FROM log_1; CREATE TABLE stop_now (i INT);
         DELIMITER //
         CREATE PROCEDURE shuffle() BEGIN
           WHILE NOT EXISTS (SELECT 1 FROM stop_now) DO
             START TRANSACTION;
             UPDATE account_a SET balance = balance - 1;
             UPDATE z_account SET balance = balance + 1;
             COMMIT;
           END WHILE;
         END//",
    );
    let client = "MYSQL_PWD=s3cret-pass exec \"$(command -v mariadb || command -v mysql)\" -uroot shop -e 'CALL shuffle()'";
    docker(&["exec", "--detach", &server.name, "sh", "-c", client]).expect(0);
    let moved = || sql(&server, "shop", "SELECT balance FROM z_account").parse::<u32>().unwrap();
    wait_for("the writer", || moved() > 0);
    let before = moved();
    world.ringbolt(&["backup"]).expect(0);
    let after = moved();
    sql(&server, "shop", "INSERT INTO stop_now VALUES (1)");
    let latest = format!("{}@latest", server.source());
    world.ringbolt(&["restore", &latest, "--into", &server.name, "--database", "again"]).expect(0);
    let found = sql(&server, "again", "SELECT balance FROM z_account").parse::<u32>().unwrap();
    assert!(before <= found && found < after, "{before} <= {found} < {after}");
    let sum = "SELECT (SELECT balance FROM account_a) + (SELECT balance FROM z_account)";
    assert_eq!(sql(&server, "again", sum), "1000000");
    let rows = "SELECT COUNT(*) FROM filler UNION ALL SELECT COUNT(*) FROM log_1 UNION ALL SELECT COUNT(*) FROM a_logs \
        UNION ALL SELECT COUNT(*) FROM cache_22 UNION ALL SELECT COUNT(*) FROM rows_like_ends UNION ALL \
        SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'again' AND TABLE_NAME = 'cache_1'";
    assert_eq!(sql(&server, "again", rows), "250000\n0\n0\n1\n0\n0");
}

#[test]
fn mariadb_dumps_one_snapshot_and_what_is_wanted_of_it() {
    check_snapshot(&MARIADB_11);
}

#[test]
fn mysql_dumps_one_snapshot_and_what_is_wanted_of_it() {
    check_snapshot(&MYSQL);
}

#[test]
fn included_tables_alone_are_dumped() {
    let world = World::new();
    let labels = [("enable", "true"), ("include", "parent,shop.aud*,other.x")];
    let server = super::start(&world, &MARIADB_11, "db", &labels);
    world.ringbolt(&["backup"]).expect(0);
    let id = world.newest("shop")["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["restore", &id, "--into", &server.name, "--database", "part"]).expect(0);
    let tables =
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'part' ORDER BY 1";
    assert_eq!(sql(&server, "part", tables), "audit\nparent");
    sql(&server, "shop", "DROP TABLE audit");
    world.ringbolt(&["backup"]).expect(1).says("no table of database `shop` fits `aud*`");

    // The tool would leave out both.
    let world = World::new();
    super::start(&world, &MARIADB_11, "db", &[("exclude", "mixed_case")]);
    world.ringbolt(&["backup"]).expect(1).says("`Mixed_Case` differs from another in case alone");
}

/// Every database with an ugly name, accounts, what no dump can hold, and a user who may read little.
fn check_whole_server(subject: &Mysql) {
    let world = World::new();
    let old = subject.start(&world, "old", &[("enable", "true"), ("databases", "*")]);
    let ugly = "a/b ../c`d.e é";
    let quoted = format!("`{}`", ugly.replace('`', "``"));
    let ran = ask(
        &old,
        "root",
        &format!(
            "CREATE DATABASE {quoted}; CREATE DATABASE empty_one CHARACTER SET latin1 COLLATE latin1_bin; USE {quoted};
             CREATE TABLE t (i INT); INSERT INTO t VALUES (1); CREATE TABLE log (i INT); INSERT INTO log VALUES (1);
             USE shop; CREATE TABLE gone (i INT); CREATE VIEW broken AS SELECT i + 4711 AS j FROM gone;
             CREATE VIEW on_broken AS SELECT * FROM broken; DROP TABLE gone;
             CREATE TABLE unsafe (i INT, f FLOAT) ENGINE = MyISAM; INSERT INTO unsafe VALUES (1, 0.5);
             CREATE ROLE writer; CREATE ROLE `r;2`; GRANT `r;2` TO writer; GRANT INSERT ON shop.* TO writer;
             CREATE USER 'it''s \\\\'@'10.%' IDENTIFIED BY 'other-pass' WITH MAX_QUERIES_PER_HOUR 5; GRANT writer TO 'it''s \\\\'@'10.%';
             SET DEFAULT ROLE {} 'it''s \\\\'@'10.%';
             GRANT SELECT ON shop.unsafe TO writer; CREATE USER twice IDENTIFIED BY 'old';
             CREATE USER least@localhost IDENTIFIED BY 's3cret-pass'; GRANT SELECT, SHOW VIEW, EVENT ON shop.* TO least@localhost;",
            if subject.engine == "mysql" { "writer TO" } else { "writer FOR" }
        ),
    );
    ran.expect(0);
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let warnings = ran["sources"][0]["archives"].to_string();
    for words in [
        "view `broken` is broken",
        "view `on_broken` is broken",
        "1 tables without transactions",
        "of type FLOAT",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    assert!(!warnings.contains("our user has no"), "{warnings}");
    let mut names: Vec<_> =
        world.list().iter().map(|a| a["database"].as_str().unwrap_or("@").to_owned()).collect();
    names.sort();
    assert_eq!(names, ["@", ugly, "empty_one", "shop"]);
    let shop = world.newest("shop")["id"].as_str().unwrap().to_owned();
    let dump = world.ringbolt(&["cat", &shop]).expect(0).stdout;
    assert!(dump.contains("4711"), "the definition of the broken view is lost");

    // A fresh server: without the accounts it is refused, who is there is not changed.
    let new = subject.start(&world, "new", &[]);
    ask(&new, "root", "CREATE USER twice IDENTIFIED BY 'new'").expect(0);
    let passwords = "SELECT User, Host, authentication_string FROM mysql.user WHERE User IN ('twice', 'root', 'app') ORDER BY 1, 2";
    let before = sql(&new, "mysql", passwords);
    world
        .ringbolt(&["restore", &shop, "--into", &new.name])
        .expect(1)
        .says("writer")
        .says("globals");
    let globals = format!("{}/@globals@latest", old.source());
    let restored =
        world.ringbolt(&["restore", &globals, "--into", &new.name, "--json"]).expect(0).json();
    assert_eq!(restored["created"].as_array().unwrap().len(), 4, "{restored}");
    let again =
        world.ringbolt(&["restore", &globals, "--into", &new.name, "--json"]).expect(0).json();
    assert_eq!(again["created"].as_array().unwrap().len(), 0, "{again}");
    assert_eq!(sql(&new, "mysql", passwords), before);
    world.ringbolt(&["restore", &shop, "--into", &new.name]).expect(0);
    let role = if subject.engine == "mysql" { "'writer'@'%'" } else { "'writer'" };
    let rights = format!(
        "SELECT User, Host, authentication_string, max_questions FROM mysql.user WHERE User LIKE 'it%' OR User = 'least'; \
         SHOW GRANTS FOR 'it''s \\\\'@'10.%'; SHOW CREATE USER 'it''s \\\\'@'10.%'; SHOW GRANTS FOR {role}; SHOW GRANTS FOR least@localhost"
    );
    equal(&sql(&old, "mysql", &rights), &sql(&new, "mysql", &rights));
    let empty = format!("{}/empty_one@latest", old.source());
    world.ringbolt(&["restore", &empty, "--into", &new.name]).expect(0);
    let charset = "SELECT @@character_set_database, @@collation_database";
    assert_eq!(sql(&new, "empty_one", charset), "latin1\tlatin1_bin");
    let id = world.newest(ugly)["id"].as_str().unwrap().to_owned();
    world.ringbolt(&["restore", &id, "--into", &new.name]).expect(0);
    assert_eq!(sql(&new, ugly, "SELECT i FROM t"), "1");

    // What a user may not see is missing without a word of the tool's; so the words are ours.
    let world = World::new();
    let labels = [
        ("enable", "true"),
        ("user", "least"),
        ("password", "env:PASS"),
        ("exclude", "broken,on_broken"),
    ];
    let options = [
        "--env",
        "PASS=s3cret-pass",
        "--env",
        "MYSQL_DATABASE=shop",
        "--env",
        "MYSQL_ROOT_PASSWORD=s3cret-pass",
    ];
    let server = world.start(subject.image, "least", &labels, &options, &[]);
    wait_for("the server", || ask(&server, "root", "SELECT 1").code == Some(0));
    sql(
        &server,
        "shop",
        "CREATE USER least@localhost IDENTIFIED BY 's3cret-pass'; GRANT SELECT, SHOW VIEW, EVENT ON shop.* TO least@localhost; \
         CREATE TABLE t (i INT); INSERT INTO t VALUES (1);",
    );
    let ran = world.ringbolt(&["backup", "--json"]).expect(0).json();
    let warnings = ran["sources"][0]["archives"].to_string();
    for words in [
        "no TRIGGER on database `shop`",
        "of routines is not",
        "user `least` may not read the accounts",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    ask(&server, "root", "ALTER USER least@localhost IDENTIFIED BY 'changed'").expect(0);
    world.ringbolt(&["backup"]).expect(1).says("Access denied").says("label `password`");
}

#[test]
fn mariadb_is_backed_up_as_a_whole() {
    check_whole_server(&MARIADB_11);
}

#[test]
fn mysql_is_backed_up_as_a_whole() {
    check_whole_server(&MYSQL);
}
