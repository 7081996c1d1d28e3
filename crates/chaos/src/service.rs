//! The business service that is called: a real HTTP server that writes down each call before it
//! answers, as its item says. Outlives every fault: what is missing in its book was never sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
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

/// What an item is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    Yes,
    Later,
    No,
    /// Nothing, and nobody else in its call.
    HangUp,
    /// No, and the whole call with it.
    Spoil,
}

/// Many items in one call.
#[derive(Deserialize)]
struct Many {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    key: String,
    tenant: String,
    context: Value,
}

impl Service {
    /// Listens on this port, for as long as the process lives.
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
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
        let answer = match serde_json::from_str::<Many>(&body) {
            Ok(many) => to_many(book, &many.items),
            Err(_one) => to_one(book, of("idempotency-key"), of("x-quayside-tenant"), &body)?,
        };
        let Some((status, body)) = answer else {
            return Ok(());
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}");
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

/// Status and body; none when it hangs up.
type Answer = Option<(u16, String)>;

fn to_one(book: &Book, key: String, tenant: String, body: &str) -> Result<Answer> {
    let context = serde_json::from_str(body)?;
    let item = Item {
        key,
        tenant,
        context,
    };
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = hear(&mut book, &item);
    let reply = reply(heard, &item);
    heard.yes += u64::from(reply == Reply::Yes);
    let status = match reply {
        Reply::Yes => 200,
        Reply::Later => 503,
        Reply::No | Reply::Spoil => 400,
        Reply::HangUp => return Ok(None),
    };
    Ok(Some((status, String::new())))
}

fn to_many(book: &Book, items: &[Item]) -> Answer {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let replies: Vec<Reply> = items
        .iter()
        .map(|item| reply(hear(&mut book, item), item))
        .collect();
    if replies.contains(&Reply::HangUp) {
        return None;
    }
    if replies.contains(&Reply::Spoil) {
        return Some((400, String::new()));
    }
    let mut results = Vec::new();
    for (index, (item, reply)) in items.iter().zip(replies).enumerate() {
        let status = match reply {
            Reply::Yes => {
                book.entry(item.key.clone()).or_default().yes += 1;
                "done"
            }
            Reply::Later => "retry",
            Reply::No | Reply::Spoil | Reply::HangUp => "failed",
        };
        results.push(json!({"index": index, "status": status}));
    }
    Some((200, json!({"results": results}).to_string()))
}

/// Writes the item down.
fn hear<'b>(book: &'b mut BTreeMap<String, Heard>, item: &Item) -> &'b mut Heard {
    let body = item.context.to_string();
    let heard = book.entry(item.key.clone()).or_default();
    heard.times += 1;
    if heard.times == 1 {
        (heard.tenant, heard.body) = (item.tenant.clone(), body);
    } else {
        heard.differs |= (&heard.tenant, &heard.body) != (&item.tenant, &body);
    }
    heard
}

fn reply(heard: &Heard, item: &Item) -> Reply {
    match item.context["manner"].as_str() {
        Some("spoil") => Reply::Spoil,
        Some("refuse") | None => Reply::No,
        Some("fail_once") if heard.times == 1 => Reply::Later,
        Some("hang_up_once") if heard.times == 1 => Reply::HangUp,
        Some(_) => Reply::Yes,
    }
}
