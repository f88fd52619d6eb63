//! The listener: connections, their bounds, and the clean end.
//!
//! Invocations go straight to the pipeline; everything else is the control plane's router.

mod flushed;
mod lingering;
mod timer;

use crate::arriving::Arriving;
use crate::context::RequestContext;
use crate::error::RequestError;
use crate::limits;
use crate::pipeline::{AnswerBody, Pipeline};
use crate::routing;
use axum::Router;
use flushed::Flushed;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use lingering::Lingering;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timer::ConnectionTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower_service::Service;

type Body = Flushed<Either<AnswerBody, axum::body::Body>>;

/// What a connection is served with.
#[derive(Clone)]
pub struct Server {
    pub pipeline: Arc<Pipeline>,
    pub control: Router,
}

impl Server {
    /// Serves until `stop` comes; then takes no new work, and returns when what runs has ended, or after the grace. Answers
    /// when that ends.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) -> Instant {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(limits::MAX_CONNECTIONS));
        let mut builder = http1::Builder::new();
        builder.header_read_timeout(limits::HEADER_TIMEOUT).max_buf_size(limits::HEAD_SIZE);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = &mut stop => break,
            };
            let Some((stream, place)) = accepted else { continue };
            let server = self.clone();
            let service = service_fn(move |request| server.clone().answer(request));
            builder.timer(ConnectionTimer::default());
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(Lingering::new(stream)), service));
            #[expect(clippy::disallowed_methods, reason = "a connection is the root of its requests' work")]
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection broke");
                }
                drop(place);
            });
        }
        drop(listener);
        tracing::info!("stopping: no new work is taken");
        let end = Instant::now() + limits::SHUTDOWN_GRACE;
        if tokio::time::timeout_at(end.into(), graceful.shutdown()).await.is_err() {
            tracing::warn!("what still runs after {} s is ended", limits::SHUTDOWN_GRACE.as_secs());
        }
        end
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let context = RequestContext::new();
        // A panic is a defect of ours: it ends this request, and no other.
        let answered = AssertUnwindSafe(self.dispatch(Arriving::of(request), context)).catch_unwind().await;
        Ok(answered.unwrap_or_else(|_| {
            let error = RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed");
            let answer = error.respond(None, context.started.elapsed());
            answer.map(|bytes| Flushed::new(Either::Left(Either::Left(Full::new(bytes)))))
        }))
    }

    async fn dispatch(mut self, request: Request<Arriving>, context: RequestContext) -> Response<Body> {
        let uri = request.uri().clone();
        match routing::invocation(uri.path()) {
            Some(route) => {
                self.pipeline.serve(request, route, context).await.map(|body| Flushed::new(Either::Left(body)))
            }
            None => {
                let request = request.map(axum::body::Body::new);
                match Service::call(&mut self.control, request).await {
                    Ok(response) => response.map(|body| Flushed::new(Either::Right(body))),
                    Err(never) => match never {},
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // Past the bound, clients wait in the kernel's queue.
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // Out of file descriptors, most likely: asking again at once would only burn the CPU.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
