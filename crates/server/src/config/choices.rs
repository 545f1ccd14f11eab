//! Settings that are one of a few words.

use clap::ValueEnum;
use headwater_node::{DtlsVersions, Takeover};
use serde::{Deserialize, Serialize};

/// `--takeover`: when a second publisher of a stream replaces the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TakeoverRule {
    /// At once
    Always,
    /// If the first was silent for 2 s
    Stale,
    /// Not before the first has gone
    Never,
}

impl From<TakeoverRule> for Takeover {
    fn from(rule: TakeoverRule) -> Self {
        match rule {
            TakeoverRule::Always => Self::Always,
            TakeoverRule::Stale => Self::Stale,
            TakeoverRule::Never => Self::Never,
        }
    }
}

/// `--dtls`: versions that media connections speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize, Serialize)]
pub(crate) enum DtlsMode {
    /// 1.3 with peers that know it, 1.2 with others
    #[value(name = "both")]
    #[serde(rename = "both")]
    Both,
    /// 1.2 alone
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    Only12,
    /// 1.3 alone: older peers cannot connect
    #[value(name = "1.3")]
    #[serde(rename = "1.3")]
    Only13,
}

impl From<DtlsMode> for DtlsVersions {
    fn from(mode: DtlsMode) -> Self {
        match mode {
            DtlsMode::Both => Self::Both,
            DtlsMode::Only12 => Self::Only12,
            DtlsMode::Only13 => Self::Only13,
        }
    }
}

/// `--tls`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// A fresh certificate that browsers will warn about
    SelfSigned,
    /// Plain HTTP
    Off,
}
