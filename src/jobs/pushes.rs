//! Sends pushes, on a thread of its own: encryption takes its time, and others serve sockets.

use std::pin::pin;

use tokio::runtime;
use tokio::sync::oneshot;

use crate::services::app::App;
use crate::services::push;

/// Runs until `stop` resolves and what is on its way has arrived. When it is dropped before that, the thread ends at once.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let (alive, dropped) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel::<()>();
    let (over, mut is_over) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("pushes".into()).spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(async {
                    let stop = async {
                        // Whoever could tell is gone: so is the reason to go on.
                        let _ = told.await;
                    };
                    tokio::select! {
                        () = push::run(app, stop) => {}
                        _ = dropped => {}
                    }
                });
                // A name that is being looked up keeps nobody waiting.
                runtime.shutdown_background();
            }
            Err(error) => log::error!("pushes are not sent: {error}"),
        }
        // Nobody waits when the server was dropped.
        let _ = over.send(());
    });
    if let Err(error) = thread {
        return log::error!("pushes are not sent: {error}");
    }
    let mut stop = pin!(stop);
    tokio::select! {
        () = &mut stop => {}
        _ = &mut is_over => return,
    }
    // It has ended by itself otherwise.
    let _ = tell.send(());
    let _ = is_over.await;
    drop(alive);
}
