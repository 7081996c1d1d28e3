//! Who watches what. Compares where tasks stand with what each watcher has been told, and hands out
//! the difference; what a full mailbox cannot take stays a difference for the next time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{TaskId, Tenant, UserId};
use store::{COMMIT_SLACK, Standing, Standings, WatchedUser};

use super::mailbox::{MOST_WAITING, Mailbox, News};

/// Whose stream it is.
pub(super) type Owner = (Tenant, UserId);

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Task(TaskId),
    Own(Owner),
}

/// One open stream, as the hub sees it.
pub(super) struct Watcher {
    key: u64,
    mailbox: Arc<Mailbox>,
    /// The version of each task that was told last.
    told: HashMap<TaskId, u64>,
    /// What finished before is of no interest; none for a stream that begins now.
    finished_after: Option<DateTime<Utc>>,
}

impl Watcher {
    /// Of one task, whose version `told` was sent.
    pub(super) fn of_task(mailbox: Arc<Mailbox>, task: TaskId, told: u64) -> Self {
        Self {
            key: 0,
            mailbox,
            told: HashMap::from([(task, told)]),
            finished_after: Some(DateTime::<Utc>::MIN_UTC),
        }
    }

    /// Of a user's tasks: the open ones, and those that finish from then on, or from now on.
    pub(super) fn of_user(mailbox: Arc<Mailbox>, finished_after: Option<DateTime<Utc>>) -> Self {
        Self {
            key: 0,
            mailbox,
            told: HashMap::new(),
            finished_after,
        }
    }

    fn wants(&self, standing: &Standing) -> bool {
        let of_interest = match standing.finished_at {
            None => true,
            Some(finished) => self.finished_after.is_some_and(|after| finished > after),
        };
        of_interest && self.told.get(&standing.id) != Some(&standing.version)
    }

    fn wanted(&self, standings: &[&Standing]) -> impl Iterator<Item = TaskId> {
        standings
            .iter()
            .filter(|it| self.wants(it) && self.mailbox.takes(it.id))
            .map(|it| it.id)
            .take(MOST_WAITING)
    }

    /// False when something wanted did not fit, or was not read.
    fn take(&mut self, standing: &Standing, news: &HashMap<TaskId, Arc<News>>) -> bool {
        if !self.wants(standing) {
            // What had finished before the stream began counts as told.
            self.told.insert(standing.id, standing.version);
            return true;
        }
        match news.get(&standing.id) {
            Some(news) if self.mailbox.put(news.clone()) => {
                self.told.insert(news.id, news.version);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes what it wants of its user's tasks, as they were then.
    fn take_all(
        &mut self,
        as_of: DateTime<Utc>,
        standings: &[&Standing],
        news: &HashMap<TaskId, Arc<News>>,
    ) {
        // The stream may take what is there before all is there.
        self.mailbox.told(as_of, false);
        let mut complete = true;
        for standing in standings {
            complete &= self.take(standing, news);
        }
        if complete || self.finished_after.is_none() {
            self.finished_after = Some(as_of - COMMIT_SLACK);
        }
        let here: HashSet<TaskId> = standings.iter().map(|it| it.id).collect();
        self.told.retain(|id, _| here.contains(id));
        self.mailbox.told(as_of, complete);
    }
}

/// What is to be asked for, of those who watch now.
pub(super) struct Question {
    pub(super) tasks: Vec<TaskId>,
    pub(super) users: Vec<WatchedUser>,
    /// The first key that is not asked for.
    before: u64,
}

impl Question {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.users.is_empty()
    }
}

/// The watchers of all open streams of this process.
#[derive(Default)]
pub(super) struct Book {
    next_key: u64,
    watchers: HashMap<Subject, Vec<Watcher>>,
    /// After the end nobody watches any more.
    over: bool,
}

impl Book {
    /// Enters a watcher and gives its key.
    pub(super) fn enter(&mut self, subject: Subject, mut watcher: Watcher) -> u64 {
        if self.over {
            watcher.mailbox.close();
        }
        watcher.key = self.next_key;
        self.next_key += 1;
        self.watchers.entry(subject).or_default().push(watcher);
        self.next_key - 1
    }

    pub(super) fn strike(&mut self, subject: &Subject, key: u64) {
        if let Some(watchers) = self.watchers.get_mut(subject) {
            watchers.retain(|watcher| watcher.key != key);
            if watchers.is_empty() {
                self.watchers.remove(subject);
            }
        }
    }

    /// Ends all streams, and those to come at once.
    pub(super) fn close(&mut self) {
        self.over = true;
        for watcher in self.watchers.drain().flat_map(|(_, watchers)| watchers) {
            watcher.mailbox.close();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    /// What to ask the database: each thing once, however many watch it.
    pub(super) fn question(&self) -> Question {
        let mut question = Question {
            tasks: Vec::new(),
            users: Vec::new(),
            before: self.next_key,
        };
        for (subject, watchers) in &self.watchers {
            match subject {
                Subject::Task(id) => question.tasks.push(*id),
                Subject::Own((tenant, user)) => question.users.push(WatchedUser {
                    tenant: tenant.clone(),
                    user: user.clone(),
                    finished_after: watchers.iter().filter_map(|it| it.finished_after).min(),
                }),
            }
        }
        question.tasks.sort_unstable();
        question
    }

    /// The tasks whose present state somebody wants.
    pub(super) fn wanted(&mut self, question: &Question, found: &Standings) -> BTreeSet<TaskId> {
        let mut wanted = BTreeSet::new();
        for (subject, standings) in answers(question, found) {
            for watcher in self.asked(&subject, question) {
                wanted.extend(watcher.wanted(&standings));
            }
        }
        wanted
    }

    /// Hands the news to all who want them, and ends the streams of deleted tasks.
    pub(super) fn tell(
        &mut self,
        question: &Question,
        found: &Standings,
        news: &HashMap<TaskId, Arc<News>>,
    ) {
        for (subject, standings) in answers(question, found) {
            for watcher in self.asked(&subject, question) {
                match (&subject, standings.first()) {
                    (Subject::Own(_), _) => watcher.take_all(found.as_of, &standings, news),
                    (Subject::Task(_), None) => watcher.mailbox.close(),
                    (Subject::Task(_), Some(standing)) => {
                        watcher.take(standing, news);
                    }
                }
            }
        }
    }

    /// Those who were asked for; who came later may have seen more than was found.
    fn asked(
        &mut self,
        subject: &Subject,
        question: &Question,
    ) -> impl Iterator<Item = &mut Watcher> {
        let watchers = self.watchers.get_mut(subject).into_iter().flatten();
        watchers.filter(|watcher| watcher.key < question.before)
    }
}

/// For everything that was asked for: what was found of it.
fn answers<'f>(question: &Question, found: &'f Standings) -> HashMap<Subject, Vec<&'f Standing>> {
    let tasks = question.tasks.iter().map(|id| Subject::Task(*id));
    let users = question.users.iter();
    let users = users.map(|it| Subject::Own((it.tenant.clone(), it.user.clone())));
    let mut answers: HashMap<Subject, Vec<&Standing>> =
        tasks.chain(users).map(|it| (it, Vec::new())).collect();
    for standing in &found.tasks {
        if let Some(answer) = answers.get_mut(&Subject::Task(standing.id)) {
            answer.push(standing);
        }
    }
    for standing in &found.of_users {
        let owner = (standing.tenant.clone(), standing.user.clone());
        if let Some(answer) = answers.get_mut(&Subject::Own(owner)) {
            answer.push(standing);
        }
    }
    answers
}
