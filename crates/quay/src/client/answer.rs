//! What came back: an answer, a refusal, or nothing.

use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use url::Url;

use super::Gateway;
use super::address::{link, origin};
use crate::exit::{Exit, Failure, root};
use crate::problem;

/// Most bytes of an answer that is not a file.
const MAX_ANSWER_BYTES: usize = 16 << 20;

impl Gateway {
    /// What to say when the connection broke in the middle of an answer.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "cannot be reached"
        };
        let why = root(error);
        match error.url().filter(|url| !self.is_here(url)) {
            Some(url) => file_store(url, &format!("{what} ({why})"), Exit::Unavailable),
            None => self.away(&format!("{what} ({why})")),
        }
    }

    /// What to say when nothing came in the time that was left.
    pub(crate) fn silent(&self) -> Failure {
        self.away("did not answer in time")
    }

    fn away(&self, what: &str) -> Failure {
        let what = format!("the gateway at {} {what}", self.base);
        Failure::new(Exit::Unavailable, what).advise(
            "Is the gateway up? On your own machine: ./dev up\nOther address: --url or QUAYSIDE_URL",
        )
    }

    /// Whether the gateway itself is there, and not where it sent us.
    pub(crate) fn is_here(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The answer, if it is no refusal.
    pub(super) async fn accepted(&self, answer: Response) -> Result<Response, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        if !self.is_here(answer.url()) {
            let exit = if status.is_server_error() {
                Exit::Unavailable
            } else {
                Exit::Refused
            };
            return Err(file_store(
                answer.url(),
                &format!("answered {status}"),
                exit,
            ));
        }
        if status.is_redirection() {
            return Err(self.elsewhere(&answer));
        }
        let retry_after = retry_after(answer.headers());
        let body = self.body(answer).await?;
        Err(problem::failure(status.as_u16(), retry_after, &body))
    }

    /// What to say of a redirect that is not followed.
    fn elsewhere(&self, answer: &Response) -> Failure {
        let to = link(answer).map_or_else(|| "nowhere".to_owned(), |url| origin(&url));
        Failure::new(
            Exit::Refused,
            format!("the server at {} sends us on to {to}", self.base),
        )
        .advise("Is --url (QUAYSIDE_URL) the gateway's own address, http or https as it serves it?")
    }

    pub(super) async fn read<T: serde::de::DeserializeOwned>(
        &self,
        answer: Response,
    ) -> Result<T, Failure> {
        let body = self.body(answer).await?;
        serde_json::from_slice(&body).map_err(not_ours)
    }

    pub(super) async fn body(&self, mut answer: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Failure::new(
                    Exit::Failed,
                    "the server's answer is too long",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Something is wrong where the gateway sent us for a file.
fn file_store(url: &Url, what: &str, exit: Exit) -> Failure {
    Failure::new(exit, format!("the file store at {} {what}", origin(url))).advise(
        "The gateway sent us there for the file; its link holds for a short time: try again.\n\
         It must be reachable from this machine; operators: [storage] presign.",
    )
}

pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
pub(crate) fn not_ours(error: serde_json::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the server's answer is not understood: {error}"),
    )
    .advise("Is --url (QUAYSIDE_URL) really the address of a Quayside gateway?")
}
