//! Learns of what other coordinators change: a connection that listens, and a look now and then in case it is deaf.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;

use super::super::StoreError;
use super::session::CHANNEL;
use super::{Inner, in_time};

/// Listens for ever, over as many connections as it takes.
pub(super) async fn listen(inner: Arc<Inner>) {
    loop {
        if let Err(error) = listen_once(&inner).await {
            tracing::warn!(%error, "changes of other coordinators are not heard of; trying again");
        }
        tokio::time::sleep(RETRY_PERIOD).await;
    }
}

/// Listens until the connection ends.
async fn listen_once(inner: &Inner) -> Result<(), StoreError> {
    let (client, mut connection) =
        in_time(async { Ok(inner.server.config.connect(inner.server.tls.clone()).await?) }).await?;
    let hint = Arc::new(Notify::new());
    let hinted = Arc::clone(&hint);
    let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
    let heard = async move {
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(_) = message? {
                hinted.notify_one();
            }
        }
        Err(StoreError::unavailable("the connection was closed"))
    };
    let looked = async {
        in_time(async { Ok(client.batch_execute(&format!("LISTEN {CHANNEL}")).await?) }).await?;
        loop {
            // once before the first hint: what changed before now was not heard of
            inner.refresh().await?;
            let _hinted = tokio::time::timeout(LOOK_PERIOD, hint.notified()).await;
        }
    };
    tokio::select! {
        ended = heard => ended,
        ended = looked => ended,
    }
}

const RETRY_PERIOD: Duration = Duration::from_secs(1);
const LOOK_PERIOD: Duration = Duration::from_secs(10);
