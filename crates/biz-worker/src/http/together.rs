//! Calls that are made together: each waits a moment for others, and whoever finds that enough are
//! there, or has waited long enough, has the call made for all of them, on a task that none of them
//! takes along when it is stopped. What is tried again goes alone: it may be why the call with all of
//! them came to nothing, and then costs no other a further try.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use url::Url;

use super::{Call, HttpHandler, NotDone, tried_again};

/// How long a call waits for others, in milliseconds.
const GATHER_MILLIS: u64 = 10;

/// Bytes of contexts in one call, unless one alone has more.
const CALL_BYTES: usize = 4 << 20;

/// Calls that wait.
pub(super) struct Together {
    most: usize,
    waiting: Mutex<Vec<Waiting>>,
    calling: TaskTracker,
}

struct Waiting {
    call: Call,
    heard: oneshot::Sender<Result<(), NotDone>>,
}

impl Together {
    /// So many in one call, at most.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Mutex::default(),
            calling: TaskTracker::new(),
        }
    }

    /// Has the call made, with others the first time. Who is dropped before it is made is left out of
    /// it.
    pub(super) async fn call(
        &self,
        call: Call,
        is_first: bool,
        (handler, url): (&HttpHandler, &Url),
    ) -> Result<(), NotDone> {
        let (heard, mut mine) = oneshot::channel();
        let waiting = Waiting { call, heard };
        let (enough, waits) = if is_first {
            self.add(waiting)
        } else {
            (vec![waiting], false)
        };
        self.have_made(enough, handler, url);
        if waits {
            tokio::select! {
                biased;
                answer = &mut mine => return told(answer),
                () = tokio::time::sleep(Duration::from_millis(GATHER_MILLIS)) => {
                    self.have_made(self.take(), handler, url);
                }
            }
        }
        told(mine.await)
    }

    /// On a task that none of them takes along when it is stopped.
    fn have_made(&self, some: Vec<Waiting>, handler: &HttpHandler, url: &Url) {
        if !some.is_empty() {
            let (handler, url) = (handler.clone(), url.clone());
            let calling = async move { make(some, &handler, &url).await };
            self.calling.spawn(calling.in_current_span());
        }
    }

    /// Those that have become enough for a call, and whether this one still waits.
    fn add(&self, call: Waiting) -> (Vec<Waiting>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = waiting.iter().map(|it| it.call.body.len()).sum();
        if bytes + call.call.body.len() > CALL_BYTES {
            return (std::mem::replace(&mut *waiting, vec![call]), true);
        }
        waiting.push(call);
        if waiting.len() < self.most {
            return (Vec::new(), true);
        }
        (std::mem::take(&mut *waiting), false)
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting)
    }
}

/// Makes one call for all that still wait, if the host may be called.
async fn make(mut some: Vec<Waiting>, handler: &HttpHandler, url: &Url) {
    some.retain(|it| !it.heard.is_closed());
    let (calls, heard): (Vec<Call>, Vec<_>) =
        some.into_iter().map(|it| (it.call, it.heard)).unzip();
    if calls.is_empty() {
        return;
    }
    let answers: Vec<Result<(), NotDone>> = match handler.hosts.visit(url) {
        Ok(_visit) => {
            let answers = handler.call_many(url, &calls).await.into_iter();
            answers.map(|it| it.map_err(NotDone::Failed)).collect()
        }
        Err(put_off) => vec![put_off; calls.len()]
            .into_iter()
            .map(|it| Err(NotDone::PutOff(it)))
            .collect(),
    };
    for (heard, answer) in heard.into_iter().zip(answers) {
        // it may have been stopped meanwhile
        drop(heard.send(answer));
    }
}

fn told(answer: Result<Result<(), NotDone>, oneshot::error::RecvError>) -> Result<(), NotDone> {
    answer.unwrap_or_else(|_dropped| {
        let broken_off = tried_again("the call for this row and others was broken off".to_owned());
        Err(NotDone::Failed(broken_off))
    })
}
