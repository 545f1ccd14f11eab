//! What the test in real network namespaces starts: see `headwater_nat::real`.

use headwater_nat::real;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["world", first, second, ref rest @ ..] => match (first.parse(), second.parse()) {
            (Ok(first), Ok(second)) => real::world(first, second, rest == ["rebind"]),
            _ => return usage(),
        },
        ["service"] => real::service(),
        ["peer", side, ip] => match (side.parse(), ip.parse()) {
            (Ok(side), Ok(ip)) => real::peer(side, ip),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("nat_peer world FIRST SECOND [rebind] | service | peer SIDE IP");
    ExitCode::FAILURE
}
