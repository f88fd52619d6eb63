//! The whole path of an invocation, top to bottom: authenticate → route → admit → lease → invoke → record.
//!
//! Each stage takes what the one before gave. What a stage holds for an invocation, it holds until the answer's last
//! byte: permits travel with the response.

mod call;
mod operation;
pub mod request;
mod stream;

use crate::arriving::Arriving;
use crate::auth::{Right, Tokens};
use crate::context::RequestContext;
use crate::error::RequestError;
use crate::host_api::input::Unread;
use crate::host_api::log::Log;
use crate::host_api::{Invocation, Stage};
use crate::instance::pool::Pools;
use crate::invoke::event;
use crate::invoke::proxy::ProxyBody;
use crate::limits::ServerLimits;
use crate::record::Counters;
use crate::routing::{Route, Style};
use crate::workspace::admission::{Admission, Gates, Origin};
use crate::workspace::registry::Registry;
use bytes::{BufMut, Bytes, BytesMut};
use call::Callable;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use request::{Bodies, Input};
use std::sync::Arc;
use std::time::Instant;
use stream::{Answered, Framing, StreamBody};

/// The body of an answer: whole, or as a component or a function produces it.
pub type AnswerBody = Either<Full<Bytes>, Either<ProxyBody, StreamBody>>;

/// All that an invocation passes through.
pub struct Pipeline {
    pub tokens: Tokens,
    pub registry: Arc<Registry>,
    pub gates: Gates,
    pub pools: Arc<Pools>,
    pub counters: Counters,
    pub bodies: Bodies,
    pub limits: ServerLimits,
}

impl Pipeline {
    /// Answers an invocation, whatever comes of it.
    pub async fn serve(
        self: &Arc<Self>,
        request: Request<Arriving>,
        route: Route<'_>,
        context: RequestContext,
    ) -> Response<AnswerBody> {
        let mut log = None;
        let answered = self.invoke(request, &route, context, &mut log).await;
        let mut response = answered.unwrap_or_else(|error| {
            if log.is_none() {
                self.counters.refused();
            }
            error.respond(log.as_deref(), context.started.elapsed()).map(whole)
        });
        if let Ok(id) = HeaderValue::from_str(context.id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
        {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }

    async fn invoke(
        self: &Arc<Self>,
        request: Request<Arriving>,
        route: &Route<'_>,
        context: RequestContext,
        log: &mut Option<Arc<Log>>,
    ) -> Result<Response<AnswerBody>, RequestError> {
        let identity = self.tokens.identify(request.headers())?;
        identity.allow(Right::Invoke, route.workspace)?;
        request::check_method(&request, route)?;
        let live = self.registry.get(route.workspace).await?;
        let as_it_arrives = route.style == Style::Http && live.deployment.reads_as_it_arrives(route.function);
        let input = self.bodies.read(request, route.style, self.tokens.is_open(), as_it_arrives).await?;

        let began = Instant::now();
        let admission = self.gates.admit(live, route.function, Origin::Outside).await?;
        let limits = admission.function.grants.limits;
        let log: &Arc<Log> = log.insert(Arc::new(Log::new(limits.log_size)));
        let invocation = Invocation {
            stage: Stage::Call,
            id: context.id,
            deadline: began + limits.timeout,
            depth: 0,
            caller: identity.name(),
            log: log.clone(),
            callee: Some(Arc::new(Callable { pipeline: self.clone(), live: admission.live.clone() })),
            input: None,
            output: None,
        };
        match route.style {
            Style::Run => match Framing::asked_for(&input.head.headers) {
                None => {
                    let record = self.counters.begin(context, route.workspace, route.function);
                    let result = self.run(&admission, input, invocation).await;
                    record.end(result.as_ref().err().map_or("ok", |error| error.code));
                    Ok(result_of_run(&result?, log, context))
                }
                Some(framing) => {
                    let event = input.parameters()?;
                    match self.stream(admission, event, invocation, context, framing).await? {
                        Answered::Result(result) => Ok(framing.only(result, log, context).map(whole)),
                        Answered::Stream(response) => Ok(response.map(|body| Either::Right(Either::Right(body)))),
                    }
                }
            },
            Style::Http if let Some(operation) = admission.operation() => {
                let message = format!(
                    "`{}` is an operation: call it by `run`, or its app at the path {} below …/http/{}",
                    route.function, operation.path, admission.function.grants.function
                );
                Err(RequestError::new(StatusCode::BAD_REQUEST, "bad_request", message))
            }
            Style::Http => self.http(admission, input, invocation, route, context).await,
        }
    }

    async fn run(
        self: &Arc<Self>,
        admission: &Admission,
        input: Input,
        invocation: Invocation,
    ) -> Result<String, RequestError> {
        Ok(self.call(admission, input.parameters()?, invocation).await??)
    }

    async fn http(
        self: &Arc<Self>,
        admission: Admission,
        mut input: Input,
        mut invocation: Invocation,
        route: &Route<'_>,
        context: RequestContext,
    ) -> Result<Response<AnswerBody>, RequestError> {
        if admission.function.program.speaks_http() {
            let record = self.counters.begin(context, route.workspace, route.function);
            let answered = self.forward(admission, input, invocation, route.rest).await;
            record.end(answered.as_ref().err().map_or("ok", |error| error.code));
            return Ok(answered?.map(|body| Either::Right(Either::Left(body))));
        }
        let event = event::of_request(&input.head, route.rest, &input.body, invocation.id);
        invocation.input = input.rest.take().map(|body| Arc::new(Unread::new(body)));
        match self.stream(admission, event, invocation, context, Framing::Bytes).await? {
            Answered::Result(result) => Ok(event::answer(result)?.map(whole)),
            Answered::Stream(response) => Ok(response.map(|body| Either::Right(Either::Right(body)))),
        }
    }
}

/// The answer of `run`, put together around the result's own text.
fn result_of_run(result: &str, log: &Log, context: RequestContext) -> Response<AnswerBody> {
    let mut body = BytesMut::with_capacity(result.len() + 64);
    body.put_slice(br#"{"result":"#);
    body.put_slice(result.as_bytes());
    body.put_slice(br#","logs":"#);
    let mut logs = Vec::new();
    log.append_json(&mut logs);
    body.put_slice(&logs);
    // Rust writes the shortest digits that read back as the same number.
    body.put_slice(format!(r#","duration":{}}}"#, context.elapsed_ms()).as_bytes());
    let mut response = Response::new(whole(body.freeze()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn whole(bytes: Bytes) -> AnswerBody {
    Either::Left(Full::new(bytes))
}
