//! The multipart form of an import, read as it comes: each part is looked at as soon as it is there,
//! and what cannot be accepted is refused then. `file` may come before the others; until the dataset
//! is known, the largest limit of those that the caller may import into holds.

use std::cell::Cell;
use std::rc::Rc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::{self, Bytes};
use domain::{FailureCode, TaskFileId, Upload, UploadFormat};
use futures::StreamExt;
use tokio::time::Instant;

use super::file_bytes::{FileBytes, Patience};
use super::uploads::Held;
use super::{Wanted, file_name, too_large};
use crate::auth::Caller;
use crate::body::{content_length, media_type, not_whole};
use crate::datasets;
use crate::language;
use crate::problem::{Code, Problem};
use crate::state::State;

/// Most bytes of `options`.
const MAX_OPTIONS_BYTES: usize = 256 * 1024;

/// Most bytes of `dataset`.
const MAX_DATASET_BYTES: usize = 1024;

/// Bytes that a body may have beyond those of its file: the other parts, boundaries, headers.
const FORM_ROOM_BYTES: u64 = 512 * 1024;

/// What came.
#[derive(Default)]
pub(super) struct Form {
    pub(super) dataset: Option<String>,
    pub(super) options: Option<Bytes>,
    pub(super) file: Option<Held>,
}

pub(super) struct FormReader<'a> {
    state: &'a State,
    caller: &'a Caller,
    parts: Multipart,
    patience: Patience,
    content_length: Option<u64>,
    /// Bytes that the file may have, as far as is known yet.
    limit: Rc<Cell<u64>>,
    /// In which a refusal is told; `options` may name another.
    language: String,
}

impl<'a> FormReader<'a> {
    /// Looks at what the head of the request tells.
    ///
    /// # Errors
    /// `415` when it is no form, `403` when the caller may import nothing, `413` when it says that it
    /// will be too large.
    pub(super) fn new(
        state: &'a State,
        caller: &'a Caller,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<Self, Problem> {
        if !media_type(request).eq_ignore_ascii_case("multipart/form-data") {
            let detail = "send Content-Type: multipart/form-data";
            return Err(Problem::new(Code::UnsupportedMedia, detail));
        }
        let importable = state.house.catalog.iter();
        let importable = importable.filter(|dataset| caller.may_import(dataset));
        let limit = importable
            .map(|dataset| dataset.limits.max_upload_bytes)
            .max();
        let Some(limit) = limit else {
            return Err(Problem::new(
                Code::Forbidden,
                "none of your roles may import",
            ));
        };
        let limit = Rc::new(Cell::new(limit));
        let reader = Self {
            state,
            caller,
            parts: Multipart::new(request.headers(), metered(payload, limit.clone())),
            patience: Patience {
                silence: state.upload_silence,
                until: Instant::now() + state.upload_time,
            },
            content_length: content_length(request),
            limit,
            language: language::of(request, &state.defaults.locale),
        };
        reader.check_length()?;
        Ok(reader)
    }

    /// Reads the form to its end. The file is in storage then.
    ///
    /// # Errors
    /// Nothing of the file is kept then.
    pub(super) async fn read(mut self) -> Result<Form, Problem> {
        let mut form = Form::default();
        match self.fill(&mut form).await {
            Ok(()) => Ok(form),
            Err(problem) => {
                if let Some(held) = form.file {
                    held.discard().await;
                }
                Err(problem)
            }
        }
    }

    async fn fill(&mut self, form: &mut Form) -> Result<(), Problem> {
        while let Some(part) = self.patience.wait(self.parts.next()).await? {
            let mut part = part.map_err(unread)?;
            let name = part.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "dataset" if form.dataset.is_none() => {
                    let text = self.text(&mut part, "dataset", MAX_DATASET_BYTES).await?;
                    let text = String::from_utf8(text.to_vec());
                    let text =
                        text.map_err(|_odd| Problem::invalid("dataset", "dataset is UTF-8"))?;
                    self.admit(&text, form.file.as_ref())?;
                    form.dataset = Some(text);
                }
                "options" if form.options.is_none() => {
                    let text = self.text(&mut part, "options", MAX_OPTIONS_BYTES).await?;
                    self.learn_language(&text);
                    form.options = Some(text);
                }
                "file" if form.file.is_none() => {
                    self.check_early(form)?;
                    form.file = Some(self.file(&mut part).await?);
                }
                "dataset" | "options" | "file" => {
                    let message = format!("{name} is given once");
                    return Err(Problem::invalid(&name, message));
                }
                _ => return Err(Problem::unknown_field(&name)),
            }
        }
        Ok(())
    }

    /// A dataset that the caller may not import into is told before any fault within it.
    fn admit(&self, name: &str, file: Option<&Held>) -> Result<(), Problem> {
        // What is not there is told with its pointer, by the check of the request.
        let Some(dataset) = self.state.house.catalog.get(name) else {
            return Ok(());
        };
        datasets::check_import(self.caller, dataset)?;
        let limit = dataset.limits.max_upload_bytes;
        self.limit.set(limit);
        if file.is_some_and(|held| held.upload().size > limit) {
            return Err(too_large(limit, &self.language));
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<(), Problem> {
        let limit = self.limit.get();
        match self.content_length {
            Some(length) if length > limit.saturating_add(FORM_ROOM_BYTES) => {
                Err(too_large(limit, &self.language))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What came before the file is checked before the file is taken.
    fn check_early(&self, form: &Form) -> Result<(), Problem> {
        if form.dataset.is_none() {
            return Ok(());
        }
        let wanted = Wanted {
            dataset: form.dataset.clone(),
            options: form.options.clone(),
        };
        wanted.spec(self.state, self.caller, &no_upload()).map(drop)
    }

    /// `options` may name the import's language; what is wrong with them is told elsewhere.
    fn learn_language(&mut self, options: &[u8]) {
        let options: serde_json::Value = serde_json::from_slice(options).unwrap_or_default();
        if let Some(locale) = options["locale"].as_str() {
            locale.clone_into(&mut self.language);
        }
    }

    async fn text(&self, part: &mut Field, name: &str, most: usize) -> Result<Bytes, Problem> {
        match self.patience.wait(part.bytes(most)).await? {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(unread(error)),
            Err(_limit) => {
                let detail = format!("{name} may have at most {most} bytes");
                Err(Problem::new(Code::BodyTooLarge, detail))
            }
        }
    }

    async fn file(&self, part: &mut Field) -> Result<Held, Problem> {
        let given = part.content_disposition().and_then(file_name::given);
        let language = self.language.as_str();
        let mut bytes = FileBytes::new(part, self.patience, (self.limit.get(), language));
        let refused = |code: FailureCode| Problem::new(code.into(), code.sentence(language));
        let Some(head) = bytes.next().await? else {
            return Err(refused(FailureCode::EmptyFile));
        };
        let format = tabular::sniff(&head).map_err(|refusal| {
            tracing::info!(
                detail = refusal.detail,
                "an upload is refused by its first bytes"
            );
            refused(refusal.code)
        })?;
        let name = file_name::safe(&given.unwrap_or_default(), format);
        let file = (name, format);
        let mut incoming = self.state.uploads.begin(self.caller, file, language);
        let mut piece = Some(head);
        while let Some(bytes_of_it) = piece {
            if !incoming.take(bytes_of_it).await {
                // It has ended before its file: it says why.
                break;
            }
            piece = match bytes.next().await {
                Ok(piece) => piece,
                Err(problem) => {
                    incoming.abandon().await;
                    return Err(problem);
                }
            };
        }
        incoming.finish().await
    }
}

/// The body, cut off when it is longer than a form with the largest file can be: what stands before,
/// between and behind the parts counts, too.
fn metered(
    payload: web::Payload,
    limit: Rc<Cell<u64>>,
) -> impl futures::Stream<Item = Result<Bytes, PayloadError>> {
    let mut seen = 0_u64;
    payload.map(move |bytes| {
        let bytes = bytes?;
        seen += bytes.len() as u64;
        if seen > limit.get().saturating_add(FORM_ROOM_BYTES) {
            return Err(PayloadError::Overflow);
        }
        Ok(bytes)
    })
}

/// What an unreadable form is to the client.
pub(super) fn unread(error: MultipartError) -> Problem {
    tracing::debug!(%error, "a form cannot be read");
    match error {
        MultipartError::Payload(PayloadError::Overflow) => {
            Problem::new(Code::BodyTooLarge, "there is too much around the file")
        }
        MultipartError::Payload(_) | MultipartError::Incomplete => not_whole(),
        _ => Problem::new(Code::InvalidRequest, "the body is no multipart form"),
    }
}

/// Stands for the file while the other fields are checked.
fn no_upload() -> Upload {
    Upload {
        file: TaskFileId(0),
        object_key: String::new(),
        name: String::new(),
        size: 0,
        sha256: String::new(),
        format: UploadFormat::Xlsx,
    }
}
