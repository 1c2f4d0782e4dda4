//! The labels about what is proven of an archive: rows of the table in `rows.rs`.

use super::table::{Label, ROW, Shape};
use super::values;

pub(super) const VERIFY: Label = Label {
    key: "verify",
    expects: "`stored`, `deep` or `drill`",
    default: "`stored`",
    about: "How much is proven of every archive when it is written: its bytes were read back; they are the whole dump that was made; the dump was restored in a throwaway container and compared.",
    examples: &["stored", "deep", "drill"],
    mistakes: &["Stored", "full", "true", ""],
    shape: Shape::OneOf(&["stored", "deep", "drill"]),
    read: |draft, value, _| {
        draft.verify = Some(value.parse()?);
        Ok(())
    },
    has_default: true,
    ..ROW
};

pub(super) const CHECKSUMS: Label = Label {
    key: "verify.checksums",
    expects: "`true` or `false`",
    default: "`false`",
    about: "Whether a drill compares what is in the rows, too, and not only how many there are. The server reads its tables once more for that.",
    examples: &["true", "false"],
    mistakes: &["yes", "True", ""],
    shape: Shape::OneOf(&["true", "false"]),
    read: |draft, value, _| {
        draft.checksums = Some(values::flag(value)?);
        Ok(())
    },
    has_default: true,
    ..ROW
};
