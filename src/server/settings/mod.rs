//! Settings: one table, from which parsing, `waybill config` and the page in `docs/` are made.
//!
//! A value comes from the environment, else from the file `.env` in the working directory, else it is the
//! default. A variable that is set to nothing counts as not set.

mod listing;
mod parse;
mod sources;
mod table;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub use listing::{Line, listing, markdown};
pub use sources::{Source, Sources};
pub use table::Settings;

use crate::domain::dispatch::DispatchRules;
use crate::domain::ledger::Commission;
use crate::domain::tariff::{Tariff, Tariffs};
use crate::http::pages::{DemoLogins, PageSettings, Tiles};
use crate::http::settings::HttpSettings;
use crate::realtime::{BridgeSettings, InvalidRedisTls, RealtimeSettings, RedisServers, RedisTls, RedisUrl};
use crate::services::app::ServiceSettings;
use crate::services::money::MoneySettings;
use crate::services::money::provider::{Provider, TestProvider};
use crate::services::push::PushSettings;
use crate::services::tokens::{MAX_LEEWAY, TokenSettings};
use crate::store::{DatabaseUrl, StoreSettings};
use crate::ws::SessionSettings;

const CA: &str = "WAYBILL_REDIS_CA";
const CERTIFICATE: &str = "WAYBILL_REDIS_CERTIFICATE";
const KEY: &str = "WAYBILL_REDIS_KEY";

/// A setting that is wrong, missing or unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The variable.
    pub name: String,
    /// What is wrong with it: one line, without the value where that is a secret.
    pub problem: String,
}

impl SettingError {
    /// A variable and what is wrong with it.
    #[must_use]
    pub fn new(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), problem: problem.into() }
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed by accident.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where money comes from and goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentProvider {
    /// Nowhere: no top-ups, no pay-outs.
    None,
    /// The test provider.
    Test,
}

impl Settings {
    /// Reads every setting.
    ///
    /// # Errors
    /// All that are wrong, unknown ones included.
    pub fn read(sources: &Sources) -> Result<Self, Vec<SettingError>> {
        let mut errors = table::unknown(sources);
        let settings = Self::from_table(sources, &mut errors);
        match settings {
            Some(settings) if errors.is_empty() => {
                let errors = settings.contradictions();
                if errors.is_empty() { Ok(settings) } else { Err(errors) }
            }
            Some(_) | None => Err(errors),
        }
    }

    /// Settings that are right one by one and not together.
    fn contradictions(&self) -> Vec<SettingError> {
        let mut errors = Vec::new();
        let postgres = matches!(self.database_url, DatabaseUrl::Postgres(_));
        if postgres && self.jwt_secret.is_none() {
            errors.push(SettingError::new(
                "WAYBILL_JWT_SECRET",
                "needed with PostgreSQL, since every instance must use the same one (openssl rand -hex 32 makes one)",
            ));
        }
        if self.redis_certificate.is_some() != self.redis_key.is_some() {
            errors.push(SettingError::new(CERTIFICATE, format!("goes with {KEY}: both or none")));
        }
        let has_tls = self.redis_url.as_ref().is_some_and(RedisUrl::has_tls);
        if (self.redis_ca.is_some() || self.redis_certificate.is_some()) && !has_tls {
            errors.push(SettingError::new(
                "REDIS_URL",
                "is without TLS (rediss://…), and there are certificates for it",
            ));
        }
        let mut seen = vec![self.currency];
        for (currency, _) in &self.more_currencies {
            if seen.contains(currency) {
                let problem = format!("{currency} is there already, here or as WAYBILL_CURRENCY");
                errors.push(SettingError::new("WAYBILL_MORE_CURRENCIES", problem));
            }
            seen.push(*currency);
        }
        if self.idle <= self.ping {
            errors.push(SettingError::new(
                "WAYBILL_IDLE_SECS",
                "must be more than WAYBILL_PING_SECS, or sessions end before they are asked whether they live",
            ));
        }
        errors
    }

    /// What the store needs to know.
    #[must_use]
    pub fn store(&self) -> StoreSettings {
        StoreSettings {
            url: self.database_url.clone(),
            connections: self.database_connections,
            wait: self.database_wait,
        }
    }

    /// What the groups need to know.
    #[must_use]
    pub fn realtime(&self) -> RealtimeSettings {
        RealtimeSettings {
            replay_events: self.replay_events,
            replay_age: self.replay_age,
            sessions_per_user: self.sessions_per_user,
        }
    }

    /// What the bridge to other instances needs to know, if there is to be one.
    ///
    /// # Errors
    /// A file with a certificate or a key that cannot be used.
    pub fn bridge(&self) -> Result<Option<BridgeSettings>, SettingError> {
        let Some(url) = self.redis_url.clone() else { return Ok(None) };
        let read = |name: &str, path: &Option<PathBuf>| {
            let read = path.as_ref().map(|path| {
                let failed =
                    |error| SettingError::new(name, format!("{} cannot be read: {error}", path.display()));
                std::fs::read(path).map_err(failed)
            });
            read.transpose()
        };
        let authorities = read(CA, &self.redis_ca)?;
        let certificate = read(CERTIFICATE, &self.redis_certificate)?;
        let key = read(KEY, &self.redis_key)?;
        let refused = |error: InvalidRedisTls| {
            SettingError::new(format!("{CA}, {CERTIFICATE}, {KEY}"), error.to_string())
        };
        let tls = RedisTls { authorities, identity: certificate.zip(key) };
        let servers = RedisServers::new(url, tls).map_err(refused)?;
        let name = self.instance_name();
        Ok(Some(BridgeSettings { servers, prefix: self.redis_prefix.clone(), name }))
    }

    /// What people call this instance.
    fn instance_name(&self) -> String {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{host}, {}, process {}", self.listen, std::process::id())
    }

    /// What the use cases need to know.
    #[must_use]
    pub fn services(&self) -> ServiceSettings {
        ServiceSettings {
            instance_name: self.instance_name(),
            refresh_lifetime: self.refresh_lifetime,
            auto_confirm: self.auto_confirm,
            trail_flush: self.trail_flush,
            trail_keep: self.trail_keep,
            routing: self.routing_url.clone(),
            complete_after: self.complete_after,
            chat_after_end: self.chat_after_end,
            dispatch: DispatchRules {
                enabled: self.dispatch,
                offers_at_once: self.offers_at_once,
                offer_lasts: self.offer_lasts,
                first_radius: self.dispatch_radius,
                max_radius: self.dispatch_max_radius.max(self.dispatch_radius),
                look_again_after: self.look_again_after,
                give_up_after: self.no_partner_after,
                orders_in_hand: self.orders_in_hand,
            },
            tariffs: self.tariffs(),
            rate_limits: self.rate_limits,
            handshakes_per_second: self.handshakes_per_second,
            service_keys: self.service_keys.clone(),
            money: self.money(),
            push: self.push(),
        }
    }

    fn push(&self) -> PushSettings {
        let page = self.public_url.as_ref().filter(|url| url.scheme() == "https");
        PushSettings {
            delay: self.push_delay,
            to_private: self.push_to_private,
            contact: self.push_contact.clone().or_else(|| page.map(ToString::to_string)),
            attempts: self.push_attempts,
            authorities: self.push_authorities.clone(),
        }
    }

    fn tariffs(&self) -> Tariffs {
        let &Self { currency, base_fee, fee_per_km, cancellation_fee, .. } = self;
        let tariffs = Tariffs::new(currency, Tariff { base_fee, fee_per_km, cancellation_fee });
        self.more_currencies
            .iter()
            .fold(tariffs, |tariffs, (currency, tariff)| tariffs.with(*currency, *tariff))
    }

    fn money(&self) -> MoneySettings {
        let provider: Option<Arc<dyn Provider>> = match self.payment_provider {
            PaymentProvider::None => None,
            PaymentProvider::Test => Some(Arc::new(TestProvider::default())),
        };
        MoneySettings {
            commission: Commission::new(self.commission),
            provider,
            webhook_secrets: self.payment_webhook_secrets.clone(),
        }
    }

    /// What tokens need to know, once the secret is known.
    #[must_use]
    pub fn tokens(&self, secret: &Secret) -> TokenSettings {
        TokenSettings {
            secret: secret.expose().as_bytes().to_vec(),
            public_keys: self.jwt_public_keys.clone(),
            access_lifetime: self.access_lifetime,
            leeway: MAX_LEEWAY,
        }
    }

    /// What HTTP needs to know.
    #[must_use]
    pub fn http(&self) -> HttpSettings {
        HttpSettings { public_url: self.public_url.clone(), trusted_proxies: self.trusted_proxies.clone() }
    }

    /// What pages need to know.
    #[must_use]
    pub fn pages(&self, demo: Option<DemoLogins>) -> PageSettings {
        let tiles =
            self.map_tiles.clone().map(|url| Tiles { url, attribution: self.map_attribution.clone() });
        let more = self.more_currencies.iter().map(|(currency, _)| *currency);
        let currencies = std::iter::once(self.currency).chain(more).collect();
        PageSettings { folder: self.static_folder.clone(), tiles, demo, currencies }
    }

    /// What sessions need to know.
    #[must_use]
    pub fn sessions(&self) -> SessionSettings {
        SessionSettings {
            subscriptions: self.subscriptions_per_session,
            frames_per_second: self.frames_per_second,
            queue: self.session_queue,
            queue_bytes: self.session_queue_bytes,
            max_frame: self.max_frame_bytes,
            ping: self.ping,
            idle: self.idle,
            allowed_origins: self.allowed_origins.clone(),
        }
    }

    /// Whether others than this machine can reach the server.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let address: SocketAddr = self.listen;
        !address.ip().to_canonical().is_loopback()
    }

    /// The database's file, unless it is PostgreSQL.
    #[must_use]
    pub fn database_file(&self) -> Option<&PathBuf> {
        match &self.database_url {
            DatabaseUrl::Sqlite(path) => Some(path),
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
