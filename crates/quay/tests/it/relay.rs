//! A stretch of network between `quay` and a server: it hears what is asked, answers in its place
//! as a proxy in between would, and breaks when it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

const BUFFER_BYTES: usize = 64 * 1024;

/// A proxy that knows no such path.
pub(crate) const NOT_FOUND: &str =
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where an answer ends before its time.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// After so many bytes, the head included.
    Bytes(usize),
    /// After what was read together with this text.
    Text(&'static str),
}

/// Ends when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    accepting: AbortHandle,
}

/// What is to happen to requests whose first line holds a text, and what was heard.
#[derive(Default)]
struct Plan {
    heard: Vec<String>,
    answers: Vec<(&'static str, String)>,
    cuts: Vec<(&'static str, Cut)>,
}

impl Relay {
    /// Begins before the server of `http://host:port`.
    pub(crate) async fn before(url: &str) -> Self {
        let server = url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let told = Arc::clone(&plan);
        #[expect(
            clippy::disallowed_methods,
            reason = "aborted when the relay is dropped"
        )]
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                let told = Arc::clone(&told);
                #[expect(clippy::disallowed_methods, reason = "ends with either connection")]
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else {
                        return;
                    };
                    // A connection that breaks is what this is for.
                    drop(carry(client, server, told).await);
                });
            }
        });
        Self {
            address,
            plan,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request for such a path is answered so, and its connection closed.
    pub(crate) fn answer(&self, path: &'static str, answer: impl Into<String>) {
        self.plan().answers.push((path, answer.into()));
    }

    /// The next answer to a request for such a path breaks off.
    pub(crate) fn cut_once(&self, path: &'static str, cut: Cut) {
        self.plan().cuts.push((path, cut));
    }

    /// The heads of the requests for such paths, in lower case.
    pub(crate) fn heard(&self, path: &str) -> Vec<String> {
        let plan = self.plan();
        let heads = plan
            .heard
            .iter()
            .filter(|head| first_line(head).contains(path));
        heads.map(|head| head.to_ascii_lowercase()).collect()
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().expect("nobody panics with it")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Requests are small and written at once, so each comes in one piece.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    told: Arc<Mutex<Plan>>,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut cut = None;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let request = &asked[..read?];
                if request.is_empty() {
                    return Ok(());
                }
                let head = String::from_utf8_lossy(request).into_owned();
                let (instead, next_cut) = hear(&told, head);
                if let Some(instead) = instead {
                    return client.write_all(instead.as_bytes()).await;
                }
                cut = next_cut;
                server.write_all(request).await?;
            }
            read = server.read(&mut answered) => {
                let piece = &answered[..read?];
                let (passed, ends) = pass(&mut cut, piece);
                client.write_all(passed).await?;
                if ends || piece.is_empty() {
                    return Ok(());
                }
            }
        }
    }
}

/// What answers in place of the server, and where the server's answer is to break off.
fn hear(told: &Mutex<Plan>, head: String) -> (Option<String>, Option<Cut>) {
    let mut plan = told.lock().expect("nobody panics with it");
    let path = first_line(&head).to_owned();
    let instead = plan.answers.iter().find(|(part, _)| path.contains(part));
    let instead = instead.map(|(_, answer)| answer.clone());
    let cut = plan.cuts.iter().position(|(part, _)| path.contains(part));
    let cut = cut.map(|at| plan.cuts.remove(at).1);
    plan.heard.push(head);
    (instead, cut)
}

/// What of a piece still goes through, and whether that was all.
fn pass<'a>(cut: &mut Option<Cut>, piece: &'a [u8]) -> (&'a [u8], bool) {
    match cut {
        Some(Cut::Bytes(left)) if *left <= piece.len() => (&piece[..*left], true),
        Some(Cut::Bytes(left)) => {
            *left -= piece.len();
            (piece, false)
        }
        Some(Cut::Text(text)) => (piece, String::from_utf8_lossy(piece).contains(*text)),
        None => (piece, false),
    }
}

fn first_line(head: &str) -> &str {
    head.lines().next().unwrap_or_default()
}
