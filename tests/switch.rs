//! The whole switch, in process: the story of README, and what must hold beside it.

use ravelin::cli::demo::{World, tell};
use ravelin::clock::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn the_story_comes_out_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::raise(dir.path(), Clock::system()).await.unwrap();
    let mut told = Vec::new();
    let all = tell(&mut world, |step| {
        told.push(format!("{}: {:?}", step.step, step.outcome));
    })
    .await;
    world.end().await;
    assert!(all, "{}", told.join("\n"));
    assert_eq!(told.len(), 19, "{}", told.join("\n"));
}
