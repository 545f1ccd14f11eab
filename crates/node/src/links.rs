//! Rings between workers: what one's publishers send goes to the others with viewers of it, a batch a turn.
//!
//! Between each two workers there is one ring each way, and one on which emptied batches come back to be used again. Pushing
//! and taking neither lock nor allocate, once the batches have their buffers.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use headwater_sfu::{Batch, Sfu};

use crate::handle::WorkerHandle;

/// Batches that may wait for a worker, of each other one. At a batch every few milliseconds this is some tenths of a
/// second; who is so far behind has lost the picture anyway. Batches are boxed, so that rings between many workers are small.
const RING_BATCHES: usize = 64;

/// One worker's ends of all rings.
#[derive(Default)]
pub(crate) struct Links {
    outgoing: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    /// Packets handed to other workers.
    pub(crate) handed_off: u64,
    /// Packets dropped because the ring was full.
    pub(crate) dropped: u64,
}

struct Outgoing {
    to: usize,
    ring: SyncSender<Box<Batch>>,
    empties: Receiver<Box<Batch>>,
    spare: Option<Box<Batch>>,
    /// Was the last batch dropped?
    is_after_loss: bool,
}

struct Incoming {
    ring: Receiver<Box<Batch>>,
    empties: SyncSender<Box<Batch>>,
}

/// Rings between each two of so many workers; one alone needs none.
pub(crate) fn between(workers: usize) -> Vec<Links> {
    let mut all: Vec<Links> = (0..workers).map(|_| Links::default()).collect();
    for from in 0..workers {
        for to in (0..workers).filter(|to| *to != from) {
            let (ring, batches) = sync_channel(RING_BATCHES);
            let (back, empties) = sync_channel(RING_BATCHES);
            all[from].outgoing.push(Outgoing { to, ring, empties, spare: None, is_after_loss: false });
            all[to].incoming.push(Incoming { ring: batches, empties: back });
        }
    }
    all
}

impl Links {
    /// Hands what is new to the workers that want it. HOT.
    pub(crate) fn hand_off(&mut self, now: Instant, sfu: &mut Sfu, workers: &[WorkerHandle]) {
        for link in &mut self.outgoing {
            let mut has_pushed = false;
            loop {
                let mut batch =
                    link.spare.take().or_else(|| link.empties.try_recv().ok()).unwrap_or_default();
                let has_more = sfu.hand_off(now, link.to, &mut batch);
                if batch.is_empty() {
                    link.spare = Some(batch);
                    break;
                }
                let packets = batch.packets() as u64;
                if link.is_after_loss {
                    batch.note_loss();
                }
                match link.ring.try_send(batch) {
                    Ok(()) => {
                        self.handed_off += packets;
                        (link.is_after_loss, has_pushed) = (false, true);
                    }
                    Err(full) => {
                        self.dropped += packets;
                        link.is_after_loss = true;
                        let (TrySendError::Full(mut batch) | TrySendError::Disconnected(mut batch)) = full;
                        batch.clear();
                        link.spare = Some(batch);
                    }
                }
                if !has_more {
                    break;
                }
            }
            if has_pushed && let Some(worker) = workers.get(link.to) {
                worker.wake_if_asleep();
            }
        }
    }

    /// Takes what others have handed over. Returns whether there was something. HOT.
    pub(crate) fn take(&self, now: Instant, sfu: &mut Sfu) -> bool {
        let mut any = false;
        for link in &self.incoming {
            for _ in 0..RING_BATCHES {
                let Ok(mut batch) = link.ring.try_recv() else { break };
                any = true;
                sfu.handle_batch(now, &batch);
                batch.clear();
                // With enough of them on their way back it is let go.
                let _ = link.empties.try_send(batch);
            }
        }
        any
    }
}

/// Whether a worker sleeps, so that others know if it has to be woken: a wake-up is a system call.
#[derive(Default)]
pub(crate) struct Sleep(AtomicBool);

impl Sleep {
    /// It is about to sleep. Rings must be looked at again after this: who pushed before has not woken it.
    pub(crate) fn begin(&self, timeout: Duration) -> bool {
        let sleeps = !timeout.is_zero();
        if sleeps {
            self.0.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
        sleeps
    }

    /// It is awake.
    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Something was pushed: has it to be woken? Only who asks first has to.
    pub(crate) fn has_to_be_woken(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst) && self.0.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_woken_once_however_many_push() {
        let sleep = Sleep::default();
        assert!(!sleep.has_to_be_woken());
        assert!(!sleep.begin(Duration::ZERO));
        assert!(sleep.begin(Duration::from_secs(1)));
        assert!(sleep.has_to_be_woken());
        assert!(!sleep.has_to_be_woken());
    }

    #[test]
    fn each_two_workers_have_a_ring_each_way() {
        assert!(between(1)[0].outgoing.is_empty());
        for links in between(4) {
            assert_eq!((links.outgoing.len(), links.incoming.len()), (3, 3));
        }
    }
}
