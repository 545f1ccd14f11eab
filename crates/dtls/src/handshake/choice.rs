//! What a server answers to a hello. Looks at the extensions by name only: their order means nothing.

use super::{Failure, doubt};
use crate::Refusal;
use crate::config::Config;
use crate::event::Version;
use crate::extension::key_share::KeyShares;
use crate::extension::signature_algorithms::{SignatureAlgorithms, SignatureScheme};
use crate::extension::supported_groups::{NamedGroup, SupportedGroups};
use crate::extension::supported_versions::SupportedVersions;
use crate::extension::use_srtp::UseSrtp;
use crate::extension::{ExtensionType, ec_point_formats, put_extension, renegotiation_info};
use crate::message::client_hello::ClientHello;
use crate::record::ProtocolVersion;
use crate::suite::{self, Authentication, Suite};

pub(crate) enum Choice<'a> {
    Dtls12(Choice12),
    /// With the client's share in the group chosen, if it sent one.
    Dtls13(Choice13, Option<&'a [u8]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice13 {
    pub(crate) suite: Suite,
    pub(crate) group: NamedGroup,
    pub(crate) srtp_profile: Option<u16>,
}

pub(crate) struct Choice12 {
    pub(crate) suite: Suite,
    pub(crate) group: NamedGroup,
    pub(crate) srtp_profile: Option<u16>,
    says_renegotiation: bool,
    says_point_formats: bool,
}

impl<'a> Choice<'a> {
    /// Chooses, or says what is missing.
    pub(crate) fn of(hello: &ClientHello<'a>, config: &Config) -> Result<Self, Failure> {
        // RFC 8446 §4.2.1: where supported_versions is present, the hello's own version says nothing.
        let (has_12, has_13) = match hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS) {
            Some(data) => {
                let versions = SupportedVersions::parse(data)?;
                let has = |version| versions.iter().any(|offered| offered == version);
                (has(ProtocolVersion::DTLS_1_2), has(ProtocolVersion::DTLS_1_3))
            }
            None => (hello.version.0 <= ProtocolVersion::DTLS_1_2.0, false), // the lower on the wire, the newer
        };
        if !hello.offers_null_compression() {
            return Err(doubt(Refusal::Compression));
        }
        if has_13 && config.speaks(Version::Dtls13) {
            Choice13::of(hello, config)
        } else if has_12 && config.speaks(Version::Dtls12) {
            Choice12::of(hello, config).map(Choice::Dtls12)
        } else {
            Err(doubt(Refusal::Version))
        }
    }
}

impl Choice13 {
    fn of<'a>(hello: &ClientHello<'a>, config: &Config) -> Result<Choice<'a>, Failure> {
        let find = |kind| hello.extensions.find(kind);
        if !hello.cookie.is_empty() {
            return Err(doubt(Refusal::NotOffered)); // RFC 9147 §5.3
        }
        if !hello.offers_only_null_compression() {
            return Err(doubt(Refusal::Compression));
        }
        let suite = suite::of(Version::Dtls13)
            .find(|ours| hello.cipher_suites().any(|theirs| theirs == ours.number))
            .ok_or_else(|| doubt(Refusal::CipherSuite))?;
        check_signature_algorithms(hello)?;

        let groups = find(ExtensionType::SUPPORTED_GROUPS).ok_or_else(|| doubt(Refusal::Group))?;
        let groups = SupportedGroups::parse(groups)?;
        let shares = find(ExtensionType::KEY_SHARE).ok_or_else(|| doubt(Refusal::KeyShare))?;
        let shares = KeyShares::parse(shares)?;
        let mut common = config.groups.iter().filter(|ours| groups.iter().any(|theirs| theirs == **ours));
        let share_of = |group: &NamedGroup| shares.iter().find(|share| share.group == *group);
        // A group that we like less, but have a share of, saves a round trip.
        let (group, share) = match common.clone().find_map(share_of) {
            Some(share) => (share.group, Some(share.key)),
            None => (*common.next().ok_or_else(|| doubt(Refusal::Group))?, None),
        };
        let srtp_profile = srtp_profile(hello, config)?;
        Ok(Choice::Dtls13(Self { suite, group, srtp_profile }, share))
    }
}

impl Choice12 {
    fn of(hello: &ClientHello<'_>, config: &Config) -> Result<Self, Failure> {
        let find = |kind| hello.extensions.find(kind);
        let suite = suite::of(Version::Dtls12)
            .filter(|ours| ours.authentication == Authentication::Ecdsa) // so is our certificate
            .find(|ours| hello.cipher_suites().any(|theirs| theirs == ours.number))
            .ok_or_else(|| doubt(Refusal::CipherSuite))?;
        match find(ExtensionType::EXTENDED_MASTER_SECRET) {
            Some([]) => {}
            _ => return Err(doubt(Refusal::ExtendedMasterSecret)),
        }

        // RFC 8422 §4: without the extension any group may be used; P-256 is the one that everybody has.
        let group = match find(ExtensionType::SUPPORTED_GROUPS) {
            None => NamedGroup::SECP256R1,
            Some(data) => {
                let offered = SupportedGroups::parse(data)?;
                // Our certificate's curve has to be among them, too (RFC 8422 §5.1).
                if !offered.iter().any(|group| group == NamedGroup::SECP256R1) {
                    return Err(doubt(Refusal::Group));
                }
                config
                    .groups_12()
                    .find(|ours| offered.iter().any(|theirs| theirs == *ours))
                    .ok_or_else(|| doubt(Refusal::Group))?
            }
        };
        let formats = find(ExtensionType::EC_POINT_FORMATS);
        if let Some(data) = formats
            && !ec_point_formats::has_uncompressed(data)?
        {
            return Err(doubt(Refusal::PointFormat));
        }
        // RFC 5246 §7.4.1.4.1: absent means SHA-1, which we don't do.
        check_signature_algorithms(hello)?;

        let renegotiation = find(ExtensionType::RENEGOTIATION_INFO);
        if let Some(data) = renegotiation
            && !renegotiation_info::is_initial(data)?
        {
            return Err(doubt(Refusal::Renegotiation));
        }
        let scsv = renegotiation_info::EMPTY_RENEGOTIATION_INFO_SCSV;
        let says_renegotiation = renegotiation.is_some() || hello.cipher_suites().any(|suite| suite == scsv);
        let srtp_profile = srtp_profile(hello, config)?;
        Ok(Self { suite, group, srtp_profile, says_renegotiation, says_point_formats: formats.is_some() })
    }

    /// Only what the client asked for.
    pub(crate) fn emit_extensions(&self, out: &mut Vec<u8>) {
        put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| ());
        if self.says_renegotiation {
            put_extension(out, ExtensionType::RENEGOTIATION_INFO, renegotiation_info::emit);
        }
        if self.says_point_formats {
            put_extension(out, ExtensionType::EC_POINT_FORMATS, ec_point_formats::emit);
        }
        if let Some(profile) = self.srtp_profile {
            put_extension(out, ExtensionType::USE_SRTP, |out| UseSrtp::emit(&[profile], out));
        }
    }
}

/// The client has to take what our certificate signs with.
fn check_signature_algorithms(hello: &ClientHello<'_>) -> Result<(), Failure> {
    let data = hello.extensions.find(ExtensionType::SIGNATURE_ALGORITHMS);
    let schemes = data.map(SignatureAlgorithms::parse).transpose()?;
    if schemes.is_some_and(|list| list.iter().any(|s| s == SignatureScheme::ECDSA_SECP256R1_SHA256)) {
        Ok(())
    } else {
        Err(doubt(Refusal::SignatureAlgorithm))
    }
}

/// Our first that the client offers. An MKI of its is not returned, so there is none (RFC 5764 §4.1.3).
fn srtp_profile(hello: &ClientHello<'_>, config: &Config) -> Result<Option<u16>, Failure> {
    let offered = hello.extensions.find(ExtensionType::USE_SRTP).map(UseSrtp::parse).transpose()?;
    Ok(offered.and_then(|offered| {
        config.srtp_profiles.iter().copied().find(|ours| offered.profiles().any(|theirs| theirs == *ours))
    }))
}
