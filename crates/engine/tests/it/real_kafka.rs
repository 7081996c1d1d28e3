//! The same on a real Kafka: what the embedded broker cannot show.

use bus::{BusSettings, TopicPlan, create_topics};
use domain::TaskStatus;

use crate::probe::{House, Probe, Step};

#[tokio::test(flavor = "multi_thread")]
async fn every_row_rung_on_a_real_kafka_runs_once_while_workers_come_and_go() {
    let mut house = House::build().await;
    house.bus = BusSettings::new(testkit::kafka());
    let plan = TopicPlan::new(house.lane.as_str(), 4, 1);
    create_topics(&house.bus, &[plan])
        .await
        .expect("Kafka is up");
    let announcer = house.announcer();
    let probe = Probe::always(Step::Finish);

    let one = house.work("one", house.settings(), &probe);
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(house.submit(&announcer).await);
    }
    house.until(tasks[0], TaskStatus::Success).await;
    let two = house.work("two", house.settings(), &probe);
    for _ in 0..10 {
        tasks.push(house.submit(&announcer).await);
    }
    one.stop().await;
    for _ in 0..10 {
        tasks.push(house.submit(&announcer).await);
    }
    for task in tasks {
        let done = house.until(task, TaskStatus::Success).await;
        assert_eq!(done.files.len(), 1);
    }
    two.stop().await;
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [1; 30]);
}
