//! Connections to the store. None has a task of its own: who sends a request drives its connection, and who reads the answer
//! goes on with it, so that no piece of a body is handed from one task to another.
//!
//! A connection whose answer was read to its end waits for the next request to its host, [`Pool::idle_max`] of them for at
//! most [`Pool::idle_timeout`]; one that is left in the middle of an answer is closed.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::{Authority, Uri};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use tower_service::Service as _;

use super::connector::Connector;
use super::outgoing::SendBody;
use super::settings::Pool;
use crate::backend::BodyError;

/// All connections to a store.
pub(super) struct Connections {
    connector: Connector,
    idle: Arc<Idle>,
}

/// A request without an answer.
pub(super) enum SendError {
    /// no connection was made
    Connect(BodyError),
    /// the connection broke
    Broken(hyper::Error),
}

impl Connections {
    /// None yet.
    pub(super) fn new(connector: Connector, pool: Pool) -> Self {
        let idle = Arc::new(Idle { pool, waiting: Mutex::default() });
        tokio::spawn(watch(Arc::downgrade(&idle), (pool.idle_timeout / 4).clamp(LOOK_MIN, LOOK_MAX)));
        Self { connector, idle }
    }

    /// Sends a request whose URI is absolute; the answer's body is still to be read.
    ///
    /// A connection that waited and was closed before it took the request is passed over.
    pub(super) async fn send(&self, mut request: Request<SendBody>) -> Result<Response<AnswerBody>, SendError> {
        let server = std::mem::take(request.uri_mut());
        let host = server.authority().cloned().ok_or_else(|| SendError::Connect(NoHost.into()))?;
        if let Some(target) = server.path_and_query() {
            *request.uri_mut() = Uri::from(target.clone());
        }
        while let Some(link) = self.idle.take(&host) {
            match link.exchange(request).await {
                Ok((response, link)) => return Ok(self.answered(host, response, link)),
                Err(mut error) => match error.take_message() {
                    Some(untouched) => request = untouched,
                    None => return Err(SendError::Broken(error.into_error())),
                },
            }
        }
        let link = self.connected(server).await?;
        match link.exchange(request).await {
            Ok((response, link)) => Ok(self.answered(host, response, link)),
            Err(error) => Err(SendError::Broken(error.into_error())),
        }
    }

    fn answered(&self, host: Authority, response: Response<Incoming>, link: Box<Link>) -> Response<AnswerBody> {
        let idle = Arc::clone(&self.idle);
        response.map(|body| AnswerBody { body, is_ended: false, link: Some(link), host, idle })
    }

    async fn connected(&self, server: Uri) -> Result<Box<Link>, SendError> {
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await.map_err(SendError::Connect)?;
        let transport = connector.call(server).await.map_err(SendError::Connect)?;
        let mut http = http1::Builder::new();
        let (sender, driver) = http.max_buf_size(BUFFER_BYTES).handshake(transport).await.map_err(SendError::Broken)?;
        Ok(Box::new(Link { sender, driver: Some(driver) }))
    }
}

/// What a connector makes.
type Transport = <Connector as tower_service::Service<Uri>>::Response;

/// One connection.
struct Link {
    sender: SendRequest<SendBody>,
    /// what moves bytes; none once the connection has ended
    driver: Option<Connection<Transport, SendBody>>,
}

impl Link {
    /// Sends a request and waits for the head of its answer. An error has the request again if nothing of it was sent.
    async fn exchange(
        mut self: Box<Self>,
        request: Request<SendBody>,
    ) -> Result<(Response<Incoming>, Box<Self>), TrySendError<Request<SendBody>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let answer = poll_fn(|context| {
            drive(&mut self.driver, context);
            answer.as_mut().poll(context)
        })
        .await?;
        Ok((answer, self))
    }

    /// Whether it takes another request now.
    fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        drive(&mut self.driver, context);
        self.driver.is_some() && matches!(self.sender.poll_ready(context), Poll::Ready(Ok(())))
    }
}

/// Moves what can be moved.
fn drive(driver: &mut Option<Connection<Transport, SendBody>>, context: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(context).is_ready()
    {
        // how it ended is told to who waits for the answer or reads it
        *driver = None;
    }
}

/// The body of an answer, and the connection that it comes by.
pub(super) struct AnswerBody {
    body: Incoming,
    is_ended: bool,
    /// none once it is given back
    link: Option<Box<Link>>,
    host: Authority,
    idle: Arc<Idle>,
}

impl AnswerBody {
    /// Nobody but the connection brings bytes, and it wakes whoever drives it.
    fn poll_body(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop())));
        self.is_ended = frame.is_none();
        Poll::Ready(frame)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = self.poll_body() {
            return Poll::Ready(frame);
        }
        if let Some(link) = &mut self.link {
            drive(&mut link.driver, context);
        }
        self.poll_body()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    /// Keeps the connection if the answer is at its end, or what is left of it is here and little.
    fn drop(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        for _ in 0..LEFT_FRAMES_MAX {
            if self.is_ended || self.body.is_end_stream() {
                break;
            }
            if !matches!(Pin::new(&mut *self).poll_frame(context), Poll::Ready(Some(Ok(_)) | None)) {
                return;
            }
        }
        if (self.is_ended || self.body.is_end_stream())
            && let Some(mut link) = self.link.take()
            && link.is_free(context)
        {
            self.idle.put(self.host.clone(), link);
        }
    }
}

/// Connections that wait for a request.
struct Idle {
    pool: Pool,
    waiting: Mutex<HashMap<Authority, Vec<Waiting>>>,
}

struct Waiting {
    link: Box<Link>,
    since: Instant,
}

impl Waiting {
    /// Whether the store has not closed it, as far as is known here.
    fn is_open(&mut self) -> bool {
        self.link.is_free(&mut Context::from_waker(Waker::noop()))
    }
}

impl Idle {
    /// The one that was used last, so that those which are not needed end. Whether the store closed it shows when it is
    /// used.
    fn take(&self, host: &Authority) -> Option<Box<Link>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get_mut(host)?.pop()?;
        (waiting.since.elapsed() < self.pool.idle_timeout).then_some(waiting.link)
    }

    fn put(&self, host: Authority, link: Box<Link>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiting.entry(host).or_default();
        if waiting.len() < usize::try_from(self.pool.idle_max).unwrap_or(usize::MAX) {
            waiting.push(Waiting { link, since: Instant::now() });
        }
    }

    /// Closes what waited for too long or was closed by the store.
    fn look(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, links| {
            links.retain_mut(|waiting| waiting.since.elapsed() < self.pool.idle_timeout && waiting.is_open());
            !links.is_empty()
        });
    }
}

/// Looks after connections that wait, for as long as there is somebody to use them.
async fn watch(idle: Weak<Idle>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(idle) = idle.upgrade() else { return };
        idle.look();
    }
}

/// A request to nowhere.
#[derive(Debug, thiserror::Error)]
#[error("an endpoint without a host")]
struct NoHost;

/// Of a connection: read at once, and as much waiting to be sent.
const BUFFER_BYTES: usize = 128 * 1024;
/// of an answer that is left before its end, as many pieces are read if they are here
const LEFT_FRAMES_MAX: usize = 4;
const LOOK_MIN: Duration = Duration::from_millis(100);
const LOOK_MAX: Duration = Duration::from_secs(5);
