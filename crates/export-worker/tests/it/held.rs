//! A TCP proxy before MySQL that holds every KILL back until it is told to let go.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

const BUFFER_BYTES: usize = 16 * 1024;

/// COM_QUERY and its text. Source: MySQL client/server protocol, COM_QUERY = 0x03.
const KILL: &[u8] = b"\x03KILL";

/// Lives as long as the test's runtime.
pub(crate) struct HeldKills {
    url: String,
    released: watch::Sender<bool>,
}

impl HeldKills {
    /// Starts before the server of `mysql://user@host:port/database`.
    pub(crate) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (_, rest) = url.split_once('@').expect("user@host");
        let (server, _) = rest.split_once('/').expect("host/database");
        let (released, held) = watch::channel(false);
        let (tasks, host) = (TaskTracker::new(), server.to_owned());
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&host).await.expect("MySQL is up");
                connections.spawn(carry(client, server, held.clone()));
            }
        });
        Self {
            url: url.replace(server, &address),
            released,
        }
    }

    /// The URL, through the proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets what was held go, and all that follows.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }
}

/// Carries bytes both ways until one side ends.
async fn carry(mut client: TcpStream, mut server: TcpStream, mut held: watch::Receiver<bool>) {
    let (mut up, mut down) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                let kills = up[..read].windows(KILL.len()).any(|bytes| bytes == KILL);
                if kills && held.wait_for(|released| *released).await.is_err() {
                    return;
                }
                if server.write_all(&up[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
