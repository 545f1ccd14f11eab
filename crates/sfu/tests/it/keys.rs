//! Keys that the owner gives.

use std::time::{Duration, Instant};

use headwater_sfu::{Certificate, Config, KeysError, MasterKey, Offering, Sfu};

use crate::rig::vp8;

const KEY: MasterKey<'_> = MasterKey { key: &[1; 16], salt: &[2; 12] };

#[test]
fn only_keys_that_fit_are_taken_and_only_once() {
    let now = Instant::now();
    let certificate = Certificate::generate().expect("a certificate");
    let config = Config::new(certificate, vec!["192.0.2.1:8189".parse().expect("an address")]);
    let mut sfu = Sfu::new(config.clone(), [7; 32], now, Duration::ZERO).expect("it can work");
    let peer = sfu.offer(now, "s", &Offering::receiving(vec![vp8()])).expect("can be offered").peer;
    let short = MasterKey { key: &[1; 15], salt: &[2; 12] };
    assert_eq!(sfu.give_keys(now, peer, 99, KEY, KEY), Err(KeysError::Unsupported));
    assert_eq!(sfu.give_keys(now, peer, 8, KEY, KEY), Err(KeysError::Unsupported));
    assert_eq!(sfu.give_keys(now, peer, 7, KEY, short), Err(KeysError::Unsupported));
    assert_eq!(sfu.give_keys(now, peer, 7, KEY, KEY), Ok(()), "what was refused changed nothing");
    assert_eq!(sfu.give_keys(now, peer, 7, KEY, KEY), Err(KeysError::TooLate));
    assert!(!format!("{KEY:?}").contains('1'), "keys are not shown");
    let mut empty = Sfu::new(config, [7; 32], now, Duration::ZERO).expect("it can work");
    assert_eq!(empty.give_keys(now, peer, 7, KEY, KEY), Err(KeysError::UnknownSession));
}
