//! Why an attempt ended badly: classified where it is born, told twice, to the user and to the
//! operator.

use std::fmt;

use crate::closed_set::closed_set;

closed_set! {
    /// What kind of failure it was; decides between another try, a dead letter and neither.
    FailureKind {
        /// May go away by itself: tried again.
        Transient = "transient",
        /// Will not go away: dead letter at once.
        Permanent = "permanent",
        /// The user's own mistake: failed, no dead letter.
        Rejected = "rejected",
        /// A person ended it.
        Cancelled = "cancelled",
        /// Somebody else holds the row now.
        LeaseLost = "lease_lost",
    }
}

closed_set! {
    /// The `error.code` of a failed task (api.md, request errors and codes of a failed task).
    FailureCode {
        /// The hard deadline passed, or its workers kept vanishing.
        TimedOut = "timed_out",
        /// A fault of ours; the operator's text has the details.
        Internal = "internal",
        /// MySQL stayed away through every try.
        DatabaseUnavailable = "database_unavailable",
        /// Object storage or local disk stayed away or full through every try.
        StorageUnavailable = "storage_unavailable",
        /// The dataset is no longer defined.
        DatasetNotFound = "dataset_not_found",
        /// The dataset no longer has a column that the request names.
        UnknownColumn = "unknown_column",
        /// The stored request cannot be read.
        InvalidRequest = "invalid_request",
        /// More rows than one file can hold.
        TooManyRows = "too_many_rows",
    }
}

impl FailureCode {
    /// Whether the user's own request was at fault, so that the same again cannot succeed.
    #[must_use]
    pub const fn is_users_fault(self) -> bool {
        match self {
            Self::DatasetNotFound
            | Self::UnknownColumn
            | Self::InvalidRequest
            | Self::TooManyRows => true,
            Self::TimedOut
            | Self::Internal
            | Self::DatabaseUnavailable
            | Self::StorageUnavailable => false,
        }
    }

    /// The sentence for the user, in Chinese for locales that begin with `zh`, else in English.
    #[must_use]
    pub fn sentence(self, locale: &str) -> &'static str {
        let (chinese, english) = match self {
            Self::TimedOut => (
                "处理超时，请重新导出",
                "This took too long. Please export again.",
            ),
            Self::Internal => (
                "系统内部错误，请联系管理员",
                "Something went wrong on our side. Please contact support.",
            ),
            Self::DatabaseUnavailable => (
                "数据库暂不可用，请稍后重试",
                "The database is unavailable. Please try again later.",
            ),
            Self::StorageUnavailable => (
                "文件存储暂不可用，请稍后重试",
                "File storage is unavailable. Please try again later.",
            ),
            Self::DatasetNotFound => ("数据集不存在", "The dataset does not exist any more."),
            Self::UnknownColumn => (
                "数据列不存在",
                "A column of the request does not exist any more.",
            ),
            Self::InvalidRequest => ("请求无效", "The request cannot be read."),
            Self::TooManyRows => (
                "拆分后的文件过多，请增大每个文件的行数或缩小筛选范围",
                "This would give too many files. Please allow more rows in each, or narrow the filters.",
            ),
        };
        if locale.starts_with("zh") {
            chinese
        } else {
            english
        }
    }
}

/// One failure: what to do about it, what to tell the user, what to tell the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is to be done.
    pub kind: FailureKind,
    /// The code that the user's program sees.
    pub code: FailureCode,
    /// The sentence that the user sees; without one, the code's own in the task's language.
    pub sentence: Option<String>,
    /// The whole chain, for operators; never leaves the system.
    pub detail: String,
}

impl Failure {
    /// A failure that may go away by itself.
    pub fn transient(code: FailureCode, detail: impl fmt::Display) -> Self {
        Self::new(FailureKind::Transient, code, detail)
    }

    /// A failure that will not go away.
    pub fn permanent(code: FailureCode, detail: impl fmt::Display) -> Self {
        Self::new(FailureKind::Permanent, code, detail)
    }

    /// The user's own mistake.
    pub fn rejected(code: FailureCode, detail: impl fmt::Display) -> Self {
        Self::new(FailureKind::Rejected, code, detail)
    }

    /// The handler saw that it was told to stop. What happens next is the engine's business.
    pub fn stopped() -> Self {
        Self::new(FailureKind::Cancelled, FailureCode::Internal, "stopped")
    }

    fn new(kind: FailureKind, code: FailureCode, detail: impl fmt::Display) -> Self {
        Self {
            kind,
            code,
            sentence: None,
            detail: detail.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.code, self.detail)
    }
}
