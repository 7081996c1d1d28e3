//! Lanes of dead letters.

use domain::Lane;

#[test]
fn the_lane_of_dead_letters_is_named_after_its_lane_and_has_none_itself() {
    let lane = Lane::parse("quayside.export.default").unwrap();
    let dead = lane.dead_letters();

    assert_eq!(dead.as_str(), "quayside.export.default.dlt");
    assert_eq!(
        (lane.is_dead_letters(), dead.is_dead_letters()),
        (false, true)
    );
    assert_eq!(dead.dead_letters(), dead);
    assert_eq!(Lane::parse(dead.as_str()), Ok(dead));
}

#[test]
fn the_longest_lane_leaves_room_for_its_dead_letters_and_the_suffix_alone_is_no_lane() {
    let longest = Lane::parse("q".repeat(245)).unwrap();

    assert_eq!(longest.dead_letters().as_str().len(), 249);
    assert!(Lane::parse(longest.dead_letters().as_str()).is_ok());
    assert!(Lane::parse("q".repeat(246)).is_err());
    assert!(Lane::parse(format!("{}.dlt", "q".repeat(246))).is_err());
    assert!(Lane::parse(".dlt").is_err());
}
