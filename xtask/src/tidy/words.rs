//! Words that may not stand on some floor: clocks, sockets, threads, randomness, globals; and `unsafe`.

use super::{Finding, edges};
use crate::packages::Package;
use crate::source::{code_lines, has_word, lines_before_tests};
use crate::tree::Tree;

/// A word, and where it may not stand.
struct Rule {
    words: &'static [&'static str],
    /// The highest floor on which the words are forbidden.
    up_to_floor: u8,
    /// The only files above floor 2 that may have them nevertheless.
    except: &'static [&'static str],
    /// Whether the crate's tests may not have them either.
    also_in_tests: bool,
    remedy: &'static str,
}

/// `udp` and `node` are floor 3, `server` is floor 4.
const RULES: &[Rule] = &[
    Rule {
        words: &["Instant::now", "SystemTime", "UNIX_EPOCH"],
        up_to_floor: 3,
        except: &["crates/node/src/clock.rs", "crates/relay/src/clock.rs", "crates/udp/src"],
        also_in_tests: false,
        remedy: "time comes in as `now: Instant`; the clock is read in `clock.rs` of node and relay",
    },
    Rule {
        words: &["tokio", "axum"],
        up_to_floor: 3,
        except: &[],
        also_in_tests: true,
        remedy: "async belongs to the server; below it machines are polled",
    },
    Rule {
        words: &[
            "UdpSocket",
            "TcpStream",
            "TcpListener",
            "std::net::ToSocketAddrs",
            "std::fs",
            "std::process",
        ],
        up_to_floor: 2,
        except: &[],
        also_in_tests: false,
        remedy: "machines do no IO: bytes come in by handle_datagram and leave by poll_transmit",
    },
    Rule {
        words: &["UdpSocket", "thread::sleep"],
        up_to_floor: 2,
        except: &[],
        also_in_tests: true,
        remedy: "test over headwater-netsim, whose time jumps",
    },
    Rule {
        words: &[
            "thread_rng",
            "rand::rng",
            "OsRng",
            "SysRng",
            "getrandom",
            "SystemRandom",
            "fastrand",
            "RandomState",
        ],
        up_to_floor: 2,
        except: &["crates/dtls/src/crypto", "crates/dtls/src/certificate.rs"],
        also_in_tests: true,
        remedy: "randomness comes in as `seed: [u8; 32]`; only the crypto backend keeps its own (house rule 3)",
    },
    Rule {
        words: &[
            "static mut",
            "OnceLock",
            "OnceCell",
            "LazyLock",
            "LazyCell",
            "thread_local!",
            "lazy_static!",
        ],
        up_to_floor: 2,
        except: &[],
        also_in_tests: false,
        remedy: "no globals: put the state into the machine, or the choice into its Config",
    },
    Rule {
        words: &[
            "std::thread",
            "thread::spawn",
            "Arc<Mutex",
            "Rc<RefCell",
            "Mutex<",
            "RwLock<",
            "std::env::var",
        ],
        up_to_floor: 2,
        except: &[],
        also_in_tests: false,
        remedy: "a parent owns its children; threads and locks belong to floor 3",
    },
    Rule {
        words: &["println!", "eprintln!", "print!", "eprint!"],
        up_to_floor: 3,
        except: &[],
        also_in_tests: false,
        remedy: "libraries tell by events and tracing",
    },
    Rule {
        words: &["anyhow", "io::Error"],
        up_to_floor: 2,
        except: &[],
        also_in_tests: false,
        remedy: "use the crate's own Error",
    },
];

/// The one folder that may have `unsafe`.
const UNSAFE: &str = "crates/udp/";

pub(super) fn check(tree: &Tree, _packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let code = code_lines(text);
        if !path.starts_with(UNSAFE) {
            for (index, _) in code.iter().enumerate().filter(|(_, line)| has_word(line, "unsafe")) {
                let remedy = "only crates/udp may; find a safe way or move the call there";
                findings.push(Finding::new(path, index + 1, "`unsafe`", remedy));
            }
        }
        floor_rules(path, text, &code, &mut findings);
    }
    findings
}

fn floor_rules(path: &str, text: &str, code: &[String], findings: &mut Vec<Finding>) {
    let Some((name, inside)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
        return;
    };
    let Some(floor) = edges::floor(name) else { return };
    let is_test_file = !inside.starts_with("src/") || is_test_path(inside);
    let tests_from = if is_test_file { 0 } else { lines_before_tests(text) };
    for rule in RULES.iter().filter(|rule| floor <= rule.up_to_floor) {
        if rule.except.iter().any(|except| path.starts_with(except)) {
            continue;
        }
        for (index, line) in code.iter().enumerate() {
            if index >= tests_from && !rule.also_in_tests {
                continue;
            }
            for word in rule.words.iter().filter(|word| has_word(line, word)) {
                let what = format!("`{word}` on floor {floor}");
                findings.push(Finding::new(path, index + 1, what, rule.remedy));
            }
        }
    }
}

/// Whether a path inside a crate is a test module: `foo/tests.rs` or `tests/foo.rs`.
pub(super) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}
