//! The program: reads the command line, runs one command, says what went
//! wrong.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = quorate::cli::Cli::parse();
    quorate::cli::start_logging(cli.verbose);
    match quorate::commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
