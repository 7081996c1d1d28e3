//! A mail server: a real one as far as a client can tell (RFC 5321), that keeps what it takes. `later@` is
//! taken at the second try, `never@` at none (451), `nobody@` is not known (550).

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

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
}

pub(crate) struct Mails {
    pub(crate) port: u16,
    book: Arc<Mutex<Book>>,
}

impl Mails {
    pub(crate) async fn open() -> Self {
        Self::serving(false).await
    }

    /// One that takes connections and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::serving(true).await
    }

    async fn serving(is_silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::<Mutex<Book>>::default();
        let (serving, kept) = (TaskTracker::new(), book.clone());
        let desk = serving.clone();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let book = kept.clone();
                desk.spawn(async move {
                    // who has gone is of no matter
                    drop(serve(stream, &book, is_silent).await);
                });
            }
        });
        Self { port, book }
    }

    /// In the order in which they came.
    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.book.lock().unwrap().taken.clone()
    }

    /// How often a recipient was named that begins so.
    pub(crate) fn tries(&self, to: &str) -> usize {
        let book = self.book.lock().unwrap();
        book.asked.iter().filter(|it| it.starts_with(to)).count()
    }
}

async fn serve(stream: TcpStream, book: &Mutex<Book>, is_silent: bool) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if is_silent {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        return Ok(());
    }
    stream.write_all(b"220 mails.example\r\n").await?;
    let mut mail = Mail::default();
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let said = line.trim_end().to_owned();
        line.clear();
        let word = said.get(..4).unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250 mails.example",
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
                return Ok(());
            }
            _ => "500 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
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

async fn text(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
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
