//! What tests of the use cases work with: an [`App`] on a database of its own.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::dispatch::DispatchRules;
use crate::domain::ids::{PartnerId, UserId};
use crate::domain::ledger::Commission;
use crate::domain::money::Currency;
use crate::domain::principal::{Principal, Role};
use crate::domain::tariff::{Tariff, Tariffs};
use crate::domain::time::Timestamp;
use crate::realtime::{Groups, RealtimeSettings, Resident};
use crate::store::testing::TestDatabase;
use crate::store::users::{self, User};
use crate::telemetry::Metrics;

use super::app::{App, ServiceSettings};
use super::error::ServiceError;
use super::money::MoneySettings;
use super::money::provider::TestProvider;
use super::push::PushSettings;
use super::tokens::{DEFAULT_ACCESS_LIFETIME, TokenSettings, Tokens};

/// An [`App`] and its database, which goes with it. Needs an actix `System`.
pub(crate) struct TestApp {
    app: App,
    // Dropped after the app, which holds connections to it.
    _database: TestDatabase,
}

impl Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl TestApp {
    /// One on each kind of database that can be had here: SQLite always, PostgreSQL when
    /// `WAYBILL_TEST_POSTGRES` names a server.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        Self::each_with(|_| {})
    }

    /// Like [`TestApp::each`], with other settings.
    pub(crate) fn each_with(change: impl Fn(&mut ServiceSettings)) -> impl Iterator<Item = Self> {
        TestDatabase::each().into_iter().map(move |database| Self::on(database, &change))
    }

    fn on(database: TestDatabase, change: impl Fn(&mut ServiceSettings)) -> Self {
        let metrics = Metrics::new().expect("no figure twice");
        let store = database.open(&metrics);
        let realtime = RealtimeSettings {
            replay_events: 512,
            replay_age: Duration::from_secs(600),
            sessions_per_user: 20,
        };
        let (groups, residents, _) = Groups::new(realtime, None, &metrics);
        residents.into_iter().for_each(Resident::move_in);
        let tokens = Tokens::new(TokenSettings {
            secret: b"a shared secret of more than 32 bytes, for tests".to_vec(),
            public_keys: Vec::new(),
            access_lifetime: DEFAULT_ACCESS_LIFETIME,
            leeway: Duration::ZERO,
        });
        let dollars = Tariff { base_fee: 300, fee_per_km: 80, cancellation_fee: 300 };
        let euros = Tariff { base_fee: 250, fee_per_km: 70, cancellation_fee: 200 };
        let euro = "EUR".parse().expect("a code");
        let mut settings = ServiceSettings {
            instance_name: "test".into(),
            refresh_lifetime: Duration::from_secs(24 * 3600),
            auto_confirm: true,
            complete_after: Duration::from_secs(24 * 3600),
            chat_after_end: Duration::from_secs(3600),
            dispatch: DispatchRules {
                enabled: true,
                offers_at_once: 1,
                offer_lasts: Duration::from_secs(30),
                first_radius: 2000,
                max_radius: 10_000,
                look_again_after: Duration::from_secs(5),
                give_up_after: Duration::from_secs(600),
                orders_in_hand: 3,
            },
            tariffs: Tariffs::new(Currency::DEFAULT, dollars).with(euro, euros),
            trail_flush: Duration::from_secs(5),
            trail_keep: Duration::from_secs(30 * 24 * 3600),
            routing: None,
            rate_limits: false,
            handshakes_per_second: 500,
            service_keys: Vec::new(),
            money: MoneySettings {
                commission: Commission::new(1500),
                provider: Some(Arc::new(TestProvider::default())),
                webhook_secrets: Vec::new(),
            },
            push: PushSettings {
                delay: Duration::ZERO,
                to_private: true,
                contact: None,
                attempts: 8,
                authorities: None,
            },
        };
        change(&mut settings);
        let app = App::new(store, groups, tokens.expect("good settings"), settings, metrics);
        Self { app, _database: database }
    }

    /// Adds a user who speaks English.
    pub(crate) async fn user(&self, role: Role) -> Principal {
        self.user_speaking(role, "en").await
    }

    /// Adds a user with a language.
    pub(crate) async fn user_speaking(&self, role: Role, locale: &str) -> Principal {
        let user_id = UserId::new();
        let user = User {
            id: user_id,
            email: format!("{user_id}@example.com"),
            name: format!("User {user_id}"),
            role,
            locale: locale.into(),
            password_hash: "none".into(),
            created_at: Timestamp::now(),
            deleted_at: None,
            partner_id: (role == Role::Partner).then(PartnerId::new),
        };
        let partner_id = user.partner_id;
        let added = self.app.write(move |tx| Ok::<_, ServiceError>(users::insert(tx.conn(), &user)?));
        assert!(added.await.expect("the user is stored"), "the address is new");
        Principal { user_id, role, partner_id, family_id: None }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.groups().stop();
        self.app.store().close();
    }
}
