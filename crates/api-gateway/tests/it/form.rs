//! Forms of imports as they go over the wire, made by hand so that each test says their order and
//! their bytes; and uploads that stop half way.

use std::path::Path;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{Answer, House};

pub(crate) const IMPORTS: &str = "/api/v1/imports";

/// A file of two columns of `member`, named as nobody names one.
pub(crate) const CSV: &[u8] = "会员号,姓名\r\nM1,张三\r\nM2,李四\r\n".as_bytes();

#[derive(Clone)]
pub(crate) struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    pub(crate) fn new() -> Self {
        Self::with_boundary("a-line-between")
    }

    pub(crate) fn with_boundary(boundary: &str) -> Self {
        Self {
            boundary: boundary.to_owned(),
            body: Vec::new(),
        }
    }

    /// An import of `CSV` into `member`, the fields in the order that clients should take.
    pub(crate) fn of_csv() -> Self {
        Self::new().field("dataset", "member").file("m.csv", CSV)
    }

    pub(crate) fn field(self, name: &str, value: &str) -> Self {
        let disposition = format!("form-data; name=\"{name}\"");
        self.part(&disposition, value.as_bytes())
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"file\"; filename=\"{name}\"");
        self.part(&disposition, content)
    }

    pub(crate) fn part(mut self, disposition: &str, content: &[u8]) -> Self {
        let head = format!(
            "--{}\r\nContent-Disposition: {disposition}\r\n\r\n",
            self.boundary
        );
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.body.clone();
        body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        body
    }
}

impl House {
    pub(crate) fn import_request(&self, token: &str, form: &Form) -> reqwest::RequestBuilder {
        self.request(Method::POST, IMPORTS)
            .bearer_auth(token)
            .header("content-type", form.content_type())
            .body(form.body())
    }

    pub(crate) async fn import(&self, token: &str, form: &Form) -> Answer {
        self.send(self.import_request(token, form)).await
    }

    /// Submits an import of `member` and gives its id.
    pub(crate) async fn an_import(&self, token: &str) -> String {
        let answer = self.import(token, &Form::of_csv()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The files that lie in storage, whole or half.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.directory(), &mut found);
        found
    }

    /// The state of each upload, oldest first.
    pub(crate) async fn uploads(&self) -> Vec<String> {
        self.database
            .query("SELECT state FROM task_file WHERE role = 'UPLOAD' ORDER BY id")
            .await
    }

    /// No task, nothing in storage, and every upload that was begun is given up and removed.
    pub(crate) async fn assert_nothing_is_left(&self) {
        assert_eq!(self.written().await, (0, 0));
        testkit::eventually("the uploads are given up", async || {
            let given_up = self.uploads().await.iter().all(|state| state == "DELETED");
            (given_up && self.stored().is_empty()).then_some(())
        })
        .await;
    }
}

fn walk(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

/// An upload whose client has sent only a part of it yet.
pub(crate) struct HalfUpload {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl HalfUpload {
    /// Sends the head and all but the last `left` bytes of the form.
    pub(crate) async fn begin(house: &House, token: &str, form: &Form, left: usize) -> Self {
        let address = house.url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut body = form.body();
        let head = format!(
            "POST {IMPORTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
            form.content_type(),
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let rest = body.split_off(body.len() - left);
        socket.write_all(&body).await.unwrap();
        socket.flush().await.unwrap();
        Self { socket, rest }
    }

    /// Sends the rest and reads the answer.
    pub(crate) async fn finish(mut self) -> String {
        let rest = std::mem::take(&mut self.rest);
        self.socket.write_all(&rest).await.unwrap();
        self.answer().await
    }

    /// Reads the answer without sending anything more.
    pub(crate) async fn answer(mut self) -> String {
        let mut answer = Vec::new();
        self.socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}
