//! What is wrong with keys, and with archives that keys do not open. It knows words and advice, and no
//! message holds more of a text than what is certainly public.

use crate::model::{ErrorKind, Explain};

/// Whoever has the archive can try passphrases for ever, so a short one protects nothing.
pub(super) const SHORTEST: usize = 12;

/// Keys that cannot be used, and archives that these keys do not open. No message holds more of a
/// text than what is certainly public.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// `position` counts from 1.
    #[error("recipient {position}{} {why}", shown(.public.as_ref()))]
    Recipient { position: usize, public: Option<String>, why: &'static str },
    #[error("recipient {0} is a secret key")]
    SecretRecipient(usize),
    #[error(
        "OpenPGP certificates and other recipients are mixed, and an archive is encrypted in one way"
    )]
    Mixed,
    #[error("the certificate `{fingerprint}` {why}")]
    NotNow { fingerprint: String, why: &'static str },
    #[error("line {0} is no identity")]
    Identity(usize),
    #[error("the SSH key cannot be used: {0}")]
    SshIdentity(&'static str),
    #[error("the OpenPGP key cannot be used: {0}")]
    OpenPgpIdentity(&'static str),
    #[error("it is locked with a passphrase, which nobody is there to type")]
    Locked,
    #[error("this is not its passphrase")]
    WrongPassphrase,
    #[error("the archive is encrypted with a passphrase, and none was given")]
    NoPassphrase,
    #[error("its header asks for more work than any honest passphrase needs")]
    TooMuchWork,
    #[error("a passphrase has at least {SHORTEST} characters")]
    ShortPassphrase,
    #[error("it holds no identity")]
    NoIdentityInside,
    #[error("the archive is encrypted to {}, and no identity was given", .0.join(", "))]
    NoIdentity(Vec<String>),
    #[error("the archive is encrypted to {}, and no identity that was given is one of them", .0.join(", "))]
    WrongIdentity(Vec<String>),
    #[error("none of the keys in the identity of {} opens the archive: it is encrypted to another subkey, or was exchanged", .0.join(", "))]
    NoSubkey(Vec<String>),
    #[error("the archive cannot be decrypted")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Explain for EncryptionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged(_) | Self::TooMuchWork => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Recipient { .. } => {
                "a recipient is the public key that `ringbolt keygen` or `age-keygen` says, a line of an \
                 `….pub` file of `ssh-keygen`, or what `gpg --armor --export` writes"
            }
            Self::SecretRecipient(_) => {
                "name its public half, `age1…`; if others could read the secret one, make a new pair"
            }
            Self::Mixed => {
                "give certificates only, or none; a group is mixed with `encryption.recipients`"
            }
            Self::NotNow { .. } => {
                "have its owner extend it (`gpg --quick-set-expire`) and export it again"
            }
            Self::Identity(_) | Self::NoIdentityInside => {
                "an identity file holds lines `AGE-SECRET-KEY-1…`, or one private key of `ssh-keygen`, or \
                 what `gpg --export-secret-keys` writes"
            }
            Self::Locked => {
                "use it at a terminal, or unlock a copy: `age --decrypt` for a file of age, `ssh-keygen -p` \
                 for an SSH key, `gpg --change-passphrase` for an OpenPGP key"
            }
            Self::NoPassphrase => {
                "set `encryption.passphrase_file`, or use a terminal: there it is asked for"
            }
            Self::ShortPassphrase => "take several random words, and write them down off this host",
            Self::NoIdentity(_) | Self::WrongIdentity(_) => {
                "give the identity file of one of these recipients with `--identity FILE`"
            }
            Self::NoSubkey(_) => {
                "export the secret key again where all of its subkeys are: `gpg --list-packets ARCHIVE` \
                 says which it takes"
            }
            Self::SshIdentity(_)
            | Self::OpenPgpIdentity(_)
            | Self::WrongPassphrase
            | Self::TooMuchWork
            | Self::Damaged(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}

fn shown(public: Option<&String>) -> String {
    public.map(|text| format!(" `{text}`")).unwrap_or_default()
}
