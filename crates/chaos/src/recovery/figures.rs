//! What recoveries came to: seen or not, alone or prolonged by another fault.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Kind;

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Well after so many seconds.
    Seen(f64),
    /// Not well when the watch, or with it the run, was over, and too late by then.
    NotSeen,
    /// The run was over before it could be too late: says nothing.
    CutShort,
}

/// One recovery.
struct Took {
    end: End,
    /// Another fault came in between that keeps this one from being well soon.
    prolonged: bool,
}

/// All that were watched.
#[derive(Default)]
pub struct Times {
    times: Mutex<BTreeMap<Kind, Vec<Took>>>,
    late: Mutex<Vec<String>>,
}

/// The figures of one kind. Whatever was not seen counts as late, where there is a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// What was watched.
    pub kind: Kind,
    /// Those that no other fault prolonged.
    pub clear: Sum,
    /// All of them.
    pub all: Sum,
    /// How often the run was over first: in none of the others.
    pub cut_short: usize,
}

/// Some of one kind; times in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sum {
    /// How many there were.
    pub times: usize,
    /// Of these, those that took longer than they may, or were not seen at all.
    pub late: usize,
    /// Of these, those that were not seen.
    pub unseen: usize,
    /// Of those that were seen; none if there are none.
    pub median: Option<f64>,
    /// The same.
    pub most: Option<f64>,
}

impl Times {
    /// Writes one down; whether it was late and nothing else explains it.
    pub fn add(&self, kind: Kind, end: End, prolonged: bool) -> bool {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.entry(kind).or_default().push(Took { end, prolonged });
        !prolonged && is_late(kind, end)
    }

    /// What else happened while one was late that nothing explains.
    pub(crate) fn explain(&self, text: String) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.push(text);
    }

    /// The same of all of them.
    pub(crate) fn late(&self) -> Vec<String> {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.clone()
    }

    /// All figures, by kind.
    pub fn figures(&self) -> Vec<Figures> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = |(kind, took): (&Kind, &Vec<Took>)| {
            let over = |took: &&Took| took.end != End::CutShort;
            Figures {
                kind: *kind,
                clear: sum(*kind, took.iter().filter(over).filter(|it| !it.prolonged)),
                all: sum(*kind, took.iter().filter(over)),
                cut_short: took.iter().filter(|it| !over(it)).count(),
            }
        };
        times.iter().map(figures).collect()
    }
}

fn sum<'a>(kind: Kind, took: impl Iterator<Item = &'a Took>) -> Sum {
    let ends: Vec<End> = took.map(|it| it.end).collect();
    let mut seen: Vec<f64> = ends.iter().filter_map(|end| end.seconds()).collect();
    seen.sort_by(f64::total_cmp);
    Sum {
        times: ends.len(),
        late: ends.iter().filter(|end| is_late(kind, **end)).count(),
        unseen: ends.len() - seen.len(),
        median: seen.get(seen.len().saturating_sub(1) / 2).copied(),
        most: seen.last().copied(),
    }
}

fn is_late(kind: Kind, end: End) -> bool {
    let bound = kind.bound().map(|bound| bound.as_secs_f64());
    match end {
        End::Seen(seconds) => bound.is_some_and(|bound| seconds > bound),
        End::NotSeen => bound.is_some(),
        End::CutShort => false,
    }
}

impl End {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Seen(seconds) => format!("after {seconds:.1} s"),
            Self::NotSeen => "not seen".to_owned(),
            Self::CutShort => "cut short".to_owned(),
        }
    }

    const fn seconds(self) -> Option<f64> {
        match self {
            Self::Seen(seconds) => Some(seconds),
            Self::NotSeen | Self::CutShort => None,
        }
    }
}
