//! Who a call to a store is made for, and who is told how it went.
//!
//! The id of the client's request goes along with the task that serves it, so that nothing between has to carry it: a
//! backend that speaks to others sends it, and their logs can be joined with ours.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

tokio::task_local! {
    static ORIGIN: Arc<str>;
}

/// Runs `work` on behalf of the client's request `id`, letters and digits.
pub async fn on_behalf_of<T>(id: Arc<str>, work: impl Future<Output = T>) -> T {
    ORIGIN.scope(id, work).await
}

/// The id of the request that is being served, if there is one.
#[must_use]
pub fn origin() -> Option<Arc<str>> {
    ORIGIN.try_with(Arc::clone).ok()
}

/// The same work on behalf of the same request, wherever it goes on.
pub async fn continued<T>(origin: Option<Arc<str>>, work: impl Future<Output = T>) -> T {
    match origin {
        Some(id) => on_behalf_of(id, work).await,
        None => work.await,
    }
}

/// Is told of calls to a store.
pub trait CallObserver: Send + Sync {
    /// One attempt of a call ended: its name in the S3 API, the status of the answer or none if there was none, and how
    /// long it took to the head of the answer.
    fn answered(&self, operation: &'static str, status: Option<u16>, took: Duration);

    /// What the header `traceparent` of a request is to say, if it is part of a trace.
    fn trace_parent(&self) -> Option<HeaderValue>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_goes_on_elsewhere_keeps_its_origin() {
        assert_eq!(origin(), None);
        let kept = on_behalf_of("ID".into(), async { origin() }).await;
        assert_eq!(kept.as_deref(), Some("ID"));
        let elsewhere = tokio::spawn(continued(kept, async { origin() })).await.unwrap();
        assert_eq!(elsewhere.as_deref(), Some("ID"));
        assert_eq!(continued(None, async { origin() }).await, None);
    }
}
