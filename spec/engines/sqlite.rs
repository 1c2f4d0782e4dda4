//! SQLite by the container's own `sqlite3` and by a helper container: while an application writes, in
//! every journal mode, of several files, under hostile names; and what is no whole database file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;
use ringbolt::aside;
use ringbolt::engine::{self, Access};
use rusqlite::Connection;

use super::{Subject, check_cuts, check_drill, check_flips, check_round_trip, check_tools, judge};
use crate::world::{Ran, Server, World};

const SEED: &str = include_str!("sqlite.sql");
const COMPARED: &str = include_str!("sqlite_facts.sql");
/// Has `sqlite3`.
pub(super) const SQLITE: &str = "ringbolt-spec/sqlite:3.40";
/// Has a shell and no `sqlite3`.
pub(super) const APP: &str = "ringbolt-spec/app:bookworm";
pub(super) const DATABASE: &str = "/data/app.db";
const NASTY: &str = "/data/o'ther $(id) \"2\"; rm *.db";
pub(super) const LABELS: &[(&str, &str)] = &[("engine", "sqlite"), ("path", DATABASE)];
pub(super) const ENABLED: &[(&str, &str)] =
    &[("enable", "true"), ("engine", "sqlite"), ("path", DATABASE)];

/// In one journal mode; by the image's own tool, or by a helper container where it has none.
struct Sqlite {
    mode: &'static str,
    image: &'static str,
}

/// Runs `sqlite3` where a container's volumes are. SQLite's locks work across containers.
#[track_caller]
pub(super) fn sqlite(server: &Server, database: &str, sql: &str) -> String {
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--interactive", "--volumes-from", &server.name, SQLITE]);
    command.args(["sqlite3", "-batch", "-bail", "-cmd", ".timeout 20000", database]);
    let ran = Ran::with_input(&mut command, sql.as_bytes());
    assert_eq!(ran.code, Some(0), "{sql}: {ran:?}");
    ran.stdout.trim().to_owned()
}

/// Also who owns the file and who may read it.
fn compared(server: &Server, database: &str) -> String {
    let mut stat = Command::new("docker");
    stat.args(["exec", &server.name, "stat", "-c", "%u:%g %a", database]);
    let owner = Ran::of(&mut stat).expect(0).stdout;
    owner + &sqlite(server, database, COMPARED)
}

fn seed(server: &Server, mode: &str) {
    sqlite(server, DATABASE, &format!("{SEED}; PRAGMA journal_mode = {mode};"));
    let give = format!("chown 1000:1001 {DATABASE} && chmod 640 {DATABASE}");
    server.shell(&give).expect(0);
}

impl Subject for Sqlite {
    fn engine(&self) -> &'static str {
        "sqlite"
    }

    /// Where the image has the tool, there is no helper to do it instead.
    fn world(&self) -> World {
        if self.image == SQLITE { World::new() } else { World::with_helper() }
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        world.start(self.image, name, labels, &[], &[])
    }

    fn seed(&self, server: &Server) {
        seed(server, self.mode);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        compared(server, database)
    }

    fn database(&self) -> &'static str {
        DATABASE
    }

    fn beside(&self) -> Option<&'static str> {
        Some(NASTY)
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("sqlite3", ".backup")
    }

    /// What it makes is a file.
    fn half(&self) -> &'static str {
        r#""$real" "$@"; head -c 3000 snapshot > half; mv half snapshot; exit 0"#
    }

    fn without_tool(&self, _server: &Server) -> Vec<String> {
        vec!["needs a helper container".to_owned()]
    }

    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        LABELS
    }
}

#[test]
fn sqlite_is_drilled() {
    check_drill(&Sqlite { mode: "wal", image: SQLITE }, &[]);
    check_drill(&Sqlite { mode: "delete", image: APP }, &[]);
}

#[test]
fn sqlite_restores_in_every_journal_mode() {
    for mode in ["delete", "truncate", "wal"] {
        check_round_trip(&Sqlite { mode, image: SQLITE }, &[]);
    }
}

#[test]
fn sqlite_restores_by_a_helper_in_every_journal_mode() {
    for mode in ["delete", "truncate", "wal"] {
        check_round_trip(&Sqlite { mode, image: APP }, &[]);
    }
}

#[test]
fn sqlite_with_a_lying_tool_leaves_nothing() {
    check_tools(&Sqlite { mode: "wal", image: SQLITE });
}

#[test]
fn sqlite_with_a_flipped_byte_is_refused() {
    check_flips(&Sqlite { mode: "wal", image: SQLITE });
    check_flips(&Sqlite { mode: "delete", image: APP });
}

/// A file with everything in it, made in all the ways that a file can be made.
fn made(folder: &Path, page_size: u32, encoding: &str, vacuum: &str, mode: &str) -> Vec<u8> {
    let path = folder.join(format!("{page_size}-{encoding}-{vacuum}-{mode}"));
    let pragmas = format!(
        "PRAGMA page_size = {page_size}; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = {vacuum};"
    );
    let own = SEED.lines().filter(|line| !line.starts_with("PRAGMA"));
    let own: String = own.map(|line| line.to_owned() + "\n").collect();
    let database = Connection::open(&path).unwrap();
    database.execute_batch(&format!("{pragmas} BEGIN; {own}")).unwrap();
    for table in 0..200 {
        let sql = format!("CREATE TABLE t{table} (i); CREATE INDEX i{table} ON t{table} (i);");
        database.execute_batch(&sql).unwrap();
    }
    database.execute_batch(&format!("COMMIT; PRAGMA journal_mode = {mode};")).unwrap();
    // Pages of tables that are gone stay behind, and look as they did.
    database.execute_batch("UPDATE kinds SET bytes = zeroblob(9000); DROP TABLE t7;").unwrap();
    let dump = std::fs::read(&path).unwrap();
    let copy = path.with_extension("copy");
    std::fs::write(&copy, &dump).unwrap();
    let facts = judge("sqlite", "sqlite", &dump).unwrap();
    let counted = Connection::open(&copy).unwrap();
    let mut tables = counted
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name",
        )
        .unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let expected = tables.iter().map(|table| {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let rows: i64 = counted.query_row(&sql, [], |row| row.get(0)).unwrap();
        (table.as_str(), rows.unsigned_abs())
    });
    let expected: Vec<_> = expected.collect();
    let found: Vec<_> = facts.tables.iter().map(|own| (own.table.as_str(), own.rows)).collect();
    assert_eq!(found, expected, "{}", path.display());
    dump
}

#[test]
fn rows_are_counted_in_files_of_every_shape() {
    let world = World::new();
    for page_size in [512, 1024, 4096, 65536] {
        for (encoding, vacuum) in [("UTF-8", "NONE"), ("UTF-16le", "FULL"), ("UTF-16be", "NONE")] {
            made(&world.folder, page_size, encoding, vacuum, "delete");
        }
    }
}

#[test]
fn sqlite_files_cut_anywhere_are_refused() {
    let world = World::new();
    for (page_size, mode) in [(512, "wal"), (4096, "delete")] {
        let path = world.folder.join("dense");
        std::fs::write(&path, made(&world.folder, page_size, "UTF-8", "NONE", mode)).unwrap();
        Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
        let facts = check_cuts("sqlite", "sqlite", &std::fs::read(&path).unwrap());
        assert!(facts.tables.len() > 200 && facts.rows() > 10_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn nothing_in_a_database_file_is_trusted(changes in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut database = small().to_vec();
        // The beginning of a page is its most telling part.
        for (index, (place, byte)) in changes.iter().enumerate() {
            let place = place.index(database.len());
            let place = if index % 2 == 0 { place } else { place / 512 * 512 + place % 16 };
            database[place] = *byte;
        }
        judge("sqlite", "sqlite", &database).ok();
    }
}

/// A small file with trees of two levels.
fn small() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let world = World::new();
        let path = world.folder.join("small");
        let database = Connection::open(&path).unwrap();
        let sql = "PRAGMA page_size = 512; BEGIN; CREATE TABLE t (a, b); CREATE INDEX i ON t (b);
            CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
            INSERT INTO t SELECT i, 'value ' || i FROM n; INSERT INTO w SELECT * FROM t;
            CREATE TABLE with_a_long_name_and_a_long_row_of_the_schema (a, b, c, d, e, f, g, h); COMMIT;";
        database.execute_batch(sql).unwrap();
        for view in 0..20 {
            database.execute_batch(&format!("CREATE VIEW v{view} AS SELECT * FROM t")).unwrap();
        }
        std::fs::read(path).unwrap()
    })
}

/// Both ways to the files find the same.
#[test]
fn a_helper_s_probe_answers_as_the_script_does() {
    let world = World::new();
    let folder = &world.folder;
    std::fs::create_dir(folder.join("sub.db")).unwrap();
    for name in ["a $(id) 'b'.db", "sub.db/c.db"] {
        Connection::open(folder.join(name)).unwrap().execute_batch("CREATE TABLE t (i)").unwrap();
    }
    for (name, content) in
        [("empty.db", ""), ("text.db", "text"), ("x.db-wal", "w"), (".dot.db", "SQLite format 3")]
    {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let names = ["*.db*", "*/*", "empty.db", "gone.db", "[a-b]*db", "sub.db"];
    let paths: Vec<String> =
        names.iter().map(|name| folder.join(name).to_str().unwrap().to_owned()).collect();
    // The script asks for the tool first.
    let tools = folder.join(".tools");
    std::fs::create_dir(&tools).unwrap();
    let tool = tools.join("sqlite3");
    std::fs::write(&tool, "#!/bin/sh\necho 3.0\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());

    let access = Access { user: "", password: None, paths: &paths };
    let own = engine::by_name("sqlite").unwrap();
    let command = own.probe(&access).argv;
    let ran = Command::new(&command[0]).args(&command[1..]).env("PATH", search).output().unwrap();
    let command = own.otherwise().unwrap().probe(&access).argv;
    let mut answer = Vec::new();
    aside::run(&command[2..], &mut std::io::empty(), &mut answer).unwrap();
    let found = |answer: &[u8]| {
        let server = own.read_probe(answer).unwrap().server;
        assert_eq!((server.databases.len(), server.notes.len()), (4, 1), "{server:?}");
        (server.databases, server.notes)
    };
    assert_eq!(found(&answer), found(&ran.stdout));
}
