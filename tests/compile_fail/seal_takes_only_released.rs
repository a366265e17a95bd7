//~ E0308
use ravelin::check::Cleared;
use ravelin::clock::Timestamp;
use ravelin::config::Config;
use ravelin::seal;

pub fn skip_the_review(config: &Config, at: Timestamp, cleared: &Cleared) {
    let _ = seal::seal(config, at, cleared);
}
