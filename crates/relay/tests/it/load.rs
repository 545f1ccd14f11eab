//! Many datagrams at once.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use headwater_relay::{MAX_COALESCE, Relay};

use super::client::UdpClient;
use super::{config, peer};

/// More than a turn takes, and few enough for a receive buffer of the system's usual size.
const COUNT: usize = 400;
/// A machine that is busy with other things may be late most of the time.
const TRIES: usize = 20;

/// A turn takes 128 of a listener: whatever waits beyond must not wait for the next rest as well.
#[test]
fn a_worker_does_not_rest_while_datagrams_wait() {
    let mut config = config();
    config.coalesce = MAX_COALESCE;
    let relay = Relay::start(config).expect("it starts");
    let mut client = UdpClient::new([127, 0, 4, 60], &relay);
    client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
    // With a rest after each 128 there would be three.
    let took: Vec<Duration> = (0..TRIES).map_while(|_| slow(&mut client, &socket, address)).collect();
    assert!(took.len() < TRIES, "{took:?}");
}

/// How long it took from the first to the last, if that was long.
fn slow(client: &mut UdpClient, socket: &UdpSocket, address: SocketAddr) -> Option<Duration> {
    let arrivals: Vec<Instant> = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let arrivals = (0..COUNT).map_while(|_| socket.recv(&mut [0; 200]).ok().map(|_| Instant::now()));
            arrivals.collect()
        });
        (0..COUNT).for_each(|_| client.send(address, &[0; 100]));
        reader.join().expect("it reads")
    });
    let took = match arrivals[..] {
        [first, .., last] if arrivals.len() == COUNT => last - first,
        // A buffer was too small.
        _ => Duration::MAX,
    };
    (took >= 2 * MAX_COALESCE).then_some(took)
}
