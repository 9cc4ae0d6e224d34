//! Sessions that come and go, all day long.

use futures_util::future::join_all;

use super::slow_reader::memory_of;
use super::stage::{Stage, kill};
use crate::support::Socket;

/// Sessions that are there at once.
const AT_ONCE: usize = 250;
/// How often they come and go.
const ROUNDS: usize = 16;
/// What a process may have more after that, bytes: less than if each left its lane and its mailbox behind.
const NOISE: u64 = 3 * 1024 * 1024 + 512 * 1024;

#[actix_web::test]
async fn sessions_that_have_ended_leave_nothing_behind() {
    let (stage, cast) = Stage::new(1, &[]).await;
    let (process, user) = (stage.serve().await, &cast.customers[0]);
    let bearer = format!("Bearer {}", user.token);
    let headers = [("Authorization", bearer.as_str())];
    let come_and_go = async || {
        let open = async || {
            let mut socket =
                Socket::open(process.address, "/ws/notifications/", &headers).await.expect("open");
            socket.expect("unread_count").await;
            socket
        };
        let sockets = join_all((0..AT_ONCE).map(|_| open())).await;
        join_all(sockets.into_iter().map(Socket::close)).await;
    };
    // The first ones fill pools and caches.
    for _ in 0..4 {
        come_and_go().await;
    }
    // Pools grow once where a moment of the machine lets much wait at a time; what is left behind is so each time.
    let mut grown = Vec::new();
    while grown.last().is_none_or(|grown| *grown >= NOISE) && grown.len() < 3 {
        let before = memory_of(process.id());
        for _ in 0..ROUNDS {
            come_and_go().await;
        }
        grown.push(memory_of(process.id()).saturating_sub(before));
        eprintln!("{grown:?} bytes more after each {} sessions", AT_ONCE * ROUNDS);
    }
    assert!(grown.last().is_some_and(|grown| *grown < NOISE), "{grown:?}");
    kill(process).await;
}
