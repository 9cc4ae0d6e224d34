//! Users, and what they do all day.

use serde_json::{Value, json};
use uuid::Uuid;
use waybill::domain::ids::{PartnerId, UserId};
use waybill::domain::locale::Locale;
use waybill::domain::principal::{Principal, Role};
use waybill::domain::time::Timestamp;
use waybill::services::accounts::{NewUser, add_user};
use waybill::store::dispatch;
use waybill::store::users::{self, User};

use super::TestApp;

/// The password of every test's user.
pub const PASSWORD: &str = "correct horse battery staple";

/// A user with an access token.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// For logging in, with [`PASSWORD`].
    pub email: String,
    /// The user's id.
    pub id: UserId,
    /// The partner profile, for partners.
    pub partner_id: Option<PartnerId>,
    /// A fresh access token, as another back end that shares the secret makes it.
    pub token: String,
}

impl TestApp {
    /// A new customer.
    pub async fn customer(&self) -> TestUser {
        self.user(Role::Customer).await
    }

    /// A new partner.
    pub async fn partner(&self) -> TestUser {
        self.user(Role::Partner).await
    }

    /// A new admin.
    pub async fn admin(&self) -> TestUser {
        self.user(Role::Admin).await
    }

    /// A new user.
    pub async fn user(&self, role: Role) -> TestUser {
        let email = format!("{role}-{}@example.org", Uuid::new_v4().simple());
        let (name, password, locale) = (format!("A {role}"), PASSWORD.to_owned(), Locale::En);
        let user = NewUser { email: email.clone(), password, name, role, locale };
        let added = add_user(self.inner().store(), user).await.expect("the user is added");
        let partner_id = added.partner_id;
        let principal = Principal { user_id: added.id, role, partner_id, family_id: None };
        let minted = self.inner().tokens().mint_access(&principal, Timestamp::now());
        TestUser { email, id: added.id, partner_id, token: minted.expect("a token").token }
    }

    /// So many new partners at once, who want offers. They have no passwords: hashing those would take longer than the test.
    pub async fn partners_online(&self, count: usize) -> Vec<TestUser> {
        let now = Timestamp::now();
        let rows: Vec<User> = (0..count)
            .map(|_| User {
                id: UserId::new(),
                email: format!("partner-{}@example.org", Uuid::new_v4().simple()),
                name: "A partner".into(),
                role: Role::Partner,
                locale: Locale::En.as_str().into(),
                password_hash: "none".into(),
                created_at: now,
                deleted_at: None,
                partner_id: Some(PartnerId::new()),
            })
            .collect();
        let users = rows.iter().map(|row| self.with_a_token(row)).collect();
        let added = self.inner().write(move |tx| {
            for row in &rows {
                users::insert(tx.conn(), row)?;
                let partner_id = row.partner_id.expect("a partner");
                dispatch::set_availability(tx.conn(), partner_id, true, now)?;
            }
            Ok(())
        });
        added.await.expect("they are added");
        users
    }

    fn with_a_token(&self, row: &User) -> TestUser {
        let User { id: user_id, role, partner_id, .. } = *row;
        let principal = Principal { user_id, role, partner_id, family_id: None };
        let minted = self.inner().tokens().mint_access(&principal, Timestamp::now());
        TestUser { email: row.email.clone(), id: user_id, partner_id, token: minted.expect("a token").token }
    }

    /// Places an order as this customer.
    pub async fn place_order(&self, customer: &TestUser) -> Value {
        self.as_user(customer).post("/orders", an_order()).await.expect(201)
    }

    /// Waits until all that was committed so far is published: a row leaves the outbox once its groups have it.
    pub async fn published(&self) {
        let waiting = || self.inner().read(|conn| Ok(waybill::store::outbox::count(conn)?));
        while waiting().await.expect("a count") > 0 {}
    }

    /// An order of a new customer, assigned to a new partner by a new admin. What has happened so far is published, so
    /// that who joins afterwards hears of what comes afterwards.
    pub async fn assigned_order(&self) -> (TestUser, TestUser, Value) {
        let (customer, partner, admin) = (self.customer().await, self.partner().await, self.admin().await);
        let order = self.place_order(&customer).await;
        let path = format!("/orders/{}/assign", order["id"].as_str().expect("an id"));
        let order = self.as_user(&admin).post(&path, json!({"partner_id": partner.partner_id})).await;
        let order = order.expect(200);
        self.published().await;
        (customer, partner, order)
    }
}

/// The body of an order that can be placed.
pub fn an_order() -> Value {
    json!({
        "pickup": {"latitude": 52.5200, "longitude": 13.4050, "address": "Alexanderplatz 1"},
        "dropoff": {"latitude": 52.5163, "longitude": 13.3777, "address": "Pariser Platz 1"},
        "items": [{"name": "Soup", "quantity": 2, "unit_price": 450}],
    })
}
