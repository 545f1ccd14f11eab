//! The product's own pages, clicked through as a person would.

use std::path::PathBuf;

use headwater_interop::namespace::IPV4;
use headwater_interop::rig::Source;
use headwater_interop::{Browser, Options, Page, Server, isolated};
use serde_json::json;

use crate::stage::{STREAM, Stage, seconds};

/// As people have it: no sound before a click.
fn like_people() -> Options {
    let mut options = Options::default();
    options.autoplay = false;
    options
}

fn picture(page: &Page, name: &str) {
    let folder = PathBuf::from(
        std::env::var_os("HEADWATER_SCREENSHOTS").unwrap_or_else(|| std::env::temp_dir().into()),
    );
    let _ = page.screenshot(&folder.join(format!("headwater-{name}.png")));
}

/// That the page shows at least 10 pictures a second, within 15 s; whatever element or connection it made for that.
fn assert_moves(page: &Page) {
    let counts = "(async () => {
        const end = performance.now() + 15000;
        const counts = [];
        while (performance.now() < end) {
            const video = document.querySelector('#video');
            let count = 0;
            let handle = video.requestVideoFrameCallback(function next() {
                count++;
                handle = video.requestVideoFrameCallback(next);
            });
            await new Promise(wake => setTimeout(wake, 1000));
            video.cancelVideoFrameCallback(handle);
            counts.push(count);
            if (count >= 10) break;
        }
        return counts;
    })()";
    let counts = page.eval(counts, seconds(20)).unwrap();
    let moves = counts.as_array().and_then(|counts| counts.last()?.as_u64()) >= Some(10);
    if !moves {
        picture(page, "does-not-move");
        let text = page.eval("document.body.innerText", seconds(5));
        panic!("pictures a second: {counts}\nthe page says: {text:?}\n{:?}", page.console());
    }
}

fn says(page: &Page, words: &str) {
    let script = format!("new RegExp({}, 'i').test(document.body.innerText)", serde_json::Value::from(words));
    page.wait_for(&script, seconds(15)).unwrap_or_else(|error| {
        let text = page.eval("document.body.innerText", seconds(5));
        panic!("the page says: {text:?}\n{error}")
    });
}

fn publish_test_card(browser: &Browser, server: &Server) -> Page {
    let page = browser.open(&server.url(&format!("/publish/{STREAM}?source=testcard&autostart=1"))).unwrap();
    page.wait_for("document.body.dataset.state === 'live'", seconds(15)).unwrap_or_else(|error| {
        picture(&page, "publish-failed");
        panic!("{error}\n{:?}\n{}", page.eval("document.body.innerText", seconds(5)), server.log().tail(30))
    });
    page
}

#[test]
fn the_test_card_goes_live_and_is_watched_in_both_browsers() {
    isolated(|| {
        let server = Server::start(&[]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        let publisher = publish_test_card(&chromium, &server);
        let watch = server.url(&format!("/watch/{STREAM}"));
        let viewer = chromium.open(&watch).unwrap();
        assert_moves(&viewer);
        viewer.click("#unmute", seconds(10)).unwrap();
        viewer.wait_for("!document.querySelector('#video').muted", seconds(5)).unwrap();
        picture(&viewer, "watch-chromium");
        picture(&publisher, "publish-chromium");
        let firefox = Browser::firefox(&like_people()).unwrap();
        let viewer = firefox.open(&watch).unwrap();
        assert_moves(&viewer);
        picture(&viewer, "watch-firefox");
        for page in [&viewer, &publisher] {
            let errors: Vec<_> =
                page.console().into_iter().filter(|line| line.starts_with("exception")).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    });
}

#[test]
fn the_button_goes_live() {
    isolated(|| {
        let server = Server::start(&[]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        let publisher = chromium.open(&server.url(&format!("/publish/{STREAM}?source=testcard"))).unwrap();
        publisher.click("#go-live", seconds(10)).unwrap();
        publisher.wait_for("document.body.dataset.state === 'live'", seconds(15)).unwrap();
        let list = chromium.open(&server.url("/")).unwrap();
        says(&list, STREAM);
        picture(&list, "list");
        list.set_viewport(390, 844, true).unwrap();
        picture(&list, "list-phone");
        publisher.click("#stop", seconds(10)).unwrap();
        publisher.wait_for("document.body.dataset.state !== 'live'", seconds(10)).unwrap();
    });
}

#[test]
fn the_watch_page_waits_goes_offline_and_comes_back_by_itself() {
    isolated(|| {
        let server = Server::start(&[]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        let viewer = chromium.open(&server.url(&format!("/watch/{STREAM}"))).unwrap();
        says(&viewer, "isn.t live|not live|offline");
        picture(&viewer, "watch-not-live");
        let publisher = publish_test_card(&chromium, &server);
        assert_moves(&viewer);
        publisher.crash().unwrap();
        viewer
            .wait_for(
                "document.body.dataset.state !== 'live' && document.body.dataset.state !== 'playing'",
                seconds(20),
            )
            .unwrap();
        picture(&viewer, "watch-offline");
        std::thread::sleep(seconds(2)); // The crashed one holds the name for as long.
        let _publisher = publish_test_card(&chromium, &server);
        assert_moves(&viewer);
    });
}

#[test]
fn the_watch_page_survives_a_restart_of_the_server() {
    isolated(|| {
        let mut server = Server::start(&[]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        let publisher = publish_test_card(&chromium, &server);
        let viewer = chromium.open(&server.url(&format!("/watch/{STREAM}"))).unwrap();
        assert_moves(&viewer);
        let status = server.stop().unwrap();
        assert!(status.success(), "{status}: {}", server.log().tail(20));
        let server = Server::start_on(server.http(), server.media_port(), &[]).unwrap();
        publisher.close().unwrap();
        let _publisher = publish_test_card(&chromium, &server);
        assert_moves(&viewer);
    });
}

#[test]
fn firefox_is_told_that_it_cannot_play_h264() {
    isolated(|| {
        let stage = Stage::set(&[]);
        let _publisher = stage.publisher(&Source::default(), json!({ "video": "H264" }));
        let firefox = Browser::firefox(&like_people()).unwrap();
        let viewer = firefox.open(&stage.server.url(&format!("/watch/{STREAM}"))).unwrap();
        says(&viewer, r"can.t play[\s\S]*H\.?264|H\.?264[\s\S]*can.t play");
        picture(&viewer, "watch-no-codec");
    });
}

#[test]
fn a_missing_token_is_asked_for() {
    isolated(|| {
        let server = Server::start(&["--publish-token", "p-secret", "--watch-token", "w-secret"]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        for path in ["watch", "publish"] {
            let query = if path == "publish" { "?source=testcard&autostart=1" } else { "" };
            let page = chromium.open(&server.url(&format!("/{path}/{STREAM}{query}"))).unwrap();
            says(&page, "token");
            picture(&page, &format!("{path}-token"));
        }
    });
}

#[test]
fn an_insecure_page_says_why_there_is_no_camera() {
    isolated(|| {
        let server = Server::start_at(IPV4, &["--open"]).unwrap();
        let chromium = Browser::chromium(&like_people()).unwrap();
        let page = chromium.open(&server.url(&format!("/publish/{STREAM}?source=camera"))).unwrap();
        page.click("#go-live", seconds(10)).unwrap();
        says(&page, "secure[\\s\\S]*(TLS|https)");
        picture(&page, "publish-insecure");
    });
}
