//! The store family: one suite that every row passes.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use ringbolt::model::Slug;
use ringbolt::store::{self, Key, Store, StoreError};

use crate::world::World;

fn open(world: &World) -> Arc<dyn Store> {
    let name: Slug = "local".parse().unwrap();
    store::open(name, &format!("file://{}", world.store().display())).unwrap()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

const PAYLOAD: &str = "shop/orders/20261120T030000Z-01jd8abcde.pgdump.zst";

fn put(store: &dyn Store, text: &str, content: &[u8]) {
    let mut upload = store.create(&key(text)).unwrap();
    upload.write_all(content).unwrap();
    upload.commit().unwrap();
}

fn get(store: &dyn Store, text: &str) -> Vec<u8> {
    let mut content = Vec::new();
    store.open(&key(text)).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn what_is_committed_is_there_and_nothing_before() {
    let world = World::new();
    let store = open(&world);
    let mut upload = store.create(&key(PAYLOAD)).unwrap();
    upload.write_all(b"half").unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(matches!(store.open(&key(PAYLOAD)), Err(StoreError::Missing { .. })));
    drop(upload);
    assert!(world.files().is_empty(), "an abort leaves nothing");

    put(store.as_ref(), PAYLOAD, b"whole");
    assert_eq!(get(store.as_ref(), PAYLOAD), b"whole");
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), &listed[0].key, listed[0].bytes), (1, &key(PAYLOAD), 5));
    put(store.as_ref(), PAYLOAD, b"again");
    assert_eq!(get(store.as_ref(), PAYLOAD), b"again");
    store.delete(&key(PAYLOAD)).unwrap();
    assert!(matches!(store.delete(&key(PAYLOAD)), Err(StoreError::Missing { .. })));
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::new();
    put(open(&world).as_ref(), PAYLOAD, b"x");
    let mode = |path: &str| {
        std::fs::metadata(world.store().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode(PAYLOAD), mode("shop"), mode("shop/orders")], [0o600, 0o700, 0o700]);
}

#[test]
fn an_unreadable_listing_is_never_empty() {
    let world = World::new();
    assert!(matches!(open(&world).list(), Err(StoreError::Unreachable { .. })));
    std::fs::write(world.store(), "a file").unwrap();
    assert!(matches!(open(&world).list(), Err(StoreError::Unreachable { .. })));
}

#[test]
fn a_sweep_takes_only_our_leftovers_and_waits_for_nobody() {
    let world = World::new();
    let store = open(&world);
    put(store.as_ref(), PAYLOAD, b"x");
    let leftover = "shop/orders/.20261120T040000Z-01jd8abcde.pgdump.zst.0.tmp";
    let foreign = ["notes.txt", ".hidden.tmp", "shop/.notes.tmp", "shop/orders/.x.pgdump.0.tmp"];
    for name in foreign.iter().chain([&leftover]) {
        std::fs::write(world.store().join(name), "x").unwrap();
    }
    let told = std::cell::RefCell::new(Vec::new());
    let also = |unfinished: &[Key], committed: &[store::Object]| {
        told.borrow_mut().extend(unfinished.iter().map(ToString::to_string));
        assert_eq!(committed.iter().filter(|object| object.key == key(PAYLOAD)).count(), 1);
        Vec::new()
    };
    let claim = store.claim().unwrap();
    assert!(store.sweep(&also).unwrap().is_empty(), "somebody writes");
    drop(claim);
    assert_eq!(store.sweep(&also).unwrap(), [leftover]);
    assert_eq!(told.take(), ["shop/orders/20261120T040000Z-01jd8abcde.pgdump.zst"]);
    let left: Vec<String> = world.files().into_keys().collect();
    let mut expected: Vec<String> = foreign.iter().map(ToString::to_string).collect();
    expected.push(PAYLOAD.to_owned());
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn a_probe_leaves_nothing() {
    let world = World::new();
    let store = open(&world);
    assert!(store.probe().unwrap().free.is_some_and(|free| free > 0));
    assert!(!world.store().exists());
    put(store.as_ref(), PAYLOAD, b"x");
    store.probe().unwrap();
    assert_eq!(world.files().len(), 1);
}

#[test]
fn foreign_folders_are_not_entered() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::new();
    let store = open(&world);
    put(store.as_ref(), PAYLOAD, b"x");
    for foreign in ["lost+found", ".snapshot", "shop/orders/deeper"] {
        let folder = world.store().join(foreign);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(".20261120T040000Z-01jd8abcde.pgdump.0.tmp"), "x").unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    assert_eq!(store.list().unwrap().len(), 1);
    assert!(store.sweep(&|_, _| Vec::new()).unwrap().is_empty());
    for foreign in ["lost+found", ".snapshot", "shop/orders/deeper"] {
        let open = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(world.store().join(foreign), open).unwrap();
    }
}
