//! Which datagrams are handed to the kernel in one call, and what becomes of those that it did not take.

use std::io;

use crate::Outgoing;

/// Why a message with several segments was not taken.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere none is handed over"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device cannot segment at all.
    Device,
    /// This message cannot be segmented: too large a segment, or too many.
    Message,
    /// Something that has nothing to do with segments.
    Other,
}

/// How messages are handed over.
#[derive(Debug)]
pub(crate) struct Bursts {
    /// Does a burst leave as one message?
    pub(crate) segments: bool,
}

impl Bursts {
    /// Sends `messages` in their order by calls of `kernel`, which is handed at most `MOST` and takes the first of them,
    /// as many as it likes, or refuses the first. Returns how many are done with: sent or refused; what is left of the next one is put into it.
    pub(crate) fn send<const MOST: usize>(
        &mut self,
        messages: &mut [Outgoing],
        mut kernel: impl FnMut(&[Outgoing]) -> io::Result<usize>,
        refusal: impl Fn(&io::Error) -> Refusal,
    ) -> usize {
        let mut done = 0;
        while done < messages.len() {
            let rest = &mut messages[done..];
            let sent = if self.segments {
                self.send_whole::<MOST>(rest, &mut kernel, &refusal)
            } else {
                Self::send_split::<MOST>(rest, &mut kernel)
            };
            match sent {
                Ok(sent) => done += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Refused for this destination only.
                Err(_) => done += 1,
            }
        }
        done
    }

    fn send_whole<const MOST: usize>(
        &mut self,
        messages: &mut [Outgoing],
        kernel: &mut impl FnMut(&[Outgoing]) -> io::Result<usize>,
        refusal: &impl Fn(&io::Error) -> Refusal,
    ) -> io::Result<usize> {
        let most = messages.len().min(MOST);
        let error = match kernel(&messages[..most]) {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        let is_burst = messages[0].datagrams() > 1;
        match refusal(&error) {
            // The kernel says so with the first burst.
            Refusal::Device if is_burst => self.segments = false,
            Refusal::Message if is_burst => {}
            _ => return Err(error),
        }
        Self::send_split::<MOST>(&mut messages[..1], kernel)
    }

    /// Sends messages datagram by datagram and returns how many messages are done with.
    fn send_split<const MOST: usize>(
        messages: &mut [Outgoing],
        kernel: &mut impl FnMut(&[Outgoing]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut datagrams = [messages[0]; MOST];
        let mut count = 0;
        'filling: for message in messages.iter() {
            let mut rest = *message;
            loop {
                if count == MOST {
                    break 'filling;
                }
                datagrams[count] = rest.take_datagram();
                count += 1;
                if rest.len == 0 {
                    break;
                }
            }
        }
        let mut sent = kernel(&datagrams[..count])?;
        let mut done = 0;
        for message in messages {
            let mut is_done = false;
            while sent > 0 && !is_done {
                message.take_datagram();
                sent -= 1;
                is_done = message.len == 0;
            }
            if !is_done {
                break;
            }
            done += 1;
        }
        Ok(done)
    }
}

impl Outgoing {
    /// How many datagrams it is; an empty one is one.
    fn datagrams(&self) -> usize {
        self.len.div_ceil(self.segment()).max(1)
    }

    fn segment(&self) -> usize {
        self.segment_size.map_or(self.len, usize::from).max(1)
    }

    /// Takes the first datagram out of it.
    fn take_datagram(&mut self) -> Self {
        let len = self.segment().min(self.len);
        let first = Self { len, segment_size: None, ..*self };
        self.start += len;
        self.len -= len;
        first
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::{Interrupted, PermissionDenied, Unsupported, WouldBlock};

    use super::*;

    const MESSAGES: usize = 64;

    fn message(start: usize, len: usize, segment: u16) -> Outgoing {
        let remote = "192.0.2.1:9".parse().expect("an address");
        Outgoing { local: None, remote, start, len, segment_size: (segment > 0).then_some(segment) }
    }

    /// A kernel that has this much room, in datagrams, and then blocks; it notes what it took.
    fn roomy<'a>(
        room: usize,
        taken: &'a mut Vec<(usize, usize)>,
    ) -> impl FnMut(&[Outgoing]) -> io::Result<usize> + use<'a> {
        let mut room = room;
        move |messages| {
            let mut count = 0;
            for message in messages {
                if room < message.datagrams() {
                    break;
                }
                room -= message.datagrams();
                count += 1;
                let mut rest = *message;
                for _ in 0..message.datagrams() {
                    let datagram = rest.take_datagram();
                    taken.push((datagram.start, datagram.len));
                }
            }
            if count == 0 { Err(WouldBlock.into()) } else { Ok(count) }
        }
    }

    fn refusal(error: &io::Error) -> Refusal {
        match error.kind() {
            Unsupported => Refusal::Device,
            io::ErrorKind::InvalidInput => Refusal::Message,
            _ => Refusal::Other,
        }
    }

    /// 70 bursts of three datagrams, the last one short, an empty datagram and a plain one.
    fn many() -> Vec<Outgoing> {
        let mut messages: Vec<_> = (0..70).map(|index| message(index * 25, 25, 10)).collect();
        messages.push(message(1750, 0, 0));
        messages.push(message(1750, 99, 0));
        messages
    }

    fn all() -> Vec<(usize, usize)> {
        let bursts =
            (0..70).flat_map(|index| [(0, 10), (10, 10), (20, 5)].map(|(at, len)| (index * 25 + at, len)));
        bursts.chain([(1750, 0), (1750, 99)]).collect()
    }

    #[test]
    fn however_often_the_kernel_is_full_each_datagram_leaves_once_and_in_order() {
        for (segments, per_call) in [(true, MESSAGES), (false, MESSAGES), (false, 1), (false, 7)] {
            // With segments a burst goes as a whole or not at all.
            for room in (if segments { 3 } else { 1 })..220 {
                let (mut bursts, mut messages, mut taken) = (Bursts { segments }, many(), Vec::new());
                let (mut done, mut calls) = (0, 0);
                while done < messages.len() {
                    let (rest, kernel) = (&mut messages[done..], roomy(room, &mut taken));
                    done += match per_call {
                        1 => bursts.send::<1>(rest, kernel, refusal),
                        7 => bursts.send::<7>(rest, kernel, refusal),
                        _ => bursts.send::<MESSAGES>(rest, kernel, refusal),
                    };
                    calls += 1;
                    assert!(calls <= 212, "each call gets on: {segments} {per_call} {room}");
                }
                assert_eq!(taken, all(), "{segments} {per_call} {room}");
            }
        }
    }

    #[test]
    fn a_device_that_cannot_segment_is_asked_once() {
        let (mut taken, mut refused) = (Vec::new(), 0);
        let mut bursts = Bursts { segments: true };
        let mut messages = many();
        let mut plain = roomy(usize::MAX, &mut taken);
        let kernel = |messages: &[Outgoing]| {
            if messages[0].segment_size.is_some() {
                refused += 1;
                return Err(Unsupported.into());
            }
            plain(messages)
        };
        assert_eq!(bursts.send::<MESSAGES>(&mut messages, kernel, refusal), 72);
        assert!(!bursts.segments);
        assert_eq!(refused, 1);
        drop(plain);
        assert_eq!(taken, all());
    }

    #[test]
    fn a_burst_that_cannot_be_segmented_is_split_and_the_others_are_not() {
        let (mut taken, mut calls) = (Vec::new(), 0);
        let mut bursts = Bursts { segments: true };
        let mut messages = [message(0, 25, 10), message(25, 250, 200), message(275, 25, 10)];
        let mut rest = roomy(usize::MAX, &mut taken);
        let kernel = |messages: &[Outgoing]| {
            calls += 1;
            let good = messages.iter().take_while(|message| message.segment_size != Some(200)).count();
            if good == 0 { Err(io::ErrorKind::InvalidInput.into()) } else { rest(&messages[..good]) }
        };
        assert_eq!(bursts.send::<MESSAGES>(&mut messages, kernel, refusal), 3);
        assert!(bursts.segments);
        assert_eq!(calls, 4);
        drop(rest);
        let lens: Vec<_> = taken.iter().map(|(_, len)| *len).collect();
        assert_eq!(lens, [10, 10, 5, 200, 50, 10, 10, 5]);
    }

    #[test]
    fn a_refused_message_stops_nothing_and_a_plain_one_does_not_switch_segments_off() {
        for segments in [true, false] {
            for error in [PermissionDenied, Unsupported, Interrupted] {
                let (mut taken, mut interrupted) = (Vec::new(), false);
                let mut bursts = Bursts { segments };
                let mut messages = [message(0, 25, 10), message(25, 7, 0), message(32, 25, 10)];
                let mut rest = roomy(usize::MAX, &mut taken);
                let kernel = |messages: &[Outgoing]| {
                    let good =
                        messages.iter().take_while(|message| interrupted || message.start != 25).count();
                    if good == 0 {
                        interrupted = error == Interrupted;
                        return Err(error.into());
                    }
                    rest(&messages[..good])
                };
                assert_eq!(bursts.send::<MESSAGES>(&mut messages, kernel, refusal), 3);
                assert_eq!(bursts.segments, segments);
                drop(rest);
                assert_eq!(taken.len(), if error == Interrupted { 7 } else { 6 });
            }
        }
    }
}
