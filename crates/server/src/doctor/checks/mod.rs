//! What settings and machine tell without a packet: one room for each subject.

mod access;
mod addresses;
mod certificate;
mod clock;
mod families;
mod ice_servers;
mod limits;
mod outer;
mod scope;

use super::finding::Findings;
use super::patient::Patient;

/// All checks.
pub(super) fn all(patient: &Patient<'_>, findings: &mut Findings) {
    clock::check(patient, findings);
    scope::check(patient, findings);
    addresses::check(patient, findings);
    families::check(patient, findings);
    certificate::check(patient, findings);
    ice_servers::check(patient, findings);
    access::check(patient, findings);
    limits::check(patient, findings);
}
