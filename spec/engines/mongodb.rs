//! MongoDB, on a server that an image brings: `RINGBOLT_SPEC_MONGODB_IMAGE` names it. Without the
//! variable nothing here has run, and the tests say so; the commands and the validator have tests of
//! their own beside them (`src/engine/mongodb/`).

use super::{Subject, check_cuts, check_flips, check_round_trip, check_tools};
use crate::world::{Server, World, wait_for};

const SEED: &str = include_str!("mongodb.js");
const COMPARED: &str = include_str!("mongodb_facts.js");

/// The image of a server with `mongosh` and the database tools, such as `mongo:8`.
struct Mongodb(String);

impl Mongodb {
    /// `None`, and a word about it, without an image.
    fn there(test: &str) -> Option<Self> {
        let image = std::env::var("RINGBOLT_SPEC_MONGODB_IMAGE").ok();
        if image.is_none() {
            eprintln!("not run: {test} (RINGBOLT_SPEC_MONGODB_IMAGE names no image)");
        }
        image.map(Self)
    }
}

/// Runs JavaScript as the administrator in a database.
#[track_caller]
fn mongosh(server: &Server, database: &str, script: &str) -> String {
    let script =
        format!("db = db.getSiblingDB({});\n{script}", serde_json::to_string(database).unwrap());
    let line = "cat > /tmp/script.js && mongosh --quiet --norc --username root --password s3cret-pass \
                --authenticationDatabase admin --file /tmp/script.js";
    server.shell_with_input(line, script.as_bytes()).expect(0).stdout.trim().to_owned()
}

impl Subject for Mongodb {
    fn engine(&self) -> &'static str {
        "mongodb"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        let options = [
            "--env",
            "MONGO_INITDB_ROOT_USERNAME=root",
            "--env",
            "MONGO_INITDB_ROOT_PASSWORD=s3cret-pass",
            "--env",
            "TZ=Asia/Kolkata",
        ];
        let server = world.start(&self.0, name, labels, &options, &[]);
        // The first server of the entrypoint knows no user yet.
        wait_for("MongoDB", || {
            let ready = "mongosh --quiet --norc --username root --password s3cret-pass \
                         --authenticationDatabase admin --eval 'db.adminCommand({ping: 1})'";
            server.shell(ready).code == Some(0)
        });
        server
    }

    fn seed(&self, server: &Server) {
        mongosh(server, "shop", SEED);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        mongosh(server, database, COMPARED)
    }

    fn beside(&self) -> Option<&'static str> {
        Some("Shop*2='x'")
    }

    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        // An image from elsewhere may have any name.
        &[("engine", "mongo")]
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("mongodump", "--archive")
    }
}

#[test]
fn mongodb_restores_what_it_dumped() {
    if let Some(mongodb) = Mongodb::there("mongodb_restores_what_it_dumped") {
        check_round_trip(&mongodb, &[]);
    }
}

#[test]
fn mongodb_with_a_lying_tool_leaves_nothing() {
    if let Some(mongodb) = Mongodb::there("mongodb_with_a_lying_tool_leaves_nothing") {
        check_tools(&mongodb);
    }
}

#[test]
fn mongodb_with_a_flipped_byte_is_refused() {
    if let Some(mongodb) = Mongodb::there("mongodb_with_a_flipped_byte_is_refused") {
        check_flips(&mongodb);
    }
}

#[test]
fn mongodb_archives_cut_anywhere_are_refused() {
    let Some(mongodb) = Mongodb::there("mongodb_archives_cut_anywhere_are_refused") else { return };
    let world = World::new();
    let server = super::start(&world, &mongodb, "cut", &[]);
    world.ringbolt(&["backup"]).expect(0);
    let id = world.newest("shop")["id"].as_str().unwrap().to_owned();
    let mut command = world.command();
    let dump = command.args(["cat", &id]).output().unwrap().stdout;
    let facts = check_cuts("mongodb", "archive", &dump);
    let rows = |table: &str| facts.tables.iter().find(|t| t.table == table).map(|t| t.rows);
    assert_eq!((rows("orders"), rows("empty")), (Some(3000), Some(0)), "{}", server.name);
}
