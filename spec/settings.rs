//! Settings: where they come from, and what is said of wrong ones.

use crate::world::{Ran, World};

fn with(world: &World, file: Option<(&str, &str)>, env: &[(&str, &str)]) -> Ran {
    let mut command = world.command();
    command.arg("list").env_remove("RINGBOLT_STORES__LOCAL__URL");
    if let Some((name, content)) = file {
        let path = world.folder.join(name);
        std::fs::write(&path, content).unwrap();
        command.arg("--config").arg(path);
    }
    Ran::of(command.envs(env.iter().copied()))
}

#[test]
fn one_variable_is_enough_and_none_is_too_few() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    let url = format!("file://{}", world.store().display());
    with(&world, None, &[("RINGBOLT_STORES__LOCAL__URL", &url)]).expect(0);
    with(&world, None, &[])
        .expect(2)
        .says("no store is configured")
        .says("RINGBOLT_STORES__LOCAL__URL=");
}

#[test]
fn the_environment_wins_over_the_file() {
    let world = World::new();
    std::fs::create_dir(world.store()).unwrap();
    let url = format!("file://{}", world.store().display());
    let toml = "[stores.local]\nurl = \"file:///nowhere\"\n";
    with(&world, Some(("a.toml", toml)), &[]).expect(4).says("`file:///nowhere`");
    with(&world, Some(("a.toml", toml)), &[("RINGBOLT_STORES__LOCAL__URL", &url)]).expect(0);
    let yaml = format!("stores:\n  local:\n    url: {url}\n");
    with(&world, Some(("a.yaml", &yaml)), &[]).expect(0);
}

#[test]
fn a_wrong_setting_is_named_with_its_origin() {
    let world = World::new();
    let toml = "[stores.local]\nurl = \"file:///x\"\nfsync = false\n";
    with(&world, Some(("a.toml", toml)), &[]).expect(2).says("fsync").says("a.toml");
    let wrong =
        [("RINGBOLT_DOCKR__HOST", "unix:///x"), ("RINGBOLT_STORES__LOCAL__URL", "file:///x")];
    with(&world, None, &wrong).expect(2).says("dockr");
    let prefix = [("RINGBOLT_LABELS__PREFIX", "a b"), ("RINGBOLT_STORES__LOCAL__URL", "file:///x")];
    with(&world, None, &prefix).expect(2).says("RINGBOLT_LABELS__PREFIX");
    let url = [("RINGBOLT_STORES__LOCAL__URL", "s3://bucket")];
    with(&world, None, &url).expect(2).says("`s3://bucket`");
    let two = [("RINGBOLT_STORES__A__URL", "file:///a"), ("RINGBOLT_STORES__B__URL", "file:///b")];
    with(&world, None, &two).expect(2).says("stores `a` and `b`");
    let gone = world.folder.join("gone.toml");
    let ran = Ran::of(world.command().arg("list").arg("--config").arg(gone)).expect(2);
    ran.says("gone.toml");
}
