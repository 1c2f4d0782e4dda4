//! Reads a connection URI into its parts. Pure text: nothing is resolved or connected to.
//!
//! What the parts become is `label_backup.rs`'s business. No error repeats any of the URI, because it
//! carries a password.

/// `scheme://user:password@host:port/database?option=…`, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<String>,
    pub(super) database: Option<String>,
    /// Names of options, without their values.
    pub(super) options: Vec<String>,
}

/// Reads a URI as Go's `net/url` does: the user ends at the last `@` before the path.
pub(super) fn read(text: &str) -> Result<Connection, &'static str> {
    if !variables_are_plain(text) {
        return Err("holds a variable of Compose with an operator");
    }
    let (_, rest) = text.split_once("://").ok_or("is no URI")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (access, address) = match authority.rsplit_once('@') {
        Some((access, address)) => (Some(access), address),
        None => (None, authority),
    };
    let (host, port) = match address.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (address, None),
    };
    let (user, password) = match access.map(|access| access.split_once(':').ok_or(access)) {
        Some(Ok((user, password))) => (Some(user), Some(password)),
        Some(Err(user)) => (Some(user), None),
        None => (None, None),
    };
    let option = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    Ok(Connection {
        user: filled(user)?,
        password: filled(password)?,
        host: host.trim_matches(['[', ']']).to_lowercase(),
        port: filled(port)?,
        database: filled(Some(path))?,
        options: query.split('&').filter(|pair| !pair.is_empty()).map(option).collect(),
    })
}

/// Whether every `$` begins `$$`, `$NAME` or `${NAME}`. An operator's default, as in `${A:-x@y}`, may
/// hold any of the characters by which a URI is divided.
fn variables_are_plain(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split("${").skip(1).all(|rest| rest.trim_start_matches(name).starts_with('}'))
}

fn filled(part: Option<&str>) -> Result<Option<String>, &'static str> {
    part.filter(|part| !part.is_empty()).map(decode).transpose()
}

/// Decodes `%40`. A dollar sign that comes to light is doubled: values are spelt as in Compose files.
fn decode(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "holds a `%` that begins no code";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = u8::from_str_radix(code.ok_or(WRONG)?, 16).map_err(|_| WRONG)?;
        bytes.push(value);
        if value == b'$' {
            bytes.push(b'$');
        }
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8 once decoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: [&str; 5]) {
        let read = read(text).unwrap();
        let part = |part: Option<String>| part.unwrap_or_default();
        let parts =
            [part(read.user), part(read.password), read.host, part(read.port), part(read.database)];
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn a_uri_has_five_parts() {
        check("postgres://app:s%40x@DB:5432/shop?a=b", ["app", "s@x", "db", "5432", "shop"]);
        check("mysql://app:a@b@db/", ["app", "a@b", "db", "", ""]);
        check("redis://:pw@[::1]:6379/0", ["", "pw", "::1", "6379", "0"]);
        check("mongodb://db", ["", "", "db", "", ""]);
        check("postgres://${USER}:p%24$$x@db/$DB", ["${USER}", "p$$$$x", "db", "", "$DB"]);
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in
            ["", "host=db user=x", "p://%zz@db", "p://%ff@db", "p://%4@db", "p://${A:-x@y}@db"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
