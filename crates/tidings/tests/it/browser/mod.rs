//! The dashboard of a running hub, in a real headless Chromium.
//!
//! - `live`: an update published with curl, from the page's form, by the demo
//! - `resume`: a cut connection, a killed hub
//! - `refusal`: no place free, no token
//! - `page`: the dashboard as its reader sees it
//! - `window`: any page in a browser; `chromium`: the browser and its driver
//! - `hub`: the program with a hub in it
//! - `line`: a connection that can be cut
//! - `program`: a program that ends with its test

#[path = "../../support/chromium.rs"]
mod chromium;
pub(crate) mod hub;
mod line;
mod live;
mod page;
#[path = "../../support/program.rs"]
mod program;
mod refusal;
mod resume;
#[path = "../../support/window.rs"]
mod window;
