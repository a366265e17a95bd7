//~ compiles
// What each step earns is what the next one takes.
use ravelin::clock::Timestamp;
use ravelin::config::Config;
use ravelin::decision::Stop;
use ravelin::message::received::Received;
use ravelin::open::Opener;
use ravelin::review::Review;
use ravelin::{check, open, review, seal};

pub fn line(
    opener: &Opener<'_>,
    config: &Config,
    at: Timestamp,
    received: Received,
) -> Result<usize, Stop> {
    let opened = open::open(opener, received)?;
    let cleared = check::check(config, at, opened)?;
    match review::review(config, at, cleared)? {
        Review::Hold(_) => Ok(0),
        Review::Release(released) => Ok(seal::seal(config, at, &released)?.len()),
    }
}
