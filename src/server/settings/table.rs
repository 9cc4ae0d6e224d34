//! The table of settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::domain::ledger::Commission;
use crate::domain::money::Currency;
use crate::domain::tariff::Tariff;
use crate::realtime::RedisUrl;
use crate::services::app::ServiceKey;
use crate::services::money::WebhookSecret;
use crate::services::push::Authorities;
use crate::store::DatabaseUrl;

use super::parse::{self, Parsed};
use super::sources::Sources;
use super::{LogFormat, PaymentProvider, Secret, SettingError};

/// How a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// As it is.
    Plain,
    /// Not at all.
    Hidden,
    /// As a URL without its password.
    Url,
}

/// One row: a setting without its type.
#[derive(Debug)]
pub(super) struct Row {
    /// The variable.
    pub(super) name: &'static str,
    /// What it is when it is not set, as one would set it; empty for nothing.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) help: &'static str,
    /// Whether it is a secret.
    pub(super) show: Show,
}

/// Reads one value; notes what is wrong with it.
fn read<T>(
    sources: &Sources,
    row: &Row,
    parse: impl FnOnce(&str) -> Parsed<T>,
    errors: &mut Vec<SettingError>,
) -> Option<T> {
    let text = sources.find(row.name).map_or(row.default, |(text, _)| text).trim();
    match parse(text) {
        Ok(value) => Some(value),
        Err(expected) => {
            let problem = match row.show {
                Show::Plain => format!("{expected}, not \"{}\"", text.escape_debug()),
                Show::Hidden | Show::Url => expected,
            };
            errors.push(SettingError::new(row.name, problem));
            None
        }
    }
}

macro_rules! settings {
    ($(
        $(#[doc = $help:literal])+
        $name:literal $show:ident $field:ident: $type:ty = $default:literal, $parse:expr;
    )+) => {
        /// Everything that can be set; each field's documentation is what `waybill config` prints.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $( $(#[doc = $help])+ pub $field: $type, )+
        }

        pub(super) static ROWS: &[Row] = &[
            $( Row { name: $name, default: $default, help: concat!($($help),+), show: Show::$show }, )+
        ];

        impl Settings {
            /// Every row; `None` when one was wrong.
            pub(super) fn from_table(sources: &Sources, errors: &mut Vec<SettingError>) -> Option<Self> {
                let mut rows = ROWS.iter();
                // All are read before the first that is wrong ends it, so that all are reported.
                $( let $field = rows.next().and_then(|row| read(sources, row, $parse, errors)); )+
                Some(Self { $( $field: $field?, )+ })
            }
        }
    };
}

settings! {
    /// The database: `sqlite://path/to/file.db`, or `postgres://user:password@host/name`.
    "DATABASE_URL" Url database_url: DatabaseUrl = "sqlite://data/waybill.db", parse::database_url;

    /// Database connections: for reading with SQLite, which has one more for writing; for all with PostgreSQL.
    "WAYBILL_DATABASE_CONNECTIONS" Plain database_connections: u32 = "8", |text| parse::number(text, 1..=1000);

    /// Milliseconds that a request waits for the database before it is answered with 503.
    "WAYBILL_DATABASE_WAIT_MS" Plain database_wait: Duration = "3000", |text| parse::millis(text, 1..=60_000);

    /// Where several instances meet: `redis://user:password@host:port/database`, `redis+sentinel://…@host,host/service/database` or `redis+cluster://…@host,host`, each with `rediss` for TLS. Without it there is only this one.
    "REDIS_URL" Url redis_url: Option<RedisUrl> = "", |text| parse::optional(text, parse::redis_url);

    /// File with the authorities (PEM) that sign Redis's certificate. Without it, those of the system.
    "WAYBILL_REDIS_CA" Plain redis_ca: Option<PathBuf> = "", |text| parse::optional(text, parse::path);

    /// File with the certificate (PEM) that Redis is shown, if it wants one.
    "WAYBILL_REDIS_CERTIFICATE" Plain redis_certificate: Option<PathBuf> = "", |text| parse::optional(text, parse::path);

    /// File with the key (PEM) to that certificate.
    "WAYBILL_REDIS_KEY" Plain redis_key: Option<PathBuf> = "", |text| parse::optional(text, parse::path);

    /// What all keys and channels in Redis begin with, the same for all instances.
    "WAYBILL_REDIS_PREFIX" Plain redis_prefix: String = "waybill", parse::redis_prefix;

    /// Address and port to listen on; port 0 takes a free one.
    "WAYBILL_LISTEN" Plain listen: SocketAddr = "127.0.0.1:8000", parse::address;

    /// The address under which clients reach the server, such as `https://realtime.example`. Without it, that of the request.
    "WAYBILL_PUBLIC_URL" Plain public_url: Option<Url> = "", |text| parse::optional(text, parse::public_url);

    /// Origins of web pages that may open WebSockets, with commas. Without it, the server's own host.
    "WAYBILL_ALLOWED_ORIGINS" Plain allowed_origins: Vec<String> = "", |text| parse::list(text, parse::origin);

    /// Addresses or networks of reverse proxies whose `X-Forwarded-*` headers are believed, with commas.
    "WAYBILL_TRUSTED_PROXIES" Plain trusted_proxies: Vec<IpNet> = "", parse::networks;

    /// Where the maps of the pages come from: a URL such as `https://tiles.example/{z}/{x}/{y}.png`, with `{r}` for `@2x` where there are such. Without it, the demo's city is drawn and nothing else.
    "WAYBILL_MAP_TILES" Plain map_tiles: Option<String> = "", |text| parse::optional(text, parse::tiles);

    /// Whom the maps name as their source, as plain text.
    "WAYBILL_MAP_ATTRIBUTION" Plain map_attribution: String = "", parse::text;

    /// Folder with the files of the pages, read each time, for working on them. Without it, those in the binary.
    "WAYBILL_STATIC" Plain static_folder: Option<PathBuf> = "", |text| parse::optional(text, parse::folder);

    /// Signs tokens (HS256); at least 32 bytes. Made and kept beside an SQLite database when it is not set; needed with PostgreSQL.
    "WAYBILL_JWT_SECRET" Hidden jwt_secret: Option<Secret> = "", |text| parse::optional(text, parse::secret);

    /// Files with public keys (PEM or JWKS) of others who may sign tokens (RS256, ES256, EdDSA), with commas.
    "WAYBILL_JWT_PUBLIC_KEYS" Plain jwt_public_keys: Vec<PathBuf> = "", |text| parse::list(text, parse::path);

    /// Seconds that an access token lasts.
    "WAYBILL_ACCESS_LIFETIME_SECS" Plain access_lifetime: Duration = "900", |text| parse::secs(text, 1..=31_536_000);

    /// Seconds that a refresh token lasts. Default: 30 days.
    "WAYBILL_REFRESH_LIFETIME_SECS" Plain refresh_lifetime: Duration = "2592000", |text| parse::secs(text, 1..=315_360_000);

    /// Keys of back ends that may publish events, with commas: `name:key` for all groups, or such as `name=user_*+order_*:key` for some; each key of at least 16 bytes. `waybill service-key` keeps others in the database.
    "WAYBILL_SERVICE_KEYS" Hidden service_keys: Vec<ServiceKey> = "", |text| parse::list(text, parse::service_key);

    /// Whether rate limits apply: `on`, or `off` for benchmarks.
    "WAYBILL_RATE_LIMITS" Plain rate_limits: bool = "on", parse::switch;

    /// WebSocket handshakes that this instance takes in a second; those beyond are told to come back (429).
    "WAYBILL_HANDSHAKES_PER_SECOND" Plain handshakes_per_second: u32 = "500", |text| parse::number(text, 1..=1_000_000);

    /// Whether an order is confirmed as soon as it is placed: `on` or `off`.
    "WAYBILL_AUTO_CONFIRM" Plain auto_confirm: bool = "on", parse::switch;

    /// Seconds after its delivery until an order is completed when its customer does not do it. Default: a day.
    "WAYBILL_COMPLETE_AFTER_SECS" Plain complete_after: Duration = "86400", |text| parse::secs(text, 1..=31_536_000);

    /// Seconds after its end for which an order can still be written about. Default: an hour.
    "WAYBILL_CHAT_AFTER_END_SECS" Plain chat_after_end: Duration = "3600", |text| parse::secs(text, 1..=31_536_000);

    /// Whether confirmed orders are offered to partners: `on`, or `off` where admins assign them.
    "WAYBILL_DISPATCH" Plain dispatch: bool = "on", parse::switch;

    /// Partners whom an order is offered to at the same time; the first to accept gets it.
    "WAYBILL_OFFERS_AT_ONCE" Plain offers_at_once: usize = "1", |text| parse::number(text, 1..=1000);

    /// Seconds that a partner has to accept an offer.
    "WAYBILL_OFFER_SECS" Plain offer_lasts: Duration = "30", |text| parse::secs(text, 1..=3600);

    /// How far from the pick-up partners are looked for at first, metres. Where nobody is found it is twice as far the next time.
    "WAYBILL_DISPATCH_RADIUS_METRES" Plain dispatch_radius: u32 = "2000", |text| parse::number(text, 1..=1_000_000);

    /// How far from the pick-up partners are looked for in the end, metres.
    "WAYBILL_DISPATCH_MAX_RADIUS_METRES" Plain dispatch_max_radius: u32 = "10000", |text| parse::number(text, 1..=1_000_000);

    /// Milliseconds between two looks for partners when nobody was found.
    "WAYBILL_DISPATCH_AGAIN_MS" Plain look_again_after: Duration = "5000", |text| parse::millis(text, 100..=600_000);

    /// Seconds for which partners are looked for before the order fails.
    "WAYBILL_NO_PARTNER_SECS" Plain no_partner_after: Duration = "600", |text| parse::secs(text, 1..=604_800);

    /// Orders that a partner may have in hand at once.
    "WAYBILL_ORDERS_IN_HAND" Plain orders_in_hand: i64 = "3", |text| parse::number(text, 1..=1000);

    /// The currency (ISO 4217) that orders, pay-outs and looks at a balance are in when they name none. The three fees below are in its minor units.
    "WAYBILL_CURRENCY" Plain currency: Currency = "USD", parse::currency;

    /// What carrying an order costs whatever the distance, in minor units of `WAYBILL_CURRENCY`.
    "WAYBILL_BASE_FEE" Plain base_fee: i64 = "300", parse::fee;

    /// What carrying an order costs for each started kilometre, in minor units of `WAYBILL_CURRENCY`.
    "WAYBILL_FEE_PER_KM" Plain fee_per_km: i64 = "80", parse::fee;

    /// What a customer pays who cancels when the partner has arrived, in minor units of `WAYBILL_CURRENCY`; at most the price.
    "WAYBILL_CANCELLATION_FEE" Plain cancellation_fee: i64 = "300", parse::fee;

    /// Currencies that orders and top-ups may be in beside `WAYBILL_CURRENCY`, with commas. Each has these three fees of its own, in its own minor units and in this order: `EUR:280:75:280,JPY:450:120:450`.
    "WAYBILL_MORE_CURRENCIES" Plain more_currencies: Vec<(Currency, Tariff)> = "", |text| parse::list(text, parse::tariff);

    /// The house's part of what partners earn, in basis points (hundredths of a per cent).
    "WAYBILL_COMMISSION_BASIS_POINTS" Plain commission: u16 = "1500", |text| parse::number(text, 0..=Commission::WHOLE);

    /// Where money comes from and goes to: `none`, or `test`, which moves no money and answers by the last digits of the amount.
    "WAYBILL_PAYMENT_PROVIDER" Plain payment_provider: PaymentProvider = "none", parse::payment_provider;

    /// With what the payment provider signs its events, with commas while keys are changed. Without it, none is taken.
    "WAYBILL_PAYMENT_WEBHOOK_SECRET" Hidden payment_webhook_secrets: Vec<WebhookSecret> = "", |text| parse::list(text, parse::webhook_secret);

    /// Whom push services may write to about the pushes of this server: `mailto:ops@example.com`, or a page with `https`. Without it, `WAYBILL_PUBLIC_URL` where that has `https`; Apple's service takes no push without either.
    "WAYBILL_PUSH_CONTACT" Plain push_contact: Option<String> = "", |text| parse::optional(text, parse::contact);

    /// Milliseconds after which a notification is pushed to browsers that no device has seen by then: long enough for a page to connect again after a break. What is urgent, an offer say, waits 3 s at most.
    "WAYBILL_PUSH_DELAY_MS" Plain push_delay: Duration = "10000", |text| parse::millis(text, 0..=600_000);

    /// How often a push is tried before it is given up and kept for an admin to look at.
    "WAYBILL_PUSH_ATTEMPTS" Plain push_attempts: i64 = "8", |text| parse::number(text, 1..=100);

    /// Whether push services may have private addresses and any port: `on` or `off`. Users name the services that this server calls: `on` lets them have it call into your own network. For tests, and for networks without the internet.
    "WAYBILL_PUSH_TO_PRIVATE" Plain push_to_private: bool = "off", parse::switch;

    /// File with the authorities (PEM) that sign push services' certificates. Without it, those of the system.
    "WAYBILL_PUSH_CA" Plain push_authorities: Option<Authorities> = "", |text| parse::optional(text, parse::authorities);

    /// Seconds between two times that the trails of orders under way are written down, and three times that, at most 20, for where partners without one are; a crash loses what came since.
    "WAYBILL_TRAIL_FLUSH_SECS" Plain trail_flush: Duration = "5", |text| parse::secs(text, 1..=60);

    /// Days that an order's trail is kept, from its being placed on.
    "WAYBILL_TRAIL_KEEP_DAYS" Plain trail_keep: Duration = "30", |text| parse::days(text, 1..=3650);

    /// A routing back end with OSRM's HTTP interface, such as `http://osrm:5000`, that is asked when partners arrive. Without it, that is estimated from distance and pace.
    "WAYBILL_ROUTING_URL" Plain routing_url: Option<Url> = "", |text| parse::optional(text, parse::plain_http);

    /// Threads that serve HTTP and WebSockets; `auto` is one less than the cores.
    "WAYBILL_WORKERS" Plain workers: usize = "auto", parse::workers;

    /// Events that a group keeps for those who come back.
    "WAYBILL_REPLAY_EVENTS" Plain replay_events: usize = "512", |text| parse::number(text, 1..=100_000);

    /// Seconds that a group keeps its events for those who come back.
    "WAYBILL_REPLAY_SECS" Plain replay_age: Duration = "600", |text| parse::secs(text, 1..=86_400);

    /// Sessions that a user may have open at once; the oldest gives way.
    "WAYBILL_SESSIONS_PER_USER" Plain sessions_per_user: usize = "20", |text| parse::number(text, 1..=1_000_000);

    /// Groups that a session may be subscribed to.
    "WAYBILL_SUBSCRIPTIONS_PER_SESSION" Plain subscriptions_per_session: usize = "128", |text| parse::number(text, 1..=10_000);

    /// Frames that a client may send in a second.
    "WAYBILL_FRAMES_PER_SECOND" Plain frames_per_second: u32 = "50", |text| parse::number(text, 1..=100_000);

    /// Frames that may wait for a session that reads slowly; it is ended when there are more.
    "WAYBILL_SESSION_QUEUE" Plain session_queue: usize = "1024", |text| parse::number(text, 16..=1_000_000);

    /// Bytes of frames that may wait for a session that reads slowly; it is ended when there are more.
    "WAYBILL_SESSION_QUEUE_BYTES" Plain session_queue_bytes: usize = "1048576", |text| parse::number(text, 65_536..=1_073_741_824);

    /// The largest frame that a client may send, bytes.
    "WAYBILL_MAX_FRAME_BYTES" Plain max_frame_bytes: usize = "65536", |text| parse::number(text, 1024..=16_777_216);

    /// Seconds that a client may take to send the head of a request or of a handshake.
    "WAYBILL_HANDSHAKE_TIMEOUT_SECS" Plain handshake_timeout: Duration = "10", |text| parse::secs(text, 1..=600);

    /// Seconds between the pings that a session is sent.
    "WAYBILL_PING_SECS" Plain ping: Duration = "25", |text| parse::secs(text, 1..=3600);

    /// Seconds after which a silent session is closed; more than the time between pings.
    "WAYBILL_IDLE_SECS" Plain idle: Duration = "60", |text| parse::secs(text, 2..=7200);

    /// Seconds within which the server stops when it is told to.
    "WAYBILL_DRAIN_SECS" Plain drain: Duration = "30", |text| parse::secs(text, 3..=600);

    /// Milliseconds for which a server that is told to stop goes on taking connections, and says in `/readyz` that it will not, before it ends its sessions: so long load balancers may take to notice.
    "WAYBILL_DRAIN_NOTICE_MS" Plain drain_notice: Duration = "1000", |text| parse::millis(text, 0..=60_000);

    /// Milliseconds over which clients are told to spread their return when the server stops.
    "WAYBILL_RETRY_SPREAD_MS" Plain retry_spread: Duration = "5000", |text| parse::millis(text, 0..=600_000);

    /// Bytes that the kernel buffers for one client (`SO_SNDBUF`; Linux takes twice as much).
    "WAYBILL_SEND_BUFFER_BYTES" Plain send_buffer: usize = "65536", |text| parse::number(text, 4096..=16_777_216);

    /// Milliseconds after which a connection is dropped whose client takes nothing (`TCP_USER_TIMEOUT`; Linux only).
    "WAYBILL_TCP_USER_TIMEOUT_MS" Plain tcp_user_timeout: Duration = "15000", |text| parse::millis(text, 1000..=600_000);

    /// How log lines look: `text`, or `json` with one object a line.
    "WAYBILL_LOG_FORMAT" Plain log_format: LogFormat = "text", parse::log_format;

    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or such as `info,waybill::store=debug`.
    "RUST_LOG" Plain log_filter: String = "info,actix_server=warn,actix_http=off", parse::log_filter;
}

/// Names that begin like this are read by others: the tests, the load client, the benchmarks.
const OTHERS: [&str; 3] = ["WAYBILL_TEST_", "WAYBILL_LOAD_", "WAYBILL_BENCH_"];

/// Of those who talk to the server: the load client, and back ends such as the Django example. They may run in the same
/// environment; the file is the server's alone.
const OF_CLIENTS: [&str; 3] = ["WAYBILL_SERVICE_KEY", "WAYBILL_URL", "WAYBILL_ACCOUNT_DOMAIN"];

/// Whether a variable is one that we read, or is meant to be.
pub(super) fn is_ours(name: &str) -> bool {
    let anothers = OTHERS.iter().any(|prefix| name.starts_with(prefix)) || OF_CLIENTS.contains(&name);
    ROWS.iter().any(|row| row.name == name) || name.starts_with("WAYBILL_") && !anothers
}

/// Variables that look like ours and are none.
pub(super) fn unknown(sources: &Sources) -> Vec<SettingError> {
    let mut names: Vec<&str> =
        sources.names().filter(|name| is_ours(name) && !ROWS.iter().any(|row| row.name == *name)).collect();
    names.extend(sources.names_in_file().filter(|name| OF_CLIENTS.contains(name)));
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| SettingError::new(name, unknown_problem(name))).collect()
}

fn unknown_problem(name: &str) -> String {
    let nearest = ROWS.iter().map(|row| (edits(name, row.name), row.name)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 3 => {
            format!("there is no such setting; did you mean {nearest}?")
        }
        Some(_) | None => "there is no such setting; waybill config lists them".into(),
    }
}

/// How many letters must be put in, taken out or changed to make one word of the other (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let mut costs: Vec<usize> = (0..=right.chars().count()).collect();
    for (row, from) in left.chars().enumerate() {
        let mut diagonal = row;
        let mut previous = row + 1;
        if let Some(first) = costs.first_mut() {
            *first = previous;
        }
        for (cost, to) in costs.iter_mut().skip(1).zip(right.chars()) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cost;
            previous = changed.min(diagonal + 1).min(previous + 1);
            *cost = previous;
        }
    }
    costs.last().copied().unwrap_or_default()
}
