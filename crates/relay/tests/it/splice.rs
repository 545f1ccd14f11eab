//! TCP relays (RFC 6062): the bytes of a slow receiver wait at their sender.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use headwater_relay::Relay;

use super::client::TcpClient;
use super::{LIMIT, config};

/// What one direction carries.
const TOTAL: usize = 48 << 20;
/// What may be on the way to one who reads nothing: the buffers of four sockets, which the kernel lets grow to some MiB
/// each, and ours.
const MOST_UNDER_WAY: usize = 24 << 20;

/// Bytes that tell their place.
fn pattern(offset: usize, buffer: &mut [u8]) {
    for (index, byte) in buffer.iter_mut().enumerate() {
        *byte = ((offset + index) / 251 % 256) as u8;
    }
}

/// Writes to one who reads nothing until that takes nothing for a while, then has it read and writes the rest.
fn slow(mut from: TcpStream, mut to: TcpStream) {
    from.set_write_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let (mut written, mut block) = (0, vec![0; 64 << 10]);
    let stopped = loop {
        pattern(written, &mut block);
        match from.write(&block) {
            Ok(len) => written += len,
            Err(error) => break error.kind(),
        }
        assert!(written < MOST_UNDER_WAY, "nobody reads, and the sender goes on");
    };
    assert!(matches!(stopped, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped}");

    from.set_write_timeout(Some(LIMIT)).expect("a limit");
    to.set_read_timeout(Some(LIMIT)).expect("a limit");
    let reader = thread::spawn(move || {
        let (mut read, mut block, mut expected) = (0, vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            let len = to.read(&mut block).expect("read");
            if len == 0 {
                return read;
            }
            pattern(read, &mut expected[..len]);
            assert!(block[..len] == expected[..len], "within {len} bytes from {read}");
            read += len;
        }
    });
    while written < TOTAL {
        pattern(written, &mut block);
        written += from.write(&block).expect("written");
    }
    from.shutdown(Shutdown::Write).expect("open");
    assert_eq!(reader.join().expect("no panic"), written, "every byte, and the end");
}

#[test]
fn a_peer_that_does_not_read_stops_the_client_and_loses_nothing() {
    let relay = Relay::start(config()).expect("it starts");
    let (mut client, _) = TcpClient::allocate(&relay);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    client.permit(address.ip());
    let data = client.connect(address);
    let (peer, _) = listener.accept().expect("the relay");
    slow(data, peer);
}

#[test]
fn a_client_that_does_not_read_stops_the_peer_and_loses_nothing() {
    let relay = Relay::start(config()).expect("it starts");
    let (mut client, relayed) = TcpClient::allocate(&relay);
    client.permit([127, 0, 0, 1].into());
    let peer = TcpStream::connect(relayed).expect("connected");
    let data = client.accept();
    slow(peer, data);
}
