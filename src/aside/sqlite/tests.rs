//! The helper's SQLite on files of this machine; what a helper container makes of it is tested in `spec/`.

use std::path::{Path, PathBuf};

use super::*;

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringbolt-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn database(&self, name: &str, sql: &str) -> PathBuf {
        let path = self.0.join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn texts(paths: &[&Path]) -> Vec<String> {
    paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
}

fn dumped(path: &Path) -> Result<Vec<u8>, AsideError> {
    let mut output = Vec::new();
    copy(path, Duration::from_millis(50), &mut output).map(|()| output)
}

fn rows(path: &Path) -> i64 {
    let database = Connection::open(path).unwrap();
    database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

const SQL: &str = "PRAGMA journal_mode = wal; CREATE TABLE t (i); INSERT INTO t VALUES (1), (2);";

#[test]
fn a_dump_is_loaded_and_gets_its_name_owner_and_mode() {
    let folder = Folder::new("load");
    let from = folder.database("from a?b#c%41.db", SQL);
    let dump = dumped(&from).unwrap();
    let (staged, name) = (folder.0.join("staged"), folder.0.join("name"));
    receive(&staged, &name, &mut dump.as_slice()).unwrap();
    assert_eq!(staged.metadata().unwrap().mode() & 0o777, 0o600);
    let own = staged.metadata().unwrap();
    let owner = format!("{}:{}", own.uid(), own.gid());
    let arguments = [texts(&[&staged, &name]), vec![owner, "640".to_owned()]].concat();
    settle(&arguments, &mut io::empty(), &mut io::sink()).unwrap();
    assert_eq!((rows(&name), name.metadata().unwrap().mode() & 0o777), (2, 0o640));
    assert!(!staged.exists());

    // Nothing is ever put in the place of another file.
    receive(&staged, &name, &mut dump.as_slice()).unwrap();
    fs::write(&name, "somebody's").unwrap();
    assert!(settle(&arguments, &mut io::empty(), &mut io::sink()).is_err());
    assert_eq!(fs::read(&name).unwrap(), b"somebody's");
    assert!(receive(&staged, &name, &mut dump.as_slice()).is_err(), "it is there already");
    discard(&texts(&[&staged]), &mut io::empty(), &mut io::sink()).unwrap();
    assert!(!staged.exists());
    discard(&texts(&[&staged]), &mut io::empty(), &mut io::sink()).unwrap();
}

#[test]
fn a_lock_is_waited_for_and_then_an_error() {
    let folder = Folder::new("lock");
    let path = folder.database("app.db", "CREATE TABLE t (i)");
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let said = dumped(&path).unwrap_err().to_string();
    assert!(said.ends_with("app.db`: database is locked"), "{said}");
    holder.execute_batch("COMMIT").unwrap();
    let whole = dumped(&path).unwrap();
    let filled = |path: &Path| replace(path, Duration::from_millis(50), &mut whole.as_slice());
    let said = filled(&path).unwrap_err().to_string();
    assert!(said.ends_with("app.db` is not empty any more"), "{said}");
    let empty = folder.database("empty.db", "PRAGMA user_version = 1");
    let holder = Connection::open(&empty).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE; CREATE TABLE t (i)").unwrap();
    let said = filled(&empty).unwrap_err().to_string();
    assert!(said.ends_with("empty.db`: database is locked"), "{said}");
}

#[test]
fn a_damaged_file_is_neither_dumped_nor_restored() {
    let folder = Folder::new("damaged");
    let path = folder.database(
        "app.db",
        "CREATE TABLE t (i); CREATE INDEX n ON t (i); INSERT INTO t VALUES (1)",
    );
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let said = dumped(&path).unwrap_err().to_string();
    assert!(said.contains("app.db` is damaged: "), "{said}");
    let (staged, name) = (folder.0.join("staged"), folder.0.join("name"));
    assert!(receive(&staged, &name, &mut bytes.as_slice()).is_err());
    assert!(replace(&name, PATIENCE, &mut bytes.as_slice()).is_err() && !name.exists());
    fs::write(&path, "not a database, but something else").unwrap();
    let said = dumped(&path).unwrap_err().to_string();
    assert!(said.ends_with("file is not a database"), "{said}");
}

#[test]
fn counts_and_facts_are_as_asked() {
    let folder = Folder::new("facts");
    let name = "odd \"name\"\n|";
    let quoted = name.replace('"', "\"\"");
    let path = folder.database("app.db", &format!("{SQL} CREATE TABLE \"{quoted}\" (i)"));
    let ask = |run: super::super::Runner, text: &str| {
        let mut answer = Vec::new();
        run(&texts(&[&path]), &mut text.as_bytes(), &mut answer)
            .map(|()| String::from_utf8(answer).unwrap())
    };
    assert_eq!(ask(count, "").unwrap(), "2\n");
    let names = [name, "t"].map(|name| answers::hex(name) + "\n").concat();
    let expected = format!("{}|0\n{}|2\n", answers::hex(name), answers::hex("t"));
    assert_eq!(ask(facts, &names).unwrap(), expected);
    assert!(ask(facts, "xx\n").is_err());
    assert!(ask(facts, &(answers::hex("not there") + "\n")).is_err());
}
