//! The helper's files on folders of the machine that tests run on: what comes back, what is left out, what
//! is refused. Owners, devices and attributes need more rights; they are in `spec/engines/files.rs`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::engine::tar::{END, Entry, Kind, Modified, comment, padding};

/// A folder of its own for each test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = format!("ringbolt-files-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn dumped(arguments: &[&str]) -> Result<Vec<u8>, AsideError> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let mut tar = Vec::new();
    dump(&arguments, &mut io::empty(), &mut tar)?;
    Ok(tar)
}

fn loaded(path: &str, mut tar: &[u8]) -> Result<(), AsideError> {
    load(&[path.to_owned()], &mut tar, &mut io::sink())
}

fn asked(run: crate::aside::Runner, path: &str) -> String {
    let mut answer = Vec::new();
    run(&[path.to_owned()], &mut io::empty(), &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn what_is_dumped_is_loaded() {
    let place = Place::new("round");
    let (old, new) = (place.path("old"), place.path("new"));
    fs::create_dir_all(place.0.join("old/sub/deep")).unwrap();
    fs::write(place.0.join("old/a"), "text").unwrap();
    fs::set_permissions(place.0.join("old/a"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(place.0.join("old/a"), place.0.join("old/sub/b")).unwrap();
    symlink("/nowhere", place.0.join("old/sub/c")).unwrap();
    let holes = fs::File::create(place.0.join("old/holes")).unwrap();
    holes.set_len(10 << 20).unwrap();
    let tar = dumped(&["--", &old]).unwrap();
    assert!(tar.len() < 1 << 20, "a hole is no content: {}", tar.len());
    loaded(&new, &tar).unwrap();
    assert_eq!(asked(facts, &old), asked(facts, &new));
    assert_eq!(dumped(&["--", &old]).unwrap(), tar, "twice the same");
    let about = |name: &str| fs::symlink_metadata(place.0.join(name)).unwrap();
    for name in ["", "/a", "/sub", "/sub/c", "/sub/deep", "/holes"] {
        let (old, new) = (about(&format!("old{name}")), about(&format!("new{name}")));
        let facts = |about: &fs::Metadata| (about.mode(), about.mtime(), about.mtime_nsec());
        assert_eq!((facts(&old), old.len()), (facts(&new), new.len()), "{name}");
    }
    assert_eq!(about("new/a").ino(), about("new/sub/b").ino());
    assert_eq!(fs::read_link(place.0.join("new/sub/c")).unwrap(), Path::new("/nowhere"));
    assert!(about("new/holes").blocks() < 100, "{}", about("new/holes").blocks());
}

#[test]
fn what_is_excluded_is_left_out() {
    let place = Place::new("exclude");
    for name in ["a.log", "keep", "sub/a.log", "sub/x/a.log", "cache/x", "tmp/x"] {
        let path = place.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let path = place.path("");
    let kept = |patterns: &[&str]| {
        let mut arguments = Vec::new();
        for pattern in patterns {
            arguments.extend(["--exclude", *pattern]);
        }
        arguments.extend(["--", &path]);
        let tar = dumped(&arguments).unwrap();
        let (mut reader, mut names) = (crate::engine::tar::Reader::default(), Vec::new());
        let mut rest = tar.as_slice();
        while let Some(event) = reader.next(&mut rest).unwrap() {
            if let crate::engine::tar::Event::Entry(entry) = event {
                let name = String::from_utf8(entry.name).unwrap();
                let root = path.trim_matches('/').len();
                names.push(name[root..].trim_start_matches('/').to_owned());
            }
        }
        names.join(" ")
    };
    for (patterns, expected) in [
        (&["*.log", "sub", "tmp"][..], " cache cache/x keep"),
        (&["**/*.log", "cache/**", "tmp/"], " cache keep sub sub/x"),
        (&["?", "sub/*", "[ct]*"], " a.log keep sub"),
        (&["**"], ""),
        (&["*"], ""),
    ] {
        assert_eq!(kept(patterns), expected, "{patterns:?}");
    }
    for none in ["[", "", "/", "/cache", "./cache"] {
        assert!(dumped(&["--exclude", none, "--", &path]).is_err(), "{none}");
    }
    assert!(dumped(&["--", &place.path("nothing")]).is_err());
}

#[test]
fn a_tar_of_nothing_is_refused() {
    let place = Place::new("nothing");
    assert!(loaded(&place.path("new"), &tar(&[])).is_err());
    let socket = place.path("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let of_a_socket = dumped(&["--", &socket]).unwrap();
    assert!(loaded(&place.path("new"), &of_a_socket).is_err());
}

/// A name that went away before it was read is no name to link to.
#[test]
fn what_is_not_in_the_archive_is_linked_by_nothing() {
    struct Forgetful {
        names: walk::Names,
        kinds: Vec<Kind>,
    }
    impl walk::Visitor for Forgetful {
        fn visit(&mut self, found: &walk::Found<'_>) -> Result<bool, FilesError> {
            self.kinds.extend(found.kind(&mut self.names)?);
            if found.name == b"a" {
                self.names.forget(&found.stat);
            }
            Ok(true)
        }

        fn vanished(&mut self, _: &[u8]) {}
    }
    let place = Place::new("forget");
    fs::write(place.0.join("a"), "x").unwrap();
    for name in ["b", "c"] {
        fs::hard_link(place.0.join("a"), place.0.join(name)).unwrap();
    }
    let mut visitor = Forgetful { names: walk::Names::default(), kinds: Vec::new() };
    walk::walk(&place.0, &mut visitor).unwrap();
    let [Kind::Folder, Kind::File { .. }, Kind::File { .. }, Kind::HardLink { to }] =
        visitor.kinds.as_slice()
    else {
        panic!("{:?}", visitor.kinds);
    };
    assert!(to.ends_with(b"/b"));
}

fn entry(name: &str, kind: Kind) -> Entry {
    let own = fs::metadata("/proc/self").unwrap();
    let (name, uid, gid) = (name.as_bytes().to_vec(), own.uid(), own.gid());
    let modified = Modified::default();
    Entry { name, kind, mode: 0o700, uid, gid, modified, attributes: Vec::new() }
}

fn tar(entries: &[(&str, Kind)]) -> Vec<u8> {
    let (mut tar, mut tally) = (Vec::new(), Tally::default());
    for (name, kind) in entries {
        tally.add(kind);
        tar.extend(entry(name, kind.clone()).head());
        tar.extend(vec![b'x'; usize::try_from(kind.bytes()).unwrap()]);
        tar.extend(padding(kind.bytes()));
    }
    tar.extend(comment(&tally.remark()));
    tar.extend(END);
    tar
}

#[test]
fn nothing_is_written_outside() {
    let place = Place::new("hostile");
    let file = || Kind::File { bytes: 1 };
    let link = |to: &str| Kind::SymbolicLink { to: to.into() };
    let hard = |to: &str| Kind::HardLink { to: to.into() };
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(place.path("outside/secret"), "").unwrap();
    let cases: [(&str, Vec<(&str, Kind)>); 9] = [
        ("up", vec![("r", Kind::Folder), ("r/../x", file())]),
        ("up at its end", vec![("r", Kind::Folder), ("r/..", Kind::Folder)]),
        ("absolute", vec![("r", Kind::Folder), ("/r/x", file())]),
        ("elsewhere", vec![("r", Kind::Folder), ("s/x", file())]),
        ("through a link", vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/l/x", file())]),
        ("over a link", vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/l", file())]),
        ("linked up", vec![("r", Kind::Folder), ("r/l", hard("r/../outside/secret"))]),
        (
            "linked through a link",
            vec![("r", Kind::Folder), ("r/l", link(&outside)), ("r/m", hard("r/l/secret"))],
        ),
        ("below a file", vec![("r", file()), ("r/x", file())]),
    ];
    for (number, (what, entries)) in cases.into_iter().enumerate() {
        let path = place.path(&format!("{number}"));
        assert!(loaded(&path, &tar(&entries)).is_err(), "{what}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::metadata(place.path("outside/secret")).unwrap().nlink(), 1);
    let whole = tar(&[("r", Kind::Folder), ("r/x", file())]);
    loaded(&place.path("whole"), &whole).unwrap();
    // Neither over what is there, nor a part of it.
    assert!(loaded(&place.path("whole"), &whole).is_err());
    assert!(loaded(&place.path("cut"), &whole[..whole.len() - 512]).is_err());
    let fewer = [&entry("r", Kind::Folder).head()[..], &comment("ringbolt: 2"), &END].concat();
    assert!(loaded(&place.path("fewer"), &fewer).is_err());
}

#[test]
fn only_what_a_restore_has_staged_is_discarded() {
    let place = Place::new("discard");
    let (staged, other) = (place.path("data_ringbolt_0123abcd"), place.path("data"));
    let done = |path: &str| discard(&[path.to_owned()], &mut io::empty(), &mut io::sink());
    fs::create_dir_all(place.0.join("data_ringbolt_0123abcd/sub")).unwrap();
    fs::create_dir(&other).unwrap();
    done(&staged).unwrap();
    done(&staged).unwrap();
    assert!(done(&other).is_err() && Path::new(&other).exists() && !Path::new(&staged).exists());
    fs::write(&staged, "").unwrap();
    let settled = |from: &str, to: &str| {
        settle(&[from.to_owned(), to.to_owned()], &mut io::empty(), &mut io::sink())
    };
    assert!(settled(&staged, &other).is_err());
    settled(&staged, &place.path("new")).unwrap();
    assert_eq!((asked(count, &other), asked(count, &staged)), ("0\n".into(), "0\n".into()));
    assert_eq!(asked(count, &place.path("new")), "1\n");
}

/// Truncates a file as soon as a part of it was taken.
struct Meddler {
    tar: Vec<u8>,
    file: PathBuf,
}

impl Write for Meddler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tar.extend_from_slice(bytes);
        if self.tar.len() > 300_000 {
            fs::File::options().write(true).open(&self.file)?.set_len(10)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_shrinks_leaves_a_whole_tar_and_is_told() {
    let place = Place::new("shrink");
    fs::write(place.path("a"), vec![b'x'; 2 << 20]).unwrap();
    fs::write(place.path("b"), "behind").unwrap();
    let mut meddler = Meddler { tar: Vec::new(), file: place.0.join("a") };
    let mut remarks = dump::Remarks::default();
    dump::write(&place.0, Vec::new(), &mut meddler, &mut remarks).unwrap();
    let [said] = remarks.lines().try_into().unwrap();
    assert!(said.contains("/a` shrank while it was read"), "{said}");
    let mut validator = crate::engine::by_name("files")
        .unwrap()
        .validator(&crate::model::Part::Database("x".parse().unwrap()), "tar");
    validator.check(&meddler.tar).unwrap();
    let facts = validator.finish().unwrap();
    assert_eq!((facts.counts["files"], facts.counts["bytes"]), (2, (2 << 20) + 6));
}

/// A listener's socket is nothing without the listener.
#[test]
fn a_socket_is_left_out_and_told() {
    let place = Place::new("socket");
    let _listener = std::os::unix::net::UnixListener::bind(place.0.join("s")).unwrap();
    let (mut tar, mut remarks) = (Vec::new(), dump::Remarks::default());
    dump::write(&place.0, Vec::new(), &mut tar, &mut remarks).unwrap();
    assert_eq!(remarks.lines(), ["a socket is not in the archive"]);
}
