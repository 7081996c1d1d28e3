//! A marketing service on a port of its own: it takes any POST and keeps what it is told of a group.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most bytes of a body that is read.
const MOST_BYTES: u64 = 64 << 10;

/// The service; it ends when this is dropped.
pub(super) struct Marketing {
    port: u16,
    told: mpsc::Receiver<u64>,
    _serving: JoinSet<()>,
}

impl Marketing {
    pub(super) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (tell, told) = mpsc::channel(16);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Err(error) = serve(stream, &tell).await {
                    eprintln!("  the marketing service: {error:#}");
                }
            }
        });
        Ok(Self {
            port,
            told,
            _serving: serving,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many grants it was told of, once it is.
    pub(super) async fn told(&mut self, patience: Duration) -> Result<u64> {
        let told = timeout(patience, self.told.recv()).await;
        told.context("the marketing service was told nothing")?
            .context("the marketing service has ended")
    }
}

/// One request, answered with 200; then the connection is closed.
async fn serve(stream: TcpStream, tell: &mpsc::Sender<u64>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = Vec::new();
    let mut rest = (&mut stream).take(u64::min(length, MOST_BYTES));
    rest.read_to_end(&mut body).await?;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let body: Value = serde_json::from_slice(&body)?;
    let succeeded = body["group"]["succeeded"].as_u64();
    tell.send(succeeded.context("no group in the body")?)
        .await?;
    Ok(())
}
