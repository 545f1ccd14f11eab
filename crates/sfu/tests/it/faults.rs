//! Bad networks.

use headwater_netsim::Link;

use crate::rig::Rig;

/// Frames that a decoder could show: complete, in order, from a key frame on.
fn complete_share(rig: &Rig, viewer: headwater_netsim::EndpointId) -> f64 {
    let seen = rig.net[viewer].seen();
    let packets = seen.repaired();
    let (first, last) = (packets.first().expect("something"), packets.last().expect("something"));
    packets.len() as f64 / (last.sequence - first.sequence + 1) as f64
}

#[test]
fn loss_on_both_legs_is_repaired() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::lan().loss(0.05));
    rig.advance(10_000);
    let share = complete_share(&rig, viewer);
    assert!(share > 0.995, "{share}");
    let counters = rig.net[rig.server].sfu.counters();
    assert!(counters.resent_packets > 0);
}

#[test]
fn reordering_and_duplicates_do_no_harm() {
    let link = Link::wifi().loss(0.0).reorder(0.05).duplicate(0.05);
    let (mut rig, _, viewer) = Rig::one_viewer(link);
    rig.advance(5000);
    let share = complete_share(&rig, viewer);
    assert!(share > 0.999, "{share}");
    let packets = rig.net[viewer].seen().repaired();
    assert!(packets.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "each packet once");
}

#[test]
fn sessions_come_up_over_a_very_bad_link() {
    let (mut rig, _, viewer) = Rig::one_viewer(Link::mobile().loss(0.3).loss_burst(1.0));
    rig.advance(5000);
    assert!(rig.net[viewer].seen().video.len() > 100);
}

#[test]
fn a_viewer_on_a_slow_link_disturbs_nobody() {
    let (mut rig, _, good) = Rig::one_viewer(Link::lan());
    let slow = rig.viewer().expect("the offer is good");
    rig.net.set_link_from(rig.server, slow, Link::lan().rate(200_000).loss(0.2));
    rig.advance(8000);
    assert_eq!(rig.net[good].seen().gaps(), 0);
    assert!(rig.net[good].seen().video.len() > 700);
}
