//! A mail server: a real one as far as a client can tell (RFC 5321), that keeps what it takes. `later@` is
//! taken at the second try, `never@` at none (451), `nobody@` is not known (550). One that is secured
//! (RFC 3207, or TLS from the first byte) takes mail only from whoever signs in (RFC 4954).

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// Who may send mail, as `user:password`.
pub(crate) const SENDER: &str = "quay:0123456789";

const STARTTLS: &str = "STARTTLS";

const AUTH: &str = "AUTH PLAIN";

/// A mail as it was taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Head and body, without the dot at the end.
    pub(crate) text: String,
}

#[derive(Default)]
struct Book {
    taken: Vec<Mail>,
    /// Every recipient that was named.
    asked: Vec<String>,
    /// Everybody who signed in or tried to, as `user:password`.
    signed_in: Vec<String>,
}

/// How it is talked with.
#[derive(Clone)]
pub(crate) enum Manner {
    InTheOpen,
    /// It takes connections and says nothing.
    Silent,
    Starttls(TlsAcceptor),
    /// From the first byte.
    Tls(TlsAcceptor),
}

pub(crate) struct Mails {
    pub(crate) port: u16,
    book: Arc<Mutex<Book>>,
}

impl Mails {
    pub(crate) async fn open() -> Self {
        Self::serving(Manner::InTheOpen).await
    }

    pub(crate) async fn serving(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::<Mutex<Book>>::default();
        let (serving, kept) = (TaskTracker::new(), book.clone());
        let desk = serving.clone();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (book, manner) = (kept.clone(), manner.clone());
                desk.spawn(async move {
                    // who has gone is of no matter
                    drop(serve(stream, &book, &manner).await);
                });
            }
        });
        Self { port, book }
    }

    /// In the order in which they came.
    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.book.lock().unwrap().taken.clone()
    }

    /// Everybody who signed in or tried to, as `user:password`.
    pub(crate) fn signed_in(&self) -> Vec<String> {
        self.book.lock().unwrap().signed_in.clone()
    }

    /// How often a recipient was named that begins so.
    pub(crate) fn tries(&self, to: &str) -> usize {
        let book = self.book.lock().unwrap();
        book.asked.iter().filter(|it| it.starts_with(to)).count()
    }
}

async fn serve(mut stream: TcpStream, book: &Mutex<Book>, manner: &Manner) -> std::io::Result<()> {
    const GREETING: &[u8] = b"220 mails.example\r\n";
    match manner {
        Manner::InTheOpen => {
            stream.write_all(GREETING).await?;
            talk(stream, book, "").await?;
        }
        Manner::Silent => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
        }
        Manner::Starttls(acceptor) => {
            stream.write_all(GREETING).await?;
            if let Some(stream) = talk(stream, book, STARTTLS).await? {
                talk(acceptor.accept(stream).await?, book, AUTH).await?;
            }
        }
        Manner::Tls(acceptor) => {
            let mut stream = acceptor.accept(stream).await?;
            stream.write_all(GREETING).await?;
            talk(stream, book, AUTH).await?;
        }
    }
    Ok(())
}

/// Offers this one extension. The stream again, if the client wants it secured.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    book: &Mutex<Book>,
    offer: &str,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    let mut line = String::new();
    let mut may_send = offer.is_empty();
    while stream.read_line(&mut line).await? > 0 {
        let said = line.trim_end().to_owned();
        line.clear();
        let word = said.get(..4).unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" if offer.is_empty() => "250 mails.example",
            "EHLO" => &format!("250-mails.example\r\n250 {offer}"),
            "STAR" if offer == STARTTLS => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" if offer == AUTH => {
                may_send = signs_in(&said, book);
                if may_send { "235 welcome" } else { "535 no" }
            }
            "MAIL" if !may_send => "530 who are you?",
            "MAIL" => {
                mail.from = address(&said);
                "250 so"
            }
            "RCPT" => {
                mail.to = address(&said);
                take(&mail.to, book)
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                mail.text = text(&mut stream).await?;
                book.lock().unwrap().taken.push(std::mem::take(&mut mail));
                "250 taken"
            }
            "QUIT" => {
                stream.write_all(b"221 so long\r\n").await?;
                return Ok(None);
            }
            _ => "500 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(None)
}

/// Whether it is the sender, by `AUTH PLAIN` and what it said at once (RFC 4616).
fn signs_in(said: &str, book: &Mutex<Book>) -> bool {
    let told = said.rsplit(' ').next().unwrap_or_default();
    let told = STANDARD.decode(told).unwrap_or_default();
    let told = String::from_utf8(told).unwrap_or_default();
    let who = told.trim_start_matches('\0').replace('\0', ":");
    let is_sender = who == SENDER;
    book.lock().unwrap().signed_in.push(who);
    is_sender
}

/// Whether a recipient is taken.
fn take(to: &str, book: &Mutex<Book>) -> &'static str {
    let mut book = book.lock().unwrap();
    book.asked.push(to.to_owned());
    let nth = book.asked.iter().filter(|it| *it == to).count();
    match to.split('@').next().unwrap_or_default() {
        "later" if nth == 1 => "452 full",
        "never" => "451 no",
        "nobody" => "550 no such one",
        _ => "250 so",
    }
}

fn address(said: &str) -> String {
    let address = said.split_once('<').and_then(|(_, it)| it.split_once('>'));
    address.unwrap_or_default().0.to_owned()
}

async fn text<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line == ".\r\n" || line.is_empty() {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
