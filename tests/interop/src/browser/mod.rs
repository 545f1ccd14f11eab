//! A headless browser: open pages, run scripts in them, look at them.
//!
//! Chromium is spoken to in its DevTools protocol, Firefox in WebDriver BiDi; both are JSON over a
//! WebSocket on loopback, and blocking: a test does one thing at a time.

mod chromium;
mod firefox;
mod socket;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use crate::process::{Log, Process};
use crate::{Error, Result};
use socket::Socket;

/// For commands that are answered at once by a healthy browser.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// From the start to the first answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How a browser is started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whether sound may start without a click. Product pages are tested without, as people meet them.
    pub autoplay: bool,
    /// Whether the page may use (fake) cameras and microphones without asking.
    pub devices: bool,
    /// Size of each page in CSS pixels.
    pub viewport: (u32, u32),
    /// More command-line arguments.
    pub arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { autoplay: true, devices: true, viewport: (1280, 800), arguments: Vec::new() }
    }
}

/// Which browser it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Debian's `chromium`, or `HEADWATER_CHROMIUM`.
    Chromium,
    /// Debian's `firefox-esr`, or `HEADWATER_FIREFOX`.
    Firefox,
}

/// A running browser with a fresh profile; killed, and the profile removed, when it and its pages are dropped.
#[derive(Debug)]
pub struct Browser {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    viewport: (u32, u32),
    state: Mutex<State>,
    log: Log,
}

/// Fields in the order of their end: the connection, the process, then its profile.
#[derive(Debug)]
struct State {
    socket: Socket,
    process: Process,
    _profile: Profile,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Browser {
    /// Starts Chromium.
    ///
    /// # Errors
    /// [`Error::Start`] or [`Error::Timeout`] with the browser's own output.
    pub fn chromium(options: &Options) -> Result<Self> {
        let profile = Profile::create("chromium")?;
        let (process, socket) = chromium::start(options, &profile.0)?;
        Ok(Self::new(Kind::Chromium, options, profile, process, socket))
    }

    /// Starts Firefox.
    ///
    /// # Errors
    /// [`Error::Start`] or [`Error::Timeout`] with the browser's own output.
    pub fn firefox(options: &Options) -> Result<Self> {
        let profile = Profile::create("firefox")?;
        let (process, socket) = firefox::start(options, &profile.0)?;
        Ok(Self::new(Kind::Firefox, options, profile, process, socket))
    }

    fn new(kind: Kind, options: &Options, profile: Profile, process: Process, socket: Socket) -> Self {
        let log = process.log().clone();
        let state = Mutex::new(State { socket, process, _profile: profile });
        Self { inner: Arc::new(Inner { kind, viewport: options.viewport, state, log }) }
    }

    /// Which browser it is.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// Opens `url` in a window of its own (so that no page is ever in the background) and waits until it is loaded.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the page cannot be reached, [`Error::Timeout`] if it does not finish loading.
    pub fn open(&self, url: &str) -> Result<Page> {
        let mut state = self.inner.state();
        let target = match self.inner.kind {
            Kind::Chromium => chromium::create(&mut state.socket, self.inner.viewport)?,
            Kind::Firefox => firefox::create(&mut state.socket, self.inner.viewport)?,
        };
        drop(state);
        let page = Page { browser: Arc::clone(&self.inner), target };
        page.navigate(url)?;
        Ok(page)
    }

    /// What the browser's process printed.
    pub fn log(&self) -> &Log {
        &self.inner.log
    }

    /// Ends the browser at once (SIGKILL), as a crash would: no page learns of it.
    pub fn kill(&self) {
        self.inner.state().process.kill();
    }
}

/// An open page.
#[derive(Debug)]
pub struct Page {
    browser: Arc<Inner>,
    target: Target,
}

/// The page's names in the browser's protocol.
#[derive(Clone, Debug)]
struct Target {
    /// CDP target id, or BiDi browsing context.
    id: String,
    /// CDP session id; empty in Firefox.
    session: String,
}

impl Page {
    /// Goes to `url` and waits until it is loaded.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn navigate(&self, url: &str) -> Result<()> {
        let mut state = self.browser.state();
        match self.browser.kind {
            Kind::Chromium => chromium::navigate(&mut state.socket, &self.target, url)?,
            Kind::Firefox => return firefox::navigate(&mut state.socket, &self.target, url),
        }
        drop(state);
        let loaded = "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))";
        self.eval(loaded, COMMAND_LIMIT).map(drop)
    }

    /// Loads the page again, as the reload button does; returns as soon as it is loaded.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub fn reload(&self) -> Result<()> {
        let url = self.eval("location.href", COMMAND_LIMIT)?;
        self.navigate(url.as_str().unwrap_or_default())
    }

    /// Evaluates a JavaScript expression as if the user had just clicked, awaits its promise if it is one,
    /// and returns the value as JSON (`null` for `undefined`).
    ///
    /// # Errors
    /// [`Error::Script`] if it throws, [`Error::Timeout`] if it takes longer than `limit`; both with the
    /// page's console.
    pub fn eval(&self, expression: &str, limit: Duration) -> Result<Value> {
        let wrapped = format!("(async () => JSON.stringify(await ({expression})) ?? 'null')()");
        let mut state = self.browser.state();
        let answer = match self.browser.kind {
            Kind::Chromium => chromium::evaluate(&mut state.socket, &self.target, &wrapped, limit),
            Kind::Firefox => firefox::evaluate(&mut state.socket, &self.target, &wrapped, limit),
        };
        drop(state);
        let text = match answer {
            Ok(Ok(text)) => text,
            Ok(Err(message)) => {
                return Err(Error::Script {
                    message: format!("{message}\n  in {expression}"),
                    context: self.context(),
                });
            }
            Err(Error::Timeout { limit, .. }) => {
                return Err(Error::Timeout { what: expression.to_owned(), limit, context: self.context() });
            }
            Err(error) => return Err(error),
        };
        serde_json::from_str(&text).map_err(|error| Error::Protocol {
            command: "evaluate".into(),
            message: format!("the value is not JSON: {error}: {text}"),
        })
    }

    /// Evaluates a predicate again and again until it is true.
    ///
    /// # Errors
    /// As [`Page::eval`]; [`Error::Timeout`] if it never was.
    pub fn wait_for(&self, predicate: &str, limit: Duration) -> Result<()> {
        let script = format!(
            "(async () => {{ const end = performance.now() + {}; while (performance.now() < end) {{ if (await ({predicate})) return true; \
             await new Promise(next => setTimeout(next, 20)); }} return false; }})()",
            limit.as_millis()
        );
        if self.eval(&script, limit + COMMAND_LIMIT)? == Value::Bool(true) {
            return Ok(());
        }
        Err(Error::Timeout { what: predicate.to_owned(), limit, context: self.context() })
    }

    /// Clicks the element, with the user's activation, and waits for it to exist first.
    ///
    /// # Errors
    /// As [`Page::wait_for`].
    pub fn click(&self, selector: &str, limit: Duration) -> Result<()> {
        let element = format!("document.querySelector({})", Value::from(selector));
        self.wait_for(&format!("{element} && !{element}.disabled"), limit)?;
        self.eval(&format!("{element}.click()"), limit).map(drop)
    }

    /// Changes the page's size; `mobile` also makes it a touch device (Chromium only).
    ///
    /// # Errors
    /// [`Error::Protocol`] if the browser refuses.
    pub fn set_viewport(&self, width: u32, height: u32, mobile: bool) -> Result<()> {
        let mut state = self.browser.state();
        match self.browser.kind {
            Kind::Chromium => chromium::set_viewport(&mut state.socket, &self.target, width, height, mobile),
            Kind::Firefox => firefox::set_viewport(&mut state.socket, &self.target, width, height),
        }
    }

    /// Writes what the page shows to a PNG file.
    ///
    /// # Errors
    /// [`Error::Protocol`] or [`Error::Io`].
    pub fn screenshot(&self, path: &Path) -> Result<()> {
        let mut state = self.browser.state();
        let data = match self.browser.kind {
            Kind::Chromium => chromium::screenshot(&mut state.socket, &self.target)?,
            Kind::Firefox => firefox::screenshot(&mut state.socket, &self.target)?,
        };
        let image = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| Error::Protocol { command: "screenshot".into(), message: error.to_string() })?;
        Ok(std::fs::write(path, image)?)
    }

    /// What the page wrote to its console so far, uncaught exceptions included.
    pub fn console(&self) -> Vec<String> {
        let mut state = self.browser.state();
        state.socket.drain();
        let wanted = |event: &Value| match self.browser.kind {
            Kind::Chromium => chromium::console_line(&self.target, event),
            Kind::Firefox => firefox::console_line(&self.target, event),
        };
        state.socket.events().filter_map(wanted).collect()
    }

    /// Closes the page as the user would: it may say goodbye.
    ///
    /// # Errors
    /// [`Error::Protocol`] if it was already gone.
    pub fn close(self) -> Result<()> {
        let mut state = self.browser.state();
        match self.browser.kind {
            Kind::Chromium => chromium::close(&mut state.socket, &self.target),
            Kind::Firefox => firefox::close(&mut state.socket, &self.target),
        }
    }

    /// Crashes the page's process, so that it cannot say goodbye to anybody. Chromium only.
    ///
    /// # Errors
    /// [`Error::Protocol`] in Firefox.
    pub fn crash(self) -> Result<()> {
        let mut state = self.browser.state();
        match self.browser.kind {
            Kind::Chromium => chromium::crash(&mut state.socket, &self.target),
            Kind::Firefox => Err(Error::Protocol {
                command: "crash".into(),
                message: "only Chromium can; kill the whole Firefox instead".into(),
            }),
        }
    }

    fn context(&self) -> String {
        let console = self.console();
        let skip = console.len().saturating_sub(30);
        format!("console: {}\nbrowser: {}", console[skip..].join("\n  "), self.browser.log.tail(8))
    }
}

/// A fresh profile directory, removed when dropped.
#[derive(Debug)]
struct Profile(PathBuf);

impl Profile {
    fn create(browser: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("headwater-{browser}-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // In a PID namespace the ids repeat: what a killed run left under our name is in the way.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
