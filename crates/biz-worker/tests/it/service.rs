//! A business service: a real HTTP server that does what the path says, good or bad.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const SECRET: &str = "0123456789abcdef0123";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// `/answer/503/200`: the first call gets 503, each later one 200. `/to/HOST`: a redirect to it.
/// `/slow/30`: 200 after so many milliseconds. `/hang`, `/drip`, `/rubbish`: as they say; `/long/200`:
/// with a body of a megabyte. `/batch`: what each item's context says is to become of it; `/batch/30`: after
/// so many milliseconds; `/picky`: the same, but no to every call with a `poison` in it; `/moody`: the same,
/// but a call with a context that says so hangs, drips what begins well, breaks off, or is answered by
/// rubbish, by 503 or by no list.
pub(crate) struct Service {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    at_once: Arc<AtOnce>,
    serving: TaskTracker,
    closed: CancellationToken,
}

/// Requests that are being answered, and the most that there ever were.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Service {
    pub(crate) async fn open() -> Self {
        Self::open_at(0).await
    }

    /// On this port.
    pub(crate) async fn open_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let serving = TaskTracker::new();
        let at_once = Arc::<AtOnce>::default();
        let (desk, calls, count) = (serving.clone(), seen.clone(), at_once.clone());
        let closed = CancellationToken::new();
        let until = closed.clone();
        serving.spawn(async move {
            while let Some(Ok((stream, _))) = until.run_until_cancelled(listener.accept()).await {
                desk.spawn(serve(stream, calls.clone(), count.clone()));
            }
        });
        Self {
            port,
            seen,
            at_once,
            serving,
            closed,
        }
    }

    /// Nobody listens on its port any more, which it answers.
    pub(crate) async fn close(self) -> u16 {
        self.closed.cancel();
        self.serving.close();
        self.serving.wait().await;
        self.port
    }

    pub(crate) fn context(&self, path: &str) -> String {
        format!(r#"{{"url": "http://127.0.0.1:{}{path}"}}"#, self.port)
    }

    /// The calls to a path, in their order.
    pub(crate) fn calls(&self, path: &str) -> Vec<Request> {
        let seen = self.seen.lock().unwrap();
        let calls = seen.iter().filter(|it| it.path == path);
        calls.cloned().collect()
    }

    pub(crate) fn all_calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The most requests that it ever had to answer at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.at_once.most.load(Ordering::SeqCst)
    }

    /// Connections that were ever made and are still open, and the listener.
    pub(crate) fn open_connections(&self) -> usize {
        self.serving.len() - 1
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Request>>>, at_once: Arc<AtOnce>) {
    while let Some(request) = read(&mut stream).await {
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.iter().filter(|it| it.path == request.path).count()
        };
        let now = at_once.now.fetch_add(1, Ordering::SeqCst) + 1;
        at_once.most.fetch_max(now, Ordering::SeqCst);
        let answered = answer(&mut stream, &request, nth).await;
        at_once.now.fetch_sub(1, Ordering::SeqCst);
        if answered.is_none() {
            return;
        }
    }
}

/// One answer; none where the connection is not to be used again.
async fn answer(stream: &mut TcpStream, request: &Request, nth: usize) -> Option<()> {
    let path = request.path.as_str();
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match words.as_slice() {
        ["answer", statuses @ ..] => {
            let status = statuses[(nth - 1).min(statuses.len() - 1)];
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\nok");
            stream.write_all(head.as_bytes()).await.ok()
        }
        ["slow", millis] => {
            // what a slow service is: no condition to be waited for
            tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
            let head = "HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()
        }
        ["batch", pause @ ..] => {
            for millis in pause {
                tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
            }
            let body = results(request);
            let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.ok()
        }
        ["picky"] if request.body.contains("poison") => {
            let head = "HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()
        }
        ["moody"] if has_mood(request) => moody(stream, request).await,
        ["picky" | "moody"] => {
            let body = results(request);
            let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.ok()
        }
        ["to", host] => {
            let head = format!(
                "HTTP/1.1 302 x\r\nlocation: http://{host}/answer/200\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.ok()
        }
        ["rubbish"] => {
            stream.write_all(b"\x00\x01 no http\r\n\r\n").await.ok()?;
            None
        }
        ["long", status] => {
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 1000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&vec![b'x'; 1_000_000]).await.ok()
        }
        ["drip"] => {
            let head = "HTTP/1.1 200 x\r\ncontent-length: 1000000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(b"x").await.ok()?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        // says nothing until the caller has gone
        _ => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok()?;
            None
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await.ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let mut body = bytes;
    let already = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[already..]).await.ok()?;
    Some(Request {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// The results of a batch: `"status"` of each context, `silence` is none.
fn results(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let items = body["items"].as_array().unwrap().iter().enumerate();
    let results = items.filter_map(|(index, item)| {
        let status = item["context"]["status"].as_str().unwrap();
        let result = serde_json::json!({"index": index, "status": status, "reason": "so"});
        (status != "silence").then_some(result)
    });
    let results: Vec<serde_json::Value> = results.collect();
    serde_json::json!({"results": results, "more": 1}).to_string()
}

/// What a context may say that becomes of the call that it is in.
pub(crate) const MOODS: [&str; 6] = ["break", "drip", "hang", "no-list", "rubbish", "unwell"];

fn has_mood(request: &Request) -> bool {
    MOODS.iter().any(|mood| request.body.contains(mood))
}

async fn moody(stream: &mut TcpStream, request: &Request) -> Option<()> {
    let mood = MOODS.iter().find(|mood| request.body.contains(**mood))?;
    match *mood {
        "break" => None,
        "drip" => {
            let head = "HTTP/1.1 200 x\r\ncontent-length: 1000000\r\n\r\n\
                        {\"results\":[{\"index\":0,\"status\":\"done\"},";
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(b" ").await.ok()?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        "no-list" => {
            let answer = "HTTP/1.1 200 x\r\ncontent-length: 14\r\n\r\n{\"results\": 7}";
            stream.write_all(answer.as_bytes()).await.ok()
        }
        "rubbish" => {
            stream.write_all(b"\x00\x01 no http\r\n\r\n").await.ok()?;
            None
        }
        "unwell" => {
            let head = "HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()
        }
        // hangs until the caller has gone
        _ => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok()?;
            None
        }
    }
}
