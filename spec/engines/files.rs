//! Files on a volume, by a helper. What is put there comes by stock `tar` from a tar that the suite writes, and
//! what came back is listed by stock `tar`, too, so both directions are somebody else's word.
//!
//! The tool is Ringbolt itself: instead of a lying one there are helpers that are killed, files that
//! change while they are read, and volumes that cannot be written to.

use std::process::{Command, Stdio};

use ringbolt::engine::tar::{END, Entry, Event, Kind, Modified, Piece, Reader, padding};

use super::{Subject, check_cuts, check_drill, check_flips, check_round_trip, equal};
use crate::world::{Ran, Server, World, docker, wait_for};

const IMAGE: &str = "ringbolt-spec/app:bookworm";
const PATH: &str = "/srv/data";

struct Files;

impl Subject for Files {
    fn engine(&self) -> &'static str {
        "files"
    }

    fn start(&self, world: &World, name: &str, labels: &[(&str, &str)]) -> Server {
        world.start(IMAGE, name, labels, &["--volume", "/srv"], &[])
    }

    fn seed(&self, server: &Server) {
        unpack(server, "/srv", &seed());
        server.shell(LISTEN).expect(0);
    }

    fn compared(&self, server: &Server, database: &str) -> String {
        listing(server, database)
    }

    fn database(&self) -> &'static str {
        PATH
    }

    fn beside(&self) -> Option<&'static str> {
        Some("/srv/Beside \"2\" it's ünï = $(x)")
    }

    fn tool(&self) -> (&'static str, &'static str) {
        ("ringbolt", "files-dump")
    }

    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        &[("engine", "files"), ("path", PATH)]
    }

    fn world(&self) -> World {
        World::with_helper()
    }
}

/// Leaves a socket in the folder, which no tar can hold.
const LISTEN: &str = "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); \
                      bind(S, sockaddr_un(\"/srv/data/socket\")) or die'; \
                      touch -d '2001-02-03 04:05:06.123456789' /srv/data";

/// An access list: everybody's rights as the mode has them, and `rwx` for user 1234.
fn access_list() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    let nobody = u32::MAX;
    for (tag, rights, id) in
        [(1, 6, nobody), (2, 7, 1234), (4, 4, nobody), (16, 7, nobody), (32, 4, nobody)]
    {
        list.extend(u16::to_le_bytes(tag));
        list.extend(u16::to_le_bytes(rights));
        list.extend(u32::to_le_bytes(id));
    }
    list
}

/// `CAP_NET_BIND_SERVICE`, as the kernel stores it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Everything that a file system can hold and a backup easily loses.
fn seed() -> Vec<u8> {
    let entry = |name: &str, kind| Entry {
        name: name.into(),
        kind,
        mode: 0o640,
        uid: 1000,
        gid: 1001,
        modified: Modified { seconds: 1_234_567_890, nanoseconds: 987_654_321 },
        attributes: Vec::new(),
    };
    let file = |bytes| Kind::File { bytes };
    let with = |name: &str, value: &[u8]| vec![(name.as_bytes().to_vec(), value.to_vec())];
    let long = format!("data/{}", format!("{}/", "long name ".repeat(12)).repeat(4));
    let long = long.trim_end_matches('/');
    let mut entries = vec![
        Entry { mode: 0o1770, ..entry("data", Kind::Folder) },
        entry("data/empty", file(0)),
        Entry { mode: 0o4755, ..entry("data/set-user-id", file(1)) },
        Entry { mode: 0, ..entry("data/nobody may read this", file(513)) },
        Entry { uid: 4_000_000_000, gid: 3_000_000, ..entry("data/large ids", file(512)) },
        Entry { name: b"data/not \xff text\n".to_vec(), ..entry("", file(3)) },
        Entry {
            modified: Modified { seconds: -3, nanoseconds: 250_000_000 },
            ..entry("data/before 1970", file(5))
        },
        Entry {
            modified: Modified { seconds: 1 << 34, nanoseconds: 1 },
            ..entry("data/far away", file(5))
        },
        Entry {
            attributes: with("security.capability", &CAPABILITY),
            mode: 0o755,
            ..entry("data/capable", file(100_000))
        },
        Entry {
            attributes: with("system.posix_acl_access", &access_list()),
            mode: 0o674,
            ..entry("data/listed", file(7))
        },
        Entry { attributes: with("user.a%b", b"\0\n=\xff"), ..entry("data/attributed", file(7)) },
        entry("data/hard", Kind::HardLink { to: "data/capable".into() }),
        entry("data/soft", Kind::SymbolicLink { to: "/nowhere/at all".into() }),
        entry("data/softly long", Kind::SymbolicLink { to: vec![b'x'; 300] }),
        entry("data/fifo", Kind::Fifo),
        entry("data/null", Kind::CharacterDevice { major: 1, minor: 3 }),
        entry("data/disk", Kind::BlockDevice { major: 7, minor: 200 }),
        entry(
            "data/holes",
            Kind::Sparse {
                bytes: (9 << 30) + 1,
                pieces: vec![Piece { at: 1 << 20, bytes: 4096 }, Piece { at: 9 << 30, bytes: 1 }],
            },
        ),
        entry("data/only a hole", Kind::Sparse { bytes: 5 << 20, pieces: Vec::new() }),
        Entry {
            attributes: with("system.posix_acl_default", &access_list()),
            mode: 0o2751,
            ..entry("data/sub", Kind::Folder)
        },
        entry("data/sub/empty", Kind::Folder),
    ];
    for (at, _) in long.match_indices('/').skip(1) {
        entries.push(entry(&long[..at], Kind::Folder));
    }
    entries.push(entry(long, Kind::Folder));
    entries.push(entry(&format!("{long}/file"), file(11)));
    packed(&entries)
}

fn packed(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        let bytes = match &entry.kind {
            Kind::Sparse { pieces, .. } => pieces.iter().map(|piece| piece.bytes).sum(),
            kind => kind.bytes(),
        };
        tar.extend(entry.head());
        tar.extend((0..bytes).map(|at| u8::try_from(at % 251).unwrap()));
        tar.extend(padding(bytes));
    }
    tar.extend(END);
    tar
}

fn unpack(server: &Server, folder: &str, tar: &[u8]) {
    let line = "tar --xattrs --xattrs-include='*' --numeric-owner -C FOLDER -xpf -";
    let ran = server.shell_with_input(&line.replace("FOLDER", folder), tar).expect(0);
    let said: Vec<&str> = ran.stderr.lines().filter(|line| !line.contains("time stamp")).collect();
    assert!(said.is_empty(), "stock tar has something to say: {said:?}");
}

fn output(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What stock `tar` finds below a path, and a sum of each file.
fn listing(server: &Server, path: &str) -> String {
    let tar = "cd \"$0\" && tar --format=posix --xattrs --xattrs-include='*' --sparse --sort=name \
               --numeric-owner --blocking-factor=1 --exclude=./socket -cf - .";
    let tar = output(&["exec", &server.name, "sh", "-c", tar, path]);
    let sums = "cd \"$0\" && find . -type f -size -1000000 -exec sha256sum {} + | sort";
    let sums = output(&["exec", &server.name, "sh", "-c", sums, path]);
    let mut listing = String::from_utf8_lossy(&sums).into_owned();
    let (mut reader, mut rest) = (Reader::default(), tar.as_slice());
    while let Some(event) = reader.next(&mut rest).unwrap() {
        match event {
            Event::Entry(entry) => {
                let Entry { name, kind, mode, uid, gid, modified, mut attributes } = entry;
                attributes.sort();
                let name = name.escape_ascii();
                listing.push_str(&format!(
                    "{name} {mode:o} {uid}:{gid} {modified} {kind:?} {attributes:?}\n"
                ));
            }
            Event::Data(data) => {
                let sum =
                    data.iter().fold(0, |sum: u64, byte| sum * 31 % 999_983 + u64::from(*byte));
                listing.push_str(&format!("{} bytes: {sum}\n", data.len()));
            }
            Event::Comment(_) => {}
        }
    }
    reader.finish().unwrap();
    listing
}

/// The manifest of the only archive.
fn manifest(world: &World) -> String {
    let files = world.files();
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let texts = files.iter().filter(|(name, _)| name.ends_with(".json"));
    texts.map(|(_, bytes)| text(bytes)).find(|text| text.contains("\"warnings\"")).unwrap()
}

#[test]
fn files_are_drilled() {
    check_drill(&Files, &[]);
}

#[test]
fn files_restore() {
    check_round_trip(&Files, &[]);
}

#[test]
fn files_with_a_flipped_byte_are_refused() {
    check_flips(&Files);
}

#[test]
fn what_was_seeded_is_what_is_listed() {
    let world = World::new();
    let server = Files.start(&world, "seed", &[]);
    Files.seed(&server);
    let listing = listing(&server, PATH);
    for words in [
        "security.capability",
        "large ids 640 4000000000:3000000 1234567890.987654321 File { bytes: 512 }",
        "before 1970 640 1000:1001 -2.75",
        "not \\xff text\\n",
        "Sparse { bytes: 9663676417,",
        "HardLink",
        "BlockDevice { major: 7, minor: 200 }",
    ] {
        let bytes = format!("{:?}", words.as_bytes());
        let found = listing.contains(words) || listing.contains(bytes.trim_matches(['[', ']']));
        assert!(found, "{words}: {listing}");
    }
}

#[test]
fn stock_tar_restores_it_all_and_a_cut_is_refused() {
    let world = Files.world();
    let labels = [Files.labels(), &[("enable", "true"), ("compress", "none")]].concat();
    let server = Files.start(&world, "cat", &labels);
    Files.seed(&server);
    world.ringbolt(&["backup"]).expect(0);
    let said = manifest(&world);
    assert!(said.contains("a socket is not in the archive"), "{said}");
    let latest = format!("{}@latest", server.source());
    let output = world.command().args(["cat", &latest]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let facts = check_cuts("files", "tar", &output.stdout);
    assert_eq!((facts.counts["links"], facts.counts["special files"]), (3, 3), "{facts}");
    let other = Files.start(&world, "stock", &[]);
    other.shell("mkdir /srv/elsewhere").expect(0);
    // The names begin with the path's own.
    unpack(&other, "/srv/elsewhere", &output.stdout);
    equal(&listing(&server, PATH), &listing(&other, "/srv/elsewhere/srv/data"));
}

/// What `show` prints is typed into a shell as it is, but for the image, which no registry gives here.
#[test]
fn the_recipe_of_files_works_as_printed() {
    let world = Files.world();
    let labels = [Files.labels(), &[("enable", "true")]].concat();
    let server = Files.start(&world, "recipe", &labels);
    Files.seed(&server);
    let original = listing(&server, PATH);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let shown = world.ringbolt(&["show", &latest, "--json"]).expect(0).json();
    let lines = shown["restore"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let lines = lines.collect::<Vec<_>>().join("\n");
    assert!(lines.contains("debian:stable-slim"), "{lines}");
    server.shell("rm -r /srv/data").expect(0);
    let typed = lines.replace("debian:stable-slim", IMAGE);
    Ran::of(Command::new("sh").args(["-euc", &typed])).expect(0);
    equal(&original, &listing(&server, PATH));
}

#[test]
fn an_empty_volume_is_filled_and_its_folder_dressed() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("engine", "volume"), ("path", "/data/")];
    let old = world.start(IMAGE, "old", &labels, &[], &[]);
    old.shell("echo 1 >/data/file; chown 7:8 /data; chmod 2750 /data; touch -d @86400.5 /data")
        .expect(0);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", old.source());
    let new = world.start(IMAGE, "new", &[("engine", "files")], &[], &[]);
    let looked = new.shell("stat -c '%a %u:%g' /data").expect(0).stdout;
    assert_eq!(looked, "755 0:0\n");
    world.ringbolt(&["restore", &latest, "--into", &new.name]).expect(0);
    let listed =
        |server: &Server| server.shell("cd /data && find . -printf '%P %m %U:%G %T@\n'").stdout;
    assert_eq!(listed(&old), listed(&new));
    world.ringbolt(&["restore", &latest, "--into", &new.name]).expect(1).says("is not empty");
}

#[test]
fn what_is_excluded_is_left_out_and_each_path_stands_alone() {
    let world = World::with_helper();
    let labels = [
        ("enable", "true"),
        ("engine", "files"),
        ("path", "/data/a,/data/gone,/data/b.conf"),
        ("exclude", "cache/**,**/*.log"),
    ];
    let server = world.start(IMAGE, "paths", &labels, &[], &[]);
    server
        .shell("mkdir -p /data/a/cache/x /data/a/sub; cd /data; touch b.conf a/1.log a/sub/2.log a/sub/keep")
        .expect(0);
    world.ringbolt(&["backup"]).expect(1).says("there is no `/data/gone`");
    let mut names: Vec<_> =
        world.list().iter().map(|archive| archive["database"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["/data/a", "/data/b.conf"]);
    for (path, to) in [("/data/a", "/data/new"), ("/data/b.conf", "/data/new.conf")] {
        let archive = world.newest(path);
        let id = archive["id"].as_str().unwrap();
        world.ringbolt(&["restore", id, "--into", &server.name, "--database", to]).expect(0);
    }
    let listed = server.shell("cd /data; find new new.conf | LC_ALL=C sort | tr '\n' ' '").stdout;
    assert_eq!(listed, "new new.conf new/cache new/sub new/sub/keep ");
}

#[test]
fn a_path_on_no_volume_is_refused() {
    let world = World::with_helper();
    for (name, path) in [("root", "/etc"), ("above", "/"), ("memory", "/tmp")] {
        let labels = [("enable", "true"), ("engine", "files"), ("path", path), ("name", name)];
        let server = world.start(IMAGE, name, &labels, &["--tmpfs", "/tmp"], &[]);
        let ran = world.ringbolt(&["backup", name]).expect(1);
        ran.says("is on no volume of the container").says(&server.name);
    }
    assert!(world.files().is_empty());
    let server = world.start(IMAGE, "plain", &[], &[], &[]);
    let target = world.start(
        IMAGE,
        "target",
        &[("enable", "true"), ("engine", "files"), ("path", "/data")],
        &[],
        &[],
    );
    world.ringbolt(&["backup", target.source()]).expect(0);
    let latest = format!("{}@latest", target.source());
    let arguments = ["restore", &latest, "--into", &target.name, "--database", "/etc/data"];
    world.ringbolt(&arguments).expect(1).says("is on no volume");
    drop(server);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("engine", "files"), ("path", "/data"), ("compress", "none")];
    let server = world.start(IMAGE, "busy", &labels, &[], &[]);
    server.shell("head -c 100000000 /dev/zero | tr '\\0' x >/data/log").expect(0);
    let writer = "while :; do echo more >>/data/log; done";
    docker(&["exec", "--detach", &server.name, "sh", "-c", writer]).expect(0);
    world.ringbolt(&["backup"]).expect(0);
    let said = manifest(&world);
    assert!(said.contains("`data/log` changed while it was read"), "{said}");
    world.ringbolt(&["verify"]).expect(0);
}

fn helpers() -> Vec<String> {
    let format = "{{.ID}} {{.Names}}";
    let ran = docker(&["ps", "--all", "--filter", "label=org.ringbolt.helper", "--format", format]);
    ran.stdout.lines().map(str::to_owned).collect()
}

/// The helpers that have a container's volume.
fn helpers_of(server: &Server) -> Vec<String> {
    let volume = "{{range .Mounts}}{{.Name}} {{end}}";
    let volume = |id: &str| docker(&["inspect", "--format", volume, id]).stdout.trim().to_owned();
    let own = volume(&server.name);
    let ids = helpers().into_iter().filter_map(|line| Some(line.split(' ').next()?.to_owned()));
    ids.filter(|id| !own.is_empty() && volume(id).contains(&own)).collect()
}

/// Kills the helper that runs this command while the program under test waits for it.
fn killed(world: &World, server: &Server, arguments: &[&str], aside: &str) -> Ran {
    let mut command = world.command();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for("a helper at its work", || {
        helpers_of(server).iter().any(|id| {
            docker(&["top", id, "-eo", "pid,args"]).stdout.contains(aside)
                && docker(&["kill", id]).code == Some(0)
        })
    });
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (code, stdout, stderr) = (output.status.code(), text(&output.stdout), text(&output.stderr));
    Ran { code, stdout, stderr }
}

#[test]
fn a_killed_helper_leaves_nothing() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("engine", "files"), ("path", PATH)];
    let server = Files.start(&world, "killed", &labels);
    let fill = "mkdir /srv/data; head -c 1000000000 /dev/zero | tr '\\0' x >/srv/data/large";
    server.shell(fill).expect(0);
    killed(&world, &server, &["backup"], "files-dump").expect(1);
    assert!(world.files().is_empty(), "{:?}", world.files().keys());
    assert_eq!(helpers_of(&server), Vec::<String>::new());

    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", server.source());
    let arguments = ["restore", &latest, "--into", &server.name, "--database", "/srv/new"];
    killed(&world, &server, &arguments, "files-load").expect(1);
    assert_eq!(server.shell("ls /srv").stdout, "data\n");
    assert_eq!(helpers_of(&server), Vec::<String>::new());
}

#[test]
fn a_volume_that_cannot_be_written_to_is_told() {
    let world = World::with_helper();
    let labels = [("enable", "true"), ("engine", "files"), ("path", PATH)];
    let old = Files.start(&world, "old", &labels);
    old.shell("mkdir /srv/data; echo 1 >/srv/data/file").expect(0);
    world.ringbolt(&["backup"]).expect(0);
    let latest = format!("{}@latest", old.source());
    let shut = world.folder.join("shut");
    std::fs::create_dir(&shut).unwrap();
    let shut = format!("{}:/srv:ro", shut.display());
    let options = ["--volume", &shut];
    let new = world.start(IMAGE, "only", &[("engine", "files")], &options, &[]);
    let ran = world.ringbolt(&["restore", &latest, "--into", &new.name]);
    ran.expect(1).says("Read-only file system");
}
