//! `waybill serve --demo`: people with a public password, and a simulator that keeps them busy.
//!
//! The simulator runs on a thread of its own and knows the server by its address alone, like any other client.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use actix_web::rt::System;
use tokio::sync::oneshot;

use crate::domain::locale::Locale;
use crate::domain::time::Timestamp;
use crate::http::pages::{DemoItem, DemoLogin, DemoLogins, DemoShop};
use crate::services::accounts::{NewUser, add_user};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store;
use crate::tools::client::target::{Target, is_loopback};
use crate::tools::simulate::Simulation;
use crate::tools::simulate::cast::{CAST, PASSWORD};
use crate::tools::simulate::city::SHOPS;

/// How the demo is to be.
#[derive(Debug, Clone, Copy)]
pub struct DemoOptions {
    /// What the simulator's chance starts from; without it, nobody is simulated.
    pub seed: Option<u64>,
    /// Whether it may be reached from other machines.
    pub for_everyone: bool,
}

/// A demo that everybody could log in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--demo makes users whose password is public, and {0} can be reached from other machines; listen on \
     127.0.0.1, or allow it with --demo-for-everyone"
)]
pub struct PublicDemo(pub SocketAddr);

/// Whether a demo may listen at `listen`.
///
/// # Errors
/// `PublicDemo` when other machines reach it there, and nobody said that they may.
pub fn check(listen: SocketAddr, for_everyone: bool) -> Result<(), PublicDemo> {
    if for_everyone || is_loopback(listen.ip()) { Ok(()) } else { Err(PublicDemo(listen)) }
}

/// Makes the demo's people, or lets those of an earlier demo in again.
///
/// # Errors
/// The database's.
pub async fn seed(app: &App) -> Result<DemoLogins, ServiceError> {
    for user in CAST {
        let known =
            app.store().write(move |conn| store::demo::revive(conn, user.email).map_err(ServiceError::from));
        if known.await? {
            continue;
        }
        let new = NewUser {
            email: user.email.to_owned(),
            password: PASSWORD.to_owned(),
            name: user.name.to_owned(),
            role: user.role,
            locale: Locale::default(),
        };
        match add_user(app.store(), new).await {
            Ok(_) => {}
            // Another instance of this demo was faster.
            Err(ServiceError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(logins())
}

/// Keeps the demo's people of an earlier start out. For every start without a demo: their password is public.
///
/// # Errors
/// The database's.
pub async fn retire(app: &App) -> Result<(), ServiceError> {
    let retired = app.store().write(|conn| {
        let now = Timestamp::now();
        let mut retired = 0;
        for user in CAST {
            retired += usize::from(store::demo::retire(conn, user.email, now)?);
        }
        Ok::<_, ServiceError>(retired)
    });
    let retired = retired.await?;
    if retired > 0 {
        log::warn!("{retired} users of an earlier --demo can no longer log in");
    }
    Ok(())
}

fn logins() -> DemoLogins {
    let users = CAST.iter().map(|user| DemoLogin {
        email: user.email.to_owned(),
        name: user.name.to_owned(),
        role: user.role,
    });
    let shops = SHOPS.iter().map(|shop| {
        let menu = shop.menu.iter().map(|(name, price)| DemoItem { name, price: *price });
        DemoShop { name: shop.name, place: shop.place(), menu: menu.collect() }
    });
    DemoLogins { password: PASSWORD.to_owned(), users: users.collect(), shops: shops.collect() }
}

/// What to tell whoever started the demo at `url`: some lines of text, each ended.
#[must_use]
pub fn introduction(url: &str) -> String {
    let people: String =
        CAST.iter().map(|user| format!("  {:<9} {}\n", user.role.as_str(), user.email)).collect();
    format!("demo: open {url}/ and be one of these, password {PASSWORD}\n{people}")
}

/// A running simulator. Dropping it leaves it running.
#[derive(Debug)]
pub struct Demo {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Starts the simulator against the server at `address`, where an unspecified address means this machine's own.
///
/// # Errors
/// The thread could not be started.
pub fn start(address: SocketAddr, seed: u64) -> std::io::Result<Demo> {
    let simulation = Simulation::demo(Target::of(reachable(address)), seed);
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("demo".to_owned()).spawn(move || {
        System::new().block_on(async {
            tokio::select! {
                never = simulation.run() => match never {},
                // A sender that is gone without a word is no reason to stop.
                Ok(()) = stopped => {}
            }
        });
    })?;
    Ok(Demo { stop, thread })
}

impl Demo {
    /// Stops the simulator and waits until it is gone: a moment. To be called before the server stops, so that its
    /// last connections are somebody else's.
    pub fn stop(self) {
        // Whether it was still there makes no difference.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            log::error!("the demo ended by a fault");
        }
    }
}

/// `0.0.0.0` is every address to listen on and none to connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(local);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::accounts::{LogIn, log_in};
    use crate::services::testing::TestApp;
    use crate::tools::simulate::cast::DemoUser;

    async fn can_log_in(app: &App, user: DemoUser) -> bool {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let log_in =
            log_in(app, LogIn { email: user.email.to_owned(), password: PASSWORD.to_owned(), address });
        match log_in.await {
            Ok(_) => true,
            Err(ServiceError::Unauthenticated { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[actix_web::test]
    async fn the_people_are_there_with_a_demo_and_locked_out_without() {
        for app in TestApp::each() {
            let [first, .., last] = CAST;
            for _ in 0..2 {
                let logins = seed(&app).await.expect("seeded");
                assert_eq!(logins.users.len(), CAST.len());
                assert!(can_log_in(&app, first).await && can_log_in(&app, last).await);
            }
            retire(&app).await.expect("retired");
            assert!(!can_log_in(&app, first).await && !can_log_in(&app, last).await);
            seed(&app).await.expect("seeded");
            assert!(can_log_in(&app, first).await);
        }
    }

    #[test]
    fn a_public_password_stays_on_this_machine_unless_allowed() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        for local in ["127.0.0.1:8000", "[::1]:0", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check(address(local), false), Ok(()), "{local}");
        }
        for public in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:80"] {
            assert_eq!(check(address(public), false), Err(PublicDemo(address(public))));
            assert_eq!(check(address(public), true), Ok(()));
        }
    }

    #[test]
    fn the_introduction_names_everybody() {
        let text = introduction("http://127.0.0.1:8000");
        assert!(CAST.iter().all(|user| text.contains(user.email)) && text.contains(PASSWORD), "{text}");
    }

    #[test]
    fn every_address_is_reached_at_this_machine() {
        let reached = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:8000"), "127.0.0.1:8000");
        assert_eq!(reached("[::]:8000"), "[::1]:8000");
        assert_eq!(reached("192.0.2.1:1"), "192.0.2.1:1");
    }
}
