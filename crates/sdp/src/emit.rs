//! Writing, in the order of RFC 8866 §5 and, within a section, always in the same order.
//!
//! Attributes without a field come last: of a repeated attribute the first one counts when it is read again.

use core::fmt::{self, Write};

use crate::{
    attribute::Simulcast, fragment::Fragment, line::Line, media::Media, session::Session,
    transport::Transport,
};

/// Writes lines; what would end a line early is left out, wherever the text came from.
struct Lines<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Lines<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split(['\r', '\n', '\0']).try_for_each(|part| self.0.write_str(part))
    }
}

impl Lines<'_, '_> {
    fn line(&mut self, line: fmt::Arguments<'_>) -> fmt::Result {
        self.write_fmt(line)?;
        self.0.write_str("\r\n")
    }

    fn flag(&mut self, name: &str, is_set: bool) -> fmt::Result {
        if is_set { self.line(format_args!("a={name}")) } else { Ok(()) }
    }

    fn each<T: fmt::Display>(&mut self, prefix: &str, items: impl IntoIterator<Item = T>) -> fmt::Result {
        items.into_iter().try_for_each(|item| self.line(format_args!("{prefix}{item}")))
    }

    fn other(&mut self, lines: &[Line], is_descriptive: bool) -> fmt::Result {
        lines
            .iter()
            .filter(|line| line.is_descriptive() == is_descriptive)
            .try_for_each(|line| self.line(format_args!("{}={}", line.kind, line.value)))
    }

    fn transport(&mut self, transport: &Transport) -> fmt::Result {
        self.each("a=ice-ufrag:", &transport.ufrag)?;
        self.each("a=ice-pwd:", &transport.password)?;
        if !transport.ice_options.is_empty() {
            self.line(format_args!("a=ice-options:{}", transport.ice_options.join(" ")))?;
        }
        self.each("a=fingerprint:", &transport.fingerprints)?;
        self.each("a=setup:", transport.setup)?;
        self.flag("cryptex", transport.cryptex)
    }

    fn candidates(&mut self, transport: &Transport) -> fmt::Result {
        self.each("a=candidate:", &transport.candidates)?;
        self.flag("end-of-candidates", transport.end_of_candidates)
    }

    fn media(&mut self, media: &Media) -> fmt::Result {
        write!(self, "m={} {}", media.kind, media.port)?;
        media.port_count.iter().try_for_each(|count| write!(self, "/{count}"))?;
        self.line(format_args!(" {} {}", media.protocol, media.formats.join(" ")))?;
        self.other(&media.lines, true)?;
        self.each("c=", &media.connection)?;
        self.each("b=", &media.bandwidths)?;
        self.other(&media.lines, false)?;
        self.each("a=mid:", &media.mid)?;
        self.flag("bundle-only", media.bundle_only)?;
        self.transport(&media.transport)?;
        self.flag("extmap-allow-mixed", media.extmap_allow_mixed)?;
        self.each("a=extmap:", &media.extensions)?;
        self.each("a=", media.direction)?;
        self.each("a=msid:", &media.msids)?;
        self.flag("rtcp-mux", media.rtcp_mux)?;
        self.flag("rtcp-rsize", media.rtcp_rsize)?;
        self.each("a=rtcp-fb:* ", &media.feedback)?;
        for codec in &media.codecs {
            let payload_type = codec.payload_type;
            if !codec.name.is_empty() {
                self.line(format_args!("a=rtpmap:{payload_type} {codec}"))?;
            }
            for feedback in &codec.feedback {
                self.line(format_args!("a=rtcp-fb:{payload_type} {feedback}"))?;
            }
            if let Some(fmtp) = &codec.fmtp {
                self.line(format_args!("a=fmtp:{payload_type} {fmtp}"))?;
            }
        }
        self.each("a=rid:", &media.rids)?;
        self.each("a=simulcast:", media.simulcast.iter().filter(|list| **list != Simulcast::default()))?;
        self.each("a=ssrc-group:", &media.ssrc_groups)?;
        self.each("a=ssrc:", &media.ssrcs)?;
        self.candidates(&media.transport)?;
        self.each("a=", &media.attributes)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines(f);
        lines.line(format_args!("v=0"))?;
        lines.line(format_args!("o={}", self.origin))?;
        lines.line(format_args!("s={}", if self.name.is_empty() { "-" } else { &self.name }))?;
        lines.other(&self.lines, true)?;
        lines.each("c=", &self.connection)?;
        lines.each("b=", &self.bandwidths)?;
        lines.other(&self.lines, false)?;
        lines.each("a=group:", &self.groups)?;
        lines.flag("ice-lite", self.ice_lite)?;
        lines.flag("extmap-allow-mixed", self.extmap_allow_mixed)?;
        lines.transport(&self.transport)?;
        lines.each("a=extmap:", &self.extensions)?;
        lines.each("a=", self.direction)?;
        lines.candidates(&self.transport)?;
        lines.each("a=", &self.attributes)?;
        self.media.iter().try_for_each(|media| lines.media(media))
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines(f);
        lines.flag("ice-lite", self.ice_lite)?;
        lines.transport(&self.transport)?;
        lines.each("a=group:", &self.groups)?;
        lines.candidates(&self.transport)?;
        lines.each("a=", &self.attributes)?;
        self.media.iter().try_for_each(|media| lines.media(media))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Lines(f).media(self)
    }
}
