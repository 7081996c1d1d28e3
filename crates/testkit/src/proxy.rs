//! A TCP proxy before MySQL that plays its absences: away, silent, some connections cut, and cut at
//! the worst moment, when COMMIT has been sent to the server and its answer never arrives. Where the
//! server itself is away, connections end as they do without a proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// COM_QUERY and its text. Source: MySQL client/server protocol, COM_QUERY = 0x03.
const COMMIT: &[u8] = b"\x03COMMIT";

/// How the server seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Away,
    Silent,
}

/// The proxy; ends when it is dropped.
pub struct MoodyProxy {
    address: SocketAddr,
    faults: Faults,
    accepting: AbortHandle,
}

#[derive(Clone)]
struct Faults {
    mood: Arc<watch::Sender<Mood>>,
    cuts: Arc<AtomicUsize>,
    /// Connections that were refused while away.
    refused: Arc<AtomicUsize>,
    /// Whether a cut at COMMIT leaves the server away.
    stay_away: Arc<AtomicBool>,
    /// How often connections were cut, and the last time one in how many.
    cut: Arc<watch::Sender<(usize, usize)>>,
}

impl MoodyProxy {
    /// Starts before the server of `mysql://user@host:port/database`.
    ///
    /// # Panics
    /// When no port is free, or the URL has no address of that form.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = host_and_port(url).to_owned();
        let faults = Faults {
            mood: Arc::new(watch::Sender::new(Mood::Well)),
            cuts: Arc::default(),
            refused: Arc::default(),
            stay_away: Arc::default(),
            cut: Arc::new(watch::Sender::new((0, 1))),
        };
        let told = faults.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "aborted when the proxy is dropped"
        )]
        let accepting = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                if *told.mood.borrow() == Mood::Away {
                    told.refused.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server).await else {
                    told.refused.fetch_add(1, Ordering::SeqCst);
                    continue;
                };
                number += 1;
                #[expect(clippy::disallowed_methods, reason = "ends with either connection")]
                tokio::spawn(carry(number, client, server, told.clone()));
            }
        });
        Self {
            address,
            faults,
            accepting: accepting.abort_handle(),
        }
    }

    /// The URL, through the proxy.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(host_and_port(url), &self.address.to_string())
    }

    /// Cuts at the next so many COMMITs.
    pub fn cut_next_commits(&self, times: usize) {
        self.faults.cuts.store(times, Ordering::SeqCst);
    }

    /// Cuts at the next COMMIT, and is away from then on.
    pub fn go_away_at_the_next_commit(&self) {
        self.faults.stay_away.store(true, Ordering::SeqCst);
        self.cut_next_commits(1);
    }

    /// Cuts every connection and takes none.
    pub fn go_away(&self) {
        self.faults.mood.send_replace(Mood::Away);
    }

    /// Keeps every connection and carries nothing.
    pub fn fall_silent(&self) {
        self.faults.mood.send_replace(Mood::Silent);
    }

    /// Is well again.
    pub fn come_back(&self) {
        self.faults.mood.send_replace(Mood::Well);
    }

    /// Cuts one connection in so many, now and whatever it is doing; others each time.
    ///
    /// # Panics
    /// When `one_in` is zero.
    pub fn cut_one_in(&self, one_in: usize) {
        assert!(one_in > 0, "one connection in none");
        self.faults
            .cut
            .send_modify(|(times, of)| (*times, *of) = (*times + 1, one_in));
    }

    /// Connections that were refused while it, or the server, was away.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.faults.refused.load(Ordering::SeqCst)
    }

    /// Cuts that are still to come.
    #[must_use]
    pub fn cuts_left(&self) -> usize {
        self.faults.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for MoodyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn host_and_port(url: &str) -> &str {
    let after_user = url.split_once('@').expect("user@host").1;
    after_user
        .split('/')
        .next()
        .expect("split gives one part at least")
}

/// Carries bytes both ways until one side ends or a fault ends it.
async fn carry(number: usize, mut client: TcpStream, mut server: TcpStream, faults: Faults) {
    let (mut up, mut down) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut mood = faults.mood.subscribe();
    let mut cut = faults.cut.subscribe();
    loop {
        let now = *mood.borrow_and_update();
        if now == Mood::Away {
            return;
        }
        let carries = now == Mood::Well;
        tokio::select! {
            changed = mood.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            changed = cut.changed() => {
                let (times, one_in) = *cut.borrow_and_update();
                if changed.is_err() || (number + times).is_multiple_of(one_in) {
                    return;
                }
            }
            read = client.read(&mut up), if carries => {
                let Ok(read @ 1..) = read else { return };
                if server.write_all(&up[..read]).await.is_err() {
                    return;
                }
                let commits = up[..read].windows(COMMIT.len()).any(|bytes| bytes == COMMIT);
                if commits && take_one(&faults.cuts) {
                    // The server has it. Wait for its answer, so that the commit has happened, and
                    // let nobody see the answer.
                    if let Err(error) = server.read(&mut down).await {
                        eprintln!("the server hung up on a COMMIT: {error}");
                    }
                    if faults.stay_away.swap(false, Ordering::SeqCst) {
                        faults.mood.send_replace(Mood::Away);
                    }
                    return;
                }
            }
            read = server.read(&mut down), if carries => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn take_one(cuts: &AtomicUsize) -> bool {
    cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}
