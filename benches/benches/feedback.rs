//! What viewers send back: receiver reports, lost packets, transport-wide feedback; beside forwarding.

mod rig;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use headwater_rtp::rtcp::{Builder, ReportBlock, transport_cc};
use headwater_rtp::{SequenceNumber, Ssrc};
use headwater_srtp::Profile;
use rig::Rig;

/// Packets that arrive within 60 ms at 2.5 Mbit/s.
const REPORTED: usize = 19;

fn feedback(c: &mut Criterion) {
    let mut group = c.benchmark_group("from a viewer");
    for (name, profile) in [("GCM", Profile::AeadAes128Gcm), ("CM", Profile::Aes128CmHmacSha1_80)] {
        let mut rig = Rig::new(1, profile);
        let mut bench = |what: &str, write: &dyn Fn(&mut Builder<'_>, Ssrc, SequenceNumber)| {
            group.bench_function(format!("{what} ({name})"), |b| {
                let (ssrc, highest) = (rig.viewers[0].ssrc, rig.viewers[0].highest);
                let rig = std::cell::RefCell::new(&mut rig);
                b.iter_batched_ref(
                    || rig.borrow_mut().viewers[0].report(|rtcp| write(rtcp, ssrc, highest)),
                    |report| rig.borrow_mut().handle(0, report),
                    BatchSize::SmallInput,
                );
            });
        };
        bench("receiver report", &|rtcp, ssrc, _| {
            let mut block = ReportBlock::default();
            block.ssrc = ssrc;
            rtcp.receiver_report(Ssrc(1), &[block]).sdes_cname(Ssrc(1), "viewer");
        });
        bench("transport-wide feedback on 19 packets", &|rtcp, ssrc, highest| {
            let arrived: Vec<_> = (0..REPORTED).map(|at| (at != 7).then_some(at as i16 * 4)).collect();
            let feedback = transport_cc::Feedback::new(highest, 7, 1, &arrived);
            rtcp.transport_cc(Ssrc(1), ssrc, &feedback);
        });
        bench("key frame request", &|rtcp, ssrc, _| {
            rtcp.pli(Ssrc(1), ssrc);
        });
    }
    // What such a report is about, to compare: the same packets on their way out, all but the kernel.
    let mut rig = Rig::new(1, Profile::AeadAes128Gcm);
    rig.sizes = vec![rig::PAYLOAD; REPORTED];
    assert!(rig.frame(false) >= REPORTED, "they go out");
    group.bench_function("to compare: forwarding 19 packets (GCM)", |b| b.iter(|| rig.frame(false)));
    group.finish();
}

/// One packet is asked for and goes out again over RTX.
fn resend(c: &mut Criterion) {
    let mut group = c.benchmark_group("lost packets");
    for lost in [1_u16, 8] {
        let mut rig = Rig::new(1, Profile::AeadAes128Gcm);
        group.bench_function(format!("NACK and RTX of {lost}"), |b| {
            let rig = std::cell::RefCell::new(&mut rig);
            b.iter_batched_ref(
                || {
                    let mut rig = rig.borrow_mut();
                    // Time goes on, so that nothing counts as just resent or as too much.
                    rig.frame(false);
                    rig.take_frame(false);
                    rig.send_to(0);
                    rig.now += rig::FRAME;
                    let (ssrc, highest) = (rig.viewers[0].ssrc, rig.viewers[0].highest);
                    let asked = (0..lost).map(move |back| SequenceNumber(highest.0.wrapping_sub(back)));
                    rig.viewers[0].report(|rtcp| {
                        rtcp.nack(Ssrc(1), ssrc, asked);
                    })
                },
                |report| {
                    let mut rig = rig.borrow_mut();
                    rig.handle(0, report);
                    let sent = rig.send(|_, _| ());
                    assert!(sent >= usize::from(lost), "{sent} packets for {lost}");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, feedback, resend);
criterion_main!(benches);
