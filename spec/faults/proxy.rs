//! A proxy of the suite's own before the Docker socket: cuts a stream in the middle, as proxies with
//! time limits do.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

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

    let socket = world.socket("refusing");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || refuse(&client.unwrap(), paths));
        }
    });
    format!("unix://{}", socket.display())
}

/// Begins to listen for `world`, and replaces one text in every answer by another of its length.
/// Returns the address.
pub(crate) fn mangling(world: &World, from: &'static [u8], to: &'static [u8]) -> String {
    assert_eq!(from.len(), to.len(), "the answer's length is told in its head");
    let socket = world.socket("mangling");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || mangle(&client.unwrap(), from, to));
        }
    });
    format!("unix://{}", socket.display())
}

fn mangle(mut client: &UnixStream, from: &[u8], to: &[u8]) -> Option<()> {
    let docker = UnixStream::connect("/var/run/docker.sock").ok()?;
    let (mut asking, mut asked) = (client.try_clone().ok()?, docker.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut asking, &mut asked));
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = (&docker).read(&mut piece).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&piece[..read]);
        while let Some(at) = answer.windows(from.len()).position(|window| window == from) {
            answer[at..at + from.len()].copy_from_slice(to);
        }
        // What may be the beginning of the text waits for the rest, unless the answer ends here.
        let rest = if answer.ends_with(b"\n") { 0 } else { from.len().min(answer.len()) };
        let ready = answer.drain(..answer.len() - rest).collect::<Vec<u8>>();
        client.write_all(&ready).ok()?;
    }
}

/// Begins to listen for `world`, and lets `spoil` change the content of one frame of each command's output (1) or errors
/// (2); it says whether it has. The frame's head tells the length that it has then. Returns the address.
pub(crate) fn spoiling(world: &World, spoil: fn(u8, &mut Vec<u8>) -> bool) -> String {
    let socket = world.socket("spoiling");
    let listener = UnixListener::bind(&socket).unwrap();
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
                let mut spoiled = false;
                pass_frames(&docker, &client, |frame| {
                    if !spoiled {
                        let mut content = frame.split_off(8);
                        spoiled = spoil(frame[0], &mut content);
                        frame[4..8]
                            .copy_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
                        frame.extend(content);
                    }
                    true
                });
                client.shutdown(Shutdown::Both).ok();
                docker.shutdown(Shutdown::Both).ok();
            });
        }
    });
    format!("unix://{}", socket.display())
}

/// A door before the Docker socket that can be shut: what is open is cut, what knocks is sent away.
pub(crate) struct Gate {
    pub(crate) address: String,
    shut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.shut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
    }
}

/// Begins to listen for `world`.
pub(crate) fn gate(world: &World) -> Gate {
    let socket = world.socket("gate");
    let listener = UnixListener::bind(&socket).unwrap();
    let (shut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let gate = Gate { address: format!("unix://{}", socket.display()), shut, open };
    let (shut, open) = (gate.shut.clone(), gate.open.clone());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            if shut.load(Ordering::SeqCst) {
                continue;
            }
            let docker = UnixStream::connect("/var/run/docker.sock").unwrap();
            let mut known = open.lock().unwrap();
            known.extend([client.try_clone().unwrap(), docker.try_clone().unwrap()]);
            let (mut from, mut to) = (client.try_clone().unwrap(), docker.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut from, &mut to).ok();
                to.shutdown(Shutdown::Write).ok();
            });
            std::thread::spawn(move || {
                std::io::copy(&mut &docker, &mut &client).ok();
                client.shutdown(Shutdown::Both).ok();
            });
        }
    });
    gate
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

fn answer_frames(docker: &UnixStream, client: &UnixStream, limit: usize) -> Option<()> {
    let mut passed = 0;
    pass_frames(docker, client, |frame| {
        passed += frame.len();
        passed < limit
    })
}

/// Passes the head of an answer on, then frame by frame: 8 bytes that tell a length, and the rest. Each frame is
/// shown before it is passed on; the answer says whether another one follows.
fn pass_frames(
    mut docker: &UnixStream,
    mut client: &UnixStream,
    mut show: impl FnMut(&mut Vec<u8>) -> bool,
) -> Option<()> {
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
    let mut more = true;
    while more {
        let mut frame = vec![0; 8];
        docker.read_exact(&mut frame).ok()?;
        let length = u32::from_be_bytes(frame[4..8].try_into().ok()?) as usize;
        frame.resize(8 + length, 0);
        docker.read_exact(&mut frame[8..]).ok()?;
        more = show(&mut frame);
        client.write_all(&frame).ok()?;
    }
    Some(())
}
