//! The variables that baktainer is set up with (`BT_*`), and our setting for each.
//!
//! Values are not translated: they are few, one per host, and some are secrets.

/// One variable of another tool.
#[derive(Debug)]
pub struct Renamed {
    /// The variable. With a `_` at its end it stands for every one that begins so.
    pub theirs: &'static str,
    /// Our setting; `None`: there is nothing like it.
    pub ours: Option<&'static str>,
    pub about: &'static str,
}

impl Renamed {
    const fn new(theirs: &'static str, ours: &'static str, about: &'static str) -> Self {
        Self { theirs, ours: Some(ours), about }
    }
}

/// Every variable of baktainer.
pub static BT_VARIABLES: &[Renamed] = &[
    Renamed::new("BT_DOCKER_URL", "docker.host", "Where Docker is reached."),
    Renamed::new("BT_SSL", "docker.tls", "TLS to Docker is on where its files are set."),
    Renamed::new("BT_CA", "docker.tls.ca", "A path or the certificate itself."),
    Renamed::new("BT_CERT", "docker.tls.cert", "A path or the certificate itself."),
    Renamed::new("BT_KEY", "docker.tls.key", "A path or the key itself."),
    Renamed::new("BT_CRON", "defaults.schedule", "When sources without a label are due."),
    Renamed::new("BT_THREADS", "schedule.concurrency", "How many backups run at once (there 4)."),
    Renamed::new("BT_LOG_LEVEL", "telemetry.level", "How much is logged."),
    Renamed::new("BT_COMPRESS", "defaults.compress", "`true` is `gzip`, `false` is `none`."),
    Renamed::new("BT_BACKUP_DIR", "stores.<name>.url", "A path becomes `file:///backups`."),
    Renamed::new(
        "BT_ROTATION_ENABLED",
        "retention.auto",
        "Whether old archives are deleted without being asked.",
    ),
    Renamed::new("BT_RETENTION_DAYS", "defaults.keep", "30 days become `within=30d`."),
    Renamed::new("BT_RETENTION_COUNT", "defaults.keep", "7 become `last=7`; 0 is no limit."),
    Renamed {
        theirs: "BT_MIN_FREE_SPACE_GB",
        ours: None,
        about: "Archives are never deleted to make room: watch the store's free space instead.",
    },
    Renamed::new(
        "BT_ENCRYPTION_",
        "encryption",
        "Ringbolt encrypts for age recipients; baktainer's own AES-256-GCM files cannot be read, \
         so keep its key as long as they are kept.",
    ),
    Renamed {
        theirs: "BT_KEY_ROTATION_ENABLED",
        ours: None,
        about: "A new recipient counts from the next archive on; nothing is encrypted anew.",
    },
    Renamed::new("BT_HEALTH_SERVER_ENABLED", "http.listen", "Without an address nobody listens."),
    Renamed::new("BT_HEALTH_PORT", "http.listen", "The port of the address (there 8080)."),
    Renamed::new("BT_HEALTH_BIND", "http.listen", "The host of the address."),
    Renamed::new("BT_NOTIFICATION_CHANNELS", "notify.<name>", "One table for each channel."),
    Renamed::new("BT_NOTIFY_", "notify.<name>", "Which events go to a channel."),
    Renamed::new("BT_SLACK_WEBHOOK_URL", "notify.<name>", "A channel with this URL."),
    Renamed::new("BT_DISCORD_WEBHOOK_URL", "notify.<name>", "A channel with this URL."),
    Renamed::new("BT_TEAMS_WEBHOOK_URL", "notify.<name>", "A channel with this URL."),
    Renamed::new("BT_WEBHOOK_URL", "notify.<name>", "A channel with this URL."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_told_once_and_in_a_sentence() {
        for (at, variable) in BT_VARIABLES.iter().enumerate() {
            let theirs = variable.theirs;
            assert!(theirs.starts_with("BT_"), "{theirs}");
            assert!(variable.about.ends_with('.'), "{theirs}");
            assert!(BT_VARIABLES[at + 1..].iter().all(|other| other.theirs != theirs), "{theirs}");
        }
    }
}
