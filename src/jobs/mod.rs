//! What runs by the clock, one file a job.

pub mod announcements;
pub mod deadlines;
pub mod pushes;
pub mod transfers;

use std::pin::pin;
use std::time::Duration;

use crate::services::error::ServiceError;

/// Does a job again and again until `stop` resolves: at once while there is more to do, which `pass` answers, and every
/// `period` otherwise. A pass that fails is logged, with what that means for now, and done again.
async fn repeat<F>(
    stop: impl Future<Output = ()>,
    period: Duration,
    meanwhile: &str,
    mut pass: impl FnMut() -> F,
) where
    F: Future<Output = Result<bool, ServiceError>>,
{
    let mut stop = pin!(stop);
    loop {
        let pause = match pass().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => period,
            Err(error) => {
                log::warn!("{meanwhile}: {error}");
                period
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
