//! `tidings serve` and `tidings demo`: from the settings to a running hub, and to its end.

use std::{
    io::{self, Write as _},
    num::NonZeroUsize,
    time::Duration,
};

use anyhow::Context as _;
use tidings_hub::{Hub, HubConfig, Limits, Retention, Update};
use tidings_server::{
    RelayMode, RequestLimits, Server, ServerConfig, StreamConfig, TrustedProxies, auth, bind,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::MissedTickBehavior,
};
use tracing::{info, warn};

use crate::{
    args::SettingsArgs,
    config::{self, Config, KeySource, Layers, LogConfig, RelayTable},
    demo::Demo,
    log::{self, Opened},
    logging, relay,
};

/// How often the demo publishes.
const DEMO_PERIOD: Duration = Duration::from_secs(1);

/// Runs the hub until it is told to stop.
///
/// # Errors
/// When the configuration cannot be used, or the hub cannot start.
pub(crate) fn serve(settings: &SettingsArgs) -> anyhow::Result<()> {
    let config = prepare(&config::load(settings.config.as_deref(), &settings.flags())?)?;
    on_a_worker(&runtime()?, run(config, None))
}

/// Runs the hub with a relay beside those of the settings.
///
/// # Errors
/// As [`serve`].
pub(crate) fn serve_relaying(settings: &SettingsArgs, relay: RelayTable) -> anyhow::Result<()> {
    let mut layers = config::load(settings.config.as_deref(), &settings.flags())?;
    layers.lay_memory();
    layers.add_relay(relay);
    let config = prepare(&layers)?;
    on_a_worker(&runtime()?, run(config, None))
}

/// Runs the hub in development mode, with this machine's load as updates.
///
/// # Errors
/// As [`serve`], and when this machine cannot be measured.
pub(crate) fn demo(settings: SettingsArgs) -> anyhow::Result<()> {
    let settings = settings.into_dev();
    let config = prepare(&config::load(settings.config.as_deref(), &settings.flags())?)?;
    let runtime = runtime()?;
    // Measuring reads the clock of the runtime.
    let _inside = runtime.enter();
    let demo = Demo::new()?;
    on_a_worker(&runtime, run(config, Some(demo)))
}

/// Types the settings, starts logging, and says what must not be missed.
fn prepare(layers: &Layers) -> anyhow::Result<Config> {
    let config = Config::resolve(layers)?;
    logging::start(&config.telemetry)?;
    if config.dev {
        // Not a log line: no filter may hide it.
        let who = if config.auth.authorize.is_some() {
            "auth.authorize_url decides who on this machine may publish and subscribe without a token"
        } else {
            "anyone on this machine may publish and subscribe, without a token"
        };
        writeln!(io::stderr(), "DEVELOPMENT MODE: {who}, from any origin")?;
    }
    for warning in &config.warnings {
        warn!("{warning}");
    }
    Ok(config)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}

/// Runs the hub on one of the runtime's worker threads. This one would have to wake a worker for each connection it
/// accepts, which shows when thousands come at once.
fn on_a_worker(
    runtime: &tokio::runtime::Runtime,
    hub: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    runtime.block_on(runtime.spawn(hub)).context("the hub has failed")?
}

async fn run(config: Config, demo: Option<Demo>) -> anyhow::Result<()> {
    let mut stop = StopSignals::new()?;
    // Best effort: where it is refused, the limit stays as it was.
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    // Until the log is there, which may take its time, there is nobody to wait for.
    let opened = tokio::select! {
        opened = log::open(&config.log) => opened?,
        () = stop.next() => {
            info!("stopped before the log was open");
            return Ok(());
        }
    };
    let Opened { log, bus } = opened;
    let hub_config = hub_config(&config);
    let server_config = ServerConfig { bus, ..server_config(&config)? };
    let server = match log {
        Some(log) => Server::open(log, hub_config, server_config).await,
        None => Server::new(hub_config, server_config).await,
    };
    let server = server.context("the hub cannot start")?;
    let listener = bind(config.listen).with_context(|| cannot_listen("listen", config.listen))?;
    let admin = std::net::TcpListener::bind(config.admin_listen)
        .with_context(|| cannot_listen("admin_listen", config.admin_listen))?;
    let (address, admin_address) = (listener.local_addr()?, admin.local_addr()?);
    info!(%address, admin = %admin_address, epoch = %server.hub().epoch(), descriptors, "serving");
    for relay in &config.relays {
        // Without the query, which may hold a secret.
        let url = relay.config.url.split('?').next().unwrap_or_default();
        let mode = match relay.config.mode {
            RelayMode::Shared => "shared",
            RelayMode::PerClient => "per-client",
        };
        info!(path = relay.config.path, url, mode, "relaying");
    }
    if config.dashboard {
        writeln!(
            io::stderr(),
            "Dashboard:  http://{address}/\nStream:     curl -N 'http://{address}/events?topic=*'"
        )?;
    }
    if let Some(demo) = demo {
        tokio::spawn(publish_load(server.hub().clone(), demo));
    }
    let (shutdown, shut_down) = oneshot::channel::<()>();
    let served = server.serve(listener, Some(admin), async { drop(shut_down.await) });
    let impatient = async {
        stop.next().await;
        let streams = server.hub().stats().subscribers;
        if streams > 0 {
            let at_most = config.drain_time;
            info!(streams, ?at_most, "closing the streams one by one; stop again to end now");
        }
        drop(shutdown);
        // Whoever asks a second time does not want to wait for the drain.
        stop.next().await;
    };
    tokio::select! {
        served = served => served.context("the hub has failed")?,
        () = impatient => anyhow::bail!("stopped before the streams were drained"),
    }
    info!("stopped");
    Ok(())
}

fn cannot_listen(setting: &str, address: std::net::SocketAddr) -> String {
    let flag = setting.replace('_', "-");
    format!(
        "cannot listen on {address}: choose another address with --{flag} or the setting `{setting}`"
    )
}

/// Publishes the demo's figures for ever.
async fn publish_load(hub: Hub, mut demo: Demo) {
    let mut ticks = tokio::time::interval(DEMO_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let updates = demo
            .sample()
            .into_iter()
            .map(|(topic, figures)| Update::new(topic, figures.to_string()));
        // Refused only by a hub that is closing.
        drop(hub.publish_all(updates).await);
    }
}

/// What tells the hub to stop: SIGTERM from a service manager, SIGINT from a terminal.
struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn hub_config(config: &Config) -> HubConfig {
    let limits = &config.limits;
    let LogConfig { store: _, memory, max_updates, max_bytes, max_age } = &config.log;
    // In memory there may be less than the log retains, and never more.
    let max_bytes = usize::try_from(max_bytes.get()).unwrap_or(usize::MAX).min(memory.get());
    HubConfig {
        retention: Retention { max_updates: max_updates.get(), max_bytes, max_age: *max_age },
        limits: Limits {
            streams: Some(limits.streams.get()),
            per_user: limits.per_user.map(NonZeroUsize::get),
            per_address: limits.per_address.map(NonZeroUsize::get),
            per_topic: limits.per_topic.map(NonZeroUsize::get),
            selectors: limits.selectors.get(),
        },
    }
}

fn server_config(config: &Config) -> anyhow::Result<ServerConfig> {
    Ok(ServerConfig {
        auth: auth::AuthConfig {
            publisher: config.auth.publisher.as_ref().map(key_source),
            subscriber: config.auth.subscriber.as_ref().map(key_source),
            anonymous: config.auth.anonymous,
            anonymous_publish: config.dev,
            cookie_name: config.auth.cookie_name.clone(),
            publish_origins: config.auth.publish_origins.clone(),
            authorize: config.auth.authorize.as_ref().map(|authorize| auth::AuthorizeConfig {
                url: authorize.url.as_str().to_owned(),
                cache: authorize.cache,
                timeout: authorize.timeout,
            }),
        },
        cors_origins: config.cors_origins.clone(),
        stream: StreamConfig {
            keep_alive: config.stream.keep_alive,
            retry: config.stream.retry,
            max_age: config.stream.max_age,
            peer_timeout: config.stream.peer_timeout,
            lane: config.stream.lane,
        },
        requests: RequestLimits {
            header_bytes: config.limits.header_bytes.get(),
            body_bytes: config.limits.request_bytes.get(),
            update_bytes: config.limits.update_bytes.get(),
            topics_per_update: config.limits.topics_per_update.get(),
            ..RequestLimits::default()
        },
        max_connections: config.limits.connections.get(),
        trusted_proxies: TrustedProxies::new(config.trusted_proxies.iter().copied()),
        drain: config.drain_time,
        subscriptions: config.subscriptions,
        dashboard: config.dashboard,
        relays: config.relays.iter().map(relay::config).collect::<Result<_, _>>()?,
        bus: None,
    })
}

fn key_source(source: &KeySource) -> auth::KeySource {
    match source {
        KeySource::Key { key, algorithm } => {
            auth::KeySource::Key { secret_or_pem: key.clone(), algorithm: *algorithm }
        }
        KeySource::Jwks(url) => auth::KeySource::jwks_url(url.as_str()),
    }
}
