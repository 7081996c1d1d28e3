//! Why an attempt ended badly: classified where it is born, told twice, to the user and to the
//! operator.

use std::fmt;

use crate::TaskKind;
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
        /// An attempt passed the hard deadline, or its workers kept vanishing.
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
        /// The file is larger than the dataset takes.
        FileTooLarge = "file_too_large",
        /// A kind of file that is not read.
        UnsupportedMedia = "unsupported_media",
        /// A workbook of Excel 97 to 2003.
        LegacyXls = "legacy_xls",
        /// A workbook with a password.
        EncryptedWorkbook = "encrypted_workbook",
        /// Not what its name says, or broken.
        NotAWorkbook = "not_a_workbook",
        /// The header lacks columns that must be there.
        MissingColumns = "missing_columns",
        /// Two columns of the file mean the same.
        DuplicateHeader = "duplicate_header",
        /// The file's parts are too many or too large.
        ArchiveLimits = "archive_limits",
        /// More columns than a dataset can have.
        TooManyColumns = "too_many_columns",
        /// No data row.
        EmptyFile = "empty_file",
        /// Not one row could be taken.
        AllRowsFailed = "all_rows_failed",
        /// A fault ended an import that was to be all or nothing.
        Aborted = "aborted",
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
            | Self::TooManyRows
            | Self::FileTooLarge
            | Self::UnsupportedMedia
            | Self::LegacyXls
            | Self::EncryptedWorkbook
            | Self::NotAWorkbook
            | Self::MissingColumns
            | Self::DuplicateHeader
            | Self::ArchiveLimits
            | Self::TooManyColumns
            | Self::EmptyFile
            | Self::AllRowsFailed
            | Self::Aborted => true,
            Self::TimedOut
            | Self::Internal
            | Self::DatabaseUnavailable
            | Self::StorageUnavailable => false,
        }
    }

    /// The sentence for the user of a task of that kind, in the language of [`Self::sentence`].
    #[must_use]
    pub fn sentence_for(self, kind: TaskKind, locale: &str) -> &'static str {
        match (self, kind) {
            (Self::TimedOut, TaskKind::Import) => in_language(
                locale,
                ("处理超时，请重试", "This took too long. Please try again."),
            ),
            (code, TaskKind::Import | TaskKind::Export) => code.sentence(locale),
        }
    }

    /// The sentence for the user, in Chinese for locales that begin with `zh`, else in English.
    #[must_use]
    pub fn sentence(self, locale: &str) -> &'static str {
        let sentences = match self {
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
                "行数过多，或拆分后的文件过多，请缩小范围后重试",
                "There are too many rows, or they would give too many files. Please ask for fewer.",
            ),
            Self::FileTooLarge => ("文件过大", "The file is too large."),
            Self::UnsupportedMedia => (
                "不支持此文件格式，请上传 .xlsx 或 .csv 文件",
                "This kind of file cannot be read. Please upload .xlsx or .csv.",
            ),
            Self::LegacyXls => (
                "这是旧版 Excel（.xls）文件，请另存为 .xlsx 后重新上传",
                "This is an old Excel file (.xls). Please save it as .xlsx and upload it again.",
            ),
            Self::EncryptedWorkbook => (
                "文件已加密，请取消密码后重新上传",
                "The workbook has a password. Please remove it and upload again.",
            ),
            Self::NotAWorkbook => (
                "文件已损坏或不是有效的工作簿",
                "The file is damaged or is not a workbook.",
            ),
            Self::MissingColumns => ("缺少必需的列", "Columns that are required are missing."),
            Self::DuplicateHeader => ("表头重复", "Two columns have the same header."),
            Self::ArchiveLimits => (
                "文件内容超出允许的范围",
                "What the file holds exceeds the limits.",
            ),
            Self::TooManyColumns => ("列数过多", "The file has too many columns."),
            Self::EmptyFile => ("文件中没有数据", "The file holds no data."),
            Self::AllRowsFailed => (
                "所有数据行均未导入，请下载失败文件查看原因",
                "No row could be imported. Please see the failure file for the reasons.",
            ),
            Self::Aborted => (
                "存在错误数据，已按要求放弃整个导入",
                "There were faults, so nothing was imported, as asked for.",
            ),
        };
        in_language(locale, sentences)
    }
}

/// What is told of an attempt that was lost, whether or not another follows.
#[must_use]
pub fn sentence_of_lost_attempt(locale: &str) -> &'static str {
    in_language(locale, ("执行中断", "This attempt was interrupted."))
}

fn in_language(locale: &str, (chinese, english): (&'static str, &'static str)) -> &'static str {
    if locale.starts_with("zh") {
        chinese
    } else {
        english
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
