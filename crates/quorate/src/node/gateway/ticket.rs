//! A request under way, as its client holds it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::{mpsc, oneshot};

use super::answer::{Answer, AskError};
use super::driver::Ask;

/// The answer to one request, as a future. Dropping it before the answer is
/// there cancels the request.
#[derive(Debug)]
pub struct Ticket {
    token: u64,
    answer: oneshot::Receiver<Result<Answer, AskError>>,
    /// Weak, as a gateway ends with its handle, whoever still waits.
    asks: mpsc::WeakUnboundedSender<Ask>,
    ended: bool,
}

impl Ticket {
    pub(super) fn new(
        token: u64,
        answer: oneshot::Receiver<Result<Answer, AskError>>,
        asks: mpsc::WeakUnboundedSender<Ask>,
    ) -> Ticket {
        Ticket { token, answer, asks, ended: false }
    }

    /// Cancels the request, as dropping the ticket does.
    pub fn cancel(self) {}
}

impl Future for Ticket {
    type Output = Result<Answer, AskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        self.ended = true;
        Poll::Ready(answer.unwrap_or(Err(AskError::Ended)))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(asks) = self.asks.upgrade()
            && !self.ended
        {
            // A gateway that has ended has forgotten the request already.
            let _ = asks.send(Ask::Cancel { token: self.token });
        }
    }
}
