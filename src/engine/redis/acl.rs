//! The users of a server, as `ACL LIST` tells them, between a first and a last line of ours.
//!
//! A user is one line of rules, with digests of passwords in it and no password. What the rules mean is the
//! server's own matter.

use crate::engine::{EngineError, Invalid, Validator};
use crate::model::{Facts, Server};

const HEADER: &str = "# users of a Redis or Valkey server, as ACL LIST tells them";
/// The user that every server has.
const DEFAULT: &str = "default";
/// One user's rules; a server takes no longer command than this.
const LONGEST_LINE: usize = 64 << 20;

/// A dump of users, so far.
#[derive(Debug, Default)]
pub(super) struct AclDump {
    line: Vec<u8>,
    begun: bool,
    ended: bool,
    users: u64,
}

impl Validator for AclDump {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line(&line[..line.len() - 1])?;
            } else if self.line.len() > LONGEST_LINE {
                return Err(Invalid::Foreign("a line of it has no end".to_owned()));
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        match (self.begun, self.ended, self.line.is_empty()) {
            (false, _, true) => Err(Invalid::Empty),
            (true, true, true) => Ok(Facts::default()),
            _ => Err(Invalid::Cut("its last line, which counts the users, is missing".to_owned())),
        }
    }
}

impl AclDump {
    fn line(&mut self, line: &[u8]) -> Result<(), Invalid> {
        let foreign = |what: &str| Err(Invalid::Foreign(what.to_owned()));
        if !self.begun {
            self.begun = line == HEADER.as_bytes();
            return if self.begun { Ok(()) } else { foreign("its first line is not Ringbolt's") };
        }
        if self.ended {
            return foreign("something stands behind its end");
        }
        if line.starts_with(b"user ") {
            self.users += 1;
            return Ok(());
        }
        if line != last_line(self.users).as_bytes() {
            return foreign("a line of it is no user, and does not count those before it");
        }
        self.ended = true;
        Ok(())
    }
}

fn last_line(users: u64) -> String {
    format!("# {users} users")
}

/// The users that a server does not have yet.
pub(super) struct Adapted {
    /// A dump of these alone.
    pub(super) dump: String,
    pub(super) created: Vec<String>,
    pub(super) kept: Vec<String>,
}

pub(super) fn adapt(dump: &str, server: &Server) -> Result<Adapted, EngineError> {
    let mut whole = Box::new(AclDump::default());
    let unreadable = |invalid: Invalid| EngineError::Globals(invalid.to_string());
    whole.check(dump.as_bytes()).map_err(unreadable)?;
    whole.finish().map_err(unreadable)?;
    if !server.superuser {
        return Err(EngineError::Globals(
            "our user may not run ACL LIST, so nobody knows which users are there already"
                .to_owned(),
        ));
    }
    let mut adapted =
        Adapted { dump: format!("{HEADER}\n"), created: Vec::new(), kept: Vec::new() };
    for line in dump.lines() {
        let Some(name) = line.strip_prefix("user ").and_then(|rest| rest.split(' ').next()) else {
            continue;
        };
        let user = format!("user {name}");
        if name == DEFAULT || server.roles.iter().any(|role| role == name) {
            adapted.kept.push(user);
        } else {
            adapted.created.push(user);
            adapted.dump.push_str(line);
            adapted.dump.push('\n');
        }
    }
    adapted.dump.push_str(&last_line(adapted.created.len() as u64));
    adapted.dump.push('\n');
    Ok(adapted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# users of a Redis or Valkey server, as ACL LIST tells them\n\
        user default on nopass sanitize-payload ~* &* +@all\n\
        user it\"s on #ab ~\\x resetchannels -@all +get (~y -@all +set)\n\
        user there off sanitize-payload resetchannels -@all\n\
        # 3 users\n";

    fn judge(dump: &[u8]) -> Result<Facts, Invalid> {
        let mut validator = Box::new(AclDump::default());
        dump.chunks(7).try_for_each(|piece| validator.check(piece))?;
        validator.finish()
    }

    #[test]
    fn only_a_whole_list_is_taken() {
        assert!(judge(WHOLE.as_bytes()).is_ok());
        for end in 0..WHOLE.len() {
            assert!(judge(&WHOLE.as_bytes()[..end]).is_err(), "cut at {end} was accepted");
        }
        assert!(judge(WHOLE.replace("# 3", "# 2").as_bytes()).is_err());
        assert!(judge(format!("{WHOLE}\n").as_bytes()).is_err());
        assert!(judge(b"NOPERM this user has no permissions\n").is_err());
    }

    #[test]
    fn who_exists_is_kept_and_the_rest_is_made() {
        let roles = vec!["default".to_owned(), "there".to_owned()];
        let server = Server { superuser: true, roles, ..Server::default() };
        let adapted = adapt(WHOLE, &server).unwrap();
        assert_eq!(adapted.created, ["user it\"s"]);
        assert_eq!(adapted.kept, ["user default", "user there"]);
        assert!(judge(adapted.dump.as_bytes()).is_ok());
        assert!(adapted.dump.contains("(~y -@all +set)") && !adapted.dump.contains("there"));
        assert!(adapt(&WHOLE[..90], &server).is_err());
        assert!(adapt(WHOLE, &Server::default()).is_err());
    }
}
