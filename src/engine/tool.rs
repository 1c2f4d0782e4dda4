//! How a tool is asked for its version by the very command that asks the server.
//!
//! It does not know how a client starts another program: each engine puts the question where its own
//! client takes it.

/// Why a tool's version is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error("`{program}` failed with exit code {code}: {said}")]
    Failed { program: &'static str, code: i64, said: String },
    #[error("nothing could start `{program}`")]
    NoShell { program: &'static str },
}

/// What a shell is told, so that [`read`] understands what it prints: the version, or why there is
/// none, and the exit code in a line of its own. The whole text is a constant; nothing that anybody
/// wrote in a label, a setting or a database may ever be part of it.
///
/// What a tool says beside its version (a library that was not preloaded, a locale that is not
/// there) is no part of it; so only one that failed is asked again, for its reasons.
pub(super) fn question(program: &'static str) -> String {
    format!("export LC_ALL=C; {program} --version 2>/dev/null || {program} --version 2>&1; echo $?")
}

/// Reads what came of [`question`]. A client that finds no shell gives an empty answer.
pub(super) fn read(program: &'static str, answer: &str) -> Result<String, ToolError> {
    let answer = answer.trim();
    let (said, code) = answer.rsplit_once('\n').unwrap_or(("", answer));
    let said = said.trim().to_owned();
    match code.parse() {
        Ok(0) => Ok(said),
        Ok(code) => Err(ToolError::Failed { program, code, said }),
        Err(_) => Err(ToolError::NoShell { program }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exit_code_0_makes_a_version() {
        let failed =
            |code, said: &str| Err(ToolError::Failed { program: "t", code, said: said.to_owned() });
        let no_shell = || Err(ToolError::NoShell { program: "t" });
        for (answer, expected) in [
            ("t (Base) 15.18\n0", Ok("t (Base) 15.18".to_owned())),
            ("t 100\ngit: abc\n0\n", Ok("t 100\ngit: abc".to_owned())),
            ("sh: 1: t: not found\n127", failed(127, "sh: 1: t: not found")),
            ("1", failed(1, "")),
            ("", no_shell()),
            ("t (Base) 15.18", no_shell()),
        ] {
            assert_eq!(read("t", answer), expected, "{answer:?}");
        }
    }
}
