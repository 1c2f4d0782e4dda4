//! The label that says where dumps are hashed. How its value is read is in the model; what becomes of it, in
//! `job/echo.rs`.

use super::table::{Label, ROW, Shape};

pub(super) const DIGEST_AT: Label = Label {
    key: "digest.at",
    expects: "`sidecar` or `both`",
    default: "`sidecar`",
    about: "Where dumps are hashed: where they arrive, or in the container too, so that a byte that changes on the way is found. `both` takes a shell, `tee` and `sha256sum` in the image.",
    examples: &["sidecar", "both"],
    mistakes: &["source", "Both", "auto", ""],
    shape: Shape::OneOf(&["sidecar", "both"]),
    read: |draft, value, _| {
        draft.digest_at = Some(value.parse()?);
        Ok(())
    },
    has_default: true,
    ..ROW
};
