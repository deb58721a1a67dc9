//! The routes of each listener.
//!
//! | | TCP | control socket |
//! | --- | --- | --- |
//! | health, status, metrics | from what the loop left behind | by asking the loop |
//! | `/v1`, reading | not before there are tokens | yes |
//! | `/v1`, acting | no | yes |

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::probes::{self, PATHS, Source};
use crate::control::{self, Api};
use crate::service::View;
use crate::service::heartbeat::Heartbeat;

/// The routes for anybody who reaches the address.
pub(super) fn on_tcp(view: View) -> Router {
    complete(probes::routes(Source::View(Arc::new(view))), PATHS.to_owned())
}

/// The routes for root and the service's own user. Every response identifies the service.
pub fn on_socket(heartbeat: Heartbeat, api: Api) -> Router {
    let probes = probes::routes(Source::Loop(heartbeat, api.service().clone()));
    let routes = probes.merge(control::reading(api.clone())).merge(control::acting(api.clone()));
    api.sign(complete(routes, format!("{PATHS}\n{}", control::index())))
}

/// Completes the routes: all paths at `/`, and errors in JSON.
fn complete(routes: Router, paths: String) -> Router {
    let index = format!("downbeat {}\n\n{paths}", env!("CARGO_PKG_VERSION"));
    routes
        .route("/", get(async move || index))
        .fallback(control::not_found)
        .method_not_allowed_fallback(control::method_not_allowed)
}
