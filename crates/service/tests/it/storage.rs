//! What storage promises, on a local directory and on a real S3 server over HTTP.

mod contract;
mod local;
mod place;
mod s3;
mod server;
mod trouble;

macro_rules! on_both {
    ($($law:ident),* $(,)?) => {
        mod on_local_disk {
            $(#[tokio::test]
            async fn $law() {
                super::contract::$law(super::place::Place::local()).await;
            })*
        }

        mod on_s3 {
            $(#[tokio::test]
            async fn $law() {
                super::contract::$law(super::place::Place::s3().await).await;
            })*
        }
    };
}

on_both! {
    what_was_put_is_got_hashed_and_whole,
    a_file_of_any_number_of_parts_arrives_whole,
    ranges_put_together_are_the_file,
    content_that_fails_half_way_leaves_nothing_visible_and_nothing_behind,
    a_failed_put_leaves_what_was_there,
    a_file_that_is_too_large_is_refused_for_good,
    deleting_is_idempotent_and_a_prefix_is_whole_segments,
    no_key_leads_out_of_the_root,
    what_is_missing_is_not_found_and_not_worth_another_try,
}
