//! A client of event streams, as small as the standard allows.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::house::House;

/// One stream; blocks are what stands between empty lines.
pub(crate) struct Reader {
    answer: Response,
    read: Vec<u8>,
    blocks: VecDeque<String>,
}

/// An event of a task.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Event {
    pub(crate) fn task(&self) -> &str {
        self.data["id"].as_str().unwrap()
    }

    pub(crate) fn status(&self) -> &str {
        self.data["status"].as_str().unwrap()
    }

    pub(crate) fn version(&self) -> u64 {
        self.data["version"].as_u64().unwrap()
    }

    fn parse(block: &str) -> Self {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
            let value = lines
                .next()
                .unwrap_or_else(|| panic!("no {name} in {block}"));
            assert!(lines.next().is_none(), "{name} twice in {block}");
            value.to_owned()
        };
        assert_eq!(field("event: "), "task");
        Self {
            id: field("id: "),
            data: serde_json::from_str(&field("data: ")).unwrap(),
        }
    }
}

impl Reader {
    pub(crate) async fn open(house: &House, path: &str, token: &str) -> Self {
        Self::send(house.request(Method::GET, path).bearer_auth(token)).await
    }

    pub(crate) async fn open_without_token(house: &House, path: &str, ticket: &str) -> Self {
        let request = house.request(Method::GET, path);
        Self::send(request.query(&[("ticket", ticket)])).await
    }

    pub(crate) async fn resume(house: &House, path: &str, token: &str, seen: &str) -> Self {
        let request = house.request(Method::GET, path).bearer_auth(token);
        Self::send(request.header("last-event-id", seen)).await
    }

    async fn send(request: RequestBuilder) -> Self {
        let patience = Duration::from_secs(120);
        let answer = request.timeout(patience).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            answer,
            read: Vec::new(),
            blocks: VecDeque::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.answer.headers()[name].to_str().unwrap()
    }

    /// The next block; none at the clean end of the stream.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Some(block);
            }
            let Some(bytes) = self.answer.chunk().await.unwrap() else {
                assert!(self.read.is_empty(), "the stream ends with half a block");
                return None;
            };
            self.read.extend_from_slice(&bytes);
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                self.blocks.push_back(block.trim_end().to_owned());
            }
        }
    }

    /// The next event; none at the clean end of the stream.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            if block.starts_with("event:") {
                return Some(Event::parse(&block));
            }
        }
    }

    /// The first event for which it holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.event().await.expect("the stream goes on");
            if holds(&event) {
                return event;
            }
        }
    }

    /// Reads past a comment of the keep-alive; there must be no event before it.
    pub(crate) async fn comment(&mut self) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            assert!(!block.contains("event:"), "{block}");
            if block.starts_with(": still") {
                return;
            }
        }
    }
}
