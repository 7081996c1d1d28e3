//! Why storage did not do what was asked, and whether another try may mend it.

/// Why storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object has this key.
    #[error("no object has the key {key}")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The key is empty, absolute, or holds `.`, `..` or forbidden characters.
    #[error("{key:?} is not a key of an object")]
    InvalidKey {
        /// The key.
        key: String,
    },
    /// What was to be stored is larger than a file may be. Nothing of it was kept.
    #[error("the content is larger than {limit} bytes (storage.max_file_bytes)")]
    TooLarge {
        /// The most that a file may have, in bytes.
        limit: u64,
    },
    /// What was to be stored could not be read.
    #[error("the content to be stored could not be read")]
    Content(#[source] std::io::Error),
    /// Worth trying again later: network, a server that is away or silent, full disk, I/O error.
    #[error("storage is not available")]
    Transient(#[source] object_store::Error),
    /// Trying again will not help: permissions, a bucket that does not exist, an operation that is
    /// not supported.
    #[error("storage refuses the operation")]
    Permanent(#[source] object_store::Error),
}

impl StorageError {
    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) | Self::Content(_) => true,
            Self::NotFound { .. }
            | Self::InvalidKey { .. }
            | Self::TooLarge { .. }
            | Self::Permanent(_) => false,
        }
    }

    /// What an error of an operation on an existing object means.
    pub(super) fn of(key: &str, error: object_store::Error) -> Self {
        use object_store::Error;
        match error {
            Error::NotFound { .. } | Error::Generic { .. } if is_refusal(&error) => {
                Self::Permanent(error)
            }
            Error::NotFound { .. } => Self::NotFound {
                key: key.to_owned(),
            },
            Error::InvalidPath { .. } => Self::InvalidKey {
                key: key.to_owned(),
            },
            // A 409 of a bucket is an operation on the same key that is under way.
            Error::Generic { .. } | Error::JoinError { .. } | Error::AlreadyExists { .. } => {
                Self::Transient(error)
            }
            // The enum is not ours and may grow; what is left is never mended by another try.
            _ => Self::Permanent(error),
        }
    }

    /// What an error of an upload means: an upload that is not found has been ended by somebody
    /// else, such as a lifecycle rule, and a new one may go through.
    pub(super) fn of_upload(key: &str, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } if !is_refusal(&error) => Self::Transient(error),
            other => Self::of(key, other),
        }
    }

    /// An error of the local disk that object_store had no hand in.
    pub(super) fn of_disk(source: std::io::Error) -> object_store::Error {
        object_store::Error::Generic {
            store: "local directory",
            source: Box::new(source),
        }
    }
}

/// How an answer of a server shows that it lets us do nothing: the bucket is not there, or we are not
/// who may. object_store has no kind of error for the first, and for the others only in some
/// operations; it keeps the answer as text. A key cannot hold these words, because an address
/// escapes brackets and spaces.
const REFUSALS: [&str; 3] = [
    "<Code>NoSuchBucket</Code>",
    "status code: 401 ",
    "status code: 403 ",
];

fn is_refusal(error: &object_store::Error) -> bool {
    let told = error.to_string();
    REFUSALS.iter().any(|word| told.contains(word))
}
