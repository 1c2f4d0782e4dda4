//! Accounts and their rights, as `SHOW CREATE USER` and `SHOW GRANTS` tell them: which of them are asked
//! for, what a whole dump of them looks like, and what of it a server takes that has accounts.
//!
//! Rights on a table, a column or a routine travel with the database: they cannot be granted before
//! it is there.

use super::queries::SETTLED;
use crate::engine::{EngineError, Invalid, Validator};
use crate::model::{Facts, Server};

const HEADER: &str = "-- Ringbolt: accounts and their rights";
const TRAILER: &str = "-- Ringbolt: accounts complete";
/// Before each account's statements.
const ACCOUNT: &str = "-- Account ";

/// Makes the statements that show the accounts. First they are created, those with default roles last,
/// then they get their rights. Accounts that a server makes for itself are not asked for.
pub(super) fn questions(maria: bool) -> String {
    let own = "User NOT IN ('mysql.sys', 'mysql.session', 'mysql.infoschema', 'mariadb.sys')";
    let say = |text: &str| format!("'SELECT ', QUOTE({text}), ';'");
    let account = "CONCAT(QUOTE(User), '@', QUOTE(Host))";
    let role = "CONCAT('`', REPLACE(User, '`', '``'), '`')";
    let user = format!("{}, '\\n', ", say(&format!("CONCAT('{ACCOUNT}', {account})")));
    let named_role = format!("{}, '\\n', ", say(&format!("CONCAT('{ACCOUNT}', QUOTE(User))")));
    let mut script = format!("{SETTLED}SELECT 'SET SESSION sql_mode = '''';';\n");
    if maria {
        let create = say(&format!("CONCAT('CREATE ROLE ', {role})"));
        let roles = "FROM mysql.user WHERE is_role = 'Y' AND User <> 'PUBLIC' ORDER BY User";
        let users = format!("FROM mysql.user WHERE is_role = 'N' AND {own} ORDER BY User, Host");
        script.push_str(&format!(
            "SELECT CONCAT({named_role}{create}) {roles};\n\
             SELECT CONCAT({user}'SHOW CREATE USER ', {account}, ';') {users};\n\
             SELECT CONCAT({named_role}'SHOW GRANTS FOR ', {role}, ';') {roles};\n\
             SELECT CONCAT({user}'SHOW GRANTS FOR ', {account}, ';') {users};\n"
        ));
    } else {
        let users = format!("FROM mysql.user u WHERE {own} ORDER BY");
        let defaults = "/*!80000 (SELECT COUNT(*) FROM mysql.default_roles d WHERE d.USER = u.User AND d.HOST = u.Host),*/";
        script.push_str(&format!(
            "SELECT '/*!80017 SET SESSION print_identified_with_as_hex = 1 */;';\n\
             SELECT CONCAT({user}'SHOW CREATE USER ', {account}, ';') {users} {defaults} User, Host;\n\
             SELECT CONCAT({user}'SHOW GRANTS FOR ', {account}, ';') {users} User, Host;\n"
        ));
    }
    script
}

/// A dump of accounts, so far. It is small, so it is kept.
#[derive(Debug, Default)]
pub(super) struct AccountsDump(Vec<u8>);

impl Validator for AccountsDump {
    fn check(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        const LARGEST: usize = 64 << 20;
        self.0.extend_from_slice(piece);
        let known = self.0.len().min(HEADER.len());
        if self.0[..known] != HEADER.as_bytes()[..known] || self.0.len() > LARGEST {
            return Err(Invalid::Foreign(format!("it does not begin with `{HEADER}`")));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Facts, Invalid> {
        if self.0.is_empty() {
            return Err(Invalid::Empty);
        }
        let text = String::from_utf8_lossy(&self.0);
        let mut accounts: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix(ACCOUNT)).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let mut lines = text.split('\n').rev();
        let whole = lines.next() == Some("") && lines.next() == Some(TRAILER);
        if !whole || text.lines().filter(|line| *line == TRAILER).count() != 1 {
            return Err(Invalid::Cut("its last line is not the one of a whole dump".to_owned()));
        }
        let counts = [("accounts".to_owned(), accounts.len() as u64)].into();
        Ok(Facts { counts, ..Facts::default() })
    }
}

/// A script that creates what is missing.
pub(super) struct Adapted {
    pub(super) script: String,
    pub(super) created: Vec<String>,
    pub(super) kept: Vec<String>,
}

pub(super) fn adapt(dump: &str, server: &Server) -> Result<Adapted, EngineError> {
    let mut script = String::from(SETTLED);
    let (mut created, mut kept): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut current: Option<&str> = None;
    for line in dump.lines() {
        if let Some(account) = line.strip_prefix(ACCOUNT) {
            current = Some(account);
            let there = server.roles.iter().any(|role| role == account);
            let list = if there { &mut kept } else { &mut created };
            if !list.iter().any(|known| known == account) {
                list.push(account.to_owned());
            }
        } else if line.starts_with("-- ") {
            current = None;
        } else {
            let unnamed =
                || EngineError::Globals(format!("nobody is named before `{}`", verb(line)));
            let account = current.ok_or_else(unnamed)?;
            if created.iter().any(|known| known == account) && is_own(line, account) {
                script.push_str(line);
                script.push('\n');
            }
        }
    }
    Ok(Adapted { script, created, kept })
}

/// A statement's first word; what follows may be a secret.
fn verb(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// Whether a statement is for this account, and for nothing that a database must bring.
fn is_own(statement: &str, account: &str) -> bool {
    let Some(grant) = statement.strip_prefix("GRANT ") else { return true };
    // MariaDB shows with a role also the rights of the roles that it has.
    if !account.contains("'@'") {
        let name = account.trim_matches('\'');
        let to = [format!(" TO `{name}`"), format!(" TO '{name}'"), format!(" TO {name}")];
        let whole = |to: &String| {
            let after = grant.split_once(to.as_str()).map(|(_, after)| after);
            after.is_some_and(|after| after.starts_with([' ', ';']))
        };
        if !to.iter().any(whole) {
            return false;
        }
    }
    let Some((what, object)) = grant.split_once(" ON ") else { return true };
    let all_of =
        |object: &str| object.split_once(" TO ").is_some_and(|(name, _)| name.ends_with(".*"));
    what == "PROXY" || what.starts_with(['`', '\'']) || all_of(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "-- Ringbolt: accounts and their rights\n\
        -- Account 'app'@'%'\nCREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*B6';\n\
        -- Account 'rr'\nCREATE ROLE `rr`;\n\
        -- Account 'root'@'localhost'\nCREATE USER `root`@`localhost`;\n\
        -- Account 'rr'\nGRANT `deep` TO `rr`;\nGRANT USAGE ON *.* TO `rr`;\nGRANT USAGE ON *.* TO `deep`;\nGRANT SELECT ON `g`.* TO `rr`;\n\
        -- Account 'app'@'%'\nGRANT `rr` TO `app`@`%`;\nGRANT SELECT (`a`) ON `g`.`t` TO `app`@`%`;\nGRANT EXECUTE ON PROCEDURE `g`.`p` TO `app`@`%`;\nSET DEFAULT ROLE `rr` FOR `app`@`%`;\n\
        -- Account 'root'@'localhost'\nGRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`;\n\
        -- Ringbolt: accounts complete\n";

    #[test]
    fn who_is_there_is_kept_and_the_rest_is_created() {
        let server = Server { roles: vec!["'root'@'localhost'".to_owned()], ..Server::default() };
        let adapted = adapt(DUMP, &server).unwrap();
        assert_eq!(adapted.created, ["'app'@'%'", "'rr'"]);
        assert_eq!(adapted.kept, ["'root'@'localhost'"]);
        assert_eq!(
            adapted.script.strip_prefix(SETTLED).unwrap(),
            "CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*B6';\nCREATE ROLE `rr`;\n\
             GRANT `deep` TO `rr`;\nGRANT USAGE ON *.* TO `rr`;\nGRANT SELECT ON `g`.* TO `rr`;\n\
             GRANT `rr` TO `app`@`%`;\nSET DEFAULT ROLE `rr` FOR `app`@`%`;\n"
        );
    }

    #[test]
    fn a_dump_of_accounts_is_whole_or_refused() {
        let judge = |dump: &str| {
            let mut validator = AccountsDump::default();
            dump.as_bytes().chunks(7).try_for_each(|piece| validator.check(piece))?;
            Box::new(validator).finish()
        };
        assert_eq!(judge(DUMP).unwrap().counts["accounts"], 3);
        for end in 0..DUMP.len() {
            assert!(judge(&DUMP[..end]).is_err(), "cut at {end} was accepted");
        }
        assert!(judge(&format!("{DUMP}\n")).is_err());
    }
}
