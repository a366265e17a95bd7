//! Under construction.

pub mod compose;
pub mod demo;
pub mod desk;
pub mod serve;

/// Runs the command line of this process.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
