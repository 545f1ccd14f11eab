//! What most tests begin with: a server, a browser, a publisher and a viewer.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_interop::rig::{self, Source};
use headwater_interop::{Browser, Options, Page, Rig, Server, Summary};
use headwater_nat::{Surroundings, real};
use serde_json::{Value, json};

pub(crate) const FIRST_FRAME: Duration = Duration::from_secs(10);
/// The sender starts at 300 kbit/s and may send small pictures at first: so long until it is itself.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);
pub(crate) const STREAM: &str = "stage";

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server and a Chromium; dropped in this order: pages are closed by then, the browser goes before the server.
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) chromium: Browser,
    pub(crate) server: Server,
}

impl Stage {
    pub(crate) fn set(arguments: &[&str]) -> Self {
        let rig = Rig::start().expect("the script server");
        let server = Server::start(arguments).expect("headwater");
        let chromium = Browser::chromium(&Options::default()).expect("chromium");
        Self { rig, chromium, server }
    }

    /// The same with everything on one port.
    pub(crate) fn set_on_one_port(address: SocketAddr, arguments: &[&str]) -> Self {
        let rig = Rig::start().expect("the script server");
        let server = Server::start_on_one_port(address, arguments).expect("headwater");
        let chromium = Browser::chromium(&Options::default()).expect("chromium");
        Self { rig, chromium, server }
    }

    /// Browser and pages behind a router of this kind, the server on the Internet, with everything on port 443.
    pub(crate) fn set_behind(surroundings: Surroundings, arguments: &[&str]) -> Self {
        real::put_behind(surroundings).expect("a router with nftables");
        let rig = Rig::start().expect("the script server");
        let address = "192.0.2.1:443".parse().expect("an address");
        let server = Server::start_in_namespace(real::INTERNET, address, arguments).expect("headwater");
        let chromium = Browser::chromium(&Options::default()).expect("chromium");
        Self { rig, chromium, server }
    }

    pub(crate) fn page(&self) -> Page {
        self.rig.page(&self.chromium).expect("a page")
    }

    /// A page that publishes [`STREAM`]; its first packet was sent.
    pub(crate) fn publisher(&self, source: &Source, options: Value) -> Page {
        let page = self.page();
        self.publish(&page, source, options);
        page
    }

    /// Publishes [`STREAM`] from an open page; returns when the first packet was sent.
    pub(crate) fn publish(&self, page: &Page, source: &Source, options: Value) -> f64 {
        rig::publish(page, &self.server.whip(STREAM), source, &options)
            .unwrap_or_else(|error| panic!("publish: {error}\n{}", self.server.log().tail(40)))
    }

    /// A page that watches [`STREAM`].
    pub(crate) fn viewer(&self) -> Page {
        self.viewer_in(&self.chromium, json!({}))
    }

    pub(crate) fn viewer_in(&self, browser: &Browser, options: Value) -> Page {
        let page = self.rig.page(browser).expect("a page");
        rig::watch(&page, &self.server.whep(STREAM), false, &options)
            .unwrap_or_else(|error| panic!("watch: {error}\n{}", self.server.log().tail(40)));
        page
    }

    /// Bytes of padding that the server has sent.
    pub(crate) fn padding(&self) -> f64 {
        self.server.metric("headwater_rtp_padding_bytes_total").expect("metrics")
    }

    /// Waits for a frame drawn after `drawn_after` (now if `None`); returns when it was shown.
    pub(crate) fn frame_after(&self, viewer: &Page, drawn_after: Option<f64>, limit: Duration) -> f64 {
        rig::frame_after(viewer, drawn_after, limit).unwrap_or_else(|error| {
            let stats = rig::received(viewer).map(|stats| stats["video"].to_string());
            panic!("{error}\nstatistics: {stats:?}\nserver: {}", self.server.log().tail(40))
        })
    }

    /// That the viewer sees a fluent picture now and hears the source; returns what it saw in 4 s.
    pub(crate) fn assert_plays(&self, viewer: &Page) -> Summary {
        self.frame_after(viewer, None, FIRST_FRAME);
        std::thread::sleep(WARM_UP);
        let before = rig::received(viewer).expect("statistics");
        let seen = rig::measure(viewer, seconds(4)).expect("a summary");
        let after = rig::received(viewer).expect("statistics");
        println!("{seen:?}");
        assert!(seen.frames >= 60, "at least 15 frames a second: {seen:?}");
        assert!(seen.stamped * 10 >= seen.frames * 9, "the picture is whole: {seen:?}");
        assert!((1.0..400.0).contains(&seen.latency.0), "latency: {seen:?}");
        assert!(seen.longest_gap < 1500.0, "no freeze: {seen:?}");
        let growth = |kind: &str, what: &str| {
            after[kind][what].as_f64().unwrap_or_default() - before[kind][what].as_f64().unwrap_or_default()
        };
        assert!(growth("video", "framesDecoded") >= 60.0, "frames decoded: {}", after["video"]);
        if after["audio"].is_object() {
            let energy = growth("audio", "totalAudioEnergy");
            println!("audio energy {energy:.4}, playout offset {}", after["playoutOffset"]);
            assert!(energy > 0.001, "it is heard: {}", after["audio"]);
        }
        seen
    }

    pub(crate) fn assert_alive(&mut self) {
        self.server.check_alive().expect("the server lives");
    }
}
