//! Eight scripts at the same time, on eight connections; what must hold whatever happened.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{BizStatus, CompensateBizId, DeadLetterId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Lease, Settled, Store};
use testkit::TestDatabase;
use tokio::runtime::Handle;

use super::act::{Act, End, Held, act};
use super::call::{Answer, Call, OnLetter, perform};
use super::club::{CONNECTIONS, Club, Seen, stores};
use super::known::Known;

const CASES: u32 = 6;
const ACTS: usize = 40;

/// Passes in which everything that is open must come to its end.
const PASSES: usize = 20;

/// What all scripts know together, and what they were told.
#[derive(Default)]
struct Board {
    known: Known,
    granted: HashSet<(CompensateBizId, u64)>,
    /// The effects of the attempts whose finish was said to stand.
    done: HashMap<CompensateBizId, HashSet<String>>,
    /// The letters that somebody was told to have acted on.
    acted_on: HashSet<DeadLetterId>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_eight_connections_do_at_once_nothing_is_lost_nothing_done_twice_and_all_counts_add_up()
 {
    let database = TestDatabase::with_examples().await;
    let stores = stores(database.url());
    let scripts = prop::collection::vec(prop::collection::vec(act(), ACTS), CONNECTIONS);
    // Not made smaller: the same scripts need not meet in the same way again.
    let config = Config {
        cases: CASES,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let handle = Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&scripts, |scripts| {
            handle.block_on(run(&database, &stores, &scripts));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn run(database: &TestDatabase, stores: &[Store], scripts: &[Vec<Act>]) {
    let club = Club::new(database, &stores[0]).await;
    let board = Mutex::new(Board::default());
    let script = |number: usize| {
        let (club, board, store) = (&club, &board, &stores[number]);
        async move {
            for act in &scripts[number] {
                do_one(club, board, store, number, act).await;
            }
        }
    };
    // Each store sends its statements from a runtime of its own, so these do meet.
    futures::future::join_all((0..CONNECTIONS).map(script)).await;
    let granted = look(&board).granted.clone();
    hold(&club, &granted).await;
    end_all(&club, &board, &stores[0]).await;
    let granted = look(&board).granted.clone();
    let seen = hold(&club, &granted).await;
    let board = look(&board);
    for (row, (id, _)) in seen.iter().zip(&club.members) {
        assert_eq!(row.wake, "never", "{row:?}");
        // Exactly the attempt that was told so has done it.
        let done = board.done.get(id).cloned().unwrap_or_default();
        let effects: HashSet<String> = row.effects.iter().cloned().collect();
        assert_eq!(done, effects, "{row:?}");
    }
}

async fn do_one(club: &Club, board: &Mutex<Board>, store: &Store, number: usize, act: &Act) {
    let Some(call) = look(board).known.call(club, act) else {
        return;
    };
    let answer = perform(club, store, &format!("number-{number}"), &call).await;
    look(board).learn(club, &call, &answer);
    if let Answer::Settled(_) | Answer::Swept(_) | Answer::Cancelled(_) | Answer::Batch(_) = answer
    {
        let follow_ups = club.follow_ups().await;
        look(board).known.follow_ups = follow_ups.into_iter().map(|(id, _)| id).collect();
    }
}

fn look(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    fn learn(&mut self, club: &Club, call: &Call, answer: &Answer) {
        if let Answer::Rung(claimed, _) | Answer::Scanned(claimed) = answer {
            for row in claimed {
                let fresh = self.granted.insert((row.lease.id, row.lease.epoch.0));
                assert!(fresh, "granted twice: {:?}", row.lease);
            }
        }
        if let Answer::Letter(OnLetter::Redriven(letter, _) | OnLetter::Discarded(letter)) = answer
        {
            let fresh = self.acted_on.insert(*letter);
            assert!(fresh, "letter {letter} was acted on twice");
        }
        if let (Call::Settle(lease, End::Finish), Answer::Settled(settled)) = (call, answer)
            && matches!(settled, Settled::Now(BizStatus::Success, _))
        {
            let effect = format!("{}/e{}", lease.id, lease.epoch);
            self.done.entry(lease.id).or_default().insert(effect);
        }
        if let Answer::Batch(ran) = answer {
            for (id, effect) in ran.effects() {
                self.done.entry(id).or_default().insert(effect);
            }
        }
        self.known.learn(answer);
        self.known.hear_of(club, answer);
    }
}

/// What holds at every moment when nobody is at work; how all stand.
async fn hold(club: &Club, granted: &HashSet<(CompensateBizId, u64)>) -> Vec<Seen> {
    let seen = club.look().await;
    let count = |status: BizStatus| {
        let of_it = seen.iter().filter(|row| row.status == status.as_str());
        u32::try_from(of_it.count()).expect("few")
    };
    let [succeeded, dead, cancelled, generation, ended] = club.counts().await;
    let expected = [BizStatus::Success, BizStatus::Failed, BizStatus::Cancelled].map(count);
    assert_eq!([succeeded, dead, cancelled], expected, "{seen:?}");
    let open = count(BizStatus::WaitHandle) + count(BizStatus::Processing);
    assert_eq!(
        succeeded + dead + cancelled + open,
        u32::try_from(club.members.len()).expect("few")
    );
    assert!(
        open > 0 || ended == generation,
        "the group has not ended: {seen:?}"
    );

    for (row, (id, _)) in seen.iter().zip(&club.members) {
        let status: BizStatus = row.status.parse().expect("a state");
        assert_eq!(
            row.task,
            domain::TaskStatus::of_row(status).as_str(),
            "{row:?}"
        );
        assert_eq!(row.wake == "never", status.is_final(), "{row:?}");
        assert_eq!(
            row.owner.is_some(),
            status == BizStatus::Processing,
            "{row:?}"
        );
        assert_eq!(
            row.effects.is_some(),
            status == BizStatus::Success,
            "{row:?}"
        );
        assert!(
            row.letters <= u64::from(status == BizStatus::Failed),
            "{row:?}"
        );
        let newest = granted
            .iter()
            .filter(|(of, _)| of == id)
            .map(|(_, epoch)| *epoch)
            .max();
        assert!(newest <= Some(row.epoch), "an epoch fell: {row:?}");
    }
    let mut generations: Vec<u32> = club
        .follow_ups()
        .await
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    generations.sort_unstable();
    assert!(
        generations.windows(2).all(|pair| pair[0] < pair[1]),
        "{generations:?}"
    );
    assert!(generations.last() <= Some(&ended), "{generations:?}");
    seen
}

/// Time passes, a sweeper sweeps, a worker scans and finishes: nothing stays open.
async fn end_all(club: &Club, board: &Mutex<Board>, store: &Store) {
    for _ in 0..PASSES {
        if club.look().await.iter().all(|row| row.wake == "never") {
            return;
        }
        for member in 0..club.members.len() {
            club.time_passes(member).await;
        }
        let mut calls = vec![Call::Sweep(9), Call::Scan(9, Held::Long)];
        while let Some(call) = calls.pop() {
            let answer = perform(club, store, "the last", &call).await;
            if let Answer::Scanned(claimed) = &answer {
                let finish = |lease: Lease| Call::Settle(lease, End::Finish);
                calls.extend(claimed.iter().map(|row| finish(row.lease.clone())));
            }
            look(board).learn(club, &call, &answer);
        }
    }
    panic!("still open: {:?}", club.look().await);
}
