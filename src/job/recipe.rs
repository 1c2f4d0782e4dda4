//! The recipe: how to restore an archive with stock tools and without Ringbolt. The commands are
//! those that Ringbolt runs itself, written for a shell.

use super::JobError;
use crate::archive::{Archive, ArchiveError, Manifest};
use crate::engine::{Access, Destination, EngineError};
use crate::labels::Rules;
use crate::model::{Codec, Command, Database, PASSPHRASE, Part, SecretRef, Value};
use crate::pipeline::{Scheme, Signature};

/// The variable that names an identity file. A path of ours would be a guess, and one written into the
/// line would be typed as it is.
const IDENTITY: &str = "IDENTITY";

/// An image with GNU's tools, for what is loaded into a workload's volumes.
const STOCK_IMAGE: &str = "debian:stable-slim";

/// One step: what it is for, and the line to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub about: &'static str,
    pub line: String,
}

/// The steps to restore an archive into a new database beside the dumped one.
///
/// # Errors
/// [`JobError::UnknownEngine`] for an archive of an engine that this Ringbolt does not know.
pub fn steps(archive: &Archive, rules: &Rules) -> Result<Vec<Step>, JobError> {
    let manifest = &archive.manifest;
    let unknown = || JobError::UnknownEngine(manifest.engine.clone());
    let engine = rules.engine(&manifest.engine).ok_or_else(unknown)?;
    let password: Option<SecretRef> =
        manifest.access.password.as_deref().and_then(|reference| reference.parse().ok());
    let access = Access { user: &manifest.access.user, password: password.as_ref(), paths: &[] };
    let container = &manifest.workload.container;
    let (folder, payload) = archive.place()?;

    let sum = format!("{}  {payload}", manifest.stored.sha256);
    let mut steps = vec![
        Step {
            about: "Go to the store (where Ringbolt runs in a container: to what is mounted there)",
            line: format!("cd {}", quoted(&folder)),
        },
        Step {
            about: "Check the bytes",
            line: format!("echo {} | sha256sum --check", quoted(&sum)),
        },
    ];
    let checked_with = match &archive.signature {
        Signature::By(key) => Some(format!("-P {key}")),
        Signature::Unchecked(_) => Some("-p KEY.pub".to_owned()),
        Signature::Unsigned | Signature::Refused(_) => None,
    };
    if let Some(key) = checked_with {
        let manifest = manifest.address().manifest().map_err(ArchiveError::from)?;
        steps.push(Step {
            about: "Check the signature of the manifest, which says how many bytes and which digest",
            line: format!("minisign -V -m {} {key}", quoted(manifest.as_str())),
        });
    }
    let scheme = Scheme::of(&manifest.recipients);
    if scheme == Scheme::OpenPgp {
        steps.push(Step {
            about: "Have the secret key of one of these in GnuPG: this shows one, or fails",
            line: known_to_gnupg(manifest),
        });
    }
    if scheme == Scheme::Age && manifest.recipients != [PASSPHRASE] {
        steps.push(Step {
            about: "Have an identity: this says so unless the variable names its file, by its whole path",
            line: format!(": \"${{{IDENTITY}:?is to be the path of an identity file}}\""),
        });
    }
    let plain = plain(manifest, &quoted(&payload));
    if let Some(stock) = engine.stock() {
        steps.push(Step {
            about: "Put it where it was, in the volumes of a container that has nothing there yet",
            line: format!("{plain} | {}", docker_run(container, &stock)),
        });
        return Ok(steps);
    }
    let load = match &manifest.part {
        Part::Globals => {
            let none = || EngineError::NoGlobals(manifest.engine.clone());
            engine.globals().ok_or_else(none)?.load(&access)
        }
        Part::Database(name) => {
            let restored = match engine.card().whole {
                Some(_) => name.clone(),
                None => format!("{name}_restored").parse().unwrap_or_else(|_| name.clone()),
            };
            let named = Database::named(name.clone());
            let like = manifest.database.as_ref().unwrap_or(&named);
            let (format, major) = (&*manifest.format, manifest.server_major);
            let to = Destination { format, staged: &restored, name: &restored, like, major };
            let restore = engine.restore(&access, &to);
            if let Some(create) = &restore.create {
                steps.push(Step {
                    about: "Make a new database (a new server needs the globals first; the database's own settings and \
                            grants are in the manifest)",
                    line: docker_exec(container, create, false),
                });
            }
            restore.load
        }
    };
    steps.push(Step {
        about: match manifest.part {
            Part::Globals => {
                "Load the globals into a new server. `role … already exists` is expected there; such a role \
                 gets the dump's password, which `ringbolt restore` never does"
            }
            Part::Database(_) => "Load the dump",
        },
        line: format!("{plain} | {}", docker_exec(container, &load, true)),
    });
    Ok(steps)
}

/// Fails unless GnuPG has the secret key of one of a manifest's recipients. Asked for several at once, it
/// fails if one is missing.
fn known_to_gnupg(manifest: &Manifest) -> String {
    let bare = manifest.recipients.iter().map(|one| one.rsplit(':').next().unwrap_or(one));
    let ask = |fingerprint| format!("gpg --list-secret-keys {fingerprint}");
    bare.map(ask).collect::<Vec<_>>().join(" || ")
}

/// The pipe that gives the plain dump: the payload's extensions, read backwards.
fn plain(manifest: &Manifest, payload: &str) -> String {
    let decompress = match manifest.codec {
        Codec::Zstd(_) => Some("zstd --decompress --stdout"),
        Codec::Gzip(_) => Some("gzip --decompress --stdout"),
        Codec::None => None,
    };
    let decrypt = match (&manifest.recipients[..], Scheme::of(&manifest.recipients)) {
        (_, Scheme::OpenPgp) => format!("gpg --decrypt {payload}"),
        ([only], _) if only == PASSPHRASE => format!("age --decrypt {payload}"),
        _ => format!("age --decrypt --identity \"${IDENTITY}\" {payload}"),
    };
    match (manifest.encrypted(), decompress) {
        (true, Some(decompress)) => format!("{decrypt} | {decompress}"),
        (true, None) => decrypt,
        (false, Some(decompress)) => format!("{decompress} {payload}"),
        (false, None) => format!("cat {payload}"),
    }
}

/// A command as `docker exec` takes it. Secrets are passed on from the shell's own environment.
fn docker_exec(container: &str, command: &Command, input: bool) -> String {
    let mut line = String::from("docker exec");
    if input {
        line.push_str(" --interactive");
    }
    for (name, value) in &command.env {
        match value {
            Value::Secret(_) => line.push_str(&format!(" --env {name}")),
            Value::Text(text) => {
                line.push_str(&format!(" --env {}", quoted(&format!("{name}={text}"))));
            }
        }
    }
    line.push_str(&format!(" {}", quoted(container)));
    for argument in &command.argv {
        line.push_str(&format!(" {}", quoted(argument)));
    }
    line
}

/// A command in a container of its own that has another one's volumes.
fn docker_run(container: &str, command: &Command) -> String {
    let mut line = String::from("docker run --rm --interactive --network none --volumes-from");
    let words = [container, STOCK_IMAGE].into_iter().chain(command.argv.iter().map(String::as_str));
    words.for_each(|word| line.push_str(&format!(" {}", quoted(word))));
    line
}

/// Quotes for a POSIX shell, where it is needed.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for (text, expected) in [
            ("a-b", "a-b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
