//! The program: reads the command line, runs one command, says what went
//! wrong.

mod cli;
mod commands;
mod engine;
mod process;
mod progress;
mod words;

use std::process::ExitCode;

use clap::Parser;

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli::start_logging(cli.verbose);
    let chosen = engine::choose(&cli.engine);
    match chosen.and_then(|()| commands::run(cli.command)) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            words::note(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
