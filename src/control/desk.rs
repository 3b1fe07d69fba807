//! The desk: which handler answers which request. It checks who asks before a handler hears of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Error as JsonError;

use super::ask::{Ask, Needs};
use super::call::{Call, Wire};
use super::failure::{Class, Failure};
use super::frame::{Frame, Kind};
use crate::staff::Caller;

/// Answers one kind of request. A room's handler lives in a file of its own.
///
/// A handler that was begun is never dropped half-way: when the client goes, sending a row fails with
/// [`Class::Gone`] and [`Call::gone`] returns, and the handler ends by itself.
pub trait Handle<A: Ask>: Send + Sync + 'static {
    /// Answers it.
    fn handle(
        &self,
        ask: A,
        call: &mut Call<A>,
    ) -> impl Future<Output = Result<A::Answer, Failure>> + Send;
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Frame, Failure>> + Send + 'a>>;

/// A handler without its types.
trait Counter: Send + Sync {
    fn needs(&self) -> Needs;
    fn body(&self) -> bool;
    fn answer<'a>(&'a self, with: &'a [u8], wire: Wire) -> Answering<'a>;
}

struct Typed<A, H>(Arc<H>, std::marker::PhantomData<fn() -> A>);

impl<A: Ask, H: Handle<A>> Counter for Typed<A, H> {
    fn needs(&self) -> Needs {
        A::NEEDS
    }

    fn body(&self) -> bool {
        A::BODY
    }

    fn answer<'a>(&'a self, with: &'a [u8], wire: Wire) -> Answering<'a> {
        Box::pin(async move {
            let ask: A = serde_json::from_slice(with).map_err(|error| bad_fields::<A>(&error))?;
            let mut call = Call::new(wire);
            let answer = self.0.handle(ask, &mut call).await?;
            Frame::json(Kind::Answer, &answer).map_err(|error| {
                Failure::from_error(
                    Class::Failed,
                    format!("can't answer \"{}\"", A::NAME),
                    &error,
                )
            })
        })
    }
}

fn bad_fields<A: Ask>(error: &JsonError) -> Failure {
    // serde's text may quote what was sent, and what was sent may be an address: only its kind and place are told.
    Failure::misuse(
        format!("can't read the request \"{}\"", A::NAME),
        format!(
            "its fields don't fit ({:?} error in column {})",
            error.classify(),
            error.column()
        ),
        "use the hustings command of the same version as the daemon",
    )
}

/// All handlers, by the names of their requests.
#[derive(Default, Clone)]
pub struct Desk {
    counters: BTreeMap<&'static str, Arc<dyn Counter>>,
}

impl Desk {
    /// A desk that answers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets this handler answer requests of type `A`.
    pub fn on<A: Ask, H: Handle<A>>(mut self, handler: &Arc<H>) -> Self {
        let typed = Typed::<A, H>(handler.clone(), std::marker::PhantomData);
        self.counters.insert(A::NAME, Arc::new(typed));
        self
    }

    /// The requests of the command line that nobody here answers.
    pub fn unanswered(&self) -> Vec<&'static str> {
        super::api::ALL
            .iter()
            .copied()
            .filter(|name| !self.counters.contains_key(name))
            .collect()
    }

    /// Whether a body follows this request; `None` if nobody answers it.
    pub(super) fn takes_body(&self, name: &str) -> Option<bool> {
        self.counters.get(name).map(|counter| counter.body())
    }

    /// Answers a request.
    pub(super) async fn answer(
        &self,
        name: &str,
        with: &[u8],
        wire: Wire,
    ) -> Result<Frame, Failure> {
        let Some(counter) = self.counters.get(name) else {
            return Err(unknown(name));
        };
        may_ask(&wire.caller, counter.needs(), name)?;
        counter.answer(with, wire).await
    }
}

fn unknown(name: &str) -> Failure {
    // While the vault is locked the desk has few handlers; the server says so before it comes here.
    let known = super::api::ALL.contains(&name);
    let shown = if known { name } else { "?" };
    Failure::failed(
        format!("can't do \"{shown}\""),
        if known {
            "this daemon has no part that answers it"
        } else {
            "this daemon doesn't know the request"
        },
        "use the hustings command of the same version as the daemon",
    )
}

fn may_ask(caller: &Caller, needs: Needs, name: &str) -> Result<(), Failure> {
    let allowed = match needs {
        Needs::Nobody => Ok(()),
        Needs::Staff => caller.actor().map(drop),
        Needs::Role(role) => caller.require(role).map(drop),
    };
    allowed.map_err(|error| {
        Failure::from_error(Class::Refused, format!("can't do \"{name}\""), &error)
    })
}
