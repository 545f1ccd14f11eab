//! Paths that are not plain UDP: connections that end, and have no room at times.

use std::time::Instant;

use headwater_ice::Path;

use crate::peer::Role;
use crate::sfu::Sfu;

impl Sfu {
    /// The connection under this path, or the allocation behind it, has ended. Its peer goes on along another path that it has
    /// checked, or waits for one for as long as consent lasts.
    pub fn path_closed(&mut self, now: Instant, path: &Path) {
        let now = self.advance(now);
        let Some(&id) = self.routes.get(path) else { return };
        if let Some(peer) = self.peer_mut(id) {
            peer.path_closed(now, path);
        }
        self.touched(now, id);
    }

    /// Has a peer passed a check along this path?
    pub fn is_routed(&self, path: &Path) -> bool {
        self.routes.contains_key(path)
    }

    /// The connection under this path has room for more, or no longer. A viewer without room keeps its place in the stream:
    /// its video waits there for some seconds, and nothing is queued for it. Falling behind the history means to go on with
    /// the next key frame.
    pub fn set_writable(&mut self, now: Instant, path: &Path, is_writable: bool) {
        let now = self.advance(now);
        let Some(&id) = self.routes.get(path) else { return };
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.path == Some(*path)) else { return };
        if let Role::Viewer(viewer) = &mut peer.role {
            match is_writable {
                true => viewer.unblock(now),
                false => viewer.block(now),
            }
            self.schedule(id);
        }
    }
}
