//! The command line: read it, call one function, turn a fault into an exit code.

fn main() -> std::process::ExitCode {
    ravelin::cli::run()
}
