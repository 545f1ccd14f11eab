//! The browsers obey, and tell what went wrong.

use std::time::{Duration, Instant};

use headwater_interop::{Browser, Error, Options, Rig, isolated};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(5);

fn obeys(browser: &Browser) {
    let rig = Rig::start().unwrap();
    let page = rig.page(browser).unwrap();
    assert_eq!(
        page.eval("Promise.resolve({ a: [1, 'two', null] })", LIMIT).unwrap(),
        json!({ "a": [1, "two", null] })
    );
    assert_eq!(page.eval("undefined", LIMIT).unwrap(), Value::Null);

    page.eval("console.warn('so', { it: 1 }, 'is')", LIMIT).unwrap();
    assert!(page.console().iter().any(|line| line.contains("so")), "{:?}", page.console());
    let error = page.eval("Promise.reject(new Error('because'))", LIMIT).unwrap_err();
    assert!(matches!(&error, Error::Script { message, .. } if message.contains("because")), "{error}");
    let began = Instant::now();
    let error = page.eval("new Promise(() => {})", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(page.wait_for("false", Duration::from_millis(200)).is_err());

    page.eval(
        "void (document.body.innerHTML = '<button id=b onclick=\"this.dataset.hit = 1\">b</button>')",
        LIMIT,
    )
    .unwrap();
    page.click("#b", LIMIT).unwrap();
    assert_eq!(page.eval("document.querySelector('#b').dataset.hit", LIMIT).unwrap(), "1");

    page.set_viewport(390, 844, false).unwrap();
    let path = std::env::temp_dir().join(format!("headwater-driver-{:?}.png", browser.kind()));
    page.screenshot(&path).unwrap();
    let image = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(&image[..4], b"\x89PNG");
    // The header's width and height: the picture is as large as the page.
    assert_eq!((&image[16..20], &image[20..24]), (&390u32.to_be_bytes()[..], &844u32.to_be_bytes()[..]));

    page.reload().unwrap();
    page.wait_for("globalThis.rig !== undefined && !document.querySelector('#b')", LIMIT).unwrap();
    assert!(browser.open("http://127.0.0.1:9/").is_err(), "nobody listens on the discard port");
    page.close().unwrap();
}

#[test]
fn chromium_obeys() {
    isolated(|| {
        let chromium = Browser::chromium(&Options::default()).unwrap();
        obeys(&chromium);
        let rig = Rig::start().unwrap();
        let (stays, goes) = (rig.page(&chromium).unwrap(), rig.page(&chromium).unwrap());
        goes.crash().unwrap();
        assert_eq!(stays.eval("1 + 1", LIMIT).unwrap(), 2, "a crashed page takes no other with it");
    });
}

#[test]
fn firefox_obeys() {
    isolated(|| {
        let firefox = Browser::firefox(&Options::default()).unwrap();
        obeys(&firefox);
    });
}
