//! How an invoker ends: finish what somebody waits for, hand back the rest, leave nothing behind.

use std::time::Duration;

use super::Invoker;
use crate::container_task::Mail;
use crate::pool::PoolEvent;

impl Invoker {
    /// Ends; what runs has `running` to do so.
    pub(super) async fn drain(&mut self, running: Duration) {
        self.is_draining = true;
        self.tell_pool(PoolEvent::Draining);
        let flush = self.context.config.flush_grace;
        let ended = self
            .turn_until(running, |it| it.held == 0 && !it.pool.is_busy())
            .await;
        // What still waits is dropped, which hands it back to the bus.
        for member in self.members.values() {
            let order = if ended { Mail::Remove } else { Mail::Kill };
            // A closed mailbox means that it is going already.
            let _ = member.mailbox.try_send(order);
        }
        let done = |it: &Self| it.members.is_empty() && it.tasks.is_empty();
        // A store that refuses records was tried while others ran: it gets less time to think better of it.
        let is_refused = *self.stuck.borrow() > 0;
        let patience = if is_refused { flush / 2 } else { flush };
        if !self.turn_until(patience, done).await {
            tracing::error!("records given up at shutdown");
            self.context.give_up();
            self.turn_until(flush, done).await;
        }
        self.tasks.abort_all();
    }

    /// Goes on without new deliveries until a condition holds; false if it does not in time.
    async fn turn_until(&mut self, time: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let clock = self.context.clock.clone();
        let deadline = clock.now() + time;
        let mut timeout = std::pin::pin!(async move { clock.sleep_until(deadline).await });
        let mut alarm = None;
        while !holds(self) {
            self.set(&mut alarm);
            tokio::select! {
                biased;
                () = &mut timeout => return false,
                _ = self.turn(&mut alarm, None) => {}
            }
        }
        true
    }
}
