//! `quay compensations submit`: a csv becomes work, some thousand rows a call, several calls at once.
//!
//! Nothing of the file is held but the calls under way. A call that finds gateway or database away is
//! sent again: what it did the first time is told as duplicates then. The first call goes alone, for
//! it opens the group; the last one seals it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{
    ClientError, CompensationCall, CompensationClient, CompensationGroup, CompensationItem,
    SubmittedCall,
};
use super::rows::Rows;
use crate::cli::{GatewayArgs, SubmitCompensationsArgs, given};
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::{count, rate};

/// Chunks that were read and wait to be sent.
const CHUNKS_AHEAD: usize = 2;

/// How often a call is sent again that found the gateway away.
const TRIES: u32 = 8;

/// The pause before a call is sent again; doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Rows that were read, and where the reader was then.
type Chunk = (Vec<CompensationItem>, u64);

/// What all calls came to.
#[derive(Default)]
struct Sum {
    accepted: u64,
    duplicates: u64,
    group_id: Option<String>,
}

impl Sum {
    fn add(&mut self, done: SubmittedCall) {
        self.accepted += done.accepted;
        self.duplicates += done.duplicates;
        self.group_id = done.group_id.or(self.group_id.take());
    }
}

pub(super) async fn run(args: &SubmitCompensationsArgs) -> Result<Exit, Failure> {
    let began = Instant::now();
    let client = client(&args.gateway)?;
    let rows = Rows::open(args)?;
    let length = std::fs::metadata(&args.file).map_or(0, |file| file.len());
    let bar = bar(length);
    let sent = send_all(args, &client, rows, &bar).await;
    bar.finish_and_clear();
    let sum = sent?;
    if args.out.json {
        print_json(
            &json!({"accepted": sum.accepted, "duplicates": sum.duplicates,
            "group_id": sum.group_id}),
        );
        return Ok(Exit::Done);
    }
    let all = sum.accepted + sum.duplicates;
    answer(format_args!(
        "{} accepted, {} were there before; {} a second",
        count(sum.accepted),
        count(sum.duplicates),
        count(rate(all, began.elapsed()))
    ));
    if let Some(group) = &sum.group_id {
        answer(format_args!(
            "Group {group}: quay compensations group {group}"
        ));
    }
    Ok(Exit::Done)
}

fn client(args: &GatewayArgs) -> Result<Arc<CompensationClient>, Failure> {
    let token = given(args.token.as_deref()).unwrap_or_default();
    Ok(Arc::new(
        CompensationClient::new(&args.url, token).map_err(ClientError::into_failure)?,
    ))
}

async fn send_all(
    args: &SubmitCompensationsArgs,
    client: &Arc<CompensationClient>,
    rows: Rows,
    bar: &ProgressBar,
) -> Result<Sum, Failure> {
    let mut chunks = chunks(rows, args.chunk as usize);
    let mut sum = Sum::default();
    if let Some(chunk) = chunks.recv().await {
        let (items, position) = chunk?;
        let first = CompensationCall {
            items,
            group: group(args, true, false),
        };
        // Where nobody is there at all, that is told at once.
        sum.add(
            client
                .submit(&first, None)
                .await
                .map_err(ClientError::into_failure)?,
        );
        bar.set_position(position);
    } else if args.group.is_none() {
        return Ok(sum);
    }
    let mut under_way = JoinSet::new();
    while let Some(chunk) = chunks.recv().await {
        let (items, position) = chunk?;
        if under_way.len() >= args.parallel as usize {
            join_one(&mut under_way, &mut sum).await?;
            bar.set_position(position);
        }
        let call = CompensationCall {
            items,
            group: group(args, false, false),
        };
        let client = client.clone();
        under_way.spawn(async move { send(&client, &call).await });
    }
    while !under_way.is_empty() {
        join_one(&mut under_way, &mut sum).await?;
    }
    if args.seal {
        let last = CompensationCall {
            items: Vec::new(),
            group: group(args, sum.group_id.is_none(), true),
        };
        sum.add(send(client, &last).await?);
    }
    Ok(sum)
}

async fn join_one(
    under_way: &mut JoinSet<Result<SubmittedCall, Failure>>,
    sum: &mut Sum,
) -> Result<(), Failure> {
    match under_way.join_next().await {
        None => Ok(()),
        Some(Ok(done)) => {
            sum.add(done?);
            Ok(())
        }
        Some(Err(stopped)) => Err(Failure::local("a call was cut off", stopped)),
    }
}

/// The group of a call; what follows its end goes with the first.
fn group(args: &SubmitCompensationsArgs, first: bool, seal: bool) -> Option<CompensationGroup> {
    let follow_ups = &args.on_finished;
    args.group.clone().map(|key| CompensationGroup {
        key,
        seal,
        on_finished: (first && !follow_ups.is_empty()).then(|| follow_ups.clone()),
    })
}

/// Sends a call until it is answered for good.
async fn send(
    client: &CompensationClient,
    call: &CompensationCall,
) -> Result<SubmittedCall, Failure> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match client.submit(call, None).await {
            Err(error) if error.is_transient() => {
                let asked = error.retry_after().unwrap_or(pause);
                tokio::time::sleep(asked.min(LONGEST_PAUSE)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            done => return done.map_err(told),
        }
    }
    client.submit(call, None).await.map_err(told)
}

fn told(error: ClientError) -> Failure {
    error.into_failure().also(
        "What was accepted before stays; send the file again: what is there is not done twice.",
    )
}

/// The file, read on a thread of its own, a few chunks ahead.
fn chunks(mut rows: Rows, size: usize) -> mpsc::Receiver<Result<Chunk, Failure>> {
    let (to, from) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            let chunk = rows.next(size);
            let is_last = chunk.as_ref().map_or(true, |items| items.len() < size);
            let chunk = chunk.map(|items| (items, rows.position()));
            let is_empty = chunk.as_ref().is_ok_and(|(items, _)| items.is_empty());
            if (!is_empty && to.blocking_send(chunk).is_err()) || is_last {
                return;
            }
        }
    });
    from
}

/// Drawn only where somebody looks.
fn bar(length: u64) -> ProgressBar {
    let style = "{bar:30} {percent}% {elapsed}, {eta} left";
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_never) => bar,
    }
}
