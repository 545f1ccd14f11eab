//! The server for the time of the check: what `serve` runs, with tokens that nobody knows.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use headwater_node::Node;
use tokio::sync::watch;

use crate::config::{Config, Tls};
use crate::http::{App, router};
use crate::ice_servers::{IceServers, Turn};
use crate::listen::{self, House};
use crate::media::Media;
use crate::metrics::HttpCounters;
use crate::places::{ConnectionLimits, Places};
use crate::ports::Ports;
use crate::tokens::{Access, Token};
use crate::{run, seed, tls};

/// How long it may take to end.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// A running server; dropping it ends it.
pub(super) struct Stage {
    pub(super) tcp: Vec<SocketAddr>,
    pub(super) media: Vec<SocketAddr>,
    pub(super) advertised: Vec<SocketAddr>,
    /// HTTP is spoken inside TLS.
    pub(super) secure: bool,
    /// Publishing needs this one.
    pub(super) token: String,
    node: Node,
    stop: watch::Sender<bool>,
}

impl Stage {
    /// # Errors
    /// Why `serve` would not start, too.
    pub(super) fn open(config: &Config, advertise: Vec<IpAddr>) -> Result<Self, run::Failure> {
        let ports = Ports::bind(config)?;
        let tcp =
            ports.listeners.iter().map(tokio::net::TcpListener::local_addr).collect::<Result<_, _>>()?;
        let turn_secret = (!config.no_turn).then(seed::token);
        let node = Node::start(run::node_config(config, &ports, advertise, turn_secret.as_deref()))?;
        let (media, advertised) = (node.media_addresses(), node.advertised());
        // A certificate that cannot be used is found by looking at its files. None is ordered for a check.
        let own = Tls::SelfSigned;
        let settings = if matches!(config.tls, Tls::Acme(_)) { &own } else { &config.tls };
        let identity = tls::identity(settings, &[], &[]).ok().flatten();
        let turn = turn_secret.map(|secret| {
            let mut turn = Turn::new(secret, &advertised, &node.advertised_tcp());
            turn.tls_port =
                (identity.is_some() && config.tls != Tls::SelfSigned).then_some(ports.first.port());
            if let Tls::Acme(acme) = &config.tls {
                turn.name = acme.domains.first().cloned();
            }
            turn
        });
        let token = config.publish_token.clone().unwrap_or_else(seed::token);
        // Nobody is let in who does not know: not even where the settings say so.
        let access = Access {
            publish: Some(Token::new(&token)),
            watch: Some(Token::new(&seed::token())),
            admin: Some(Token::new(&seed::token())),
        };
        let app = Arc::new(App {
            media: Media::new(node.clone()),
            access,
            open: false,
            ice_servers: IceServers::new(&config.ice_servers, turn),
            counters: HttpCounters::new(),
            stopping: AtomicBool::new(false),
        });
        let secure = identity.is_some();
        let house = Arc::new(House {
            tls: identity.map(|identity| identity.config),
            router: router(Arc::clone(&app)),
            app,
            streams: Arc::new(node.clone()),
            places: Places::new(ConnectionLimits {
                total: config.limits.http_connections,
                per_address: config.limits.http_connections_per_address,
            }),
        });
        let (stop, stopped) = watch::channel(false);
        for listener in ports.listeners {
            tokio::spawn(listen::serve(listener, Arc::clone(&house), stopped.clone()));
        }
        Ok(Self { tcp, media, advertised, secure, token, node, stop })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.node.shutdown(FAREWELL);
    }
}
