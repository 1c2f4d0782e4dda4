//! A proxy of the suite's own before the Docker socket: cuts a stream in the middle, as proxies with
//! time limits do.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::world::World;

/// Begins to listen on `socket`. A connection that has answered `limit` bytes is cut. `frames`: cut
/// only between two frames of output, where nothing looks wrong.
pub(super) fn listen(socket: &Path, limit: usize, frames: bool) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let docker = UnixStream::connect("/var/run/docker.sock").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), docker.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut from, &mut to).ok();
                to.shutdown(Shutdown::Write).ok();
            });
            std::thread::spawn(move || {
                if frames {
                    answer_frames(&docker, &client, limit)
                } else {
                    answer(&docker, &client, limit)
                };
                client.shutdown(Shutdown::Both).ok();
                docker.shutdown(Shutdown::Both).ok();
            });
        }
    });
}

/// Begins to listen for `world`, and refuses every call whose path holds one of `paths`, as proxies
/// that let only some calls through do. Returns the address.
pub(crate) fn refusing(world: &World, paths: &'static [&'static str]) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let socket = world.folder.join("refusing.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || refuse(&client.unwrap(), paths));
        }
    });
    format!("unix://{}", socket.display())
}

/// One connection carries one call: the client keeps none open.
fn refuse(mut client: &UnixStream, paths: &[&str]) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&head).into_owned();
    if paths.iter().any(|path| line.contains(path)) {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal).ok();
    }
    let mut docker = UnixStream::connect("/var/run/docker.sock").ok()?;
    docker.write_all(&head).ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, docker.try_clone().ok()?);
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut docker, &mut client).ok();
    client.shutdown(Shutdown::Both).ok()
}

fn answer(docker: &UnixStream, client: &UnixStream, limit: usize) -> Option<()> {
    std::io::copy(&mut docker.take(limit as u64), &mut &*client).ok().map(drop)
}

/// Passes the head of an answer on, then frame by frame: 8 bytes that tell a length, and the rest.
fn answer_frames(mut docker: &UnixStream, mut client: &UnixStream, limit: usize) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        docker.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    client.write_all(&head).ok()?;
    if !head.starts_with(b"HTTP/1.1 101") {
        return std::io::copy(&mut docker, &mut client).ok().map(drop);
    }
    let mut passed = 0;
    while passed < limit {
        let mut frame = vec![0; 8];
        docker.read_exact(&mut frame).ok()?;
        let length = u32::from_be_bytes(frame[4..8].try_into().ok()?) as usize;
        frame.resize(8 + length, 0);
        docker.read_exact(&mut frame[8..]).ok()?;
        client.write_all(&frame).ok()?;
        passed += frame.len();
    }
    Some(())
}
