//! Paths with `*`, `?` and `[…]` in them, matched as a shell does, so that both ways to a container's
//! files find the same. It does not know the file system.

use glob::{MatchOptions, Pattern};

/// Whether a shell would take it for a pattern.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether a path matches a pattern. No wildcard stands for a `/`, nor for a dot at the beginning of a
/// name.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if matches_name(pattern, name) => {}
            _ => return false,
        }
    }
}

/// The same for one name of a path.
pub fn matches_name(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    // Two stars mean no more to a shell than one.
    let single = pattern.split_inclusive('*').filter(|piece| *piece != "*");
    let stars = pattern.starts_with('*').then_some("*");
    let plain: String = stars.into_iter().chain(single).collect();
    // A bracket without its end stands for itself.
    Pattern::new(&plain).map_or(pattern == name, |pattern| pattern.matches_with(name, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, path, expected) in [
            ("/data/*.db", "/data/app.db", true),
            ("/data/*.db", "/data/.app.db", false),
            ("/data/.*.db", "/data/.app.db", true),
            ("/data/*.db", "/data/x/app.db", false),
            ("/data/*/*.db", "/data/x/app.db", true),
            ("/data/**.db", "/data/app.db", true),
            ("/data/*a*b*c", "/data/xaxbxbxc", true),
            ("/data/*a*b*c", "/data/xaxbxbxcx", false),
            ("/data/?.db", "/data/é.db", true),
            ("/data/?.db", "/data/.db", false),
            ("/data/[a-c].db", "/data/b.db", true),
            ("/data/[!a-c].db", "/data/b.db", false),
            ("/data/[!a-c].db", "/data/d.db", true),
            ("/data/[]x].db", "/data/].db", true),
            ("/data/[a.db", "/data/[a.db", true),
            ("/data/app.db", "/data/app.db", true),
            ("/data/app.db", "/data/app.dbx", false),
            ("/data/", "/data/", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_shell_agrees() {
        let folder = std::env::temp_dir().join(format!("ringbolt-glob-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let names = ["a", "b.db", ".c", "[a]", "a b", "ab]", "x-y", "*", "-"];
        for name in names {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let shown = folder.to_str().unwrap();
        for pattern in
            ["*", "?", "[a-c]*", "[!a]*", "*]", "[[]*", "[x-]*", "a*", ".*", "*.*", "[]a]"]
        {
            let whole = format!("{shown}/{pattern}");
            let script =
                "IFS=; for file in $1; do [ -f \"$file\" ] && printf '%s\\n' \"$file\"; done; true";
            let ran = std::process::Command::new("sh").args(["-c", script, "sh", &whole]).output();
            let said = String::from_utf8(ran.unwrap().stdout).unwrap();
            for name in names {
                let path = format!("{shown}/{name}");
                let expected = said.lines().any(|line| line == path);
                assert_eq!(matches(&whole, &path), expected, "{pattern} {name}");
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
