//! The client against servers that ask for proof, send it elsewhere, or lie.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::attribute::{
    AlternateDomain, AlternateServer, ErrorCode, PasswordAlgorithms, TransmitCounter, XorMappedAddress,
};
use headwater_stun::{
    Challenge, Claim, Client, ClientConfig, Datagram, Error, Event, LongTerm, Message, MessageBuilder,
    Refusal, SecurityFeatures, TransactionId, Transport,
};

const REALM: &str = "example.org";
const BOTH: Option<PasswordAlgorithms<'static>> = Some(PasswordAlgorithms::SHA256_AND_MD5);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn local() -> SocketAddr {
    address("192.0.2.9:5000")
}

fn server(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 3478))
}

/// A client, and what it and its servers said to each other.
struct Dialogue {
    client: Client,
    transport: Transport,
    now: Instant,
    /// Where each request went.
    asked: Vec<SocketAddr>,
    refused: Vec<Error>,
    first: TransactionId,
}

impl Dialogue {
    fn new(transport: Transport, config: ClientConfig) -> Self {
        let now = Instant::now();
        let mut client = Client::new(config, [3; 32], now).expect("a valid config");
        let first = client.binding(now, transport, local(), server(1)).expect("room");
        Self { client, transport, now, asked: Vec::new(), refused: Vec::new(), first }
    }

    fn with_credentials(transport: Transport) -> Self {
        let mut config = ClientConfig::default();
        config.credentials = Some(LongTerm::new("matrix", "secret"));
        Self::new(transport, config)
    }

    /// Answers all requests that there are now.
    fn answer(&mut self, mut answer: impl FnMut(SocketAddr, &Message<'_>, &mut Vec<u8>)) {
        let mut request = Vec::new();
        while let Some(transmit) = self.client.poll_transmit(self.now, &mut request) {
            assert_eq!((transmit.transport, transmit.local), (self.transport, local()));
            self.asked.push(transmit.remote);
            let mut response = Vec::new();
            answer(transmit.remote, &Message::parse(&request).expect("a message"), &mut response);
            let datagram = Datagram::new(self.transport, local(), transmit.remote, &response);
            self.refused.extend(self.client.handle_datagram(self.now, datagram).err());
            request.clear();
            assert!(self.asked.len() < 20, "it doesn't end");
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }
}

/// A server that wants proof of `matrix` / `password`.
fn strict(password: &str) -> impl FnMut(SocketAddr, &Message<'_>, &mut Vec<u8>) {
    let features = SecurityFeatures { password_algorithms: true, username_anonymity: true };
    let nonce = features.cookie() + "nonce";
    let password = password.to_owned();
    move |_, request, out| {
        let claim = Claim::of(request, BOTH).ok();
        let key = claim.map(|it| (it, it.algorithm.key("matrix", REALM, &password)));
        match key.filter(|(_, key)| request.verify_integrity(key).is_ok()) {
            Some((claim, key)) => {
                claim.sign(MessageBuilder::success(request, out).mapped(local()), &key).fingerprint()
            }
            None => Challenge { realm: REALM, nonce: &nonce, algorithms: BOTH }
                .respond(request, &ErrorCode::UNAUTHENTICATED, out)
                .fingerprint(),
        };
    }
}

fn redirect(request: &Message<'_>, to: SocketAddr, out: &mut Vec<u8>) {
    MessageBuilder::error(request, &ErrorCode::TRY_ALTERNATE, out)
        .attribute(&AlternateServer(to))
        .attribute(&AlternateDomain("other.example"))
        .fingerprint();
}

#[test]
fn proof_is_given_when_asked_for_and_then_at_once() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut dialogue = Dialogue::with_credentials(transport);
        dialogue.answer(strict("secret"));
        let transaction_id = dialogue.first;
        let (local, server) = (local(), server(1));
        let mapped = local;
        assert_eq!(dialogue.events(), [Event::Mapped { transaction_id, local, server, mapped }]);
        assert_eq!(dialogue.asked.len(), 2);
        dialogue.client.binding(dialogue.now, transport, local, server).expect("room");
        dialogue.answer(strict("secret"));
        assert_eq!(dialogue.asked.len(), 3, "the challenge is remembered");
    }
}

#[test]
fn credentials_that_are_wrong_or_missing_end_the_request() {
    let mut dialogue = Dialogue::with_credentials(Transport::Udp);
    dialogue.answer(strict("another"));
    let (transaction_id, server) = (dialogue.first, server(1));
    let refusal = Refusal::BadCredentials;
    assert_eq!(dialogue.events(), [Event::Denied { transaction_id, server, refusal }]);

    let mut dialogue = Dialogue::new(Transport::Udp, ClientConfig::default());
    dialogue.answer(strict("secret"));
    assert_eq!(dialogue.events(), [Event::Refused { transaction_id, server, code: 401 }]);
}

#[test]
fn answers_without_proof_are_waited_out_over_udp_and_the_end_over_tcp() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut dialogue = Dialogue::with_credentials(transport);
        let mut strict = strict("secret");
        dialogue.answer(|from, request, out| match request.has_integrity() {
            false => strict(from, request, out),
            true => _ = MessageBuilder::success(request, out).mapped(local()).fingerprint(),
        });
        let (transaction_id, server) = (dialogue.first, server(1));
        if transport == Transport::Udp {
            assert_eq!(
                (dialogue.events().as_slice(), dialogue.refused.as_slice()),
                (&[][..], &[Error::Unauthentic][..])
            );
            for _ in 0..10 {
                dialogue.now += Duration::from_secs(8);
                let _ = dialogue.client.poll_transmit(dialogue.now, &mut Vec::new());
            }
        }
        assert_eq!(dialogue.events(), [Event::Unauthentic { transaction_id, server }], "{transport:?}");
    }
}

#[test]
fn the_genuine_answer_counts_though_a_forged_one_was_faster() {
    let mut dialogue = Dialogue::with_credentials(Transport::Udp);
    let mut honest = strict("secret");
    dialogue.answer(|from, request, out| match request.has_integrity() {
        false => honest(from, request, out),
        true => _ = MessageBuilder::error(request, &ErrorCode::SERVER_ERROR, out).finish(),
    });
    dialogue.now += Duration::from_millis(500);
    dialogue.answer(strict("secret"));
    assert!(matches!(dialogue.events()[..], [Event::Mapped { .. }]));
}

#[test]
fn another_server_is_asked_when_one_says_so() {
    let mut dialogue = Dialogue::with_credentials(Transport::Udp);
    let mut strict = strict("secret");
    dialogue.answer(|from, request, out| match from == server(1) {
        true => redirect(request, server(2), out),
        false => strict(from, request, out),
    });
    let transaction_id = dialogue.first;
    let (alternate, domain) = (server(2), Some("other.example".to_owned()));
    assert_eq!(
        dialogue.events(),
        [
            Event::Redirected { transaction_id, server: server(1), alternate, domain },
            Event::Mapped { transaction_id, local: local(), server: server(2), mapped: local() }
        ]
    );
    assert_eq!(dialogue.asked, [server(1), server(2), server(2)]);
}

#[test]
fn nobody_is_sent_in_circles_or_without_end() {
    let mut ping_pong = Dialogue::new(Transport::Udp, ClientConfig::default());
    ping_pong.answer(|from, request, out| {
        redirect(request, if from == server(1) { server(2) } else { server(1) }, out);
    });
    assert_eq!(ping_pong.asked, [server(1), server(2)]);
    assert!(matches!(ping_pong.events()[..], [Event::Redirected { .. }, Event::Refused { code: 300, .. }]));

    let mut endless = Dialogue::new(Transport::Udp, ClientConfig::default());
    let mut next = 1;
    endless.answer(|_, request, out| {
        next += 1;
        redirect(request, server(next), out);
    });
    assert_eq!(endless.asked.len(), 4);
    assert!(matches!(endless.events()[..], [.., Event::Refused { code: 300, .. }]));
}

#[test]
fn redirects_to_nowhere_are_not_followed() {
    for to in ["198.51.100.1:3478", "0.0.0.0:3478", "198.51.100.2:0", "[2001:db8::1]:3478", "224.0.0.1:3478"]
    {
        let mut dialogue = Dialogue::new(Transport::Udp, ClientConfig::default());
        dialogue.answer(|_, request, out| redirect(request, address(to), out));
        assert_eq!(dialogue.asked.len(), 1, "{to}");
        assert!(matches!(dialogue.events()[..], [Event::Refused { code: 300, .. }]), "{to}");
    }
    let mut config = ClientConfig::default();
    config.follows_redirects = false;
    let mut dialogue = Dialogue::new(Transport::Udp, config);
    dialogue.answer(|_, request, out| redirect(request, server(2), out));
    assert!(matches!(dialogue.events()[..], [Event::Refused { code: 300, .. }]));
}

#[test]
fn a_repeated_request_is_the_same_bytes_and_a_retry_is_not() {
    let mut dialogue = Dialogue::with_credentials(Transport::Udp);
    let mut requests = Vec::new();
    for _ in 0..2 {
        let mut request = Vec::new();
        assert!(dialogue.client.poll_transmit(dialogue.now, &mut request).is_some());
        requests.push(request);
        dialogue.now += Duration::from_millis(500);
    }
    assert_eq!(requests[0], requests[1]);
    let mut ids = Vec::new();
    let mut strict = strict("secret");
    dialogue.now += Duration::from_secs(1);
    dialogue.answer(|from, request, out| {
        ids.push(request.transaction_id());
        strict(from, request, out);
    });
    assert_eq!(ids[0], dialogue.first);
    assert_ne!(ids[1], dialogue.first);
    assert!(
        matches!(dialogue.events()[..], [Event::Mapped { transaction_id, .. }] if transaction_id == ids[0])
    );
}

#[test]
fn messages_are_cut_out_of_a_stream() {
    let (mut stream, mut lengths) = (Vec::new(), Vec::new());
    for requests in 0..3 {
        let id = TransactionId::new([requests; 12]);
        lengths.push(
            MessageBuilder::request(headwater_stun::Method::BINDING, id, &mut stream)
                .attribute(&TransmitCounter { requests, responses: 0 })
                .attribute(&XorMappedAddress(local()))
                .finish(),
        );
    }
    let mut rest = &stream[..];
    for expected in lengths {
        assert_eq!((0..4).map(|got| Message::len_in_stream(&rest[..got])).collect::<Vec<_>>(), [Ok(None); 4]);
        assert_eq!(Message::len_in_stream(rest), Ok(Some(expected)));
        Message::parse(&rest[..expected]).expect("one message");
        rest = &rest[expected..];
    }
    for (bytes, wrong) in
        [(&b"GET / HTTP"[..], true), (&[0x16, 3, 1, 0, 5], true), (&[0, 1, 0, 2], true), (&[0, 1], false)]
    {
        assert_eq!(Message::len_in_stream(bytes).is_err(), wrong, "{bytes:?}");
    }
}
