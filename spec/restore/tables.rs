//! Single tables: what comes back with one, where it may go, and where it may not.

use crate::world::{Server, World};

const SEED: &str = "
    CREATE SCHEMA \"Odd s\"; CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE parent (id serial PRIMARY KEY, name text NOT NULL UNIQUE, m mood DEFAULT 'good', CHECK (id > 0));
    INSERT INTO parent (name) SELECT 'n' || i FROM generate_series(1, 40) i;
    CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p int REFERENCES parent, v int);
    INSERT INTO child (p, v) SELECT i, i FROM generate_series(1, 30) i;
    CREATE INDEX child_v ON child (v DESC); COMMENT ON COLUMN child.v IS 'value';
    CREATE TABLE \"Odd s\".child (i int); INSERT INTO \"Odd s\".child VALUES (1), (2);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f();
    SELECT lo_from_bytea(0, 'x');
";
const SHAPE: &str = "
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
    SELECT conname, contype FROM pg_constraint WHERE conrelid = 'public.child'::regclass ORDER BY 1;
    SELECT column_name, column_default, is_identity FROM information_schema.columns WHERE table_name = 'child' AND table_schema = 'public';
    SELECT count(*), max(v) FROM public.child;
    SELECT last_value FROM public.child_id_seq;
    SELECT col_description('public.child'::regclass, 3)";

fn seeded(world: &World, format: &str) -> Server {
    let labels = [("enable", "true"), ("name", "shop"), ("format", format)];
    let server = world.postgres("shop", &labels, &[]);
    server.sql("keeper", SEED);
    world.ringbolt(&["backup"]).expect(0);
    server
}

fn table(world: &World, server: &Server, database: &str, tables: &[&str]) -> crate::world::Ran {
    let mut arguments =
        vec!["restore", "shop@latest", "--into", &server.name, "--database", database];
    for table in tables {
        arguments.extend(["--table", table]);
    }
    world.ringbolt(&arguments)
}

#[test]
fn a_table_comes_back_with_what_belongs_to_it() {
    let world = World::new();
    let server = seeded(&world, "custom");
    let names = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";

    // Lost by accident, and put back where it was.
    let whole = server.sql("keeper", SHAPE);
    server.sql("keeper", "DROP TABLE public.child");
    let ran = table(&world, &server, "keeper", &["public.child"]).expect(0);
    ran.says("without foreign keys, triggers and rules").says("beside what is there");
    let lacking = |line: &&str| !line.starts_with("child_p_fkey");
    let expected: Vec<&str> = whole.lines().filter(lacking).collect();
    assert_eq!(server.sql("keeper", SHAPE).lines().collect::<Vec<_>>(), expected);
    assert_eq!(server.sql("keeper", "SELECT count(*) FROM parent"), "40");
    server.sql("keeper", "INSERT INTO child (v) VALUES (9)");

    // What is there is not touched.
    table(&world, &server, "keeper", &["parent"]).expect(1).says("has a `public.parent` already");
    table(&world, &server, "keeper", &["child"])
        .expect(2)
        .says("more than one table `child`")
        .says("Odd s.child");
    table(&world, &server, "keeper", &["parnt"]).expect(2).says("did you mean `parent`?");
    let replace =
        ["restore", "shop@latest", "--into", &server.name, "--table", "parent", "--replace"];
    world.ringbolt(&replace).expect(2).says("do not go with replacing");

    // Into a new database, with the types and schemas that they need, and nothing else.
    table(&world, &server, "new", &["parent", "Odd s.child"]).expect(0).says("a new database");
    assert_eq!(server.sql("new", names), "parent");
    assert_eq!(
        server.sql("new", "INSERT INTO parent (name) VALUES ('x') RETURNING id, m"),
        "41|good"
    );
    assert_eq!(server.sql("new", "SELECT count(*) FROM \"Odd s\".child"), "2");

    // What a table needs and is not there ends all of it.
    server.sql("postgres", "CREATE DATABASE hollow");
    table(&world, &server, "hollow", &["parent"]).expect(1).says("mood");
    assert_eq!(
        server.sql("hollow", "SELECT count(*) FROM pg_class WHERE relname LIKE 'parent%'"),
        "0"
    );
}

#[test]
fn where_single_tables_cannot_be_it_is_said() {
    let world = World::new();
    let server = seeded(&world, "plain");
    let ran = table(&world, &server, "new", &["parent"]).expect(2);
    ran.says("cannot be restored from a dump of postgres in the format `plain`")
        .says("into a new database");
    let globals = ["restore", "shop/@globals@latest", "--into", &server.name, "--table", "x"];
    world.ringbolt(&globals).expect(2).says("holds globals");
    assert_eq!(
        server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'new%'"),
        "0"
    );
}
