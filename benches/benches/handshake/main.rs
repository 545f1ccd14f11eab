//! Whole DTLS handshakes with client certificate: what the server's side takes, beside the sum of its cryptographic
//! operations done bare, beside dimpl, and (feature `openssl`, which `cargo xtask bench` turns on) beside OpenSSL.
//!
//! Only calls of the server are on the clock: making it, handing it datagrams, taking its datagrams and events, down to the
//! SRTP keys. Whichever subject criterion is asking for, all of them take turns, a few handshakes each, so that a neighbour
//! who slows the machine slows all. The table at the end has the medians of all turns.

mod dimpl;
#[cfg(feature = "openssl")]
mod openssl;
mod ours;
mod primitives;
mod table;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use table::Table;

/// Handshakes of one subject before the next one's: its code and tables are in the caches for most of them.
const ROUND: u32 = 16;

/// What a turn took.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    total: Duration,
    /// The longest single call.
    longest: Duration,
}

impl Turn {
    /// Runs a call of the server's.
    fn clock<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = call();
        let took = begin.elapsed();
        self.total += took;
        self.longest = self.longest.max(took);
        result
    }
}

struct Subject {
    name: &'static str,
    /// The row that it is measured against.
    floor: Option<&'static str>,
    turn: Box<dyn FnMut() -> Turn>,
}

impl Subject {
    fn new(name: &'static str, floor: Option<&'static str>, turn: impl FnMut() -> Turn + 'static) -> Self {
        Self { name, floor, turn: Box::new(turn) }
    }
}

/// A certificate for every library, with its key.
struct Identity {
    certificate_pem: String,
    key_pem: String,
    certificate_der: Vec<u8>,
    key_der: Vec<u8>,
}

impl Identity {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate =
            rcgen::CertificateParams::default().self_signed(&key).expect("the parameters are rcgen's own");
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        }
    }
}

fn handshake(c: &mut Criterion) {
    let (client, server) = (Identity::new(), Identity::new());
    let mut subjects = ours::subjects(&client, &server);
    subjects.extend(primitives::floors(&client, &server));
    subjects.extend(dimpl::subjects(&client, &server));
    #[cfg(feature = "openssl")]
    subjects.extend(openssl::subjects(&client, &server));
    #[cfg(not(feature = "openssl"))]
    println!("without OpenSSL: `cargo xtask bench handshake`, or `--features openssl` where libssl-dev is");
    measure(c, "dtls handshake, server side", subjects).print();
}

fn backends(c: &mut Criterion) {
    measure(c, "primitives of a handshake", primitives::backends()).print();
}

fn measure(c: &mut Criterion, title: &'static str, subjects: Vec<Subject>) -> Table {
    let mut group = c.benchmark_group(title);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let table = RefCell::new(Table::new(title, &subjects));
    let subjects = RefCell::new(subjects);
    let count = subjects.borrow().len();
    for asked in 0..count {
        let name = subjects.borrow()[asked].name;
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    for (index, subject) in subjects.borrow_mut().iter_mut().enumerate() {
                        for _ in 0..ROUND {
                            let turn = (subject.turn)();
                            table.borrow_mut().add(index, turn);
                            if index == asked {
                                sum += turn.total;
                            }
                        }
                    }
                }
                sum / ROUND
            });
        });
    }
    group.finish();
    table.into_inner()
}

criterion_group!(benches, handshake, backends);
criterion_main!(benches);
