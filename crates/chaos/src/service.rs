//! The business service that is called: a real HTTP server that writes down each call before it
//! answers, as its item says. Outlives every fault: what is missing in its book was never sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// What was heard under one idempotency key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) times: u64,
    /// How often the answer was yes, whoever heard it.
    pub(crate) yes: u64,
    /// Of the first.
    tenant: String,
    body: String,
    /// Another call had another tenant or body.
    pub(crate) differs: bool,
}

type Book = Arc<Mutex<BTreeMap<String, Heard>>>;

/// The server.
pub(crate) struct Service {
    pub(crate) url: String,
    book: Book,
}

/// What a call gets.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16),
    HangUp,
}

impl Service {
    /// Listens on a port of its own, for as long as the process lives.
    pub(crate) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/do", listener.local_addr()?);
        let book = Book::default();
        let (serving, told) = (TaskTracker::new(), book.clone());
        serving.spawn({
            let serving = serving.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let book = told.clone();
                    // whoever hangs up, or is killed, needs no answer
                    serving.spawn(async move { serve(stream, &book).await.ok() });
                }
            }
        });
        Ok(Self { url, book })
    }

    /// All that was heard, by idempotency key.
    pub(crate) fn heard(&self) -> BTreeMap<String, Heard> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.clone()
    }
}

async fn serve(stream: TcpStream, book: &Book) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = read(&mut stream).await?;
        let of = |name: &str| head.get(name).cloned().unwrap_or_default();
        let reply = hear(book, of("idempotency-key"), of("x-quayside-tenant"), body);
        let Reply::Status(status) = reply else {
            return Ok(());
        };
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// The headers by their names in lower case, and the body.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<(BTreeMap<String, String>, String)> {
    let mut head = BTreeMap::new();
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await?;
        if read == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            head.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let length = head.get("content-length").context("the end")?.parse()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, String::from_utf8(body)?))
}

fn hear(book: &Book, key: String, tenant: String, body: String) -> Reply {
    let context: Value = serde_json::from_str(&body).unwrap_or_default();
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = book.entry(key).or_default();
    heard.times += 1;
    if heard.times == 1 {
        (heard.tenant, heard.body) = (tenant, body);
    } else {
        heard.differs |= (&heard.tenant, &heard.body) != (&tenant, &body);
    }
    let reply = match context["manner"].as_str() {
        Some("refuse") | None => Reply::Status(400),
        Some("fail_once") if heard.times == 1 => Reply::Status(503),
        Some("hang_up_once") if heard.times == 1 => Reply::HangUp,
        Some(_) => Reply::Status(200),
    };
    heard.yes += u64::from(matches!(reply, Reply::Status(200)));
    reply
}
