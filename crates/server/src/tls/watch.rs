//! Two files that belong together, looked at now and then.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{error, info};

/// How often it is looked whether the files changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A certificate and its key, and how they looked when they were read last.
pub(crate) struct Watch {
    cert: PathBuf,
    key: PathBuf,
    read: Stamps,
    /// How they looked at the last look.
    seen: Stamps,
}

/// Length and time of both files; `None` = cannot be seen.
type Stamps = [Option<(u64, SystemTime)>; 2];

impl Watch {
    /// To be made before the files are read: what is written after this is a change.
    pub(crate) fn new(cert: &Path, key: &Path) -> Self {
        let seen = stamps(cert, key);
        Self { cert: cert.to_owned(), key: key.to_owned(), read: seen, seen }
    }

    /// Looks again and again; never ends. `renew` is given the two files when they have changed.
    pub(crate) async fn run<E: Display>(
        mut self,
        mut renew: impl FnMut(&Path, &Path) -> Result<(), E> + Send + 'static,
    ) {
        loop {
            sleep(LOOK_INTERVAL).await;
            // Files may lie on a network's file system.
            let looked = spawn_blocking(move || {
                self.look(&mut renew);
                (self, renew)
            });
            match looked.await {
                Ok(both) => (self, renew) = both,
                Err(_cancelled) => return,
            }
        }
    }

    /// Has a pair read that changed and then stood still for one look: whoever writes them does it one after the
    /// other. One that cannot be used leaves the old one in force, and is tried again when it changes.
    pub(crate) fn look<E: Display>(&mut self, renew: impl FnOnce(&Path, &Path) -> Result<(), E>) {
        let now = stamps(&self.cert, &self.key);
        let is_settled = now == self.seen;
        self.seen = now;
        if !is_settled || now == self.read {
            return;
        }
        self.read = now;
        match renew(&self.cert, &self.key) {
            Ok(()) => info!(cert = %self.cert.display(), "the new certificate is in use"),
            Err(error) => error!(%error, "the changed certificate cannot be used: the old one stays"),
        }
    }
}

fn stamps(cert: &Path, key: &Path) -> Stamps {
    [cert, key].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.len(), file.modified().ok()?))
    })
}
